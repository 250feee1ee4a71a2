"""Simulated devices: who they say they are, what they report of themselves, and how they ask to be let in."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.fleet import keys

Mix = Literal["mixed", "ed25519", "ec", "rsa"]
Way = Literal["identity", "certificate"]
Ways = Literal["identity", "certificate", "both"]

SITES = ("Fürth", "Graz", "Katowice", "Lyon", "Porto", "Tampere")
MODELS = {
    "edge-gateway-420": ("ARMv8 Cortex-A72", 4_030_464),
    "line-controller-210": ("ARMv7 Cortex-A9", 1_032_192),
    "press-monitor-77": ("Intel Atom x6425E", 8_126_464),
    "vision-node-9": ("ARMv8 Cortex-A78AE", 16_252_928),
}
RSA_EVERY = 200


@dataclass(frozen=True)
class SimulatedDevice:
    """One device of a fleet; its private key is its own. `name` is what its certificate calls it."""

    name: str
    by: Way
    members: Mapping[str, str]
    private: keys.PrivateKey = field(repr=False)
    boots: int

    @property
    def hostname(self) -> str:
        return f"{self.members['model']}-{self.members['serial_number'][-6:]}".lower()

    @property
    def ipv4(self) -> str:
        address = int(self.members["mac"].replace(":", ""), 16)
        return f"10.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"

    def auth_request(self) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of Mender's auth request, signed over the raw body."""
        request = {
            "id_data": json.dumps(self.members, separators=(",", ":"), ensure_ascii=False),
            "tenant_token": "",
            "pubkey": keys.public_pem(self.private),
        }
        body = json.dumps(request).encode() + b"\n"
        signature = base64.b64encode(keys.sign(self.private, body)).decode()
        return body, {
            "Content-Type": "application/json",
            "Authorization": "Bearer",
            "X-MEN-Signature": signature,
        }

    def inventory(self) -> list[dict[str, Any]]:
        """The attributes that the device reports."""
        model = self.members["model"]
        processor, memory = MODELS[model]
        facts = {
            "hostname": self.hostname,
            "device_type": model,
            "artifact_name": f"{model}-2026.{self.boots % 4 + 1}",
            "mender_client_version": "3.4.0",
            "kernel": "Linux version 6.6.32",
            "cpu_model": processor,
            "mem_total_kB": memory,
            "boots": self.boots,
            "mac_eth0": self.members["mac"],
            "ipv4_eth0": f"{self.ipv4}/16",
            "network_interfaces": ["eth0", "eth1"],
        }
        return [{"name": name, "value": value} for name, value in facts.items()]

    def provides(self) -> dict[str, Any]:
        """What the device tells when it asks for an update."""
        model = self.members["model"]
        artifact = f"{model}-2026.{self.boots % 4 + 1}"
        return {"device_provides": {"device_type": model, "artifact_name": artifact}, "update_control_map": True}


def fleet(count: int, *, seed: str, mix: Mix = "mixed", by: Ways = "identity") -> Iterator[SimulatedDevice]:
    """The first `count` devices of the fleet that the seed describes; the same ones, with the same keys, every time."""
    return (device(number, seed=seed, mix=mix, by=way_of(number, by)) for number in range(count))


def device(number: int, *, seed: str, mix: Mix = "mixed", by: Way = "identity") -> SimulatedDevice:
    """One device of the fleet, counted from 0. Its identity does not depend on the kind of its key.

    By certificate it has another key than by identity, and always one on P-256: what `mix` may say, such as Ed25519,
    is not signed for.
    """
    drawn = hashlib.sha256(f"{seed} {number}".encode()).digest()
    members = {
        "mac": ":".join(f"{octet:02x}" for octet in (0x02, *drawn[:5])),  # 02: made up here, of no manufacturer.
        "serial_number": f"GH{drawn[5] % 3 + 24}{drawn[6] % 52 + 1:02}-{number + 1:06}",
        "model": sorted(MODELS)[drawn[7] % len(MODELS)],
        "site": SITES[drawn[8] % len(SITES)],
    }
    private: keys.PrivateKey
    if by == "certificate":
        private = keys.derive("ec", f"certificate {seed} {number}")
    else:
        private = keys.derive(kind_of(number, mix), f"{seed} {number}")
    return SimulatedDevice(_name(seed, number), by, members, private, drawn[9] + 1)


def way_of(number: int, by: Ways) -> Way:
    """How a device comes. Of both, half come by certificate, in an order that leaves the others every kind of key."""
    if by != "both":
        return by
    return "certificate" if number % 4 in (0, 3) else "identity"


def _name(seed: str, number: int) -> str:
    """`sim-<seed>-0001` and so on; a seed that cannot stand in a common name is there as a digest."""
    word = seed if re.fullmatch(r"[A-Za-z0-9_:-]{1,50}", seed) else hashlib.sha256(seed.encode()).hexdigest()[:16]
    return f"sim-{word}-{number + 1:04}"


def kind_of(number: int, mix: Mix) -> keys.Kind:
    """Of a mixed fleet half has Ed25519, half P-256, and one in 200 an RSA key, which is slow to make."""
    if mix != "mixed":
        return mix
    if number % RSA_EVERY == 9:
        return "rsa"
    return "ec" if number % 2 else "ed25519"
