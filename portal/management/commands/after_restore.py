"""After a database was put back: end what was issued since, and what would be done again; safe to run again."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal import restoring
from portal.actor import Actor
from portal.commands import refusals_exit_1


class Command(BaseCommand):
    help = f"{__doc__ or ''} Run it before `serve` is started."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be ended")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")

    @refusals_exit_1
    def handle(self, *, dry_run: bool, as_json: bool, **options: Any) -> None:
        by = Actor.command("after_restore")
        counts = restoring.outlook() if dry_run else restoring.settle(by=by)
        for kind, number in counts.items():
            self.stdout.write(json.dumps({"kind": kind, "number": number}) if as_json else f"{kind} {number}")
        self.stderr.write(restoring.advice(by=by))
