"""A mail to the administrators about devices that wait for a decision: one for a burst, at most one an hour."""

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Event

from django.conf import settings
from django.db import Error, connection
from django.db.models import F, Q
from django.utils import timezone

from devices import counts
from devices.models import Device, Status
from portal import mail, outbox
from portal.models import Digest, Outbox
from portal.topics import Topic

NAME = "devices that wait"
# So long after the first device, so that a burst makes one mail; and so long after the mail before.
GATHERED, APART = timedelta(minutes=5), timedelta(hours=1)
# Minutes before the next try; the last goes on for as long as devices wait.
WAITS = (1, 5, 15, 60)
# Longer than any conversation with a mail server that is not dead.
CLAIM = timedelta(minutes=10)
SHOWN = 20
PAUSE = 2.0

log = logging.getLogger("gatehouse.worker")


@outbox.batch_receiver
def note(messages: Sequence[Outbox]) -> None:
    """If one of them says that a device began to wait, a mail is due, if there is somebody to write to."""
    if not mail.is_set_up() or all(message.topic != Topic.DEVICE_PENDING for message in messages):
        return
    now = timezone.now()
    digest, _ = Digest.objects.get_or_create(name=NAME)
    due = max(now + GATHERED, digest.sent_at + APART if digest.sent_at else now)
    Digest.objects.filter(pk=NAME, first_at=None).update(first_at=now, next_at=due, attempts=0)
    Digest.objects.filter(pk=NAME).update(last_at=now)


def run(stopping: Event) -> None:
    """Send what is due until the worker is to stop; a mail server that hangs holds up nobody else."""
    while not stopping.wait(PAUSE):
        try:
            send_due()
        except Error:
            log.warning("The mail about waiting devices waits: the database does not answer.")
        finally:
            connection.close_if_unusable_or_obsolete()


def send_due() -> bool:
    """Send the mail if it is due and somebody still waits; of several workers one does. True if it was sent."""
    now = timezone.now()
    # What lies further ahead than any wait comes of a clock that was set back.
    due = Q(next_at__lte=now) | Q(next_at__gt=now + 2 * APART)
    digest = Digest.objects.filter(due, pk=NAME, first_at__isnull=False).first()
    if digest is None or not mail.is_set_up():
        return False
    claimed = Digest.objects.filter(pk=NAME, first_at=digest.first_at, next_at=digest.next_at)
    if not claimed.update(next_at=now + CLAIM, attempts=F("attempts") + 1):
        return False
    waiting = counts.in_tab(Status.PENDING)
    if not waiting:
        _begin_anew(digest, now)
        return False
    try:
        mail.send(_subject(waiting), _text(waiting))
    except mail.NotSent as refused:
        wait = timedelta(minutes=WAITS[min(digest.attempts, len(WAITS) - 1)])
        Digest.objects.filter(pk=NAME, first_at=digest.first_at).update(
            next_at=timezone.now() + wait, last_error=str(refused)[:500]
        )
        log.warning("The mail about waiting devices is tried again in %s min: %s", wait.seconds // 60, refused)
        return False
    _begin_anew(digest, now, sent_at=now, last_error="")
    return True


def _begin_anew(digest: Digest, looked: datetime, **facts: object) -> None:
    """Forget what the mail has told; who began to wait after it looked is in the next one."""
    ours = Digest.objects.filter(pk=NAME, first_at=digest.first_at)
    if not ours.filter(last_at__lte=looked).update(first_at=None, attempts=0, **facts):
        ours.update(first_at=looked, next_at=looked + APART, attempts=0, **facts)


def _subject(waiting: int) -> str:
    return f"[Gatehouse] {waiting} device{'s wait' if waiting > 1 else ' waits'} for a decision"


def _text(waiting: int) -> str:
    """How many wait, the latest of them with what a person compares, and where to decide."""
    latest = Device.objects.waiting().select_related("introduction").order_by("-request_time", "-pk")[:SHOWN]
    lines = [
        f"{waiting} device{'s wait' if waiting > 1 else ' waits'} for a decision:",
        f"{settings.PUBLIC_URL}/portal/devices/",
        "",
    ]
    for device in latest:
        said = getattr(device, "introduction", None)
        # As JSON in ASCII: what a device says of itself must not reorder or forge lines.
        identity = json.dumps(said.named() if said else {})[:300]
        lines += [
            str(device.pk),
            f"  identity     {identity}",
            f"  fingerprint  {device.fingerprint}",
            f"  since        {device.request_time:%Y-%m-%d %H:%M:%S} UTC",
            "",
        ]
    if waiting > SHOWN:
        lines += [f"and {waiting - SHOWN} more.", ""]
    lines.append("Compare each fingerprint with the one on the device or its label before you accept it.")
    return "\n".join(lines)
