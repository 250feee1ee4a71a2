"""The installation that the browser tests walk through: its people, and devices that knock with real keys."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

ADA, VERA, PASSWORD = "ada", "vera", "correct horse battery staple"

PEOPLE = """
from portal import people
from portal.actor import Actor
from portal.roles import Role
for name, role in (({ada!r}, Role.ADMINISTRATOR), ({vera!r}, Role.VIEWER)):
    people.create(name, {password!r}, role, by=Actor.command("test"))
"""
KNOCK = """
import json
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from devices import identity, introduction, keys
for members in json.loads({members!r}):
    public = Ed25519PrivateKey.generate().public_key()
    key = keys.read(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
    print(introduction.introduce(identity.read(json.dumps(members)), key, address="10.0.0.9").device.pk)
"""


@dataclass
class Site:
    """`url` is the door that the browser comes through; `served` is the installation behind it."""

    served: Any
    fresh: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.served.tls_url)

    def settle(self) -> None:
        """Make the people, and a pool of devices of which each test takes its own."""
        self.run(PEOPLE.format(ada=ADA, vera=VERA, password=PASSWORD))
        hostile = {"serial": "<script>alert(1)</script>", "note": '<b hx-get="/portal/logout/" hx-trigger="load">x</b>'}
        self.fresh = self.knock(*({"serial": f"PRESS-{number}"} for number in range(16)), hostile)[:-1]

    def device(self) -> str:
        """A pending device that no other test touches."""
        if not self.fresh:
            self.fresh = self.knock({"serial": f"PRESS-{uuid4()}"})
        return self.fresh.pop()

    def knock(self, *members: dict[str, str]) -> list[str]:
        """Devices with these identities come for the first time; their ids."""
        return self.run(KNOCK.format(members=json.dumps(members))).split()

    def another_key(self, device_id: str) -> None:
        """The device comes again, with another key."""
        self.knock(
            json.loads(
                self.run(f"from devices.models import *; print(Device.objects.get(pk={device_id!r}).introduction)")
            )
        )

    def run(self, code: str) -> str:
        return str(self.served.manage("shell", "-v", "0", "-c", code))
