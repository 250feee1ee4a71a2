"""Apps of simulated devices: registered and installed here, as by an administrator, since the command runs on the
machine itself; from then on they have their files and nothing else."""

from gateway import certsips
from gateway.fleet.app_files import AppFiles
from portal.actor import Actor
from tokens import installing, overlap, registration
from tokens.models import AppVersion, InstalledApp

VERSION, FEATURE = "1.0.0", "API.Shutdown"
DAYS = 14


def name_of(number: int) -> str:
    """The apps of a device are counted from 0."""
    return f"simapp{number + 1}"


def versions(count: int, *, by: Actor) -> list[AppVersion]:
    """A version of each of so many apps; of two apps the first may ask for a shutdown, the second may not."""
    return [_version(name_of(number), [] if number % 2 else [FEATURE], by) for number in range(count)]


def install(version: AppVersion, device: str, files: AppFiles, *, by: Actor) -> None:
    """Install it on the device, or give it a new token where it is from an earlier run; its files are there then."""
    file = certsips.text()
    try:
        issued = installing.install(version, device, by=by, days=DAYS)
    except installing.AlreadyInstalled:
        there = InstalledApp.objects.get(app=version.app, on=device, revoked_at=None)
        issued = overlap.rotate(there, by=by, grace_hours=0, days=DAYS, force=True)
    files.write(token=installing.token_file(issued.text), certsips=file)


def _version(name: str, features: list[str], by: Actor) -> AppVersion:
    try:
        app = registration.register(name, by=by, title="Simulated app")
    except registration.AppExists:
        app = registration.find(name)
    try:
        return registration.add_version(app, VERSION, features=features, by=by)
    except registration.VersionExists:
        return registration.find_version(app, VERSION)
