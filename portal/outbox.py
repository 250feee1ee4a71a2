"""What others must hear of, exactly as committed: rules put it here, the worker hands it on in order."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction

from portal import rows
from portal.models import Outbox
from portal.topics import Topic

Receiver = Callable[[Outbox], None]
BatchReceiver = Callable[[Sequence[Outbox]], None]

BATCH = 200
# So long one run hands on; between two batches those get their turn who wait to write.
LONGEST = 5.0
PAUSE = 0.003

log = logging.getLogger("gatehouse.events")

_receivers: list[Receiver] = []
_batch_receivers: list[BatchReceiver] = []


def put(topic: Topic, body: Mapping[str, Any]) -> None:
    """Say what happened, in the transaction in which it happens."""
    rows.insert([Outbox(topic=topic, body=body)])


def put_all(topic: Topic, bodies: Iterable[Mapping[str, Any]]) -> None:
    """Say what happened to each of many, in the transaction in which it happens."""
    rows.insert([Outbox(topic=topic, body=body) for body in bodies])


def receiver(receive: Receiver) -> Receiver:
    """Register a function that takes every message; it only writes rows, so that it commits with the removal."""
    _receivers.append(receive)
    return receive


def batch_receiver(receive: BatchReceiver) -> BatchReceiver:
    """Register a function that takes the messages of a batch together, after the others, for what writes much."""
    _batch_receivers.append(receive)
    return receive


@receiver
def into_the_log(message: Outbox) -> None:
    log.info(message.topic, extra={"event": message.body})


def hand_on() -> int:
    """Hand on what waits, oldest first, and say how many; after some seconds the rest waits for the next time."""
    handed, began = 0, time.monotonic()
    while batch := _hand_on_batch():
        handed += batch
        if batch < BATCH or time.monotonic() - began > LONGEST:
            break
        time.sleep(PAUSE)
    return handed


@transaction.atomic
def _hand_on_batch() -> int:
    """Two workers never take the same message: the second waits for the first.

    Were it to skip what is locked, later messages could overtake.
    """
    waiting = list(Outbox.objects.select_for_update().order_by("pk")[:BATCH])
    for message in waiting:
        for receive in _receivers:
            receive(message)
    if waiting:
        for take in _batch_receivers:
            take(waiting)
    Outbox.objects.filter(pk__in=[message.pk for message in waiting]).delete()
    return len(waiting)
