"""Run the background worker: the outbox, webhooks and mails, deadlines, renewals and clean-up."""

import logging
import signal
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import FrameType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

from portal import schedule

PAUSE = 0.25
# After a companion broke it begins anew; what it does meanwhile waits in the database.
PAUSE_AFTER_FAULT = 5.0
LAST_WORD = 5.0

log = logging.getLogger("gatehouse.worker")


class Command(BaseCommand):
    help = __doc__ or ""

    def handle(self, **options: Any) -> None:
        for app in apps.get_app_configs():
            if app.path.startswith(str(settings.ROOT)) and find_spec(f"{app.name}.upkeep"):
                import_module(f"{app.name}.upkeep")
        stopping = threading.Event()

        def stop(number: int, frame: FrameType | None) -> None:
            stopping.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        threads = [
            threading.Thread(target=keep_on, args=(name, run, stopping), name=name, daemon=True)
            for name, run in schedule.companions().items()
        ]
        for thread in threads:
            thread.start()
        while not stopping.wait(PAUSE):
            schedule.run_due()
            connection.close_if_unusable_or_obsolete()
        for thread in threads:
            thread.join(LAST_WORD)


def keep_on(name: str, run: Callable[[threading.Event], None], stopping: threading.Event) -> None:
    """Let a companion of the worker run until it is to stop; one that breaks is told and begins anew."""
    while not stopping.is_set():
        try:
            run(stopping)
        except Exception:  # The others go on, and so does this one.
            log.exception("The companion %s failed; it begins anew in %s s.", name, PAUSE_AFTER_FAULT)
            stopping.wait(PAUSE_AFTER_FAULT)
        finally:
            connection.close()
