"""Which access tokens are refused before their time: named here for the gateway's nodes, which judge by nothing else.

The portal itself looks at the state of what bought a token, too, so that there a no counts at once.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils import timezone

from tokens.models import HeldSecret, Named, Revocation

# Clocks differ, and a token may be signed in the moment in which it is refused.
SLACK = timedelta(minutes=1)
# The longest that a token of an app may be good past its revocation: that of one on a device lives for an hour.
LONGEST = timedelta(hours=1) + SLACK


def grant(secret: HeldSecret, epoch: int = 0) -> str:
    """What a token names that the secret buys now; `epoch` counts the times that what its device had ended."""
    return f"{secret.pk}.{secret.generation + epoch}"


def refuse(kind: Named, values: Iterable[str], *, good_for: timedelta = LONGEST) -> None:
    """Refuse tokens that name one of these, until the last of them has expired by itself."""
    until = timezone.now() + good_for
    named = [Revocation(kind=kind, value=value, until=until) for value in sorted(set(values))]
    Revocation.objects.bulk_create(
        named, update_conflicts=True, unique_fields=["kind", "value"], update_fields=["until"]
    )  # fmt: skip


def refuse_token(jti: str, expires_at: datetime) -> bool:
    """Refuse one token; whether it was not refused already."""
    _, made = Revocation.objects.update_or_create(
        kind=Named.TOKEN, value=jti, defaults={"until": expires_at + timedelta(minutes=1)}
    )
    return bool(made)


def take_back(*subjects: str) -> None:
    """Honour again what names one of these subjects."""
    Revocation.objects.filter(kind=Named.SUBJECT, value__in=subjects).delete()


def take_back_grants(grants: Iterable[str]) -> None:
    """Honour again what names one of these grants."""
    Revocation.objects.filter(kind=Named.GRANT, value__in=list(grants)).delete()


def forget() -> int:
    """Remove the revocations whose tokens have all expired by themselves; how many there were."""
    gone, _ = Revocation.objects.filter(until__lt=timezone.now()).delete()
    return gone
