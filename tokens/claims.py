"""What the claims of a JWT must say so that it is good now, for this audience."""

from typing import Any


def are_good(claims: Any, *, audience: str, issuer: str, leeway: int, now: float) -> bool:
    """Whether these are claims of ours for this audience, and neither expired nor of a time to come.

    `iss`, `aud`, `exp`, `iat` and `jti` are demanded; clocks may differ by `leeway` seconds. Moments are whole seconds:
    text, fractions and `true` are none.
    """
    if not isinstance(claims, dict):
        return False
    issued, not_before, expires = claims.get("iat"), claims.get("nbf", 0), claims.get("exp")
    if type(issued) is not int or type(not_before) is not int or type(expires) is not int:
        return False
    return (
        max(issued, not_before) <= now + leeway
        and expires > now - leeway
        and claims.get("iss") == issuer
        and audience in _audiences(claims.get("aud"))
        and isinstance(claims.get("jti"), str)
        and isinstance(claims.get("sub", ""), str)
    )


def copied(claims: dict[str, Any]) -> dict[str, Any]:
    """The claims for somebody who may change them; of what stands in them, lists are all that could be."""
    return {name: list(value) if isinstance(value, list) else value for name, value in claims.items()}


def _audiences(named: Any) -> list[str]:
    """One audience or several; none, where anything in it is no text."""
    if isinstance(named, str):
        return [named]
    return named if isinstance(named, list) and all(isinstance(one, str) for one in named) else []
