"""Rotate the API tokens that expire soon and print their successors, this once; those rotated before are left alone."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from portal import durations
from portal.actor import Actor
from portal.commands import refusals_exit_1
from tokens import rotation


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--due-in", type=durations.read, required=True, help="e.g. 14d: what expires within that")
        parser.add_argument("--overlap", type=durations.read, default=timedelta(hours=rotation.OVERLAP_HOURS))
        parser.add_argument("--dry-run", action="store_true", help="only say what would be rotated")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")

    @refusals_exit_1
    def handle(self, *, due_in: timedelta, overlap: timedelta, dry_run: bool, as_json: bool, **options: Any) -> None:
        by = Actor.command("rotate_tokens")
        for token in rotation.due(due_in):
            facts = {"id": token.pk, "name": token.name, "owner": token.owner.username}
            if not dry_run:
                rotated = rotation.rotate(token, by=by, overlap_hours=int(overlap.total_seconds() // 3600))
                facts |= {
                    "ends_at": rotated.replaced.expires_at.isoformat(),
                    "successor": rotated.token.pk,
                    "expires_at": rotated.token.expires_at.isoformat(),
                    "token": rotated.secret,
                }
            self.stdout.write(json.dumps(facts) if as_json else " ".join(str(fact) for fact in facts.values()))
