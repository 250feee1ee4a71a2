"""Sessions of people: how they begin and last, whose they are, and whether who is there has proven it lately."""

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

from portal import audit, outbox, sealing, second_factor, second_factor_proof, throttle
from portal.actor import Actor
from portal.models import User
from portal.refusal import NotFound, Refusal
from portal.session_store import kept_as
from portal.text import hidden_character
from portal.topics import Topic

IDLE = 30 * 60
ABSOLUTE = 12 * 3600
FRESH = 10 * 60
NOTED_EVERY = 60
POLL_HEADER = "X-Gatehouse-Poll"
# A session does not say whose it is until it is decoded, so what a page shows of a person's is bounded.
MOST_LOOKED_AT = 2000


@dataclass(frozen=True)
class Lasting:
    """A session that lasts. `key` is that of its row; `handle` names it on a page, where no key stands."""

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


def begin(request: HttpRequest, name: str, password: str) -> bool:
    """Log a person in under a new session id. Wrong tries make this address wait, longer each time.

    Who has a second factor is not logged in: False is returned, and the session knows only for whom it waits.
    """
    user = _checked(request, name, password)
    if user is None:
        raise WrongPassword
    if not second_factor.has(user):
        _enter(request, user)
        return True
    second_factor_proof.wait(request, user)
    return False


def go_on_by_code(request: HttpRequest, typed: str) -> None:
    """Log in who waits, if this is a code of theirs; wrong ones make this address wait, like wrong passwords."""
    person = second_factor_proof.waited_for(request)
    second_factor_proof.by_code(request, person, typed)
    _enter(request, person)


def go_on_by_passkey(request: HttpRequest, answer: str) -> None:
    """Log in who waits, if their browser answers with a passkey of theirs."""
    person = second_factor_proof.waited_for(request)
    second_factor_proof.by_passkey(request, person, answer)
    _enter(request, person)


def goes_on(request: HttpRequest) -> bool:
    """Whether the session has been neither idle for 30 minutes nor lasted 12 hours. Polling pages are not activity."""
    now, session = int(time.time()), request.session
    if not _lasts(session, now):
        return False
    if now - session["seen"] >= NOTED_EVERY and POLL_HEADER not in request.headers:
        session["seen"] = now
    return True


def is_fresh(request: HttpRequest) -> bool:
    """Whether the person has given the password or a second factor within the last ten minutes."""
    given: int = request.session.get("password_at", 0)
    return int(time.time()) - given <= FRESH


def confirm(request: HttpRequest, typed: str) -> None:
    """Make the session fresh by the password or a code of the second factor, or refuse; needed before grave things."""
    user: Any = request.user
    if is_fresh(request):
        return
    if second_factor.is_code(typed) and second_factor.has(user):
        second_factor_proof.by_code(request, user, typed)
        request.session["password_at"] = int(time.time())
    else:
        prove(request, typed)


def confirm_by_passkey(request: HttpRequest, answer: str) -> None:
    """Make the session fresh by a passkey, or refuse."""
    user: Any = request.user
    second_factor_proof.by_passkey(request, user, answer)
    request.session["password_at"] = int(time.time())


def prove(request: HttpRequest, password: str) -> None:
    """Refuse unless this is the person's password, however lately they gave it. Wrong tries make them wait."""
    user: Any = request.user
    known = _checked(request, user.username, password) if password else None
    if known is None:
        raise WrongPassword("Type your own password to confirm this; it was not right.")
    user.password = known.password  # What was proven; the check may have digested it anew.
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
        outbox.put(Topic.PERSON_SESSION_ENDED, {"person": person.username, "by": str(by)})


def end_all(person: User, *, by: Actor) -> int:
    """End every session of the person and say how many there were."""
    keys = keys_of(person)
    with transaction.atomic():
        if ended := forget(keys):
            audit.record(by, "person.sessions_ended", ("person", person.username), after={"sessions_ended": ended})
            outbox.put(Topic.PERSON_SESSIONS_ENDED, {"person": person.username, "sessions": ended, "by": str(by)})
    return ended


def keys_of(person: User, *, but: str | None = None) -> list[str]:
    """The keys under which the sessions of the person are kept, all or all but one.

    They are looked for where they must end, so the search has no bound.
    """
    stored = Session.objects.filter(expire_date__gt=timezone.now()).exclude(pk=but or "").iterator()
    return [session.session_key for session in stored if _is_of(person, session.get_decoded())]


def forget(keys: list[str]) -> int:
    """End the sessions that are kept under these keys; how many there still were. Who calls this records it."""
    ended, _ = Session.objects.filter(pk__in=keys).delete()
    return ended


def own_key(request: HttpRequest) -> str:
    """The key under which the session of this request is kept."""
    return kept_as(request.session.session_key)


def own_handle(request: HttpRequest) -> str:
    """The name of the session of this request among those on a page."""
    return _handle(own_key(request))


def _handle(key: str) -> str:
    return sealing.mac("session", key.encode())[:24]


def _lasts(facts: Any, now: int) -> bool:
    return bool(now - facts.get("began", 0) <= ABSOLUTE and now - facts.get("seen", 0) <= IDLE)


def _is_of(person: User, facts: dict[str, Any]) -> bool:
    return facts.get(SESSION_KEY) == str(person.pk) and constant_time_compare(
        facts.get(HASH_SESSION_KEY, ""), person.get_session_auth_hash()
    )


def _told(key: str, facts: dict[str, Any]) -> Lasting:
    began, seen = (datetime.fromtimestamp(facts[name], UTC) for name in ("began", "seen"))
    return Lasting(key, _handle(key), began, seen, facts.get("address", ""))


def _enter(request: HttpRequest, person: User) -> None:
    second_factor_proof.wait_no_more(request)
    login(request, person)
    now = int(time.time())
    came_from = request.META.get("REMOTE_ADDR", "")
    request.session.update({"began": now, "seen": now, "password_at": now, "address": came_from})


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
