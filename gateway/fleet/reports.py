"""What a simulated device with a certificate tells of itself (contracts: satellite, B3 and B4)."""

import hashlib
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from gateway.fleet.devices import MODELS, SimulatedDevice

APPS = ("shellhttpd", "telemetry", "opc-bridge")
STEPS = (("EcuDownloadStarted", "EcuDownloadCompleted"), ("EcuInstallationStarted", "EcuInstallationCompleted"))
UPDATE_TOOK = timedelta(seconds=40)


def check_in(device: SimulatedDevice) -> dict[str, str]:
    """The headers of every request."""
    return {
        "x-ats-target": _target(device),
        "x-ats-tags": "stable" if device.boots % 4 else "canary",
        "x-ats-dockerapps": ",".join(_apps(device)),
        "x-ats-ostreehash": _digest(_target(device)),
    }


def hardware(device: SimulatedDevice) -> dict[str, Any]:
    """What it is made of, in the form of `lshw -json`."""
    model = device.members["model"]
    processor, memory = MODELS[model]
    return {
        "id": device.hostname,
        "class": "system",
        "product": model,
        "serial": device.members["serial_number"],
        "configuration": {"site": device.members["site"], "boots": device.boots},
        "children": [
            {"id": "cpu", "class": "processor", "product": processor},
            {"id": "memory", "class": "memory", "units": "bytes", "size": memory * 1024},
        ],
    }


def network(device: SimulatedDevice) -> dict[str, str]:
    return {"hostname": device.hostname, "mac": device.members["mac"], "local_ipv4": device.ipv4}


def updater_config(device: SimulatedDevice) -> str:
    """The configuration of its updater, as TOML."""
    said = check_in(device)
    return (
        '[pacman]\ntype = "ostree+compose_apps"\n'
        f'tags = "{said["x-ats-tags"]}"\ncompose_apps = "{said["x-ats-dockerapps"]}"\n\n'
        "[uptane]\npolling_sec = 300\n"
    )


def apps_states(device: SimulatedDevice, now: datetime) -> dict[str, Any]:
    """How its apps are; one device in eight has a service that does not run."""
    apps = _apps(device)
    ailing = apps[-1] if device.boots % 8 == 0 else ""
    return {
        "deviceTime": _written(now),
        "ostree": _digest(_target(device)),
        "apps": {app: _app(app, is_well=app != ailing) for app in apps},
    }


def update(device: SimulatedDevice, now: datetime) -> Iterator[list[dict[str, Any]]]:
    """The steps of the update that brought it where it is, an array a report; another update at each run."""
    correlation_id = f"{_target(device)}-{uuid.uuid4().hex[:12]}"
    at, pause = now - UPDATE_TOOK, UPDATE_TOOK / sum(map(len, STEPS))
    for steps in STEPS:
        report = []
        for step in steps:
            at += pause
            report.append(_event(device, step, correlation_id, at))
        yield report


def _event(device: SimulatedDevice, step: str, correlation_id: str, at: datetime) -> dict[str, Any]:
    event: dict[str, Any] = {
        "correlationId": correlation_id,
        "ecu": device.members["serial_number"],
        "targetName": _target(device),
        "version": str(_version(device)),
    }
    if step.endswith("Completed"):
        event["success"] = True
    return {
        "id": str(uuid.uuid4()),
        "deviceTime": _written(at),
        "event": event,
        "eventType": {"id": step, "version": 0},
    }


def _app(name: str, *, is_well: bool) -> dict[str, Any]:
    service = {
        "name": name,
        "hash": _digest(name),
        "health": "healthy" if is_well else "unhealthy",
        "image": f"registry.example/{name}@sha256:{_digest(f'image of {name}')}",
        "state": "running" if is_well else "exited",
        "status": "Up 2 hours" if is_well else "Exited (1) 5 minutes ago",
    }
    if not is_well:
        service["logs"] = f"{name}: cannot reach its broker, giving up\n"
    uri = f"registry.example/apps/{name}@sha256:{_digest(f'app {name}')}"
    return {"uri": uri, "state": "healthy" if is_well else "unhealthy", "services": [service]}


def _apps(device: SimulatedDevice) -> tuple[str, ...]:
    return APPS[: device.boots % len(APPS) + 1]


def _target(device: SimulatedDevice) -> str:
    return f"{device.members['model']}-lmp-{_version(device)}"


def _version(device: SimulatedDevice) -> int:
    return 40 + device.boots % 4


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
