"""The people, tokens and devices that the tests tell their stories about."""

import base64
import json
import logging
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from random import Random, SystemRandom
from typing import Any

import hypothesis
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.db import ProgrammingError, connection
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from django.test import Client
from rest_framework.test import APIClient
from xdist.scheduler import LoadFileScheduling

from devices import enrolment, identity, keys, seen
from devices.models import Device, DeviceCount, Introduction
from gateway import discovery
from gateway.models import Origin, Route
from portal import windows
from portal.actor import Actor
from portal.models import AuditHead, Tenant, User
from portal.refusal import Refusal
from portal.roles import Role
from portal.scopes import Scope
from tests import canary
from tests.canary import Watch
from tests.served.installation import Served, serving
from tokens import credentials, issuing, peppers, registration, signing
from tokens.models import App, AppVersion, KeyState, Pepper
from tokens.overlap import Rotated

# How long an example takes says nothing on a machine that is shared, and the fixtures of a test may serve all its
# examples. What Hypothesis sets where CI is set stays.
hypothesis.settings.register_profile(
    "patient",
    parent=hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("patient")

PASSWORD = "correct horse battery staple"
ALONE = "tests/browser/test_every_page.py"
SHARED = ("tests/browser/", *(f"tests/served/test_{name}.py" for name in ("doors", "generated_client", "secrets")))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rows", type=int, default=0, help="run so many rows of each table of cases that ask the database; 0 runs all"
    )
    parser.addoption("--seed", type=int, default=0, help="the seed of what tests leave to chance, as a failure told it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--rows` a table of cases is run by some rows, the first and the last among them.

    For a second run on another database: what asks none is left out, and rows mostly differ in what is judged before
    any is asked. A test whose rows differ in what the database is asked says so with the marker `every_row`.

    The longest begin first, so that none is waited for alone in the end.
    """
    if most := config.getoption("rows"):
        left_out = _spared(items, most)
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def _spared(items: list[pytest.Item], most: int) -> set[pytest.Item]:
    tables: dict[str, list[pytest.Item]] = {}
    for item in items:
        tables.setdefault(item.nodeid.partition("[")[0], []).append(item)
    spared = {item for item in items if not uses_database(item)}
    for rows in tables.values():
        if len(rows) > most and rows[0].get_closest_marker("every_row") is None:
            step = (len(rows) - 1) / max(most - 1, 1)
            spared |= set(rows) - {rows[round(number * step)] for number in range(most)}
    return spared


def uses_database(item: Any) -> bool:
    return bool({"db", "transactional_db"} & set(item.fixturenames) or item.get_closest_marker("django_db"))


class ByInstallation(LoadFileScheduling):  # type: ignore[misc]  # It comes without types.
    """What shares the one installation of a session is run by one process, else each file by one.

    What alone takes as long as all that shares it has one of its own.
    """

    def _split_scope(self, nodeid: str) -> str:
        is_shared = nodeid.startswith(SHARED) and not nodeid.startswith(ALONE)
        return "shared" if is_shared else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return ByInstallation(config, log) if config.getoption("dist") == "loadfile" else None


@receiver(post_migrate)
def _put_first_rows_back(sender: Any, **facts: Any) -> None:
    """A test with real transactions empties every table afterwards; rows that migrations made belong to the schema."""
    if sender.name == "portal":
        Tenant.objects.get_or_create(name="main", defaults={"title": "Main"})
        AuditHead.objects.get_or_create(id=1)
    if sender.name == "devices":
        for tab in ("pending", "accepted", "rejected", "preauthorized", "denied"):
            DeviceCount.objects.get_or_create(tab=tab)
    if sender.name == "gateway":
        # They hold prefixes that tests want for routes of their own; who tells of them asks for `built_in_routes`.
        Route.objects.filter(origin=Origin.BUILT_IN).delete()
    if sender.name == "tokens":
        # No migration makes it, but the first secret of an installation does, and its row in the history.
        for pepper in settings.PEPPERS:
            Pepper.objects.get_or_create(id=pepper, state=KeyState.ACTIVE)


@pytest.fixture(scope="session", autouse=True)
def _signing_keys() -> Iterator[None]:
    """An RSA key takes a tenth of a second, and a thousand tests need one for their ring: real ones go round."""
    make = rsa.generate_private_key
    pool, turn = going_round(make), threading.Lock()
    with pytest.MonkeyPatch.context() as patch:

        def next_key(public_exponent: int, key_size: int, backend: Any = None) -> rsa.RSAPrivateKey:
            if key_size != signing.BITS:
                return make(public_exponent, key_size)
            with turn:  # Some tests need a key in several threads at once.
                return next(pool)

        patch.setattr(rsa, "generate_private_key", next_key)
        yield


def going_round(make: Callable[[int, int], rsa.RSAPrivateKey]) -> Iterator[rsa.RSAPrivateKey]:
    """More than any test rotates through, each made when it is first asked for."""
    made = []
    for _ in range(32):
        made.append(make(65537, signing.BITS))
        yield made[-1]
    yield from cycle(made)


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
def _keeps_no_secret(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nor may any be found in the database that a test leaves."""
    if is_asked := uses_database(request.node):
        request.getfixturevalue("_django_db_helper")
    yield
    # A test that broke its transaction has left nothing, and one that closed its connection nothing to look at.
    if is_asked and not connection.needs_rollback:
        with suppress(ProgrammingError):
            found = canary.places(canary.everything_kept(), []) if canary.was_shown() else []
            assert found == []


@pytest.fixture(autouse=True)
def _fresh_ring() -> None:
    """Each test has a database of its own, so the rings that the process remembers are not this test's."""
    peppers.forget()
    signing.forget_ring()
    signing._private.cache_clear()


@pytest.fixture(autouse=True)
def _fresh_rules() -> None:
    """Nor are the enrolment rules that the process remembers, or the devices that it has seen."""
    enrolment.forget()
    seen.waiting.forget()
    windows.forget_full()
    discovery.forget_revoked()
    discovery.forget_routes()


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
def make_version(db: None, root: Actor) -> Callable[..., AppVersion]:
    """Make a version of an app, and the app; say only what matters. It is hosted at home until it is transferred."""

    def make(
        version: str = "v1.0.0",
        app: str = "app1",
        tenant: str = "main",
        scopes: Collection[str] = (Scope.USERS_READ,),
        features: Collection[str] = (),
    ) -> AppVersion:
        Tenant.objects.get_or_create(name=tenant)
        known = App.objects.registered().filter(name=app).first()
        home = known or registration.register(app, tenant=tenant, by=root)
        return registration.add_version(home, version, scopes=scopes, features=features, by=root)

    return make


@pytest.fixture
def make_credential(make_version: Callable[..., AppVersion], root: Actor) -> Callable[..., Rotated]:
    """Issue credentials for a version, which is made if none is named; the secret stands in `text`."""

    def make(version: AppVersion | None = None, **facts: Any) -> Rotated:
        facts.setdefault("owner", None)
        return credentials.issue(version or make_version(), by=root, **facts)

    return make


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
                start.wait(timeout=60)
                return action()
            except Refusal as refusal:
                return refusal
            finally:
                connection.close()

        with ThreadPoolExecutor(len(actions)) as threads:
            return [future.result(timeout=300) for future in [threads.submit(act, action) for action in actions]]

    return run


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Random:
    """Of what a test leaves to chance; a failure tells the seed, and `--seed` has it come again."""
    seed = request.config.getoption("seed") or SystemRandom().randrange(1, 2**32)
    print(f"What was left to chance comes again with --seed {seed}.")
    return Random(seed)


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
