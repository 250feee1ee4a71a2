"""Make a gateway user and print the password, this once; whoever has the name already gets a new password.

What the old password bought is refused at the gateway within two seconds. What is not said stays as it was.
"""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from portal.actor import Actor
from portal.commands import counts_once_shown, refusals_exit_1
from tokens import gateway_user_options as options_of
from tokens import gateway_users


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        options_of.add_name(parser)
        life: dict[str, Any] = {"type": options_of.length, "metavar": "TIME"}
        parser.add_argument("--token-ttl", "--tokenTTL", **life, help="how long a login lasts, 60 s to 24 h (1h)")
        parser.add_argument("--jwt-ttl", "--jwtTTL", **life, help="how long an access token lives, 60 s to 24 h (1h)")
        parser.add_argument("--audience", "--jwtAudience", help="whom access tokens are for (edgex)")
        parser.add_argument(
            "--scope", action="append", dest="scopes", help="scope of a route, may be given several times (gateway:*)"
        )

    @refusals_exit_1
    def handle(
        self,
        *,
        name: str | None,
        user: str | None,
        token_ttl: timedelta | None,
        jwt_ttl: timedelta | None,
        audience: str | None,
        scopes: list[str] | None,
        **options: Any,
    ) -> None:
        with counts_once_shown(self):
            added = gateway_users.add(
                options_of.named(name, user),
                token_ttl=token_ttl,
                jwt_ttl=jwt_ttl,
                audience=audience,
                scopes=scopes,
                by=Actor.command("adduser"),
            )
            self.stdout.write(options_of.line({"username": added.account.username, "password": added.password}))
