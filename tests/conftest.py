"""The people, tokens and devices that the tests tell their stories about."""

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from django.test import Client
from rest_framework.test import APIClient

from devices import enrolment, identity, keys, seen
from devices.models import Device, DeviceCount, Introduction
from portal.actor import Actor
from portal.models import AuditHead, Tenant, User
from portal.refusal import Refusal
from portal.roles import Role
from portal.scopes import Scope
from tests.canary import Watch
from tests.served.installation import Served, serving
from tokens import issuing, signing

PASSWORD = "correct horse battery staple"


@receiver(post_migrate)
def _put_first_rows_back(sender: Any, **facts: Any) -> None:
    """A test with real transactions empties every table afterwards; rows that migrations made belong to the schema."""
    if sender.name == "portal":
        Tenant.objects.get_or_create(name="main", defaults={"title": "Main"})
        AuditHead.objects.get_or_create(id=1)
    if sender.name == "devices":
        for tab in ("pending", "accepted", "rejected", "preauthorized", "denied"):
            DeviceCount.objects.get_or_create(tab=tab)


@pytest.fixture(scope="session")
def _log() -> Iterator[Watch]:
    """Watch the log for secrets: at the root, and at the loggers whose lines do not get there."""
    watch = Watch(PASSWORD)
    loggers = [logging.getLogger(name) for name in (None, "django")]
    for logger in loggers:
        logger.addHandler(watch)
    yield watch
    for logger in loggers:
        logger.removeHandler(watch)
    assert watch.found == []


@pytest.fixture(autouse=True)
def _tells_no_secret(_log: Watch) -> Iterator[None]:
    """No test may bring a secret or a password into the log."""
    yield
    told, _log.found = _log.found, []
    assert told == []


@pytest.fixture(autouse=True)
def _fresh_ring() -> None:
    """Each test has a database of its own, so the ring that the process remembers is not this test's."""
    signing.forget_ring()
    signing._private.cache_clear()


@pytest.fixture(autouse=True)
def _fresh_rules() -> None:
    """Nor are the enrolment rules that the process remembers, or the devices that it has seen."""
    enrolment.forget()
    seen.waiting.forget()


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """One whole installation that all tests of a session share, for those that leave it as they found it."""
    with serving() as ready:
        yield ready


@pytest.fixture
def root() -> Actor:
    """An actor who may do everything."""
    return Actor.command("test")


@pytest.fixture
def make_person(db: None) -> Callable[..., User]:
    """Make a person of a role: administrator, operator or viewer."""

    def make(name: str, role: str = Role.VIEWER) -> User:
        user = User(username=name, role=role)
        user.set_password(PASSWORD)
        user.save()
        return user

    return make


@pytest.fixture
def administrator(make_person: Callable[..., User]) -> User:
    return make_person("ada", Role.ADMINISTRATOR)


@pytest.fixture
def operator(make_person: Callable[..., User]) -> User:
    return make_person("otto", Role.OPERATOR)


@pytest.fixture
def viewer(make_person: Callable[..., User]) -> User:
    return make_person("vera", Role.VIEWER)


@pytest.fixture
def make_device(db: None) -> Callable[..., Device]:
    """Make a device; say only what matters. `members` is its identity, `key` its public key as PEM text."""

    def make(device_id: str = "press-1", members: dict[str, Any] | None = None, key: str = "", **facts: Any) -> Device:
        if facts.get("denied_at"):
            facts.setdefault("denied_by", "ada")
        members = {"serial": device_id} if members is None else members
        device: Device = Device.objects.create(
            id=device_id,
            identity_digest=identity.digest(members) if members else "",
            fingerprint=keys.fingerprint(key),
            **facts,
        )
        Introduction.objects.create(
            device=device, text=json.dumps(members) if members else "", members=members, key=key
        )
        return device

    return make


@pytest.fixture
def log_in() -> Callable[[User], Client]:
    """A browser in which this person has just logged in, without JavaScript."""

    def begin(user: User, **headers: str) -> Client:
        client = Client(headers=headers)
        answer = client.post("/portal/login/", {"username": user.username, "password": PASSWORD})
        assert answer.status_code == 302, answer.content
        return client

    return begin


@pytest.fixture
def rest(administrator: User) -> Callable[..., APIClient]:
    """A REST client whose token holds exactly these scopes."""

    def client(*scopes: Scope) -> APIClient:
        _, shown = issuing.issue("test", scopes, owner=administrator, days=1, by=Actor.command("test"))
        return APIClient(headers={"Authorization": f"Bearer {shown}"})

    return client


@pytest.fixture
def at_once() -> Callable[..., list[Any]]:
    """Do things at the same moment, each in a thread with a database connection of its own.

    What each returned comes back, or the refusal that it met; anything else that goes wrong fails the test. Needs real
    transactions: `@pytest.mark.django_db(transaction=True)`.
    """

    def run(*actions: Callable[[], Any]) -> list[Any]:
        start = threading.Barrier(len(actions))

        def act(action: Callable[[], Any]) -> Any:
            try:
                connection.ensure_connection()
                start.wait(timeout=10)
                return action()
            except Refusal as refusal:
                return refusal
            finally:
                connection.close()

        with ThreadPoolExecutor(len(actions)) as threads:
            return [future.result(timeout=60) for future in [threads.submit(act, action) for action in actions]]

    return run


@dataclass(frozen=True)
class MenderDevice:
    """A device that speaks Mender's protocol with a real key."""

    private: Ed25519PrivateKey
    members: dict[str, Any]

    @property
    def pem(self) -> str:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def request(self) -> tuple[bytes, dict[str, str]]:
        """The body of an auth request and its headers, signed."""
        body = (
            json.dumps({"id_data": json.dumps(self.members), "tenant_token": "", "pubkey": self.pem}).encode() + b"\n"
        )
        return body, {"X-MEN-Signature": base64.b64encode(self.private.sign(body)).decode(), "Authorization": "Bearer"}


@pytest.fixture
def mender_device() -> Callable[..., MenderDevice]:
    def make(**members: Any) -> MenderDevice:
        return MenderDevice(Ed25519PrivateKey.generate(), members or {"mac": "00:01:02:03:04:05"})

    return make
