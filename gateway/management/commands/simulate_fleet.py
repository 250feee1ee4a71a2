"""`manage.py simulate_fleet`: a fleet that lives, for a look at the portal with life in it and for load."""

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from gateway import run_folder
from gateway.fleet import certificates
from gateway.fleet.by_certificate import ByCertificate
from gateway.fleet.by_identity import ByIdentity
from gateway.fleet.conversation import Until
from gateway.fleet.crew import Crew, Speaker
from gateway.fleet.devices import Mix, SimulatedDevice, Ways, fleet
from gateway.fleet.door import Door
from portal.actor import Actor
from portal.commands import refusals_exit_1

PROGRESS_EVERY = 5.0


class Command(BaseCommand):
    help = (
        "Simulate devices that ask to be let in with real keys. By identity they do so as a Mender client does, and "
        "once they are accepted report their inventory and ask for updates. By certificate they come to the device "
        "door, check in, report hardware, network, apps and the steps of an update, and look for a new configuration; "
        "their certificates are signed by the device CA of this installation when the command starts, in the names "
        "sim-<seed>-0001 and so on. The same seed gives the same devices with the same keys. "
        "Without --once or --for it goes on until every device has been served. Exit 1 if any request failed."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--devices", type=_whole, required=True, metavar="N", help="How many devices.")
        parser.add_argument(
            "--by",
            choices=["identity", "certificate", "both"],
            default="identity",
            help="How they come; of both, half by certificate (identity).",
        )
        parser.add_argument(
            "--connections",
            type=_whole,
            default=64,
            metavar="C",
            help="How many connections are open at once (64). A device by certificate has one of its own, which it "
            "keeps while there are enough for all.",
        )
        parser.add_argument(
            "--url", help="The door by identity; by default the one for this machine, http://127.0.0.1:HTTP_PORT."
        )
        parser.add_argument(
            "--device-url",
            metavar="URL",
            help="The door by certificate; by default https://127.0.0.1:DEVICE_PORT, trusted by DATA_DIR/run/door.pem.",
        )
        parser.add_argument("--certificate", metavar="FILE", help="Trust this certificate or CA (PEM) at TLS doors.")
        parser.add_argument("--insecure", action="store_true", help="Believe any certificate.")
        parser.add_argument(
            "--keys",
            choices=["mixed", "ed25519", "ec", "rsa"],
            default="mixed",
            help="Keys of those by identity (mixed); certificates are always for EC P-256.",
        )
        parser.add_argument("--seed", default="fleet", help="Another seed, another fleet.")
        parser.add_argument(
            "--every",
            type=_seconds,
            default=10.0,
            metavar="S",
            help="Seconds between questions, also for who is told to wait longer (10).",
        )
        parser.add_argument("--json", action="store_true", help="The summary as JSON.")
        how_long = parser.add_mutually_exclusive_group()
        how_long.add_argument("--once", action="store_true", help="Each device asks once and does what it is let do.")
        how_long.add_argument("--for", type=_seconds, metavar="S", help="Go on for so many seconds.")

    @refusals_exit_1
    def handle(self, *args: Any, **options: Any) -> None:
        count, seconds, by = options["devices"], options["for"], options["by"]
        doors = self._doors(options)
        until = Until.ASKED if options["once"] else Until.STOPPED if seconds else Until.SERVED
        self.stderr.write(f"Making {count} devices of the fleet {options['seed']!r} …")
        mix: Mix = options["keys"]
        speakers = list(self._speakers(fleet(count, seed=options["seed"], mix=mix, by=by), doors, until, options))
        crew = Crew(speakers, connections=min(options["connections"], count))
        self.stderr.write(f"They speak to {' and '.join(door.url for door in doors.values())}; Ctrl-C ends it.")
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

    def _doors(self, options: dict[str, Any]) -> dict[str, Door]:
        """The doors that are spoken to, by the way that devices come there."""
        by: Ways = options["by"]
        doors = {}
        if by != "certificate":
            doors["identity"] = _door(options["url"] or f"http://127.0.0.1:{settings.HTTP_PORT}", options)
        if by != "identity":
            own = str(run_folder.DOOR_CHAIN) if run_folder.DOOR_CHAIN.exists() else None
            url = options["device_url"] or f"https://127.0.0.1:{settings.DEVICE_PORT}"
            doors["certificate"] = door = _door(url, options, own)
            if door.tls is None:
                raise CommandError(f"{url} takes no certificate; --device-url begins with https://.", returncode=2)
        return doors

    def _speakers(
        self, devices: Iterable[SimulatedDevice], doors: dict[str, Door], until: Until, options: dict[str, Any]
    ) -> Iterator[Speaker]:
        """The devices at their doors. One that gets no certificate knocks without one, and hears what comes of it."""
        every, without, told = options["every"], 0, time.monotonic()
        for number, device in enumerate(devices):
            if time.monotonic() - told > PROGRESS_EVERY:
                told = time.monotonic()
                self.stderr.write(f"{number} of {options['devices']} are ready.")
            door = doors[device.by]
            if device.by == "identity":
                yield Speaker(ByIdentity(device, until=until, every=every), door)
                continue
            shown = _certificate(device)
            without += not shown
            yield Speaker(ByCertificate(device, until=until, every=every), door, shown)
        if without:
            self.stderr.write(f"{without} of them are denied and get no certificate; they come without one.")

    def _watch(self, crew: Crew, count: int, began: float, seconds: float | None) -> None:
        """Until all has been said, or the time is over; a line of progress every few seconds."""
        left = seconds or float("inf")
        while not crew.wait(min(left, PROGRESS_EVERY)):
            gone = time.monotonic() - began
            if seconds and (left := seconds - gone) <= 0:
                return
            self.stderr.write(str(crew.tally.summary(devices=count, seconds=gone)))


def _door(url: str, options: dict[str, Any], certificate: str | None = None) -> Door:
    try:
        return Door(url, certificate=options["certificate"] or certificate, insecure=options["insecure"])
    except (ValueError, OSError) as wrong:
        raise CommandError(str(wrong), returncode=2) from wrong


def _certificate(device: SimulatedDevice) -> str:
    try:
        return certificates.obtain(device, by=Actor.command("simulate_fleet"))
    except DatabaseError as failed:
        raise CommandError(f"Nothing can be signed without the database of the installation: {failed}") from failed


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
