"""The rotation of peppers: next → active → retiring → retired, without a secret that fails meanwhile.

A secret is digested anew when it is used; what is not used keeps the pepper it has until it ends, and that pepper
stays for as long.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal import audit, secret_files
from portal.actor import Actor
from portal.refusal import Refusal
from tokens import peppers
from tokens.models import (
    ApiToken,
    AppTokenSecret,
    CredentialSecret,
    KeyState,
    Pepper,
    UserPassAccount,
    UserPassLogin,
)

# So long every process can read a pepper before a digest is made under it.
LISTED = timedelta(minutes=10)
# So long after it was active no process makes a digest under it any more.
SETTLED = timedelta(minutes=10)

Needing = Callable[[str], "QuerySet[Any]"]

_kinds: dict[str, Needing] = {}


class UnderWay(Refusal):
    """One rotation at a time."""

    code = "rotation_under_way"


class NothingNew(Refusal):
    """The settings hold no pepper that was not used before."""

    code = "no_new_pepper"


@dataclass(frozen=True)
class Standing:
    """Where a pepper stands and since when, how many secrets of each kind need it, and whether its key is here."""

    pepper: str
    state: str
    since: datetime
    active_at: datetime | None
    needed_by: Mapping[str, int]
    is_held: bool


def kept(kind: str) -> Callable[[Needing], Needing]:
    """Register where digests of a kind of secrets are kept: the rows that need a pepper because they still live."""

    def register(needing: Needing) -> Needing:
        _kinds[kind] = needing
        return needing

    return register


@kept("API tokens")
def _api_tokens(pepper: str) -> "QuerySet[Any]":
    return ApiToken.objects.filter(pepper=pepper, revoked_at=None, expires_at__gt=timezone.now())


@kept("client secrets")
def _client_secrets(pepper: str) -> "QuerySet[Any]":
    return CredentialSecret.objects.filter(pepper=pepper, slot__isnull=False)


@kept("app tokens")
def _app_tokens(pepper: str) -> "QuerySet[Any]":
    return AppTokenSecret.objects.filter(pepper=pepper, slot__isnull=False)


@kept("gateway users")
def _gateway_users(pepper: str) -> "QuerySet[Any]":
    return UserPassAccount.objects.filter(pepper=pepper)


@kept("client tokens of gateway users")
def _client_tokens(pepper: str) -> "QuerySet[Any]":
    return UserPassLogin.objects.filter(pepper=pepper, expires_at__gt=timezone.now())


def ring() -> list[Standing]:
    """The peppers that are not retired, the active one first, then the next, then the retiring ones, newest first."""
    order = [KeyState.ACTIVE, KeyState.NEXT, KeyState.RETIRING]
    held, found = peppers.held(), Pepper.objects.exclude(state=KeyState.RETIRED)
    return [
        Standing(
            pepper.pk,
            pepper.state,
            pepper.changed_at,
            pepper.changed_at + LISTED if pepper.state == KeyState.NEXT else None,
            {kind: needing(pepper.pk).count() for kind, needing in _kinds.items()},
            pepper.pk in held,
        )
        for pepper in sorted(found, key=lambda one: (order.index(KeyState(one.state)), -one.changed_at.timestamp()))
    ]


def begin(*, by: Actor) -> Pepper:
    """Take the next pepper: the new one of GATEHOUSE_PEPPERS, else one made in the data folder.

    It is active once every process has had ten minutes to read it. Refused while another waits for that.
    """
    peppers.ensure_active(by=by)
    try:
        with transaction.atomic():
            list(Pepper.objects.select_for_update().filter(state=KeyState.ACTIVE))  # Two at once would make two.
            _refuse_second()
            pepper = Pepper.objects.create(id=_new(), state=KeyState.NEXT)
            audit.record(by, "pepper.made", ("pepper", pepper.pk), after={"state": KeyState.NEXT})
    except IntegrityError:
        _refuse_second()
        raise
    peppers.forget()
    return pepper


def activate(*, by: Actor, now: datetime | None = None) -> Pepper | None:
    """Make digests under the next pepper from now on, if it is time and its key is here; of several at once, one."""
    now = now or timezone.now()
    due = Pepper.objects.filter(state=KeyState.NEXT, changed_at__lte=now - LISTED).first()
    if due is None or due.pk not in peppers.held():
        return None
    with transaction.atomic():
        if not Pepper.objects.select_for_update().filter(pk=due.pk, state=KeyState.NEXT):
            return None
        former = list(Pepper.objects.filter(state=KeyState.ACTIVE).values_list("pk", flat=True))
        Pepper.objects.filter(state=KeyState.ACTIVE).update(state=KeyState.RETIRING, changed_at=now)
        Pepper.objects.filter(pk=due.pk).update(state=KeyState.ACTIVE, changed_at=now)
        for pepper in former:
            _note(by, "pepper.retiring", pepper, KeyState.ACTIVE, KeyState.RETIRING)
        _note(by, "pepper.activated", due.pk, KeyState.NEXT, KeyState.ACTIVE)
    due.state = KeyState.ACTIVE
    peppers.forget()
    return due


def retire(*, by: Actor, now: datetime | None = None) -> list[Pepper]:
    """Retire the peppers that no live secret needs any more; those that retired."""
    now = now or timezone.now()
    settled = Pepper.objects.filter(state=KeyState.RETIRING, changed_at__lte=now - SETTLED)
    retired = [pepper for pepper in settled if not _is_needed(pepper.pk) and _retire(pepper, now, by)]
    if retired:
        peppers.forget()
    return retired


def rotate(*, by: Actor, now: datetime | None = None) -> str:
    """Do what is due; if nothing is, begin, unless a rotation is under way. What was done, in one sentence."""
    _drop_retired()
    if done := [pepper for pepper in (activate(by=by, now=now), *retire(by=by, now=now)) if pepper]:
        return " ".join(f"The pepper {pepper.pk} is {pepper.state} from now on." for pepper in done)
    try:
        pepper = begin(by=by)
    except UnderWay as waits:
        return f"{waits} Nothing was changed."
    return f"The pepper {pepper.pk} is the next one; it is active from {_at(pepper):%Y-%m-%dT%H:%M:%SZ} on."


def outlook(now: datetime | None = None) -> str:
    """What `rotate` would do, in one sentence."""
    now = now or timezone.now()
    standing = ring()
    due = [
        f"The pepper {each.pepper} would be active." for each in standing if each.active_at and each.active_at <= now
    ]
    due += [
        f"The pepper {each.pepper} would be retired."
        for each in standing
        if each.state == KeyState.RETIRING and each.since <= now - SETTLED and not any(each.needed_by.values())
    ]
    if due:
        return " ".join(due)
    try:
        _refuse_second()
    except UnderWay as waits:
        return f"{waits} Nothing would be changed."
    if settings.PEPPERS_FILE is None:
        return f"The pepper {_first_unused()} would be the next one."
    return "A new pepper would be the next one."


def _new() -> str:
    """A pepper that was not used before; where we keep them ourselves, made if there is none."""
    if settings.PEPPERS_FILE is None or _unused():
        return _first_unused()
    numbers = [int(name[1:]) for name in {*_known(), *peppers.held()} if re.fullmatch(r"p\d{1,7}", name, re.ASCII)]
    pepper = f"p{max(numbers, default=0) + 1}"
    secret_files.put_pepper(settings.PEPPERS_FILE, pepper)
    return pepper


def _first_unused() -> str:
    unused = _unused()
    if not unused:
        raise NothingNew(
            "GATEHOUSE_PEPPERS holds no new pepper: put one before the others, such as p2:<44 characters of base64>, "
            "restart every replica with it, and run this again."
        )
    return unused[0]


def _unused() -> list[str]:
    known = _known()
    return [pepper for pepper in peppers.held() if pepper not in known]


def _known() -> set[str]:
    return set(Pepper.objects.values_list("id", flat=True))


def _is_needed(pepper: str) -> bool:
    return any(needing(pepper).exists() for needing in _kinds.values())


@transaction.atomic
def _retire(pepper: Pepper, now: datetime, by: Actor) -> bool:
    retired = Pepper.objects.filter(pk=pepper.pk, state=KeyState.RETIRING).update(
        state=KeyState.RETIRED, changed_at=now
    )
    if retired:
        _note(by, "pepper.retired", pepper.pk, KeyState.RETIRING, KeyState.RETIRED)
        pepper.state = KeyState.RETIRED
    return bool(retired)


@transaction.atomic
def _drop_retired() -> None:
    """Remove retired peppers from the file in the data folder; in one that operators keep, they do it themselves."""
    if settings.PEPPERS_FILE is not None:
        retired = set(Pepper.objects.filter(state=KeyState.RETIRED).values_list("id", flat=True))
        secret_files.drop_peppers(settings.PEPPERS_FILE, retired)


def _refuse_second() -> None:
    waiting = Pepper.objects.filter(state=KeyState.NEXT).first()
    if waiting is not None:
        raise UnderWay(
            f"A rotation is under way: the pepper {waiting.pk} is the next one, active from "
            f"{_at(waiting):%Y-%m-%dT%H:%M:%SZ} on."
        )


def _at(pepper: Pepper) -> datetime:
    return pepper.changed_at + LISTED


def _note(by: Actor, verb: str, pepper: str, before: KeyState, after: KeyState) -> None:
    audit.record(by, verb, ("pepper", pepper), before={"state": before}, after={"state": after})
