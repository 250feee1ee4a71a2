"""Issue an API token and print it, this once; `--json` prints it with its id, scopes and expiry."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.actor import Actor
from portal.commands import counts_once_shown, refusals_exit_1
from portal.models import User
from tokens import issuing


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the token is for")
        parser.add_argument("--owner", required=True, help="the person whose token it is")
        parser.add_argument("--scope", action="append", required=True, dest="scopes", help="may be given several times")
        parser.add_argument("--days", type=int, required=True, help="how long it lives")
        parser.add_argument("--json", action="store_true", dest="as_json")

    @refusals_exit_1
    def handle(self, *, name: str, owner: str, scopes: list[str], days: int, as_json: bool, **options: Any) -> None:
        person = User.objects.filter(username__iexact=owner, is_active=True).first()
        if person is None:
            raise CommandError(f"There is no active person named {owner}; create_admin makes one.")
        with counts_once_shown(self):
            token, shown = issuing.issue(name, scopes, owner=person, days=days, by=Actor.command("issue_token"))
            facts = {"id": token.pk, "token": shown, "scopes": token.scopes, "expires_at": token.expires_at.isoformat()}
            self.stdout.write(json.dumps(facts) if as_json else shown)
