"""What becomes of the apps on a device that is denied, removed, rejected or submitted anew, or gets another key."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import admission, denial, identity, keychange, keys, submission
from devices.models import Device
from portal import audit, outbox
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from portal.refusal import Refusal
from tokens import access_tokens, device_endings, installing, overlap, shown_secrets, signing
from tokens.models import AppTokenSecret, AppVersion, InstalledApp, Revocation
from tokens.overlap import Rotated

HERE = "192.0.2.7"

pytestmark = pytest.mark.django_db

Install = Callable[..., Rotated]


@pytest.fixture
def install(make_version: Callable[..., AppVersion], make_device: Callable[..., Device], root: Actor) -> Install:
    """Install an app on a device that is accepted; say only what matters."""
    signing.ensure_active(by=root)

    def make(device_id: str = "press-1", app: str = "app1") -> Rotated:
        if not Device.objects.filter(pk=device_id).exists():
            make_device(device_id, status="accepted")
        version = AppVersion.objects.filter(app__name=app).first() or make_version(app=app)
        return installing.install(version, device_id, by=root)

    return make


def device(device_id: str = "press-1") -> Device:
    found: Device = Device.objects.get(pk=device_id)
    return found


def bought(installed: Rotated) -> access_tokens.AccessToken:
    return access_tokens.for_device(shown_secrets.of_installation(installed.text, address=HERE))


def says_no(installed: Rotated) -> str:
    """Why the app token opens nothing, or nothing said."""
    try:
        bought(installed)
    except Refusal as no:
        return type(no).__name__
    return ""


def is_good(token: access_tokens.AccessToken) -> bool:
    app = access_tokens.edge_app_of(token.payload)
    return app is not None and not app.device_refused


def is_named(token: access_tokens.AccessToken) -> bool:
    """Whether the gateway's nodes, which know nothing but what is named, refuse it."""
    named = {"grant": token["grant"], "sub": token["sub"], "jti": token["jti"]}
    return any(Revocation.objects.filter(kind=kind, value=value).exists() for kind, value in named.items())


def revoked() -> dict[str, str]:
    """What was revoked for good: the device of each and why."""
    gone = InstalledApp.objects.filter(revoked_at__isnull=False, revoked_by="worker worker")
    return {each.on: each.revoked_reason for each in gone}


class TestDenied:
    def test_the_app_is_refused_at_once_and_revoked_by_the_worker(self, install: Install, root: Actor) -> None:
        installed = install()
        token = bought(installed)
        denial.deny(device(), by=root)
        assert says_no(installed) == "Revoked"
        assert not is_good(token)
        assert revoked() == {}
        outbox.hand_on()
        assert revoked() == {"press-1": "Its device was denied."}
        assert is_named(token)
        assert says_no(installed) == "Revoked"

    def test_the_revocation_stands_in_the_history_and_is_told(self, install: Install, root: Actor) -> None:
        installed = install()
        denial.deny(device(), by=root, reason="stolen")
        outbox.hand_on()
        last = AuditEvent.objects.latest("number")
        assert (last.verb, last.actor_kind, last.subject_id) == ("installation.revoked", "worker", installed.holder.pk)
        assert last.reason == "Its device was denied."
        assert audit.verify().holds

    def test_it_is_dead_for_good_though_the_device_was_restored_before_the_worker_came(
        self, install: Install, root: Actor
    ) -> None:
        installed = install()
        token = bought(installed)
        denial.deny(device(), by=root)
        denial.restore(device(), by=root)
        assert says_no(installed) == "Revoked"
        assert not is_good(token)
        outbox.hand_on()
        assert revoked() == {"press-1": "Its device was denied."}
        assert is_named(token)

    def test_both_tokens_of_an_overlap_are_dead(self, install: Install, root: Actor) -> None:
        old = install()
        new = overlap.rotate(old.holder, by=root)
        denial.deny(device(), by=root)
        outbox.hand_on()
        assert not AppTokenSecret.objects.filter(slot__isnull=False).exists()
        for text in (old.text, new.text):
            with pytest.raises(shown_secrets.Revoked):
                shown_secrets.of_installation(text, address=HERE)

    def test_apps_on_other_devices_live(self, install: Install, root: Actor) -> None:
        other, second = install("press-2"), install("press-1", "app2")
        install("press-1")
        denial.deny(device(), by=root)
        outbox.hand_on()
        assert InstalledApp.objects.filter(revoked_at=None).get() == other.holder
        assert (says_no(other), says_no(second)) == ("", "Revoked")

    def test_what_was_installed_anew_before_the_worker_came_lives(self, install: Install, root: Actor) -> None:
        first = install()
        denial.deny(device(), by=root)
        denial.restore(device(), by=root)
        second = install()
        outbox.hand_on()
        assert (says_no(first), says_no(second)) == ("Revoked", "")
        assert is_good(bought(second))

    def test_what_was_revoked_already_stays_as_it_was(self, install: Install, root: Actor) -> None:
        install()
        denial.deny(device(), by=root)
        outbox.hand_on()
        first = InstalledApp.objects.get().revoked_at
        denial.restore(device(), by=root)
        denial.deny(device(), by=root)
        outbox.hand_on()
        assert InstalledApp.objects.get().revoked_at == first


