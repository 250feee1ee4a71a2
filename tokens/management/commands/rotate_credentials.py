"""Rotate the app credentials that expire soon and print their new secrets, this once; whoever was is left alone.

The old secrets go on for what they have left, at most 30 days, so nobody is cut off. A run that was killed can be run
again. A secret of a run that did not exit with 0 may be void.
"""

from argparse import ArgumentParser
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from portal import durations
from portal.actor import Actor
from portal.commands import LinesCommand, Unprinted, folder_named, misuse, one_after_the_other, refusals_exit_1
from portal.refusal import Invalid
from portal.rfc3339 import written
from tokens import overlap, planned_rotation, secret_folder
from tokens.models import AppCredential
from tokens.overlap import Rotated
from tokens.secret_folder import SecretFolder


class Command(LinesCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--due-in", type=durations.read, required=True, help="e.g. 14d: what expires within that")
        parser.add_argument("--grace", type=durations.read, help="how long the old secret goes on, at most 30d")
        parser.add_argument("--days", type=int, help="how long the new secret lives, at most 365")
        parser.add_argument(
            "--out", type=folder_named, metavar="DIR", help="write each secret to DIR/<client id>.secret"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would be rotated")
        super().add_arguments(parser)

    @refusals_exit_1
    def handle(
        self,
        *,
        due_in: timedelta,
        grace: timedelta | None,
        days: int | None,
        out: Path | None,
        dry_run: bool,
        as_json: bool,
        **options: Any,
    ) -> None:
        self.as_json = as_json
        _refuse_misuse(grace, days)
        if dry_run:
            for credential in planned_rotation.due_credentials(due_in):
                self.say({"client_id": credential.client_id, "expires_at": written(credential.expires_at)})
            return
        by = Actor.command("rotate_credentials")
        with secret_folder.opened(out) if out else nullcontext() as folder:

            def rotate(credential: AppCredential) -> None:
                show = partial(self.show, folder=folder)
                rotated = planned_rotation.rotate_credential(
                    credential, by=by, within=due_in, grace=grace, days=days, show=show
                )
                if rotated and folder:
                    folder.take_place(credential.client_id, rotated.secret.pk)

            for obstructed in folder.amiss if folder else ():
                self.stderr.write(str(obstructed))
            one_after_the_other(self, planned_rotation.due_credentials(due_in), rotate)
            if folder and folder.amiss:
                raise CommandError("Not every secret of an earlier run is in its place yet.")

    def show(self, rotated: Rotated, *, folder: SecretFolder | None) -> None:
        """The new secret, or where it is found once this has committed."""
        client_id, secret, old = rotated.holder.client_id, rotated.secret, rotated.replaced
        shown = {"secret": rotated.text}
        if folder:
            folder.put_down(client_id, secret.pk, rotated.text)
            shown = {"path": str(folder.place(client_id))}
        ends = {"expires_at": written(secret.expires_at), "old_ends_at": written(old.end) if old else None}
        try:
            self.say({"client_id": client_id, **shown, **ends})
        except Unprinted:
            if folder:
                folder.pick_up(client_id, secret.pk)
            raise


def _refuse_misuse(grace: timedelta | None, days: int | None) -> None:
    if grace is not None and grace > timedelta(hours=overlap.LONGEST_GRACE_HOURS):
        raise misuse("--grace is at most 30d.")
    try:
        overlap.judge_days(days)
    except Invalid as wrong:
        raise misuse(f"--days: {wrong}") from wrong
