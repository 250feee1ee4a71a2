"""Begin a rotation of the pepper, or go on with what is due, and print the ring and how many secrets need each."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal.actor import Actor
from portal.commands import refusals_exit_1
from portal.rfc3339 import written
from tokens import pepper_rotation
from tokens.pepper_rotation import Standing


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a pepper")

    @refusals_exit_1
    def handle(self, *, dry_run: bool, as_json: bool, **options: Any) -> None:
        try:
            told = pepper_rotation.outlook() if dry_run else pepper_rotation.rotate(by=Actor.command("rotate_pepper"))
        finally:
            # Also beside a refusal: how many secrets need a pepper is what an operator comes to see.
            for standing in pepper_rotation.ring():
                self.stdout.write(json.dumps(facts(standing)) if as_json else line(standing))
        self.stderr.write(told)


def facts(standing: Standing) -> dict[str, Any]:
    return {
        "pepper": standing.pepper,
        "state": standing.state,
        "since": written(standing.since),
        "active_at": written(standing.active_at),
        "needed_by": dict(standing.needed_by),
        "held": standing.is_held,
    }


def line(standing: Standing) -> str:
    needed = ", ".join(f"{count} {kind}" for kind, count in standing.needed_by.items())
    words = [f"{standing.pepper} {standing.state} since {written(standing.since)}"]
    if standing.active_at:
        words.append(f"active at {written(standing.active_at)}")
    words.append(f"needed by {needed}")
    if not standing.is_held:
        words.append("missing from GATEHOUSE_PEPPERS")
    return ", ".join(words)