class TestPurged:
    def test_the_app_is_refused_at_once_and_revoked_by_the_worker(self, install: Install, root: Actor) -> None:
        installed = install()
        token = bought(installed)
        denial.purge(device(), by=root)
        assert says_no(installed) == "Revoked"
        assert not is_good(token)
        outbox.hand_on()
        assert revoked() == {"press-1": "Its device was removed."}
        assert is_named(token)

    def test_a_new_device_with_the_id_does_not_bring_it_back(
        self, install: Install, make_device: Callable[..., Device], root: Actor
    ) -> None:
        first = install()
        token = bought(first)
        denial.purge(device(), by=root)
        make_device(status="accepted")
        assert says_no(first) == "Revoked"
        assert not is_good(token)
        second = install()
        outbox.hand_on()
        assert (says_no(first), says_no(second)) == ("Revoked", "")

    def test_a_device_that_was_denied_first_is_the_same(self, install: Install, root: Actor) -> None:
        install()
        denial.deny(device(), by=root)
        denial.purge(device(), by=root)
        outbox.hand_on()
        assert revoked() == {"press-1": "Its device was removed."}


class TestRejected:
    def reject(self, root: Actor) -> None:
        admission.decide(device(), admission.REJECTED, by=root)

    def accept(self, root: Actor) -> None:
        admission.decide(device(), admission.ACCEPTED, by=root)

    def test_what_was_bought_is_dead_and_the_app_token_lives_on(self, install: Install, root: Actor) -> None:
        installed = install()
        token = bought(installed)
        self.reject(root)
        assert says_no(installed) == "DeviceRefused"
        assert not is_good(token)
        outbox.hand_on()
        assert is_named(token)
        self.accept(root)
        outbox.hand_on()
        assert not is_good(token)
        anew = bought(installed)
        assert is_good(anew)
        assert not is_named(anew)

    def test_and_so_it_is_if_the_device_is_accepted_before_the_worker_came(self, install: Install, root: Actor) -> None:
        installed = install()
        tokens = [bought(installed)]
        for _ in range(3):
            self.reject(root)
            self.accept(root)
            tokens.append(bought(installed))
        outbox.hand_on()
        assert [is_named(token) for token in tokens] == [True, True, True, False]
        assert [is_good(token) for token in tokens] == [False, False, False, True]

    def test_and_if_the_two_rejections_are_told_in_two_batches(
        self, install: Install, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        installed = install()
        first = bought(installed)
        self.reject(root)
        self.accept(root)
        second = bought(installed)
        self.reject(root)
        monkeypatch.setattr(outbox, "BATCH", 1)
        outbox.hand_on()
        assert (is_named(first), is_named(second)) == (True, True)

    def test_of_an_overlap_what_both_tokens_bought(self, install: Install, root: Actor) -> None:
        old = install()
        new = overlap.rotate(old.holder, by=root)
        tokens = [bought(old), bought(new)]
        self.reject(root)
        outbox.hand_on()
        assert [is_named(token) for token in tokens] == [True, True]

    def test_of_a_token_that_ended_lately_too(self, install: Install, root: Actor) -> None:
        old = install()
        token = bought(old)
        overlap.rotate(old.holder, by=root, grace_hours=0)
        assert is_good(token)
        self.reject(root)
        outbox.hand_on()
        assert is_named(token)

    def test_a_device_that_is_submitted_anew_is_the_same(self, install: Install, root: Actor) -> None:
        installed = install()
        token = bought(installed)
        submission.submit("press-1", identity.read('{"serial": "press-1"}'), "a key", by=root)
        assert says_no(installed) == "DeviceRefused"
        outbox.hand_on()
        assert is_named(token)


class TestAnotherKey:
    def test_what_was_bought_under_the_old_key_is_dead_and_the_app_token_lives_on(
        self, install: Install, mender_device: Callable[..., Any], root: Actor
    ) -> None:
        installed = install()
        token = bought(installed)
        request = keychange.propose(device(), keys.read(mender_device().pem), by=root)
        assert request is not None
        keychange.accept(request, by=root)
        assert not is_good(token)
        outbox.hand_on()
        assert is_named(token)
        anew = bought(installed)
        assert is_good(anew)
        assert not is_named(anew)


class TestMany:
    def test_a_batch_without_apps_costs_one_look(self, make_device: Callable[..., Device], root: Actor) -> None:
        def queries(topic: str, number: int) -> int:
            outbox.put_all(topic, [{"device": f"d{n}", "by": "x"} for n in range(number)])
            with CaptureQueriesContext(connection) as seen:
                outbox.hand_on()
            return sum("installedapp" in query["sql"] for query in seen)

        for topic in ("device.denied", "device.purged", "device.rejected", "device.pending"):
            assert queries(topic, 150) == 1
        assert queries("device.restored", 5) == 0

    def test_a_batch_with_apps_costs_as_much_for_twelve_as_for_three(self, install: Install, root: Actor) -> None:
        for number in range(15):
            install(f"press-{number}")
        costs = []
        for some in (range(3), range(3, 15)):
            outbox.hand_on()
            denial.deny_all(list(Device.objects.filter(pk__in=[f"press-{number}" for number in some])), by=root)
            with CaptureQueriesContext(connection) as seen:
                device_endings.take(list(Outbox.objects.filter(topic="device.denied")))
            # Rows of the history are one statement each on SQLite.
            costs.append(len([query for query in seen if not query["sql"].startswith("INSERT")]))
        assert costs[0] == costs[1]
        assert len(revoked()) == 15

    def test_a_fleet_that_is_denied_loses_its_apps(
        self, install: Install, make_device: Callable[..., Device], root: Actor
    ) -> None:
        for number in range(12):
            install(f"press-{number}")
        before = list(Device.objects.all())
        denial.deny_all(before, by=root)
        outbox.hand_on()
        assert len(revoked()) == 12
        assert Revocation.objects.filter(kind="sub").count() == 12


@pytest.mark.django_db(transaction=True)
def test_whoever_changes_an_installation_meanwhile_waits_or_is_told(
    install: Install, root: Actor, at_once: Callable[..., list[Any]]
) -> None:
    """Of those who act at once none is in the other's way for ever, and in the end it is revoked."""
    installed = [install(f"press-{number}") for number in range(6)]
    denial.deny_all(list(Device.objects.all()), by=root)

    def rotate() -> None:
        for each in reversed(installed):
            try:
                overlap.rotate(each.holder, by=root)
            except Refusal:
                continue

    at_once(outbox.hand_on, rotate)
    assert len(revoked()) == 6
    assert not AppTokenSecret.objects.filter(slot__isnull=False).exists()
