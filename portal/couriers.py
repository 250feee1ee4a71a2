"""Who carries deliveries: a few threads beside the worker's other jobs, each with one webhook that it has claimed.

A claim ends by itself, so what a killed worker held is taken up again. Webhooks that fail get at most half of the
threads, so however many receivers are dead, the others do not wait for them; one that is slow but succeeds gives its
thread back after its turn.
"""

import logging
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from threading import Event, Thread
from uuid import UUID, uuid4

from django.db import Error, connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal import backlog, deliveries
from portal.exchange import Stopped
from portal.models import Webhook

LANES, FOR_FAILING = 16, 8
PAUSE = 0.5
PAUSE_AFTER_FAULT = 10.0
# So long a claim lasts that nobody renews: three times the longest exchange.
CLAIM = timedelta(seconds=30)
# So long after it was renewed something is sent under it, so that this is over before the claim is.
FRESH = 15.0
# So long one webhook keeps its thread while others may wait for one.
TURN = 20.0
# No wait is longer; what lies further ahead comes of a clock that was set back.
FURTHEST = timedelta(hours=8)

log = logging.getLogger("gatehouse.worker")


def run(stopping: Event) -> None:
    """Give every webhook that is due a thread, until the worker is to stop."""
    lanes: dict[Thread, Webhook] = {}
    while not stopping.wait(PAUSE):
        try:
            lanes = {lane: held for lane, held in lanes.items() if lane.is_alive()}
            while len(lanes) < LANES and (webhook := _claim_beside(lanes.values())):
                lane = Thread(target=_in_lane, args=(webhook, stopping), name="webhook", daemon=True)
                lane.start()
                lanes[lane] = webhook
        except Error:
            log.warning("The webhooks wait: the database does not answer.")
        finally:
            connection.close_if_unusable_or_obsolete()
    for lane in lanes:
        lane.join(2)


def claim(*, healthy: bool = False, but: Collection[UUID] = ()) -> Webhook | None:
    """Take the webhook that is due for longest, or the `healthy` one; of several workers one gets it."""
    now = timezone.now()
    waiting = due(now).filter(failing_since=None) if healthy else due(now)
    for webhook in waiting.exclude(pk__in=but).order_by("next_at")[:LANES]:
        webhook.claim = uuid4()
        if due(now).filter(pk=webhook.pk).update(claim=webhook.claim, claimed_until=now + CLAIM):
            return webhook
    return None


def due(now: datetime) -> QuerySet[Webhook]:
    """Webhooks to which something is to be sent now, and that nobody holds."""
    arrived = Q(next_at__lte=now) | Q(next_at__gt=now + FURTHEST)
    free = Q(claimed_until=None) | Q(claimed_until__lte=now) | Q(claimed_until__gt=now + 2 * CLAIM)
    return Webhook.objects.filter(arrived, free, is_enabled=True, waiting__gt=0)


def carry(webhook: Webhook, stopping: Event) -> None:
    """Send what waits for a webhook that was claimed, one after another, until one fails or its turn ends."""
    began = time.monotonic()
    try:
        while time.monotonic() - began < TURN and not stopping.is_set():
            renewed = time.monotonic()
            if not _renew(webhook):
                return
            delivery = deliveries.head(webhook)
            if delivery is None:
                return backlog.count_anew(webhook)
            if time.monotonic() - renewed > FRESH:
                continue
            outcome = deliveries.send(webhook, delivery, is_stopping=stopping.is_set)
            if not deliveries.settle(delivery, outcome, claim=webhook.claim) or not outcome.is_success:
                return
    except Stopped:
        log.info("A delivery was broken off, as the worker stops; it is sent again.")
    finally:
        Webhook.objects.filter(pk=webhook.pk, claim=webhook.claim).update(claim=None, claimed_until=None)


def _claim_beside(held: Collection[Webhook]) -> Webhook | None:
    """Take another webhook than those; when a clock jumps their claims look as if they had ended."""
    failing = sum(webhook.failing_since is not None for webhook in held)
    return claim(healthy=failing >= FOR_FAILING, but=[webhook.pk for webhook in held])


def _renew(webhook: Webhook) -> bool:
    """Hold the webhook for another while, as it is now; not one that is no longer ours, or was disabled."""
    now, claim = timezone.now(), webhook.claim
    mine = Webhook.objects.filter(pk=webhook.pk, claim=claim, is_enabled=True)
    if not mine.update(claimed_until=now + CLAIM):
        return False
    webhook.refresh_from_db()
    return webhook.claim == claim and webhook.waiting > 0


def _in_lane(webhook: Webhook, stopping: Event) -> None:
    try:
        carry(webhook, stopping)
    except Error:
        log.warning("The deliveries of %s wait: the database does not answer.", webhook.pk)
        # What was sent may not be written down, so it is sent again; not at once, over and over.
        connection.close()
        stopping.wait(PAUSE_AFTER_FAULT)
    except Exception:  # What went wrong for one webhook must not go unsaid, and ends its turn only.
        log.exception("The deliveries of %s could not be carried; it is tried again in a minute.", webhook.pk)
        Webhook.objects.filter(pk=webhook.pk).update(next_at=timezone.now() + timedelta(minutes=1))
    finally:
        connection.close()
