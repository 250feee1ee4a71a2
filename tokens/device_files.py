"""The file `certsips.json` for an app on a device; the gateway, which knows the TLS door, says how it is made."""

from collections.abc import Callable

from portal.refusal import Refusal

Maker = Callable[[], str]

_makers: list[Maker] = []


def makes_certsips(maker: Maker) -> Maker:
    """Register what makes the file, anew at each call; it refuses while the door's certificate does not fit."""
    _makers.append(maker)
    return maker


def certsips() -> str | None:
    """The file; None while it cannot be made, so that an app token is shown all the same."""
    try:
        return _makers[-1]() if _makers else None
    except Refusal:
        return None
