"""What waits for webhooks: each message for each that wants it, in order; what is too much is counted and told."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal import audit, outbox, rows
from portal.actor import Actor
from portal.models import Delivery, DeliveryState, Outbox, Webhook
from portal.rfc3339 import written
from portal.topics import MISSED

# So many may wait for one webhook; what comes then is counted, and told once half of them are gone.
MOST = 10_000
KEPT = {DeliveryState.DELIVERED: timedelta(days=7), DeliveryState.FAILED: timedelta(days=30)}
# Of those that were delivered the latest of each webhook stay, however much happens in these days.
MOST_KEPT = 10_000
BATCH = 1000


@outbox.batch_receiver
def take(messages: Sequence[Outbox]) -> None:
    """Write a delivery of each message for every enabled webhook that wants its topic."""
    told = {message.topic for message in messages}
    enabled = Webhook.objects.filter(is_enabled=True)
    wanting = [webhook.pk for webhook in enabled if told.intersection(webhook.topics)]
    if wanting:
        made = [_made(message.topic, message.created_at, message.body) for message in messages]
        for webhook in enabled.select_for_update().filter(pk__in=wanting).order_by("pk"):
            _add(webhook, [each for each in made if each.topic in webhook.topics])


def payload(topic: str, at: datetime, data: Any) -> str:
    """The body exactly as it will be sent and signed."""
    return json.dumps({"type": topic, "timestamp": written(at), "data": data}, separators=(",", ":"))


@transaction.atomic
def count_anew(webhook: Webhook) -> None:
    """Set right how many wait, should it ever be wrong."""
    Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
    waiting = Delivery.objects.filter(webhook=webhook, state=DeliveryState.WAITING).count()
    Webhook.objects.filter(pk=webhook.pk).update(waiting=waiting)


def tell_missed() -> None:
    """Tell receivers how many messages they have missed, once there is room again; they can then read anew."""
    roomy = {"is_enabled": True, "missed__gt": 0, "waiting__lte": MOST // 2}
    for webhook in Webhook.objects.filter(**roomy):
        with transaction.atomic():
            locked = Webhook.objects.select_for_update().filter(pk=webhook.pk, **roomy).first()
            if locked is not None:
                _tell_missed(locked)


def forget() -> None:
    """Remove deliveries that were kept long enough; what waited as long for a disabled webhook counts as missed."""
    now = timezone.now()
    for state, kept in KEPT.items():
        _remove(Delivery.objects.filter(state=state, created_at__lt=now - kept))
    for webhook in Webhook.objects.all():
        delivered = Delivery.objects.filter(webhook=webhook, state=DeliveryState.DELIVERED)
        for last in delivered.order_by("-pk").values_list("pk", flat=True)[MOST_KEPT : MOST_KEPT + 1]:
            _remove(delivered.filter(pk__lte=last))
    stale = {"state": DeliveryState.WAITING, "created_at__lt": now - KEPT[DeliveryState.FAILED]}
    for pk in Delivery.objects.filter(**stale, webhook__is_enabled=False).values_list("webhook", flat=True).distinct():
        with transaction.atomic():
            disabled = Webhook.objects.select_for_update().filter(pk=pk, is_enabled=False).first()
            if disabled is not None:
                ended, _ = Delivery.objects.filter(**stale, webhook=pk).delete()
                disabled.waiting = max(0, disabled.waiting - ended)
                disabled.missed, disabled.missed_since = disabled.missed + ended, disabled.missed_since or now
                disabled.save(update_fields=["waiting", "missed", "missed_since"])


def _remove(ended: QuerySet[Delivery]) -> None:
    """In small steps, so that between two of them those get their turn who wait to write."""
    while some := list(ended.values_list("pk", flat=True)[:BATCH]):
        ended.filter(pk__in=some).delete()
        time.sleep(outbox.PAUSE)


def _tell_missed(webhook: Webhook) -> None:
    now, since = timezone.now(), webhook.missed_since or webhook.created_at
    facts = {"missed": webhook.missed, "since": written(since), "until": written(now)}
    webhook.missed, webhook.missed_since = 0, None
    _add(webhook, [_made(MISSED, now, facts)])
    audit.record(Actor.worker(), MISSED, ("webhook", str(webhook.pk)), after={"name": webhook.name, **facts})


@dataclass(frozen=True)
class _Made:
    """A message as all its receivers get it."""

    topic: str
    name: str
    body: str


def _made(topic: str, at: datetime, data: Any) -> _Made:
    return _Made(topic, new_name(), payload(topic, at, data))


def _add(webhook: Webhook, made: Sequence[_Made]) -> None:
    """Let messages wait for their turn; where too many wait they are counted as missed. The row is locked."""
    room = 0 if webhook.missed else max(0, MOST - webhook.waiting)
    kept, missed = made[:room], len(made[room:])
    rows.insert([Delivery(webhook_id=webhook.pk, message=each.name, topic=each.topic, body=each.body) for each in kept])
    if not webhook.waiting:
        # Nothing was tried in vain, so there is nothing to wait for, whatever the clock was when something last was.
        webhook.next_at = timezone.now()
    webhook.waiting += len(kept)
    webhook.missed += missed
    webhook.missed_since = (webhook.missed_since or timezone.now()) if webhook.missed else None
    webhook.save(update_fields=["waiting", "next_at", "missed", "missed_since"])


def new_name() -> str:
    """What stands in `webhook-id`."""
    return f"msg_{uuid4().hex}"
