"""Sessions of people: whose they are, how long they last, and whether the password is fresh enough for grave things."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, authenticate, login, update_session_auth_hash
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from portal import audit, outbox, sealing, throttle
from portal.actor import Actor
from portal.models import User
from portal.refusal import NotFound, Refusal
from portal.text import hidden_character

IDLE = 30 * 60
ABSOLUTE = 12 * 3600
FRESH = 10 * 60
NOTED_EVERY = 60
POLL_HEADER = "X-Gatehouse-Poll"
# A session does not say whose it is until it is decoded, so what a page shows of a person's is bounded.
MOST_LOOKED_AT = 2000


@dataclass(frozen=True)
class Lasting:
    """A session that lasts. `handle` names it on a page, where its key, as good as a password, never stands."""

    key: str
    handle: str
    began: datetime
    seen: datetime
    address: str


class Ended(NotFound):
    """The person has no such session, or has it no longer."""

    code = "session_not_found"


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
    came_from = request.META.get("REMOTE_ADDR", "")
    request.session.update({"began": now, "seen": now, "password_at": now, "address": came_from})
    return user


def goes_on(request: HttpRequest) -> bool:
    """Whether the session has been neither idle for 30 minutes nor lasted 12 hours. Polling pages are not activity."""
    now, session = int(time.time()), request.session
    if not _lasts(session, now):
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
    if not is_fresh(request):
        prove(request, password)


def prove(request: HttpRequest, password: str) -> None:
    """Refuse unless this is the person's password, however lately they gave it. Wrong tries make them wait."""
    user: Any = request.user
    if not password or _checked(request, user.username, password) is None:
        raise WrongPassword("Type your own password to confirm this; it was not right.")
    request.session["password_at"] = int(time.time())


def renew(request: HttpRequest) -> None:
    """Go on under a new id with a password just changed, which has ended every other session of the person."""
    update_session_auth_hash(request, request.user)  # type: ignore[arg-type]


def lasting(person: User) -> list[Lasting]:
    """The person's sessions that last, the latest seen first, among the 2000 of anybody that end last."""
    now = timezone.now()
    stored = Session.objects.filter(expire_date__gt=now).order_by("-expire_date")[:MOST_LOOKED_AT]
    own = [(session.session_key, facts) for session in stored if _is_of(person, facts := session.get_decoded())]
    found = [_told(key, facts) for key, facts in own if _lasts(facts, int(now.timestamp()))]
    return sorted(found, key=lambda session: session.seen, reverse=True)


def end(person: User, handle: str, *, by: Actor) -> None:
    """End one session of the person; its browser comes to the login with its next request."""
    keys = [session.key for session in lasting(person) if constant_time_compare(session.handle, handle)]
    with transaction.atomic():
        if not forget(keys):
            raise Ended("This session has ended already; the list shows those that last.")
        audit.record(by, "person.session_ended", ("person", person.username))
        outbox.put("person.session_ended", {"person": person.username, "by": str(by)})


def end_all(person: User, *, by: Actor) -> int:
    """End every session of the person and say how many there were."""
    keys = keys_of(person)
    with transaction.atomic():
        if ended := forget(keys):
            audit.record(by, "person.sessions_ended", ("person", person.username), after={"sessions_ended": ended})
            outbox.put("person.sessions_ended", {"person": person.username, "sessions": ended, "by": str(by)})
    return ended


def keys_of(person: User) -> list[str]:
    """The keys of all sessions of the person: where they must end, the search has no bound."""
    stored = Session.objects.filter(expire_date__gt=timezone.now()).iterator()
    return [session.session_key for session in stored if _is_of(person, session.get_decoded())]


def forget(keys: list[str]) -> int:
    """End the sessions with these keys and return how many there still were. Who calls this records it."""
    ended, _ = Session.objects.filter(pk__in=keys).delete()
    return ended


def handle(key: str | None) -> str:
    """The name of a session on a page, from which its key cannot be had."""
    return sealing.mac("session", (key or "").encode())[:24]


def _lasts(facts: Any, now: int) -> bool:
    return bool(now - facts.get("began", 0) <= ABSOLUTE and now - facts.get("seen", 0) <= IDLE)


def _is_of(person: User, facts: dict[str, Any]) -> bool:
    return facts.get(SESSION_KEY) == str(person.pk) and constant_time_compare(
        facts.get(HASH_SESSION_KEY, ""), person.get_session_auth_hash()
    )


def _told(key: str, facts: dict[str, Any]) -> Lasting:
    began, seen = (datetime.fromtimestamp(facts[name], UTC) for name in ("began", "seen"))
    return Lasting(key, handle(key), began, seen, facts.get("address", ""))


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
