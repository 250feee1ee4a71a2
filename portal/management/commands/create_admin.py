"""Create an administrator; the password comes from GATEHOUSE_ADMIN_PASSWORD, else it is generated and printed once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal import environment, people
from portal.actor import Actor
from portal.commands import counts_once_shown, refusals_exit_1
from portal.roles import Role


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")

    @refusals_exit_1
    def handle(self, *, name: str, **options: Any) -> None:
        given = environment.text("ADMIN_PASSWORD")
        password = given or people.generate_password()
        with counts_once_shown(self):
            people.create(name, password, Role.ADMINISTRATOR, by=Actor.command("create_admin"))
            if not given:
                self.stdout.write(password)
