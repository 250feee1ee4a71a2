"""App credentials: issued for one instance of an app version in the tenant that hosts it; shown once."""

import re
from collections.abc import Collection
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from portal import audit, outbox
from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid, NotFound, Refusal
from portal.scopes import Scope, beyond, refuse_too_many, within
from portal.topics import Topic
from tokens import held, issuing, kinds, overlap, refused, registration, secret
from tokens.models import AppCredential, AppVersion
from tokens.overlap import Rotated

INSTANCE = r"[a-z0-9]{1,20}"


class CredentialExists(Refusal):
    code = "credential_exists"


class Unknown(NotFound):
    code = "credential_not_found"

    def __init__(self) -> None:
        super().__init__("There are no such credentials; the list shows what there is.")


def find(identifier: str) -> AppCredential:
    """The credential with this id, its version and its secrets at hand."""
    found: AppCredential | None = (
        AppCredential.objects.select_related("version__app", "owner")
        .prefetch_related("secrets")
        .filter(pk=identifier)
        .first()
    )
    if found is None:
        raise Unknown
    return found


@refused.told("credential.issue", registration.subject_of)
def issue(
    version: AppVersion,
    scopes: Collection[str] | None = None,
    *,
    by: Actor,
    owner: User | None,
    instance: str = "",
    days: int | None = None,
    rotate_own: bool = True,
) -> Rotated:
    """Issue credentials for an instance of the version, with a client id for life and a secret to show once.

    The scopes are among those of the version and of whoever issues; None asks for all that both have. Unless told
    otherwise the app may also rotate its own secret. `owner` hears when the secret expires.
    """
    if instance and not re.fullmatch(INSTANCE, instance, re.ASCII):
        raise Invalid("instance", "A label is 1 to 20 small letters and digits.")
    refuse_too_many(scopes or ())
    life = overlap.judge_days(days)
    own = {str(Scope.CREDENTIALS_ROTATE_OWN)}
    wanted = set(scopes) if scopes is not None else set(within(version.scopes, by.scopes))
    if rotate_own:
        wanted |= own & set(by.scopes)
    if foreign := beyond(wanted, version.scopes) - own:
        raise Invalid("scopes", f"{version} does not declare {min(foreign)[:40]}; it may have {_listed(version)}.")
    issuing.refuse_beyond(wanted, by)
    now, kind = timezone.now(), kinds.KINDS[AppCredential]
    try:
        with transaction.atomic():
            locked = registration.locked_version(version)
            client_id = "-".join(filter(None, (locked.host_tenant_id, locked.app.name, locked.version, instance)))
            issued: AppCredential = AppCredential.objects.create(
                id=secret.new_id(),
                owner=owner,
                created_at=now,
                created_by=str(by),
                expires_at=now + life,
                version=locked,
                client_id=client_id,
                instance=instance,
                host_tenant=locked.host_tenant_id,
                stage=locked.stage,
                scopes=sorted(wanted),
            )
            generated = kind.generate(issued)
            first = kind.make(issued, generated)
            first.slot, first.created_at, first.expires_at = 1, now, now + life
            first.save(force_insert=True)
            facts = {"id": issued.pk, "scopes": issued.scopes, "expires_at": issued.expires_at, "secret": first.pk}
            facts |= {"owner": owner.username if owner else None}
            audit.record(by, "credential.issued", kinds.subject(issued), after=facts)
            outbox.put(Topic.CREDENTIAL_ISSUED, {"credential": client_id, "by": str(by)})
    except IntegrityError as there:
        raise CredentialExists(
            f"{version} has credentials {client_id} already; rotate those, or choose another label for this instance."
        ) from there
    return Rotated(issued, first, generated.text, None)


@held.told
@transaction.atomic
def hand_over(credential: AppCredential, *, by: Actor, owner: User, seen: int | None = None) -> Any:
    """Give it another owner, who hears when it expires."""
    if not owner.is_active:
        raise Invalid("owner", f"{owner.username} is not active; choose somebody who is.")
    locked = held.lock(credential, seen)
    if locked.owner_id == owner.pk:
        return locked
    before = {"owner": locked.owner.username if locked.owner else None}
    held.write(locked, owner=owner)
    held.tell(locked, "handed_over", by, "", before, {"owner": owner.username})
    return locked


def _listed(version: AppVersion) -> str:
    return ", ".join(dict.fromkeys([*version.scopes, Scope.CREDENTIALS_ROTATE_OWN]))
