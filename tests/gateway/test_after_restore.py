"""After the database was put back from a backup: nothing that was issued since opens, nothing is done a second time."""

import json
from collections.abc import Callable
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from devices import shutdown, shutdown_claim
from devices.models import Device, ShutdownJob, ShutdownTarget, Status, Via
from devices.shutdown_fields import Order
from portal.actor import Actor
from portal.models import AuditEvent, User
from tokens import gateway_logins, gateway_users, signing
from tokens.models import UserPassLogin

pytestmark = pytest.mark.django_db

THERE = {"sessions": 1, "shutdowns": 2, "gateway_logins": 1, "signing_keys": 1}
NOTHING = {**dict.fromkeys(THERE, 0), "signing_keys": 1}


@pytest.fixture
def ada(log_in: Callable[[User], Client], administrator: User) -> Client:
    return log_in(administrator)


@pytest.fixture
def sold(root: Actor) -> str:
    """An access token of a gateway user who is logged in."""
    added = gateway_users.add("ann", by=root)
    begun = gateway_logins.login("ann", added.password, address="10.0.0.1")
    return gateway_logins.token_for(begun.client_token, "ann", address="10.0.0.1").text


@pytest.fixture
def job(root: Actor, administrator: User, make_device: Callable[..., Device]) -> ShutdownJob:
    """A shutdown of three devices, of which one has claimed it."""
    devices = [make_device(f"press-{number}", status=Status.ACCEPTED).pk for number in range(3)]
    made = shutdown.order(
        Order(devices, "maintenance"), by=Actor.person(administrator), via=Via.PAGE, confirm_count=len(devices)
    )
    shutdown_claim.claim(made.targets.get(device_id=devices[0]), "0123456789abcdef", by=root)
    return made


def run(*options: str) -> tuple[dict[str, int], str]:
    """What was ended of each kind, and what was said on stderr."""
    out, err = StringIO(), StringIO()
    call_command("after_restore", "--json", *options, stdout=out, stderr=err)
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    return {one["kind"]: one["number"] for one in said}, err.getvalue()


def is_believed(token: str) -> bool:
    signing.forget_ring()
    try:
        return bool(signing.verified(token, audience="edgex", issuer=settings.PUBLIC_URL))
    except signing.Untrusted:
        return False


def test_what_outlives_its_row_is_ended(ada: Client, sold: str, job: ShutdownJob) -> None:
    assert ada.get("/portal/account/").status_code == 200
    assert is_believed(sold)
    ended, _ = run()
    assert ended == THERE
    assert not is_believed(sold)
    assert not UserPassLogin.objects.exists()
    assert ada.get("/portal/account/").status_code == 302
    [event] = AuditEvent.objects.filter(verb="restored")
    assert (event.after, event.actor) == (THERE, "after_restore")


def test_a_shutdown_that_may_have_been_claimed_since_is_cancelled_and_one_that_was_before_goes_on(
    ada: Client, sold: str, job: ShutdownJob
) -> None:
    run()
    assert sorted(ShutdownTarget.objects.values_list("state", "code")) == [
        ("cancelled", "requested"), ("cancelled", "requested"), ("claimed", ""),
    ]  # fmt: skip
    event = AuditEvent.objects.filter(verb="shutdown.cancelled", subject_kind="shutdown").get()
    assert event.reason == "The database was restored from a backup."


def test_run_again_it_finds_only_the_key_that_it_made(ada: Client, sold: str, job: ShutdownJob) -> None:
    run()
    assert run()[0] == NOTHING


def test_a_dry_run_says_the_same_and_changes_nothing(ada: Client, sold: str, job: ShutdownJob) -> None:
    assert run("--dry-run")[0] == THERE
    assert is_believed(sold)
    assert not AuditEvent.objects.filter(verb="restored").exists()
    assert run()[0] == THERE


def test_it_says_up_to_when_the_database_knows(root: Actor) -> None:
    gateway_users.add("ann", by=root)
    last = AuditEvent.objects.order_by("number").last()
    assert last is not None
    for _ in range(2):
        said = run()[1]
        assert said.startswith(f"The history ends at {last.at:%Y-%m-%dT%H:%M:%SZ}. Whatever was revoked")


def test_without_json_it_is_a_line_each() -> None:
    out = StringIO()
    call_command("after_restore", stdout=out, stderr=StringIO())
    assert out.getvalue().split() == ["sessions", "0", "shutdowns", "0", "gateway_logins", "0", "signing_keys", "0"]
