"""Rotate the API tokens that expire soon and print their successors, this once; those rotated before are left alone.

A run that was killed can be run again. A token of a run that did not exit with 0 may be void.
"""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from portal import durations
from portal.actor import Actor
from portal.commands import LinesCommand, misuse, one_after_the_other, refusals_exit_1
from tokens import planned_rotation, rotation
from tokens.models import ApiToken
from tokens.rotation import Rotated

HOUR = timedelta(hours=1)


class Command(LinesCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--due-in", type=durations.read, required=True, help="e.g. 14d: what expires within that")
        parser.add_argument("--overlap", type=durations.read, default=rotation.OVERLAP_HOURS * HOUR, help="whole hours")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be rotated")
        super().add_arguments(parser)

    @refusals_exit_1
    def handle(self, *, due_in: timedelta, overlap: timedelta, dry_run: bool, as_json: bool, **options: Any) -> None:
        self.as_json = as_json
        hours = overlap // HOUR
        if overlap % HOUR or hours > rotation.LONGEST_OVERLAP_HOURS:
            raise misuse("--overlap is whole hours, at most 30d.")
        due, by = rotation.due(due_in), Actor.command("rotate_tokens")
        if dry_run:
            for token in due:
                self.say(_facts(token))
            return

        def rotate(token: ApiToken) -> None:
            facts = _facts(token)
            planned_rotation.rotate_token(
                token, by=by, overlap_hours=hours, show=lambda rotated: self.say(facts | _new(rotated))
            )

        one_after_the_other(self, due, rotate)


def _facts(token: ApiToken) -> dict[str, Any]:
    return {"id": token.pk, "name": token.name, "owner": token.owner.username}


def _new(rotated: Rotated) -> dict[str, Any]:
    return {
        "ends_at": rotated.replaced.expires_at.isoformat(),
        "successor": rotated.token.pk,
        "expires_at": rotated.token.expires_at.isoformat(),
        "token": rotated.secret,
    }
