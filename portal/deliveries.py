"""What webhooks are sent: one delivery per webhook that wants a message, in order, with patience, none lost unsaid."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from portal import audit, exchange, outbox, rows, webhook_signature, webhooks
from portal.actor import Actor
from portal.exchange import Outcome
from portal.models import Delivery, DeliveryState, Outbox, Webhook
from portal.refusal import NotFound, Refusal
from portal.topics import MISSED, TEST

# Seconds before the next try; after the last of them, about three days after the first try, a delivery has failed.
WAITS = (5, 30, 120, 600, 1800, 3600, 10_800, *[21_600] * 11)
JITTER = 0.1
# A webhook that has failed for so long when a delivery fails for good is switched off.
PATIENCE = timedelta(days=2, hours=12)
# So many may wait for one webhook; what comes then is counted, and told once half of them are gone.
MOST = 10_000
KEPT = {DeliveryState.DELIVERED: timedelta(days=7), DeliveryState.FAILED: timedelta(days=30)}


class Unknown(NotFound):
    code = "delivery_not_found"

    def __init__(self) -> None:
        super().__init__("This webhook has no such delivery; delivered ones are kept for 7 days, failed ones for 30.")


class NotEnabled(Refusal):
    code = "webhook_disabled"

    def __init__(self, webhook: Webhook) -> None:
        super().__init__(f"{webhook} is disabled, so nothing is sent to it; enable it, then replay.")


def find(webhook: Webhook, number: int) -> Delivery:
    delivery = Delivery.objects.filter(webhook=webhook, pk=number).first()
    if delivery is None:
        raise Unknown
    return delivery


def log(webhook: Webhook, state: str = "") -> QuerySet[Delivery]:
    """The deliveries of a webhook, or those in one state."""
    found = Delivery.objects.filter(webhook=webhook)
    return found.filter(state=state) if state else found


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
    return json.dumps({"type": topic, "timestamp": _written(at), "data": data}, separators=(",", ":"))


@transaction.atomic
def count_anew(webhook: Webhook) -> None:
    """Set right how many wait, should it ever be wrong."""
    Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
    waiting = Delivery.objects.filter(webhook=webhook, state=DeliveryState.WAITING).count()
    Webhook.objects.filter(pk=webhook.pk).update(waiting=waiting)


def head(webhook: Webhook) -> Delivery | None:
    """The delivery whose turn it is: the oldest that waits."""
    return Delivery.objects.filter(webhook=webhook, state=DeliveryState.WAITING).order_by("pk").first()


def send(webhook: Webhook, delivery: Delivery, **how: Any) -> Outcome:
    """Send it once, signed now; the rest is with `settle`. Not in a transaction, as this may take ten seconds."""
    body = delivery.body.encode()
    try:
        secrets = webhooks.live_secrets(webhook)
    except Refusal as broken:
        return Outcome(None, str(broken), 0)
    signed = webhook_signature.headers(delivery.message, timezone.now(), body, secrets)
    headers = {"Content-Type": "application/json", "User-Agent": "Gatehouse", **signed}
    return exchange.post(webhook.url, body, headers, allowed=webhooks.allowed(), **how)


@transaction.atomic
def settle(delivery: Delivery, outcome: Outcome, *, claim: UUID | None) -> bool:
    """Write down how it went and what follows; False if whoever sent it no longer held the webhook."""
    webhook = Webhook.objects.select_for_update().filter(pk=delivery.webhook_id, claim=claim).first()
    if webhook is None:
        return False
    now, attempts = timezone.now(), delivery.attempts + 1
    wait = None if outcome.is_success or outcome.is_gone or attempts > len(WAITS) else WAITS[attempts - 1]
    facts = {**_facts(outcome, now), "attempts": attempts}
    if wait is not None:
        Delivery.objects.filter(pk=delivery.pk).update(**facts)
        webhook.next_at = now + timedelta(seconds=wait * random.uniform(1, 1 + JITTER))  # noqa: S311  # No secret.
    else:
        state = DeliveryState.DELIVERED if outcome.is_success else DeliveryState.FAILED
        Delivery.objects.filter(pk=delivery.pk).update(**facts, state=state)
        webhook.waiting, webhook.next_at = max(0, webhook.waiting - 1), now
    _note(webhook, outcome, now)
    webhook.save(update_fields=["waiting", "next_at", "failing_since", "delivered_at"])
    if outcome.is_gone:
        webhooks.disable(webhook, by=Actor.worker(), reason=outcome.error)
    elif wait is None and webhook.failing_since and now - webhook.failing_since >= PATIENCE:
        reason = f"Nothing was delivered since {webhook.failing_since:%Y-%m-%d %H:%M} UTC. {outcome.error}"
        webhooks.disable(webhook, by=Actor.worker(), reason=reason)
    return True


def tell_missed() -> None:
    """Tell receivers how many messages they have missed, once there is room again; they can then read anew."""
    roomy = {"is_enabled": True, "missed__gt": 0, "waiting__lte": MOST // 2}
    for webhook in Webhook.objects.filter(**roomy):
        with transaction.atomic():
            locked = Webhook.objects.select_for_update().filter(pk=webhook.pk, **roomy).first()
            if locked is not None:
                _tell_missed(locked)


def try_out(webhook: Webhook, *, by: Actor) -> Delivery:
    """Send a `webhook.test` at once, past what waits, once; how it went is told and stays in the log."""
    now = timezone.now()
    body = payload(TEST, now, {"webhook": webhook.name, "by": str(by)})
    delivery = Delivery(webhook=webhook, message=_new_name(), topic=TEST, body=body, created_at=now, attempts=1)
    outcome = send(webhook, delivery)
    delivery.state = DeliveryState.DELIVERED if outcome.is_success else DeliveryState.FAILED
    for name, value in _facts(outcome, timezone.now()).items():
        setattr(delivery, name, value)
    with transaction.atomic():
        if not Webhook.objects.select_for_update().filter(pk=webhook.pk).exists():
            raise webhooks.Unknown
        delivery.save(force_insert=True)
        if outcome.is_success:
            # It is there again, so what waits is tried at once.
            Webhook.objects.filter(pk=webhook.pk).update(failing_since=None, delivered_at=now, next_at=now)
            webhook.refresh_from_db()
        after = {"name": webhook.name, "state": delivery.state, "status": outcome.status}
        audit.record(by, "webhook.tested", ("webhook", str(webhook.pk)), after=after)
    return delivery


@transaction.atomic
def replay(delivery: Delivery, *, by: Actor) -> None:
    """Send a delivery again under its old id, in its old place; one that waits is tried at once."""
    webhook = _enabled(delivery.webhook_id)
    count = _wait_again(webhook, Delivery.objects.filter(pk=delivery.pk))
    delivery.refresh_from_db()
    if count:
        after = {"name": webhook.name, "message": delivery.message, "topic": delivery.topic}
        audit.record(by, "webhook.replayed", ("webhook", str(webhook.pk)), after=after)


@transaction.atomic
def replay_failed(webhook: Webhook, since: datetime, *, by: Actor) -> int:
    """Send again, oldest first, all that were made since then and have failed; says how many."""
    webhook = _enabled(webhook.pk)
    failed = Delivery.objects.filter(webhook=webhook, state=DeliveryState.FAILED, created_at__gte=since)
    count = _wait_again(webhook, failed.exclude(topic=TEST))
    if count:
        after = {"name": webhook.name, "since": _written(since), "replayed": count}
        audit.record(by, "webhook.replayed", ("webhook", str(webhook.pk)), after=after)
    return count


def forget() -> None:
    """Remove deliveries that were kept long enough; what waited as long for a disabled webhook counts as missed."""
    now = timezone.now()
    for state, kept in KEPT.items():
        Delivery.objects.filter(state=state, created_at__lt=now - kept).delete()
    stale = {"state": DeliveryState.WAITING, "created_at__lt": now - KEPT[DeliveryState.FAILED]}
    for pk in Delivery.objects.filter(**stale, webhook__is_enabled=False).values_list("webhook", flat=True).distinct():
        with transaction.atomic():
            webhook = Webhook.objects.select_for_update().get(pk=pk)
            ended, _ = Delivery.objects.filter(**stale, webhook=pk).delete()
            webhook.waiting = max(0, webhook.waiting - ended)
            webhook.missed, webhook.missed_since = webhook.missed + ended, webhook.missed_since or now
            webhook.save(update_fields=["waiting", "missed", "missed_since"])


def _tell_missed(webhook: Webhook) -> None:
    now, since = timezone.now(), webhook.missed_since or webhook.created_at
    facts = {"missed": webhook.missed, "since": _written(since), "until": _written(now)}
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
    return _Made(topic, _new_name(), payload(topic, at, data))


def _add(webhook: Webhook, made: Sequence[_Made]) -> None:
    """Let messages wait for their turn; where too many wait they are counted as missed. The row is locked."""
    room = 0 if webhook.missed else max(0, MOST - webhook.waiting)
    kept, missed = made[:room], len(made[room:])
    rows.insert([Delivery(webhook_id=webhook.pk, message=each.name, topic=each.topic, body=each.body) for each in kept])
    webhook.waiting += len(kept)
    webhook.missed += missed
    webhook.missed_since = (webhook.missed_since or timezone.now()) if webhook.missed else None
    webhook.save(update_fields=["waiting", "missed", "missed_since"])


def _enabled(webhook_id: UUID) -> Webhook:
    webhook = Webhook.objects.select_for_update().filter(pk=webhook_id).first()
    if webhook is None:
        raise webhooks.Unknown
    if not webhook.is_enabled:
        raise NotEnabled(webhook)
    return webhook


def _wait_again(webhook: Webhook, chosen: QuerySet[Delivery]) -> int:
    """Let what has ended wait again as if it were new, and try at once."""
    room = max(0, MOST - webhook.waiting)
    ended = chosen.exclude(state=DeliveryState.WAITING).order_by("pk").values_list("pk", flat=True)[:room]
    count = Delivery.objects.filter(pk__in=list(ended)).update(state=DeliveryState.WAITING, attempts=0)
    Webhook.objects.filter(pk=webhook.pk).update(waiting=F("waiting") + count, next_at=timezone.now())
    return count


def _note(webhook: Webhook, outcome: Outcome, now: datetime) -> None:
    if outcome.is_success:
        webhook.failing_since, webhook.delivered_at = None, now
    elif webhook.failing_since is None:
        webhook.failing_since = now


def _facts(outcome: Outcome, now: datetime) -> dict[str, Any]:
    return {
        "last_at": now,
        "last_status": outcome.status,
        "last_error": outcome.error[:500],
        "took_ms": outcome.took_ms,
    }


def _new_name() -> str:
    return f"msg_{uuid4().hex}"


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
