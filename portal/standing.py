"""The standing of a person: their role, and whether they are active. Nobody gives or takes what they do not hold."""

from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from portal import audit, outbox, sessions, text
from portal.actor import Actor
from portal.models import AuditEvent, User
from portal.refusal import NotFound, Refusal
from portal.roles import SCOPES, Role
from portal.topics import Topic

ADMINISTRATORS = Q(role=Role.ADMINISTRATOR, is_active=True)
NOBODY_ELSE = Q(pk__in=[])


class RoleTooBroad(Refusal):
    """Nobody grants a role, or takes it, that holds a scope which they do not."""

    status, code = 403, "role_too_broad"


class NotYourself(Refusal):
    """What another has to do, so that nobody locks themselves out by mistake."""

    code = "not_yourself"


class LastAdministrator(Refusal):
    """Somebody must be left who can log in and give roles."""

    code = "last_administrator"


class Changed(Refusal):
    """The person is not what was seen."""

    code = "person_changed"


class Unknown(NotFound):
    code = "person_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such person; the list of people shows everybody.")


def grantable(by: Actor) -> list[Role]:
    """The roles that this actor may give, and take."""
    return [role for role in Role if SCOPES[role] <= by.scopes]


def refuse_too_broad(role: str, by: Actor) -> None:
    """Refuse who does not hold every scope of the role themselves."""
    if extra := SCOPES.get(role, frozenset()) - by.scopes:
        raise RoleTooBroad(f"The role {role} holds {min(extra)}, which you do not; ask somebody who holds all of it.")


def locked(by: Actor, *people: Any, others: Q = NOBODY_ELSE) -> tuple[dict[Any, User], Actor]:
    """These people and `others` by key, as they are in this transaction; and the actor, as far as they still may.

    All are locked in one order with the person behind the actor, so that of two who act on each other the second is
    judged by what the first has made of them.
    """
    keys = {*people, by.owner} - {None}
    rows = User.objects.select_for_update(no_key=True).filter(Q(pk__in=keys) | others).order_by("pk")
    found = {row.pk: row for row in rows}
    if by.owner is not None:
        asker = found.get(by.owner)
        held = SCOPES.get(asker.role, frozenset()) if asker and asker.is_active else frozenset()
        by = replace(by, scopes=by.scopes & held)
    return found, by


def moved() -> dict[str, Any]:
    """The columns that go along with every change of a person that others see."""
    return {"changed_at": timezone.now(), "revision": F("revision") + 1}


@transaction.atomic
def change_role(person: User, role: Role, *, by: Actor, reason: str = "", seen: str | None = None) -> None:
    """Give a person another role; it counts from their next request on, and for their tokens too.

    `seen` is the role that whoever asks looked at; a person whose role has changed since keeps it. One's own role and
    that of the last active administrator are refused.
    """
    text.check("reason", reason, most=500)
    now, is_last, by = _as_they_are(person, by)
    if seen is not None and seen != now.role:
        raise Changed(_meanwhile(now))
    refuse_too_broad(now.role, by)
    refuse_too_broad(role, by)
    if role == now.role:
        return
    if by.owner == now.pk:
        raise NotYourself("Your own role is for another administrator to change; ask one of them.")
    if is_last:
        raise LastAdministrator(_nobody_left(now))
    User.objects.filter(pk=now.pk).update(role=role, **moved())
    person.role = role
    subject, before, after = ("person", now.username), {"role": now.role}, {"role": role}
    audit.record(by, "person.role_changed", subject, before=before, after=after, reason=reason)
    outbox.put(Topic.PERSON_ROLE_CHANGED, {"person": now.username, "role": role, "by": str(by)})


def deactivate(person: User, *, by: Actor, reason: str = "") -> None:
    """Shut a person out: their sessions end, they cannot log in, and their tokens are refused. Done already, it stays.

    Oneself and the last active administrator are refused.
    """
    _switch(person, False, by, reason)


def activate(person: User, *, by: Actor, reason: str = "") -> None:
    """Let a person in again as they were; sessions do not come back."""
    _switch(person, True, by, reason)


def _switch(person: User, active: bool, by: Actor, reason: str) -> None:
    text.check("reason", reason, most=500)
    # Before the transaction, in which others wait. A session that begins meanwhile opens nothing while its person is
    # inactive, and is ended here before they are active again.
    keys = sessions.keys_of(person)
    with transaction.atomic():
        now, is_last, by = _as_they_are(person, by)
        refuse_too_broad(now.role, by)
        if now.is_active == active:
            person.is_active = active
            return
        if by.owner == now.pk:
            raise NotYourself("You cannot deactivate yourself; another administrator can.")
        if is_last and not active:
            raise LastAdministrator(_nobody_left(now))
        User.objects.filter(pk=now.pk).update(is_active=active, **moved())
        person.is_active = active
        verb = Topic.PERSON_ACTIVATED if active else Topic.PERSON_DEACTIVATED
        before, after = {"active": not active}, {"active": active, "sessions_ended": sessions.forget(keys)}
        audit.record(by, verb, ("person", now.username), before=before, after=after, reason=reason)
        outbox.put(verb, {"person": now.username, "by": str(by)})


def _as_they_are(person: User, by: Actor) -> tuple[User, bool, Actor]:
    """The person, whether no other administrator is active, and the actor; all of it stays so in this transaction.

    Whoever changes a standing locks all active administrators, so two never demote each other.
    """
    found, by = locked(by, person.pk, others=ADMINISTRATORS)
    if person.pk not in found:
        raise Unknown
    now = found[person.pk]
    administrators = {row.pk for row in found.values() if row.is_active and row.role == Role.ADMINISTRATOR}
    return now, administrators == {now.pk}, by


def _nobody_left(person: User) -> str:
    return f"{person.username} is the only active administrator; make somebody else one first."


def _meanwhile(person: User) -> str:
    """Which role the person has now and who gave it, so that one knows what happened meanwhile."""
    changes = AuditEvent.objects.filter(subject_kind="person", subject_id=person.username, verb="person.role_changed")
    last = changes.order_by("-number").first()
    who = f", by {last.actor} at {last.at:%Y-%m-%d %H:%M:%S} UTC" if last else ""
    return f"The role of {person.username} has changed since you looked: it is {person.role}{who}. Look again first."
