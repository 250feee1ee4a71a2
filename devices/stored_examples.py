"""What is stored for a device, as the OpenAPI shows it; a test compares it with what is answered."""

from typing import Any

FILES: dict[str, Any] = {
    "wireguard.conf": {"Value": "enabled=1\n", "OnChanged": ["/usr/bin/reload-wireguard"]},
    "motd": {"Value": "Press 4, hall 3\n", "Unencrypted": True},
}
NEW_CONFIG = {"files": FILES, "reason": "Hall 3 has a tunnel of its own."}
CONFIG = {
    "files": FILES,
    "version": "5b6e0a4bd2a1c8f0c9a3d7e4f1b2a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4",
    "changed_at": "2026-11-25T08:00:00.000000Z",
    "changed_by": "token line-3",
}
CHECK_IN = {
    "target": "intel-corei7-64-lmp-118",
    "tag": "main",
    "apps": ["edge-agent", "historian"],
    "ostree_hash": "6b3e8f0d9c0a4f3f9f7d2f3bb5e2a1de4c86b1a7d0f2b9c35e6f1a2d3c4b5a69",
    "last_seen": "2026-11-25T08:00:00.000000Z",
}
SYSTEM_INFO = {
    "hardware": '{"id":"press-4","class":"system"}',
    "network": '{"hostname":"press-4","mac":"00:01:02:03:04:05","local_ipv4":"10.1.2.3"}',
    "config": '[tls]\nserver = "https://gatehouse.example:8444"\n',
}
INVENTORY = {
    "attributes": {"os": "linux", "mem_total_kB": 2048, "ipv4": ["10.1.2.3"]},
    "reported_at": "2026-11-25T08:00:00.000000Z",
}
EVENT = {
    "id": "8d4f9bbd-2c4b-4c59-9f43-6a1c2f0b7d55",
    "correlation_id": "lmp-118-press-4",
    "device_time": "2026-11-25T07:59:58.000000Z",
    "received_at": "2026-11-25T08:00:00.000000Z",
    "event": {"ecu": "press-4", "targetName": "intel-corei7-64-lmp-118", "version": "118", "success": True},
    "event_type": {"id": "EcuInstallationCompleted", "version": 0},
}
SERVICE = {
    "name": "db",
    "hash": "6b3e8f0d9c0a",
    "health": "healthy",
    "image": "hub.example/db@sha256:2c26b46b68ff",
    "state": "running",
    "status": "Up 2 hours (healthy)",
}
APPS = {"historian": {"uri": "hub.example/historian@sha256:2c26b46b68ff", "state": "healthy", "services": [SERVICE]}}
APP_STATE = {
    "device_time": "2026-11-25T07:59:58.000000Z",
    "received_at": "2026-11-25T08:00:00.000000Z",
    "ostree": CHECK_IN["ostree_hash"],
    "apps": APPS,
}
