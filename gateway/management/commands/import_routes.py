"""Take a list of gateway routes, `prefix.URL, prefix.URL`, or enable those of EdgeX; prints what came of each."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway import route_entries
from portal.actor import Actor
from portal.commands import misuse, refusals_exit_1


class Command(BaseCommand):
    help = (
        f"{__doc__ or ''} A list with an entry that is refused is refused as a whole, with every reason on stderr. "
        "Running it again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "list", nargs="?", help='such as "app.http://edgex-app:56789", entries apart by commas or white space'
        )
        parser.add_argument(
            "--edgex",
            nargs="?",
            choices=["3", "4"],
            const="3",
            help="enable the built-in routes of EdgeX, of version 3 unless told otherwise",
        )
        parser.add_argument("--host", default="", metavar="H", help="with --edgex: the one host of all its services")
        parser.add_argument("--skip-bad", action="store_true", help="leave out what is refused and take the rest")

    @refusals_exit_1
    def handle(self, *, list: str | None, edgex: Any, host: str, skip_bad: bool, **options: Any) -> None:
        by = Actor.command("import_routes")
        if edgex and list is None:
            outcomes = route_entries.take_built_in(edgex, host, by=by, skip_bad=skip_bad)
        elif list is not None and not edgex and not host:
            outcomes = route_entries.take_list(list, by=by, skip_bad=skip_bad)
        else:
            raise misuse('Give a list such as "app.http://edgex-app:56789", or --edgex, perhaps with --host.')
        self.stdout.write(json.dumps([outcome.as_json() for outcome in outcomes]))
        refused = [outcome for outcome in outcomes if outcome.error]
        for outcome in refused:
            self.stderr.write(outcome.sentence)
        if refused and not skip_bad:
            raise CommandError("The list was not taken; correct it, or take what is good with --skip-bad.")
