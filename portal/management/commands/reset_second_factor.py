"""Remove every second factor of a person who lost them; their sessions end, and the password alone lets them in."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal import second_factor_changes, standing
from portal.actor import Actor
from portal.commands import refusals_exit_1
from portal.models import User


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")

    @refusals_exit_1
    def handle(self, *, name: str, **options: Any) -> None:
        person = User.objects.filter(username__iexact=name).first()
        if person is None:
            raise standing.Unknown
        number = second_factor_changes.reset(person, by=Actor.command("reset_second_factor"), typed=person.username)
        self.stdout.write(f"{person.username}: {number} removed.")
