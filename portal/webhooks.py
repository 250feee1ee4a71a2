"""Webhooks: who is told of which topics, at which address. They belong to the installation, not to a person."""

import base64
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal import audit, outbox, sealing, targets, text
from portal.actor import Actor
from portal.models import Webhook
from portal.refusal import Invalid, NotFound, Refusal, Stale
from portal.topics import Topic

PREFIX = "whsec_"
OVERLAP = timedelta(hours=24)
MOST = 100


class Unknown(NotFound):
    code = "webhook_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such webhook; the list shows those that there are.")


class NameTaken(Refusal):
    code = "webhook_name_taken"


class Changed(Stale):
    """The webhook is not what was looked at."""

    code = "webhook_changed"


class TooMany(Refusal):
    code = "too_many_webhooks"


def find(webhook_id: UUID) -> Webhook:
    webhook = Webhook.objects.filter(pk=webhook_id).first()
    if webhook is None:
        raise Unknown
    return webhook


def create(name: str, url: str, topics: Iterable[str], *, by: Actor) -> tuple[Webhook, str]:
    """Tell an address of these topics from now on; the secret that signs what is sent is returned this once.

    A name in use, an address that is not open to webhooks and an unknown topic are refused.
    """
    chosen = _topics(topics)
    text.check("name", name, least=1, most=64)
    judge(url)
    secret = _new_secret()
    webhook = Webhook(
        pk=uuid4(), name=name, url=url, topics=chosen, sealed_secret=sealing.seal(secret.encode()), created_by=str(by)
    )
    with transaction.atomic():
        if Webhook.objects.count() >= MOST:
            raise TooMany(f"There are {MOST} webhooks already; delete one that nobody needs.")
        _refuse_taken(webhook)
        try:
            with transaction.atomic():
                webhook.save(force_insert=True)
        except IntegrityError as taken:
            raise _taken(name) from taken
        audit.record(by, "webhook.created", _subject(webhook), after=_facts(webhook))
    return webhook, secret


@transaction.atomic
def change(webhook: Webhook, *, by: Actor, seen: int | None = None, reason: str = "", **wanted: Any) -> None:
    """Give a webhook another `name`, `url`, `topics`, or switch it off and on with `is_enabled`; no change, no trace.

    `seen` is the revision that was looked at; a webhook that has changed since stays as it is. One that is switched on
    goes on with what waits, at once.
    """
    text.check("reason", reason, most=500)
    _lock(webhook, seen)
    before, was_enabled = _facts(webhook), webhook.is_enabled
    if "topics" in wanted:
        wanted["topics"] = _topics(wanted["topics"])
    if "name" in wanted:
        text.check("name", wanted["name"], least=1, most=64)
    if "url" in wanted and wanted["url"] != webhook.url:
        judge(wanted["url"])
    changed = {name: value for name, value in wanted.items() if getattr(webhook, name) != value}
    if not changed:
        return
    for name, value in changed.items():
        setattr(webhook, name, value)
    _refuse_taken(webhook)
    if webhook.is_enabled != was_enabled:
        webhook.disabled_reason = "" if webhook.is_enabled else reason
    if webhook.is_enabled and {"url", "is_enabled"} & set(changed):
        # What stood in the way may be gone: the next try is at once, and days of failure count anew.
        webhook.next_at, webhook.failing_since = timezone.now(), None
        changed |= {"next_at": None, "failing_since": None}
    webhook.revision += 1
    try:
        with transaction.atomic():
            webhook.save(update_fields=[*changed, "disabled_reason", "revision"])
    except IntegrityError as taken:
        raise _taken(webhook.name) from taken
    after = _facts(webhook)
    differing = [name for name in after if after[name] != before[name]] or ["url"]
    verb = "changed" if set(wanted) != {"is_enabled"} else "enabled" if webhook.is_enabled else "disabled"
    audit.record(
        by,
        f"webhook.{verb}",
        _subject(webhook),
        before={name: before[name] for name in differing},
        after={name: after[name] for name in differing},
        reason=reason,
    )
    if was_enabled and not webhook.is_enabled:
        outbox.put(Topic.WEBHOOK_DISABLED, {"webhook": webhook.name, "by": str(by), "reason": reason})


