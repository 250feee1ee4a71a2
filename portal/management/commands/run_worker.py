"""Run the background worker: the outbox, deadlines, renewals and clean-up."""

import signal
import threading
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
        while not stopping.wait(PAUSE):
            schedule.run_due()
            connection.close_if_unusable_or_obsolete()
