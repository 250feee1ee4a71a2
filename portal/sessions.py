"""Sessions of people: how long they last, and whether the password is fresh enough for what is grave."""

import time
from typing import Any

from django.contrib.auth import authenticate, login
from django.http import HttpRequest

from portal import throttle
from portal.models import User
from portal.refusal import Refusal
from portal.text import hidden_character

IDLE = 30 * 60
ABSOLUTE = 12 * 3600
FRESH = 10 * 60
NOTED_EVERY = 60
POLL_HEADER = "X-Gatehouse-Poll"


class WrongPassword(Refusal):
    """One sentence for an unknown name and a wrong password, so that it tells nothing about who exists."""

    status, code = 403, "wrong_password"

    def __init__(self, sentence: str = "The name or the password is wrong; check both and try again.") -> None:
        super().__init__(sentence)


def begin(request: HttpRequest, name: str, password: str) -> User:
    """Log a person in under a new session id. Wrong tries make this address wait, longer each time."""
    user = _checked(request, name, password)
    if user is None:
        raise WrongPassword
    login(request, user)
    now = int(time.time())
    request.session.update({"began": now, "seen": now, "password_at": now})
    return user


def goes_on(request: HttpRequest) -> bool:
    """Whether the session has been neither idle for 30 minutes nor lasted 12 hours. Polling pages are not activity."""
    now, session = int(time.time()), request.session
    if now - session.get("began", 0) > ABSOLUTE or now - session.get("seen", 0) > IDLE:
        return False
    if now - session["seen"] >= NOTED_EVERY and POLL_HEADER not in request.headers:
        session["seen"] = now
    return True


def is_fresh(request: HttpRequest) -> bool:
    """Whether the person has given the password within the last ten minutes."""
    given: int = request.session.get("password_at", 0)
    return int(time.time()) - given <= FRESH


def confirm(request: HttpRequest, password: str) -> None:
    """Make the session fresh, or refuse; needed before a token is created and the like."""
    if is_fresh(request):
        return
    user: Any = request.user
    if not password or _checked(request, user.username, password) is None:
        raise WrongPassword("Type your own password to confirm this; it was not right.")
    request.session["password_at"] = int(time.time())


def _checked(request: HttpRequest, name: str, password: str) -> User | None:
    address, account = request.META.get("REMOTE_ADDR", ""), f"person {name.lower()}"
    throttle.check(address, account)
    # Nobody's name holds such a character, and PostgreSQL takes no NUL.
    user = None if hidden_character(name) else authenticate(request, username=name, password=password)
    if user is None:
        throttle.failed(address, account)
        return None
    throttle.succeeded(address, account)
    return user
