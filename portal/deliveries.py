"""What webhooks are sent: one delivery per webhook that wants a message, in order, with patience, none lost unsaid."""

import random
import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from portal import audit, backlog, exchange, webhook_signature, webhooks
from portal.actor import Actor
from portal.exchange import Outcome
from portal.models import Delivery, DeliveryState, Webhook
from portal.refusal import NotFound, Refusal
from portal.rfc3339 import written
from portal.topics import TEST

# Seconds before the next try; after the last of them, about three days after the first try, a delivery has failed.
WAITS = (5, 30, 120, 600, 1800, 3600, 10_800, *[21_600] * 11)
JITTER = 0.1
# A webhook that has failed for so long when a delivery fails for good is switched off.
PATIENCE = timedelta(days=2, hours=12)

# A test holds one of the few threads with which this process answers people, devices and Envoys: so one at a time.
_trying_out = threading.Lock()


class Unknown(NotFound):
    code = "delivery_not_found"

    def __init__(self) -> None:
        super().__init__(
            "This webhook has no such delivery; the latest of the delivered are kept for 7 days, failed ones for 30."
        )


class NotEnabled(Refusal):
    code = "webhook_disabled"

    def __init__(self, webhook: Webhook) -> None:
        super().__init__(f"{webhook} is disabled, so nothing is sent to it; enable it, then replay.")


class BacklogFull(Refusal):
    code = "backlog_full"

    def __init__(self, webhook: Webhook) -> None:
        super().__init__(f"{backlog.MOST:,} deliveries wait for {webhook} already; replay when some of them are gone.")


class AnotherTest(Refusal):
    code = "webhook_test_running"

    def __init__(self) -> None:
        super().__init__("Another test is waiting for its answer; try again in ten seconds.")
        self.retry_after = round(exchange.WHOLE)


def find(webhook: Webhook, number: int) -> Delivery:
    delivery = Delivery.objects.filter(webhook=webhook, pk=number).first()
    if delivery is None:
        raise Unknown
    return delivery


def log(webhook: Webhook, state: str = "") -> QuerySet[Delivery]:
    """The deliveries of a webhook, or those in one state."""
    found = Delivery.objects.filter(webhook=webhook)
    return found.filter(state=state) if state else found


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
        # One that was removed meanwhile is no longer counted.
        ended = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.WAITING).update(**facts, state=state)
        webhook.waiting, webhook.next_at = max(0, webhook.waiting - ended), now
    _note(webhook, outcome, now)
    webhook.save(update_fields=["waiting", "next_at", "failing_since", "delivered_at"])
    if outcome.is_gone:
        webhooks.disable(webhook, by=Actor.worker(), reason=outcome.error)
    elif wait is None and webhook.failing_since and now - webhook.failing_since >= PATIENCE:
        reason = f"Nothing was delivered since {webhook.failing_since:%Y-%m-%d %H:%M} UTC. {outcome.error}"
        webhooks.disable(webhook, by=Actor.worker(), reason=reason)
    return True


def try_out(webhook: Webhook, *, by: Actor) -> Delivery:
    """Send a `webhook.test` at once, past what waits, once; how it went is told and stays in the log.

    One that comes while this process sends another is refused.
    """
    now = timezone.now()
    body = backlog.payload(TEST, now, {"webhook": webhook.name, "by": str(by)})
    delivery = Delivery(webhook=webhook, message=backlog.new_name(), topic=TEST, body=body, created_at=now, attempts=1)
    if not _trying_out.acquire(blocking=False):
        raise AnotherTest
    try:
        outcome = send(webhook, delivery)
    finally:
        _trying_out.release()
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
    """Send a delivery again under its old id, in its old place; one that waits is tried at once.

    Refused while as many wait as may.
    """
    webhook = _enabled(delivery.webhook_id)
    count = _wait_again(webhook, Delivery.objects.filter(pk=delivery.pk))
    delivery.refresh_from_db()
    if count:
        after = {"name": webhook.name, "message": delivery.message, "topic": delivery.topic}
        audit.record(by, "webhook.replayed", ("webhook", str(webhook.pk)), after=after)


@transaction.atomic
def replay_failed(webhook: Webhook, since: datetime, *, by: Actor) -> int:
    """Send again, oldest first, all that were made since then and have failed, or as many as may wait; says how many.

    Refused while there is room for none.
    """
    webhook = _enabled(webhook.pk)
    failed = Delivery.objects.filter(webhook=webhook, state=DeliveryState.FAILED, created_at__gte=since)
    count = _wait_again(webhook, failed.exclude(topic=TEST))
    if count:
        after = {"name": webhook.name, "since": written(since), "replayed": count}
        audit.record(by, "webhook.replayed", ("webhook", str(webhook.pk)), after=after)
    return count


def _enabled(webhook_id: UUID) -> Webhook:
    webhook = Webhook.objects.select_for_update().filter(pk=webhook_id).first()
    if webhook is None:
        raise webhooks.Unknown
    if not webhook.is_enabled:
        raise NotEnabled(webhook)
    return webhook


def _wait_again(webhook: Webhook, chosen: QuerySet[Delivery]) -> int:
    """Let what has ended wait again as if it were new, and try at once."""
    room, ended = max(0, backlog.MOST - webhook.waiting), chosen.exclude(state=DeliveryState.WAITING)
    if not room and ended.exists():
        raise BacklogFull(webhook)
    again = list(ended.order_by("pk").values_list("pk", flat=True)[:room])
    count = Delivery.objects.filter(pk__in=again).update(state=DeliveryState.WAITING, attempts=0)
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
