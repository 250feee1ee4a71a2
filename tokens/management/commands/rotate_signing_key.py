"""Begin a rotation of the signing key, or go on with one that is due, and print the ring; safe to run again."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal.actor import Actor
from portal.commands import refusals_exit_1
from portal.rfc3339 import written
from tokens import key_rotation
from tokens.key_rotation import Standing


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--dry-run", action="store_true", help="only say what would be done")
        how.add_argument(
            "--at-once", action="store_true", help="a key has leaked: refuse from now on whatever was signed until now"
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a key")

    @refusals_exit_1
    def handle(self, *, dry_run: bool, at_once: bool, as_json: bool, **options: Any) -> None:
        by = Actor.command("rotate_signing_key")
        if at_once:
            key_rotation.replace(by=by)
            told = "A new signing key signs from now on; whatever was signed before is refused within two seconds."
        else:
            told = key_rotation.outlook() if dry_run else key_rotation.rotate(by=by)
        for standing in key_rotation.ring():
            self.stdout.write(json.dumps(facts(standing)) if as_json else line(standing))
        self.stderr.write(told)


def facts(standing: Standing) -> dict[str, Any]:
    return {
        "kid": standing.kid,
        "state": standing.state,
        "since": written(standing.since),
        "next_state": standing.follows,
        "next_at": written(standing.follows_at),
    }


def line(standing: Standing) -> str:
    follows = f", {standing.follows} at {written(standing.follows_at)}" if standing.follows else ""
    return f"{standing.kid} {standing.state} since {written(standing.since)}{follows}"
