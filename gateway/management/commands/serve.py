"""Migrate, make what is missing, then run portal, worker and Envoy in the foreground until SIGTERM or Ctrl-C."""

import json
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from gateway import preparation, run_folder
from portal import people, whole_file
from portal.commands import counts_once_shown, refusals_exit_1


class Command(BaseCommand):
    help = __doc__ or ""
    requires_system_checks = ()

    @refusals_exit_1
    def handle(self, **options: Any) -> None:
        lock = preparation.folder()
        preparation.envoy()
        preparation.ports()
        preparation.database()
        with counts_once_shown(self):
            if administrator := people.first_administrator():
                self.introduce(*administrator)
        preparation.control_plane()
        preparation.routes()
        whole_file.write(run_folder.ORDERS, json.dumps(preparation.orders()))
        # Django is no longer needed. What takes over is small, keeps the process id, and holds the lock.
        os.set_inheritable(lock, True)
        os.execve(  # noqa: S606  # A program by its list of words.
            sys.executable,
            [sys.executable, "-P", "-m", "gateway.supervisor", str(run_folder.ORDERS)],
            {**os.environ, "PYTHONPATH": str(settings.ROOT)},
        )

    def introduce(self, name: str, password: str) -> None:
        """Say the first administrator's password, this once."""
        said = f"password {password}" if password else "the password in GATEHOUSE_ADMIN_PASSWORD"
        line = "=" * 72
        self.stdout.write(f"{line}\nThe first administrator is {name}, {said}\n{line}")