def enable(webhook: Webhook, *, by: Actor, reason: str = "", seen: int | None = None) -> None:
    """Send again, first what waits."""
    change(webhook, by=by, reason=reason, seen=seen, is_enabled=True)


def disable(webhook: Webhook, *, by: Actor, reason: str = "", seen: int | None = None) -> None:
    """Send nothing more until it is enabled; what waits goes on waiting, what happens meanwhile is not kept for it."""
    change(webhook, by=by, reason=reason, seen=seen, is_enabled=False)


@transaction.atomic
def delete(webhook: Webhook, *, by: Actor, reason: str = "", seen: int | None = None) -> None:
    """Remove a webhook with its deliveries, also with those that wait."""
    text.check("reason", reason, most=500)
    _lock(webhook, seen)
    before = {**_facts(webhook), "waiting": webhook.waiting}
    subject = _subject(webhook)
    webhook.delete()
    audit.record(by, "webhook.deleted", subject, before=before, reason=reason)


@transaction.atomic
def rotate(webhook: Webhook, *, by: Actor, seen: int | None = None) -> str:
    """Sign with another secret, returned this once; for 24 h what is sent is signed with the one before, too."""
    _lock(webhook, seen)
    secret = _new_secret()
    webhook.sealed_secret_before, webhook.sealed_secret = webhook.sealed_secret, sealing.seal(secret.encode())
    webhook.secret_before_until = timezone.now() + OVERLAP
    webhook.revision += 1
    webhook.save(update_fields=["sealed_secret", "sealed_secret_before", "secret_before_until", "revision"])
    until = webhook.secret_before_until
    audit.record(by, "webhook.secret_rotated", _subject(webhook), after={"secret_before_until": until})
    return secret


def live_secrets(webhook: Webhook) -> list[str]:
    """The secrets that what is sent is signed with: the present one, and for a day the one before."""
    sealed = [webhook.sealed_secret]
    if webhook.secret_before_until and timezone.now() < webhook.secret_before_until:
        sealed.append(webhook.sealed_secret_before)
    return [sealing.unseal(one).decode() for one in sealed]


def allowed() -> targets.Allowed:
    """Webhooks may go to private and public addresses, and wherever else an operator has opened routes to."""
    words = (*settings.ROUTE_TARGETS, targets.PRIVATE, targets.PUBLIC)
    example = "https://hooks.example/gatehouse"
    return targets.Allowed.read(words, what="a webhook's target", field="url", example=example)


def judge(url: str) -> targets.Target:
    """Read a URL and refuse one to which no webhook goes. Its name is looked up each time when something is sent."""
    target = targets.read(url, allowed())
    targets.judge(target, allowed())
    return target


def _topics(topics: Iterable[str]) -> list[str]:
    """The topics in the order of their table, each once."""
    wanted = set(topics)
    if unknown := sorted(wanted - set(Topic.values)):
        raise Invalid("topics", f"There is no topic {unknown[0][:64]!r}.")
    if not wanted:
        raise Invalid("topics", "Choose at least one topic.")
    return [str(topic) for topic in Topic if topic in wanted]


def _lock(webhook: Webhook, seen: int | None) -> None:
    """Take what the database says now, and hold it to the end of the transaction."""
    now = Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
    if now is None:
        raise Unknown
    for column in Webhook._meta.concrete_fields:
        setattr(webhook, column.attname, getattr(now, column.attname))
    if seen not in (None, webhook.revision):
        raise Changed(f"{webhook} has changed since you looked; look again, then decide.")


def _refuse_taken(webhook: Webhook) -> None:
    if Webhook.objects.filter(name__iexact=webhook.name).exclude(pk=webhook.pk).exists():
        raise _taken(webhook.name)


def _taken(name: str) -> NameTaken:
    return NameTaken(f"There is a webhook named {name} already; choose another name.")


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _subject(webhook: Webhook) -> tuple[str, str]:
    return "webhook", str(webhook.pk)


def _facts(webhook: Webhook) -> dict[str, Any]:
    """What may be read in the trail: a path or a query may hold a secret of the receiver."""
    host = targets.read(webhook.url, allowed())
    return {
        "name": webhook.name,
        "url": f"{host.scheme}://{host.authority}/…",
        "topics": webhook.topics,
        "enabled": webhook.is_enabled,
    }
