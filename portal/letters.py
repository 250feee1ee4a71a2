"""Mails that wait to be sent: written in the transaction of what they tell, sent by a companion of the worker.

Of several workers one sends a letter: whoever moves its time on. A worker that is killed before the server has taken
the letter leaves a claim that ends by itself, and the letter goes out then. One that is killed between the server's yes
and the mark that it was sent lets it go out twice, since SMTP offers no more; only the goodbye lies between them.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from threading import Event

from django.conf import settings
from django.db import Error, connection
from django.db.models import F, Q
from django.utils import timezone

from portal import mail
from portal.models import Letter

# Minutes before the next try; the last goes on until it is given up.
WAITS = (1, 5, 15, 60)
GIVEN_UP = timedelta(days=3)
# Longer than any conversation with a mail server that is not dead.
CLAIM = timedelta(minutes=10)
# No wait is longer; what lies further ahead comes of a clock that was set back.
FURTHEST = timedelta(hours=2)
PAUSE = 2.0

log = logging.getLogger("gatehouse.worker")


def write(to: Sequence[str], subject: str, text: str) -> None:
    """Let a mail go out if this transaction commits; without a mail server, or anybody to write to, there is none."""
    if settings.MAIL_SERVER and to:
        Letter.objects.create(to=list(to), subject=subject[:200], text=text)


def run(stopping: Event) -> None:
    """Send what is due until the worker is to stop; a mail server that hangs holds up nobody else."""
    while not stopping.wait(PAUSE):
        try:
            while not stopping.is_set() and send_next():
                pass
        except Error:
            log.warning("The mails wait: the database does not answer.")
        finally:
            connection.close_if_unusable_or_obsolete()


def send_next() -> bool:
    """Send the letter that is due for longest; True if there was one, taken or not."""
    now = timezone.now()
    due = Letter.objects.filter(Q(next_at__lte=now) | Q(next_at__gt=now + FURTHEST), sent_at=None)
    letter = due.order_by("next_at", "pk").first()
    if letter is None or settings.MAIL_SERVER is None:
        return False
    mine = Letter.objects.filter(pk=letter.pk, sent_at=None, next_at=letter.next_at, attempts=letter.attempts)
    if not mine.update(next_at=now + CLAIM, attempts=F("attempts") + 1):
        return True
    try:
        mail.send(letter.subject, letter.text, letter.to)
    except mail.NotSent as refused:
        _put_off(letter, str(refused))
    else:
        Letter.objects.filter(pk=letter.pk).update(sent_at=timezone.now(), text="", last_error="")
    return True


def _put_off(letter: Letter, why: str) -> None:
    """Try it again later, or never: after three days what it told is stale, and stands in the portal all the same."""
    now = timezone.now()
    if now - letter.created_at >= GIVEN_UP:
        log.error("The mail “%s” of %s is given up: %s", letter.subject, f"{letter.created_at:%Y-%m-%d}", why)
        Letter.objects.filter(pk=letter.pk).delete()
        return
    minutes = WAITS[min(letter.attempts, len(WAITS) - 1)]
    log.warning("The mail “%s” is tried again in %s min: %s", letter.subject, minutes, why)
    next_at = now + timedelta(minutes=minutes)
    Letter.objects.filter(pk=letter.pk).update(next_at=next_at, last_error=why[:500])
