"""Proof by a second factor: who has given the password and is waited for, and whether a code or a passkey is theirs."""

import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from portal import sealing, second_factor, second_factor_passkeys, throttle
from portal.models import User
from portal.refusal import Refusal

# So long after the password the second factor is waited for, in seconds.
WAITED_FOR = 5 * 60


class NobodyWaits(Refusal):
    """Whoever comes with a second factor has given no password, or too long ago."""

    status, code = 403, "nobody_waits"

    def __init__(self) -> None:
        super().__init__("Log in with your password first; the second factor must follow within five minutes.")


def wait(request: HttpRequest, person: User) -> None:
    """Begin a session in which nobody is logged in, and which knows whose password was given."""
    request.session.flush()
    request.session["waits"] = {"person": str(person.pk), "at": int(time.time()), "proof": _proof(person)}


def wait_no_more(request: HttpRequest) -> None:
    request.session.pop("waits", None)


def waited_for(request: HttpRequest) -> User:
    """The person whose second factor this session waits for; refused if there is none, or not any more."""
    told: dict[str, Any] = request.session.get("waits") or {}
    person = User.objects.filter(pk=told["person"], is_active=True).first() if told else None
    if person is None or not 0 <= int(time.time()) - told["at"] <= WAITED_FOR:
        raise NobodyWaits
    # Whose password was changed meanwhile begins anew.
    if not constant_time_compare(told["proof"], _proof(person)):
        raise NobodyWaits
    return person


def by_code(request: HttpRequest, person: User, typed: str) -> None:
    """Refuse unless this is a code of the person that was not used yet; wrong ones make this address wait."""
    address = request.META.get("REMOTE_ADDR", "")
    if not _passes(request, person, lambda: second_factor.accepts_or_counts(person, typed, address=address)):
        raise second_factor.WrongCode


def by_passkey(request: HttpRequest, person: User, answer: str) -> None:
    """Refuse unless the browser has answered with a passkey of the person."""
    if not _passes(request, person, lambda: second_factor_passkeys.accept(request, person, answer)):
        raise second_factor_passkeys.Unfit


def _passes(request: HttpRequest, person: User, proof: Callable[[], object]) -> bool:
    address, account = request.META.get("REMOTE_ADDR", ""), f"second factor of {person.pk}"
    throttle.check(address, account)
    if not proof():
        throttle.failed(address, account)
        return False
    throttle.succeeded(address, account)
    return True


def _proof(person: User) -> str:
    """What the password was, in a form that says nothing about it."""
    return sealing.mac("waiting", person.get_session_auth_hash().encode())
