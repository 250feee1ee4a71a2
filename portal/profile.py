"""What others know of a person beside their role: e-mail address, given and family name, and their tenant."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from portal import audit, outbox, standing, tenants, text
from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid
from portal.topics import Topic

# Each fact by the column that keeps it.
COLUMNS: Mapping[str, str] = {
    "email": "email",
    "given_name": "first_name",
    "family_name": "last_name",
    "tenant": "tenant_id",
}
OWN = ("email", "given_name", "family_name")


def facts(person: User) -> dict[str, str]:
    """The facts by name; empty where nothing is known."""
    return {name: getattr(person, column) for name, column in COLUMNS.items()}


def check(**wanted: str) -> None:
    """Refuse what is no e-mail address, and a name that cannot be read; `tenants.held` judges the tenant."""
    for name in OWN:
        value = wanted.get(name, "")
        field: Any = User._meta.get_field(COLUMNS[name])
        text.check(name, value, most=field.max_length)
        try:
            if value:
                field.run_validators(value)
        except ValidationError as unfit:
            raise Invalid(name, "This is no e-mail address; write one such as ada@plant.example.") from unfit


def change(person: User, *, by: Actor, reason: str = "", seen: int | None = None, **wanted: str) -> None:
    """Change some of `email`, `given_name`, `family_name` and `tenant`; no change, no trace.

    `seen` is the revision that was looked at; a person who has changed since stays as they are. A person whose role
    holds what `by` does not is refused. Everybody may change what is their own; in `OWN` stands what is offered.
    """
    text.check("reason", reason, most=500)
    check(**wanted)
    with transaction.atomic():
        found, by = standing.locked(by, person.pk)
        if person.pk not in found:
            raise standing.Unknown
        now = found[person.pk]
        standing.refuse_too_broad(now.role, by)
        if seen not in (None, now.revision):
            raise standing.Changed(f"{now.username} has changed since you looked; look again, then decide.")
        before = facts(now)
        changed = {name: value for name, value in wanted.items() if before[name] != value}
        if changed:
            if "tenant" in changed:
                tenants.held(changed["tenant"])
            columns = {COLUMNS[name]: value for name, value in changed.items()}
            User.objects.filter(pk=now.pk).update(**columns, **standing.moved())
            audit.record(
                by,
                "person.changed",
                ("person", now.username),
                before={name: before[name] for name in changed},
                after=changed,
                reason=reason,
            )
            # Who is told learns what has changed, and not how to reach the person.
            outbox.put(Topic.PERSON_CHANGED, {"person": now.username, "changed": sorted(changed), "by": str(by)})
    person.refresh_from_db()
