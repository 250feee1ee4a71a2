"""Remove what ended long ago and print how much of each kind; the history stays whole, and it is safe to run again."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from portal import durations, pruning
from portal.actor import Actor
from portal.commands import misuse, refusals_exit_1


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        usual = f"{pruning.USUAL.days}d"
        parser.add_argument("--older-than", type=durations.read, default=pruning.USUAL, help=f"{usual} unless told")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")

    @refusals_exit_1
    def handle(self, *, older_than: timedelta, dry_run: bool, as_json: bool, **options: Any) -> None:
        if older_than < pruning.LEAST:
            raise misuse(f"--older-than is at least {pruning.LEAST.days}d.")
        by = Actor.command("prune")
        counts = pruning.outlook(older_than) if dry_run else pruning.prune(older_than, by=by)
        for kind, number in counts.items():
            self.stdout.write(json.dumps({"kind": kind, "number": number}) if as_json else f"{kind} {number}")
