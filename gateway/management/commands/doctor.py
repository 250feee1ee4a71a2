"""Check the whole installation; exit 1 if something is wrong, with one sentence on each."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway import doctor
from portal.commands import refusals_exit_1


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")

    @refusals_exit_1
    def handle(self, *, as_json: bool, **options: Any) -> None:
        findings = list(doctor.examine())
        for finding in findings:
            facts = {"about": finding.about, "wrong": finding.wrong}
            said = f"{'WRONG' if finding.wrong else 'ok   '}  {finding.about}" + (
                f": {finding.wrong}" if finding.wrong else ""
            )
            self.stdout.write(json.dumps(facts) if as_json else said)
        if wrong := sum(1 for finding in findings if finding.wrong):
            raise CommandError(f"{wrong} of {len(findings)} checks found something wrong.")
