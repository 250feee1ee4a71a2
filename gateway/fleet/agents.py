"""A fleet of agents: which of them behave how, their apps, and what they wait for."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway import certsips
from gateway.fleet import installations
from gateway.fleet.agent import Agent
from gateway.fleet.app_files import AppDoor, AppFiles
from gateway.fleet.crew import Speaker
from gateway.fleet.devices import SimulatedDevice
from gateway.fleet.door import Doorway
from gateway.fleet.edge_app import ASKS_EVERY, EdgeApp
from gateway.fleet.ledger import Ledger
from gateway.fleet.power import Power
from gateway.fleet.reports import check_in
from gateway.fleet.shutdown_jobs import Jobs, Kind, Manner
from portal.actor import Actor
from portal.refusal import Refusal
from tokens.models import AppVersion

# So many apps ask in a second at most, as long as each asks every two seconds or less often.
ASKS_A_SECOND = 100


@dataclass(frozen=True)
class Plan:
    """What the agents are to be like; shares are of all devices, `ack_delay` is from and to, in seconds."""

    apps: int = 2
    ack_delay: tuple[float, float] = (0, 3)
    mute: float = 0.05
    failing: float = 0.02
    offline: float = 0.05
    crashing: float = 0
    manner: Manner = field(default_factory=Manner)
    every: float = 10
    seed: str = "fleet"

    def kinds(self, count: int) -> list[Kind]:
        """How each device behaves: so many of each kind as the shares say, to the nearest whole, and the same ones for
        a seed."""
        shares = ((Kind.OFFLINE, self.offline), (Kind.FAILING, self.failing), (Kind.CRASHING, self.crashing))
        drawn: list[Kind] = []
        for kind, share in (*shares, (Kind.MUTE, self.mute)):
            drawn += [kind] * round(share * count)
        kinds = [*drawn, *[Kind.GOOD] * count][:count]
        _draw(f"kinds {self.seed}").shuffle(kinds)
        return kinds

    def delays(self, device: str, app: int) -> Callable[[], float]:
        """After how many seconds the app acknowledges, each time anew."""
        drawn = _draw(f"delays {self.seed} {device} {app}")
        return lambda: drawn.uniform(*self.ack_delay)


@dataclass(eq=False)
class Agents:
    """Those of one run. `folder` holds the files of their apps; `door` is where devices come, `address` where apps."""

    plan: Plan
    folder: Path
    door: Doorway
    address: tuple[str, int]
    by: Actor
    ledger: Ledger = field(default_factory=Ledger)
    _waiting: dict[str, tuple[Agent, list[AppFiles]]] = field(default_factory=dict)
    _ready: dict[str, list[AppFiles]] = field(default_factory=dict)
    _versions: list[AppVersion] = field(default_factory=list)
    _file: str = ""

    def speakers(self, devices: Iterable[tuple[SimulatedDevice, str]], count: int) -> Iterator[Speaker]:
        """The devices with what each shows, and their apps, which say nothing before they are installed."""
        if self.plan.apps:
            self._file = certsips.text()  # Refused now rather than when the first device is let in.
            self._versions = installations.versions(self.plan.apps, by=self.by)
        asks_every = max(ASKS_EVERY * self.plan.manner.poll, count * self.plan.apps / ASKS_A_SECOND)
        for (device, shown), kind in zip(devices, self.plan.kinds(count), strict=True):
            power = Power()
            jobs = Jobs(device.name, kind, power, self.ledger, self.plan.manner, check_in(device))
            agent = Agent(device, jobs, ledger=self.ledger, every=self.plan.every)
            yield Speaker(agent, self.door, shown)
            files = [AppFiles(self.folder / device.name / installations.name_of(app)) for app in range(self.plan.apps)]
            self._waiting[device.name] = (agent, files)
            for app, theirs in enumerate(files):
                delays = None if kind == Kind.MUTE else self.plan.delays(device.name, app)
                talk = EdgeApp(theirs, power, self.ledger, delays=delays, asks_every=asks_every)
                yield Speaker(talk, AppDoor(theirs, self.address))

    @property
    def waiting(self) -> int:
        """How many have not been let in yet."""
        return len(self._waiting)

    def look_after(self) -> list[str]:
        """Install the apps of those that have been let in; what was refused."""
        refused = []
        for name, (agent, files) in list(self._waiting.items()):
            if agent.is_settled:
                del self._waiting[name]
                self._ready[name] = files
                try:
                    for version, theirs in zip(self._versions, files, strict=True):
                        installations.install(version, name, theirs, by=self.by)
                except Refusal as refusal:
                    refused.append(str(refusal))
        return refused

    def renew_files(self) -> None:
        """Exchange `certsips.json` of all apps if the door shows another certificate now."""
        if not self.plan.apps or (now := certsips.text()) == self._file:
            return
        self._file = now
        for files in self._ready.values():
            for theirs in files:
                theirs.renew(certsips=now)


def _draw(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311  # The same for a seed; nothing here is secret.
