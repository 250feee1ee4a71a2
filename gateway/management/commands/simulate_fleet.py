"""`manage.py simulate_fleet`: a fleet that lives, for a look at the portal with life in it and for load."""

import json
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from gateway import run_folder
from gateway.fleet import agent_options, certificates
from gateway.fleet.agents import Agents, Plan
from gateway.fleet.by_certificate import ByCertificate
from gateway.fleet.by_identity import ByIdentity
from gateway.fleet.conversation import Until
from gateway.fleet.crew import Crew, Speaker
from gateway.fleet.devices import Mix, SimulatedDevice, Ways, fleet
from gateway.fleet.door import Door
from gateway.fleet.tally import Summary
from portal.actor import Actor
from portal.commands import misuse, refusals_exit_1

PROGRESS_EVERY, LOOKS_EVERY = 5.0, 0.25


class Command(BaseCommand):
    help = (
        "Simulate devices that ask to be let in with real keys. By identity they do so as a Mender client does, and "
        "once they are accepted report their inventory and ask for updates. By certificate they come to the device "
        "door, check in, report hardware, network, apps and the steps of an update, and look for a new configuration; "
        "their certificates are signed by the device CA of this installation when the command starts, in the names "
        "sim-<seed>-0001 and so on. The same seed gives the same devices with the same keys. "
        "Without --once or --for it goes on until every device has been served. Exit 1 if any request failed. "
        "Any option of agents makes them devices by certificate with apps that can be shut down; these go on until "
        "Ctrl-C, and only an answer that their contract does not allow makes exit 1."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--devices", type=agent_options.whole, required=True, metavar="N", help="How many devices.")
        parser.add_argument(
            "--by",
            choices=["identity", "certificate", "both"],
            help="How they come; of both, half by certificate (identity, agents by certificate).",
        )
        parser.add_argument(
            "--connections",
            type=agent_options.whole,
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
            help="The door by certificate; by default https://127.0.0.1:DEVICE_PORT, which shows the certificate in "
            "DATA_DIR/run/door.pem, whatever names that holds.",
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
            type=agent_options.seconds,
            default=10.0,
            metavar="S",
            help="Seconds between questions, also for who is told to wait longer (10).",
        )
        parser.add_argument("--json", action="store_true", help="The summary as JSON.")
        agent_options.add_agent_options(
            parser.add_argument_group("agents", "Devices that poll for shutdowns, claim them and report.")
        )
        how_long = parser.add_mutually_exclusive_group()
        how_long.add_argument("--once", action="store_true", help="Each device asks once and does what it is let do.")
        how_long.add_argument("--for", type=agent_options.seconds, metavar="S", help="Go on for so many seconds.")

    @refusals_exit_1
    def handle(self, *args: Any, **options: Any) -> None:
        plan = _plan(options)
        options["by"] = options["by"] or ("certificate" if plan else "identity")
        doors = self._doors(options)
        self.stderr.write(f"Making {options['devices']} devices of the fleet {options['seed']!r} …")
        mix: Mix = options["keys"]
        devices = fleet(options["devices"], seed=options["seed"], mix=mix, by=options["by"])
        if plan:
            self._simulate_agents(plan, doors["certificate"], devices, options)
        else:
            self._simulate(devices, doors, options)

    def _simulate(self, devices: Iterable[SimulatedDevice], doors: dict[str, Door], options: dict[str, Any]) -> None:
        until = Until.ASKED if options["once"] else Until.STOPPED if options["for"] else Until.SERVED
        speakers = list(self._speakers(devices, doors, until, options))
        crew = Crew(speakers, connections=min(options["connections"], options["devices"]))
        self.stderr.write(f"They speak to {' and '.join(door.url for door in doors.values())}; Ctrl-C ends it.")
        summary = self._run(crew, options)
        self.stdout.write(json.dumps(summary.as_dict()) if options["json"] else str(summary))
        if failed := sum(summary.errors.values()):
            raise CommandError(f"{failed} of {summary.requests} requests failed.")

    def _simulate_agents(
        self, plan: Plan, door: Door, devices: Iterable[SimulatedDevice], options: dict[str, Any]
    ) -> None:
        with tempfile.TemporaryDirectory(prefix="gatehouse-fleet-") as folder:
            address = ("127.0.0.1", settings.TLS_PORT)
            agents = Agents(plan, Path(folder), door, address, by=Actor.command("simulate_fleet"))
            speakers = list(agents.speakers(self._certified(devices, options), options["devices"]))
            crew = Crew(speakers, connections=min(options["connections"], len(speakers)))
            self.stderr.write(f"They speak to {door.url}, their apps to {address[0]}:{address[1]}; Ctrl-C ends it.")
            summary = self._run(crew, options, agents)
        ledger = agents.ledger
        told = {**summary.as_dict(), "shutdowns": ledger.as_dict()}
        self.stdout.write(json.dumps(told) if options["json"] else f"{summary}\n{ledger}")
        if ledger.disallowed:
            raise CommandError(f"The doors answered {ledger.disallowed} times what they may not.")

    def _run(self, crew: Crew, options: dict[str, Any], agents: Agents | None = None) -> Summary:
        """Until all has been said, the time is over, or Ctrl-C; what it came to."""
        began = time.monotonic()
        # A shell lets what it runs in the background ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        crew.start()
        try:
            self._watch(crew, options["devices"], began, options["for"], agents)
        except KeyboardInterrupt:
            self.stderr.write("Ending …")
        crew.stop()
        return crew.tally.summary(devices=options["devices"], seconds=time.monotonic() - began)

    def _doors(self, options: dict[str, Any]) -> dict[str, Door]:
        """The doors that are spoken to, by the way that devices come there."""
        by: Ways = options["by"]
        doors = {}
        if by != "certificate":
            doors["identity"] = _door(options["url"] or f"http://127.0.0.1:{settings.HTTP_PORT}", options)
        if by != "identity":
            doors["certificate"] = _device_door(options)
        return doors

    def _speakers(
        self, devices: Iterable[SimulatedDevice], doors: dict[str, Door], until: Until, options: dict[str, Any]
    ) -> Iterator[Speaker]:
        """The devices at their doors. One that gets no certificate knocks without one, and hears what comes of it."""
        every = options["every"]
        for device, shown in self._certified(devices, options):
            if device.by == "identity":
                yield Speaker(ByIdentity(device, until=until, every=every), doors[device.by])
            else:
                yield Speaker(ByCertificate(device, until=until, every=every), doors[device.by], shown)

    def _certified(
        self, devices: Iterable[SimulatedDevice], options: dict[str, Any]
    ) -> Iterator[tuple[SimulatedDevice, str]]:
        """The devices, each with its certificate and key; empty for those that show none, or get none."""
        without, told = 0, time.monotonic()
        for number, device in enumerate(devices):
            if time.monotonic() - told > PROGRESS_EVERY:
                told = time.monotonic()
                self.stderr.write(f"{number} of {options['devices']} are ready.")
            shown = _certificate(device) if device.by == "certificate" else ""
            without += device.by == "certificate" and not shown
            yield device, shown
        if without:
            self.stderr.write(f"{without} of them are denied and get no certificate; they come without one.")

    def _watch(self, crew: Crew, count: int, began: float, seconds: float | None, agents: Agents | None) -> None:
        """Until all has been said, or the time is over; a line of progress every few seconds."""
        left, told = seconds or float("inf"), began
        while not crew.wait(min(left, LOOKS_EVERY if agents else PROGRESS_EVERY)):
            gone = time.monotonic() - began
            if seconds and (left := seconds - gone) <= 0:
                return
            if agents:
                self._look_after(agents)
            if time.monotonic() - told >= PROGRESS_EVERY:
                told = time.monotonic()
                self.stderr.write(str(crew.tally.summary(devices=count, seconds=gone)))
                if agents:
                    self._tell_of(agents)

    def _look_after(self, agents: Agents) -> None:
        if agents.waiting:
            for refused in agents.look_after():
                self.stderr.write(refused)
            if not agents.waiting:
                self.stderr.write("All devices have been let in, and have their apps.")

    def _tell_of(self, agents: Agents) -> None:
        agents.renew_files()
        self.stderr.write(str(agents.ledger))
        if agents.waiting:
            self.stderr.write(
                f"{agents.waiting} devices wait to be let in: by a person in the list of devices, by a rule, or with "
                "GATEHOUSE_ENROLMENT=auto."
            )


def _device_door(options: dict[str, Any]) -> Door:
    """The door by certificate. That of this machine is known by its own file, so it need not be named 127.0.0.1."""
    own = str(run_folder.DOOR_CHAIN) if run_folder.DOOR_CHAIN.exists() else None
    url = options["device_url"] or f"https://127.0.0.1:{settings.DEVICE_PORT}"
    is_ours = own is not None and not options["device_url"] and not options["certificate"]
    door = _door(url, options, own, is_ours=is_ours)
    if door.tls is None:
        raise CommandError(f"{url} takes no certificate; --device-url begins with https://.", returncode=2)
    return door


def _door(url: str, options: dict[str, Any], certificate: str | None = None, *, is_ours: bool = False) -> Door:
    trusted = options["certificate"] or certificate
    try:
        return Door(url, certificate=trusted, insecure=options["insecure"], is_ours=is_ours)
    except (ValueError, OSError) as wrong:
        raise CommandError(str(wrong), returncode=2) from wrong


def _certificate(device: SimulatedDevice) -> str:
    try:
        return certificates.obtain(device, by=Actor.command("simulate_fleet"))
    except DatabaseError as failed:
        raise CommandError(f"Nothing can be signed without the database of the installation: {failed}") from failed


def _plan(options: dict[str, Any]) -> Plan | None:
    """What agents are to be like, if the devices are agents."""
    try:
        plan = agent_options.plan(options)
    except ValueError as wrong:
        raise misuse(str(wrong)) from wrong
    if plan and options["by"] not in (None, "certificate"):
        raise misuse("Agents come by certificate; leave out --by.")
    if plan and options["once"]:
        raise misuse("Agents wait for shutdowns; end them with Ctrl-C, or by --for.")
    return plan
