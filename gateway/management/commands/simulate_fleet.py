"""`manage.py simulate_fleet`: a fleet that lives, for a look at the portal with life in it and for load."""

import argparse
import json
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gateway.fleet.conversation import Conversation, Until
from gateway.fleet.crew import Crew
from gateway.fleet.devices import Mix, fleet
from gateway.fleet.door import Door

PROGRESS_EVERY = 5.0


class Command(BaseCommand):
    help = (
        "Simulate devices that ask to be let in with real keys, as a Mender client does, and once they are accepted "
        "report their inventory and ask for updates. The same seed gives the same devices with the same keys. "
        "Without --once or --for it goes on until every device has been served. Exit 1 if any request failed."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--devices", type=_whole, required=True, metavar="N", help="How many devices.")
        parser.add_argument("--connections", type=_whole, default=64, metavar="C", help="How many connections (64).")
        parser.add_argument("--url", help="The door; by default the one for this machine, http://127.0.0.1:HTTP_PORT.")
        parser.add_argument("--certificate", metavar="FILE", help="Trust this certificate or CA (PEM) at a TLS door.")
        parser.add_argument("--insecure", action="store_true", help="Believe any certificate.")
        parser.add_argument("--keys", choices=["mixed", "ed25519", "ec", "rsa"], default="mixed")
        parser.add_argument("--seed", default="fleet", help="Another seed, another fleet.")
        parser.add_argument("--every", type=_seconds, default=10.0, metavar="S", help="Seconds between questions (10).")
        parser.add_argument("--json", action="store_true", help="The summary as JSON.")
        how_long = parser.add_mutually_exclusive_group()
        how_long.add_argument("--once", action="store_true", help="Each device asks once and does what it is let do.")
        how_long.add_argument("--for", type=_seconds, metavar="S", help="Go on for so many seconds.")

    def handle(self, *args: Any, **options: Any) -> None:
        door = self._door(options)
        count, seconds = options["devices"], options["for"]
        until = Until.ASKED if options["once"] else Until.STOPPED if seconds else Until.SERVED
        self.stderr.write(f"Making {count} devices of the fleet {options['seed']!r} …")
        mix: Mix = options["keys"]
        devices = fleet(count, seed=options["seed"], mix=mix)
        conversations = [Conversation(device, until=until, every=options["every"]) for device in devices]
        crew = Crew(door, conversations, connections=min(options["connections"], count))
        self.stderr.write(f"They speak to {door.url}; Ctrl-C ends it.")
        began = time.monotonic()
        crew.start()
        try:
            self._watch(crew, count, began, seconds)
        except KeyboardInterrupt:
            self.stderr.write("Ending …")
        crew.stop()
        summary = crew.tally.summary(devices=count, seconds=time.monotonic() - began)
        self.stdout.write(json.dumps(summary.as_dict()) if options["json"] else str(summary))
        if failed := sum(summary.errors.values()):
            raise CommandError(f"{failed} of {summary.requests} requests failed.")

    def _door(self, options: dict[str, Any]) -> Door:
        url = options["url"] or f"http://127.0.0.1:{settings.HTTP_PORT}"
        try:
            return Door(url, certificate=options["certificate"], insecure=options["insecure"])
        except (ValueError, OSError) as wrong:
            raise CommandError(str(wrong), returncode=2) from wrong

    def _watch(self, crew: Crew, count: int, began: float, seconds: float | None) -> None:
        """Until all has been said, or the time is over; a line of progress every few seconds."""
        left = seconds or float("inf")
        while not crew.wait(min(left, PROGRESS_EVERY)):
            gone = time.monotonic() - began
            if seconds and (left := seconds - gone) <= 0:
                return
            self.stderr.write(str(crew.tally.summary(devices=count, seconds=gone)))


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1000000")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 1000000")
    return value
