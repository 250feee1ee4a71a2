"""Tenants: the accounts that people and apps belong to. An installation starts with `main`."""

import re
from typing import Any

from django.db import IntegrityError, transaction

from portal import audit, outbox, text
from portal.actor import Actor
from portal.models import Tenant
from portal.refusal import Invalid, NotFound, Refusal, Stale
from portal.topics import Topic

FIRST = "main"
# Without a hyphen: clients take an id apart at it, and the name of a tenant stands in the id.
NAME = "[a-z][a-z0-9]{0,19}"
LONGEST_TITLE = 100


class Unknown(NotFound):
    code = "tenant_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no tenant {name}; the list of tenants shows all.")


class Exists(Refusal):
    code = "tenant_exists"


class InUse(Refusal):
    """People or apps belong to it."""

    code = "tenant_in_use"


class Needed(Refusal):
    """Who is added without a word about a tenant belongs to the first."""

    code = "tenant_needed"


class Changed(Stale):
    """The tenant is not what was looked at."""

    code = "tenant_changed"


def find(name: str) -> Tenant:
    tenant = Tenant.objects.filter(pk=name).first() if re.fullmatch(NAME, name) else None
    if tenant is None:
        raise Unknown(name[:20])
    return tenant


def make(name: str, title: str = "", *, by: Actor) -> Tenant:
    """Add a tenant, whose name stays; a name in use is refused."""
    if not re.fullmatch(NAME, name):
        raise Invalid("name", "A tenant's name is 1 to 20 of a-z and 0-9, the first a letter.")
    text.check("title", title, most=LONGEST_TITLE)
    tenant = Tenant(name=name, title=title)
    try:
        with transaction.atomic():
            tenant.save(force_insert=True)
            audit.record(by, "tenant.made", ("tenant", name), after={"title": title})
            outbox.put(Topic.TENANT_MADE, {"tenant": name, "title": title, "by": str(by)})
    except IntegrityError as taken:
        raise Exists(f"There is a tenant {name} already; choose another name.") from taken
    return tenant


@transaction.atomic
def rename(tenant: Tenant, title: str, *, by: Actor, seen: int | None = None) -> None:
    """Give a tenant another title; its name stays. `seen` is the revision that was looked at. No change, no trace."""
    text.check("title", title, most=LONGEST_TITLE)
    before = _lock(tenant, seen).title
    if title == before:
        return
    tenant.title, tenant.revision = title, tenant.revision + 1
    tenant.save(update_fields=["title", "revision"])
    audit.record(by, "tenant.changed", ("tenant", tenant.name), before={"title": before}, after={"title": title})
    outbox.put(Topic.TENANT_CHANGED, {"tenant": tenant.name, "title": title, "by": str(by)})


def delete(tenant: Tenant, *, by: Actor, reason: str = "", seen: int | None = None) -> None:
    """Remove a tenant to which nobody and nothing belongs any more; the first one stays."""
    text.check("reason", reason, most=500)
    if tenant.name == FIRST:
        raise Needed(f"New people belong to {FIRST} unless told otherwise, so it stays; give it another title.")
    name = tenant.name
    try:
        with transaction.atomic():
            _lock(tenant, seen)
            if there := [f"{count} {what}" for what, count in belonging(tenant).items()]:
                raise InUse(f"The tenant {name} has {' and '.join(there)}; move or remove them first.")
            Tenant(pk=name).delete()
            audit.record(by, "tenant.deleted", ("tenant", name), before={"title": tenant.title}, reason=reason)
            outbox.put(Topic.TENANT_DELETED, {"tenant": name, "by": str(by)})
    except IntegrityError as held_on:  # The database says no when this commits, or what protects people and apps.
        raise InUse(f"Something came to belong to the tenant {name} in this moment; look again.") from held_on


def belonging(tenant: Tenant) -> dict[str, int]:
    """How many there are of everything that points at a tenant, whichever app it is of, by what it is called."""
    counts: dict[str, int] = {}
    relations: list[Any] = Tenant._meta.get_fields(include_hidden=True)
    for relation in relations:
        if relation.auto_created and relation.one_to_many:
            model = relation.related_model
            found = model._base_manager.filter(**{relation.field.name: tenant}).count()
            what = str(model._meta.verbose_name if found == 1 else model._meta.verbose_name_plural)
            counts[what] = counts.get(what, 0) + found
    return {what: count for what, count in counts.items() if count}


def held(name: str) -> Tenant:
    """The tenant that somebody is to belong to; it is there until the surrounding transaction ends."""
    tenant = Tenant.objects.select_for_update(no_key=True).filter(pk=name).first() if re.fullmatch(NAME, name) else None
    if tenant is None:
        raise Invalid("tenant", f"There is no tenant {name[:20]}; make it first, or choose another.")
    return tenant


def _lock(tenant: Tenant, seen: int | None) -> Tenant:
    """Take what the database says now, and hold it to the end of the transaction."""
    now = Tenant.objects.select_for_update().filter(pk=tenant.pk).first()
    if now is None:
        raise Unknown(tenant.name)
    tenant.title, tenant.revision = now.title, now.revision
    if seen not in (None, now.revision):
        raise Changed(f"The tenant {tenant} has changed since you looked; look again, then decide.")
    return now
