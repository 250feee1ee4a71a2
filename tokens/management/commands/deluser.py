"""Delete a gateway user; what the account bought is refused at the gateway within two seconds."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal.actor import Actor
from portal.commands import refusals_exit_1
from tokens import gateway_user_options as options_of
from tokens import gateway_users


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        options_of.add_name(parser)

    @refusals_exit_1
    def handle(self, *, name: str | None, user: str | None, **options: Any) -> None:
        username = gateway_users.named(options_of.named(name, user))
        ended = gateway_users.delete(username, by=Actor.command("deluser"))
        facts = {"username": username, "deleted": ended is not None, "tokens_revoked": ended or 0}
        self.stdout.write(options_of.line(facts))
