"""Which tenants' data, beside its host's, a version in operation may open."""

from django.db import IntegrityError, transaction

from portal import audit, outbox, tenants
from portal.actor import Actor
from portal.refusal import NotFound, Refusal
from portal.topics import Topic
from tokens import held, refused, registration
from tokens.models import AppCredential, AppVersion, TenantGrant


class GrantExists(Refusal):
    code = "grant_exists"


class Unknown(NotFound):
    code = "grant_not_found"


class HostItself(Refusal):
    """The host tenant's own data is open always."""

    code = "host_tenant"


def stands(version: int, tenant: str) -> bool:
    """Whether the version with this key has a grant for the tenant."""
    return TenantGrant.objects.filter(version=version, tenant=tenant).exists()


@refused.told("tenant_grant.give", registration.subject_of)
def give(version: AppVersion, tenant: str, *, by: Actor) -> TenantGrant:
    """Let the version open the data of this tenant; it counts from the moment the version is in operation."""
    try:
        with transaction.atomic():
            locked = registration.locked_version(version)
            user = tenants.held(tenant)
            if user.pk == locked.host_tenant_id:
                raise HostItself(f"{user} hosts {locked}, which may open its data without a grant.")
            given = TenantGrant.objects.create(version=locked, tenant=user, created_by=str(by))
            _tell(by, "given", locked, user.pk)
    except IntegrityError as there:
        raise GrantExists(f"{version} may open the data of {tenant} already.") from there
    return given


@transaction.atomic
def withdraw(version: AppVersion, tenant: str, *, by: Actor) -> None:
    """Close the data of this tenant. What the version's credentials have bought dies; they buy anew for the others."""
    locked = registration.locked_version(version)
    gone, _ = TenantGrant.objects.filter(version=locked, tenant=tenant).delete()
    if not gone:
        raise Unknown(f"{version} has no grant for {tenant[:40]}; its page lists those it has.")
    buyers = AppCredential.objects.select_for_update().filter(version=locked, revoked_at=None).order_by("pk")
    held.end_what_was_bought(list(buyers.prefetch_related("secrets")))
    _tell(by, "withdrawn", locked, tenant)


def _tell(by: Actor, what: str, version: AppVersion, tenant: str) -> None:
    facts = {"version": version.version, "tenant": tenant}
    audit.record(by, f"tenant_grant.{what}", ("app", version.app.name), after=facts)
    outbox.put(Topic(f"tenant_grant.{what}"), {"app": version.app.name, **facts, "by": str(by)})
