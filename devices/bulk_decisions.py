"""A decision on many devices that a person asks for on a page: frozen when asked, reviewed, and done step by step.

Each step is one transaction that decides and writes the outcomes down, so whenever it is interrupted, it goes on where
it was. The steps are asked for by the browser of the person, whose rights are judged anew at each.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from devices import bulk
from devices.models import BulkDecision, BulkItem
from portal import rows, text
from portal.actor import Actor
from portal.refusal import Invalid, NotFound, Refusal

MOST = 100_000
STORED_AT_ONCE = 1000
KEPT = timedelta(days=30)


class Unknown(NotFound):
    code = "bulk_decision_not_found"


class NotYours(Refusal):
    status, code = 403, "not_the_owner"


class NotFrozen(Refusal):
    code = "bulk_decision_not_frozen"


class Another(Refusal):
    """The id stands for another decision."""

    code = "bulk_decision_is_another"


def ask(decision: str, devices: Iterable[tuple[str, int]], *, by: Actor, reason: str = "", id: UUID) -> BulkDecision:
    """Freeze what is asked for: the devices by id with the revision that was looked at. Nothing is decided yet.

    Asked for twice under one `id`, as by a double click, it is the same. It may be begun once its `total` stands: what
    is frozen is written in steps, because others wait meanwhile.
    """
    text.check("reason", reason, most=500)
    if decision not in bulk.DECISIONS:
        raise Invalid("decision", f"A decision is one of {', '.join(bulk.DECISIONS)}.")
    bulk.refuse_without_scope(bulk.DECISIONS[decision], by)
    frozen = list(dict(islice(devices, MOST + 1)).items())
    if not frozen:
        raise Invalid("chosen", "Choose at least one device: tick its box, or take all that match.")
    if len(frozen) > MOST:
        raise Invalid("chosen", f"More than {MOST:,} devices match; narrow the filter, or decide in several steps.")
    digest = hashlib.sha256(json.dumps([decision, reason, frozen]).encode()).hexdigest()
    facts: dict[str, Any] = {"decision": decision, "reason": reason, "owner_id": by.owner, "digest": digest}
    asked, is_new = BulkDecision.objects.get_or_create(id=id, defaults=facts)
    if not is_new:
        asked = find(id, by=by)
        if asked.digest != digest:
            raise Another("This page has been used for another decision; load the list anew, then choose again.")
        return asked
    for start in range(0, len(frozen), STORED_AT_ONCE):
        time.sleep(bulk.PAUSE if start else 0)
        _store(asked, frozen[start : start + STORED_AT_ONCE])
    asked.total = len(frozen)
    asked.save(update_fields=["total"])
    return asked


def find(id: UUID, *, by: Actor) -> BulkDecision:
    """A bulk decision of this person."""
    found = BulkDecision.objects.filter(pk=id).first()
    if found is None:
        raise Unknown("There is no such decision; begin at the list of devices.")
    if found.owner_id != by.owner:
        raise NotYours("Somebody else asked for this; only they see it and go on with it.")
    return found


def go_on(asked: BulkDecision, *, by: Actor, seconds: float) -> BulkDecision:
    """Decide on the next devices, for about so many seconds; what is finished stays as it is."""
    bulk.refuse_without_scope(bulk.DECISIONS[asked.decision], by)
    if not asked.total:
        raise NotFrozen("The devices are still being gathered; go on in a moment, or begin anew at the list.")
    ends = time.monotonic() + seconds
    while (asked := _step(asked, by)).finished_at is None and time.monotonic() < ends:
        time.sleep(bulk.PAUSE)
    return asked


def forget() -> None:
    """Remove what was asked for long ago, in steps; the audit trail keeps what it changed."""
    old = BulkDecision.objects.filter(asked_at__lt=timezone.now() - KEPT)
    while items := list(BulkItem.objects.filter(bulk__in=old).values_list("pk", flat=True)[:STORED_AT_ONCE]):
        BulkItem.objects.filter(pk__in=items).delete()
        time.sleep(bulk.PAUSE)
    old.delete()


@transaction.atomic
def _store(asked: BulkDecision, frozen: Sequence[tuple[str, int]]) -> None:
    rows.insert([BulkItem(bulk=asked, device_id=device_id, seen=seen) for device_id, seen in frozen])


@transaction.atomic
def _step(asked: BulkDecision, by: Actor) -> BulkDecision:
    """One batch: the devices, their history and their outcomes together, or nothing of it."""
    asked = BulkDecision.objects.select_for_update().get(pk=asked.pk)
    if asked.finished_at is not None:
        return asked
    items = list(asked.items.filter(is_reached=False).order_by("pk")[: bulk.BATCH])
    if not items:
        raise Unknown("This decision is too old to go on with; begin at the list of devices.")
    seen = {item.device_id: item.seen for item in items}
    decision = bulk.DECISIONS[asked.decision]
    outcomes = bulk.decide_batch(list(seen), decision, by=by, reason=asked.reason, seen=seen)
    refused = [_refused(item, outcome) for item, outcome in zip(items, outcomes, strict=True) if outcome.code]
    BulkItem.objects.bulk_update(refused, ["is_reached", "status", "code", "error"])
    reached = [item.pk for item, outcome in zip(items, outcomes, strict=True) if not outcome.code]
    BulkItem.objects.filter(pk__in=reached).update(is_reached=True, status=decision.brings)
    now = timezone.now()
    asked.started_at = asked.started_at or now
    asked.done += len(reached)
    asked.refused += len(refused)
    asked.finished_at = now if asked.reached == asked.total else None
    asked.save(update_fields=["started_at", "finished_at", "done", "refused"])
    return asked


def _refused(item: BulkItem, outcome: bulk.Outcome) -> BulkItem:
    item.is_reached = True
    item.status, item.code, item.error = outcome.status, outcome.code, outcome.error[:500]
    return item
