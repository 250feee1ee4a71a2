"""Print an access token of a gateway user; the password stays as it is."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal.actor import Actor
from portal.commands import counts_once_shown, refusals_exit_1
from portal.rfc3339 import written
from tokens import gateway_logins
from tokens import gateway_user_options as options_of


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        options_of.add_name(parser)
        parser.add_argument("--raw", action="store_true", help="print the token alone")

    @refusals_exit_1
    def handle(self, *, name: str | None, user: str | None, raw: bool, **options: Any) -> None:
        with counts_once_shown(self):
            sold = gateway_logins.issue(options_of.named(name, user), by=Actor.command("get_token"))
            facts = {
                "username": sold.account.username,
                "token": sold.text,
                "ttl": sold.seconds,
                "expires_at": written(sold.expires_at),
            }
            self.stdout.write(sold.text if raw else options_of.line(facts))
