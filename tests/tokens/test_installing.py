"""Apps on devices: installed once, on accepted devices, with a token for that device alone."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from devices import denial
from devices.models import Device
from portal import audit, outbox
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from portal.refusal import Invalid, Refusal
from portal.scopes import Scope
from tokens import held, installing, overlap, registration, secret, shown_secrets, switching
from tokens.issuing import TooBroad
from tokens.models import App, AppTokenSecret, AppVersion, InstalledApp
from tokens.overlap import Rotated

HERE = "192.0.2.7"
ALPHABET = "[0-9A-Za-z]"

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(make_version: Callable[..., AppVersion], make_device: Callable[..., Device]) -> AppVersion:
    """A version of an app, and a device on which it may be installed."""
    make_device(status="accepted")
    return make_version()


@pytest.fixture
def installed(version: AppVersion, root: Actor) -> Rotated:
    return installing.install(version, "press-1", by=root)


def opens(text: str) -> bool:
    try:
        shown_secrets.of_installation(text, address=HERE)
    except Refusal:
        return False
    return True


class TestInstall:
    def test_it_gets_a_token_that_bears_its_id(self, installed: Rotated) -> None:
        assert re.fullmatch(rf"gate_app_{installed.holder.pk}_{ALPHABET}{{43}}{ALPHABET}{{6}}", installed.text)
        assert re.fullmatch(f"{ALPHABET}{{12}}", installed.holder.pk)
        assert secret.checksum(installed.text[:-6]) == installed.text[-6:]
        buyer = shown_secrets.of_installation(installed.text, address=HERE)
        assert (buyer.holder_id, buyer.device, buyer.app, buyer.version) == (
            installed.holder.pk, "press-1", "app1", "v1.0.0",
        )  # fmt: skip

    def test_it_is_told_and_stands_in_the_history_without_its_token(self, installed: Rotated) -> None:
        event = AuditEvent.objects.latest("number")
        assert (event.verb, event.subject_kind, event.subject_id) == (
            "installation.made", "installation", installed.holder.pk,
        )  # fmt: skip
        message = Outbox.objects.latest("pk")
        assert message.topic == "installation.made"
        assert {"app": "app1", "version": "v1.0.0", "device": "press-1"}.items() <= message.body.items()
        kept = str([*AuditEvent.objects.values(), *Outbox.objects.values(), *AppTokenSecret.objects.values()])
        assert installed.text not in kept
        assert installed.text.split("_")[3][:43] not in kept
        assert audit.verify().holds

    def test_the_file_of_the_token_is_a_json_object_and_a_newline(self, installed: Rotated) -> None:
        text = installing.token_file(installed.text)
        assert text == f'{{"appPrimaryToken":"{installed.text}"}}\n'
        assert json.loads(text) == {"appPrimaryToken": installed.text}

    def test_one_version_of_an_app_is_on_a_device(
        self, installed: Rotated, make_version: Callable[..., AppVersion], root: Actor
    ) -> None:
        with pytest.raises(installing.AlreadyInstalled, match=r"app1 is on press-1 already, as v1\.0\.0"):
            installing.install(make_version("v2"), "press-1", by=root)

    def test_and_the_database_says_so_too(self, installed: Rotated) -> None:
        twin = {field.attname: getattr(installed.holder, field.attname) for field in InstalledApp._meta.concrete_fields}
        with pytest.raises(IntegrityError), transaction.atomic():
            InstalledApp.objects.create(**twin | {"id": "x" * 12})

    def test_other_apps_may_be_there_and_it_may_be_elsewhere(
        self, installed: Rotated, make_version: Callable[..., AppVersion], make_device: Any, root: Actor
    ) -> None:
        make_device("press-2", status="accepted")
        installing.install(make_version(app="app2"), "press-1", by=root)
        installing.install(installed.holder.version, "press-2", by=root)
        assert InstalledApp.objects.count() == 3

    @pytest.mark.parametrize("state", ["pending", "rejected", "preauthorized", "denied"])
    def test_its_device_must_be_accepted(self, version: AppVersion, root: Actor, state: str) -> None:
        if state == "denied":
            denial.deny(Device.objects.get(), by=root)
        else:
            Device.objects.update(status=state)
        with pytest.raises(installing.DeviceNotAccepted, match=f"press-1 is {state}"):
            installing.install(version, "press-1", by=root)
        assert not InstalledApp.objects.exists()

    def test_what_is_not_known_is_not_found(self, version: AppVersion, root: Actor) -> None:
        with pytest.raises(installing.UnknownDevice):
            installing.install(version, "press-2", by=root)
        registration.deregister_version(version, by=root)
        with pytest.raises(registration.UnknownVersion):
            installing.install(version, "press-1", by=root)

    @pytest.mark.parametrize("days", [0, 366])
    def test_its_token_lives_a_year_at_most(self, version: AppVersion, root: Actor, days: int) -> None:
        with pytest.raises(Invalid, match="1 to 365 days"):
            installing.install(version, "press-1", by=root, days=days)

    def test_nobody_gets_a_token_that_opens_what_they_may_not(self, version: AppVersion) -> None:
        narrow = Actor("narrow", "token", frozenset([Scope.APPS_MANAGE]))
        with pytest.raises(TooBroad, match="users:read"):
            installing.install(version, "press-1", by=narrow)

    def test_it_is_found_under_its_app_alone(self, installed: Rotated, make_version: Callable[..., AppVersion]) -> None:
        assert installing.find(App.objects.get(), installed.holder.pk) == installed.holder
        for app, identifier in ((make_version(app="app2").app, installed.holder.pk), (App.objects.first(), "A" * 12)):
            with pytest.raises(installing.Unknown):
                installing.find(app, identifier)


class TestChangeVersion:
    def test_the_token_stays_and_the_new_version_counts(
        self, installed: Rotated, make_version: Callable[..., AppVersion], root: Actor
    ) -> None:
        installing.change_version(
            installed.holder, make_version("v2", scopes=[Scope.AUDIT_READ], features=["API.Shutdown"]), by=root
        )
        buyer = shown_secrets.of_installation(installed.text, address=HERE)
        assert (buyer.version, buyer.scopes) == ("v2", ["audit:read"])
        assert AuditEvent.objects.filter(verb="installation.version_changed").get().after == {"version": "v2"}

    def test_to_the_same_version_is_no_change(self, installed: Rotated, root: Actor) -> None:
        installing.change_version(installed.holder, installed.holder.version, by=root)
        assert InstalledApp.objects.get().revision == 1

    def test_what_is_revoked_stays_as_it_was(
        self, installed: Rotated, make_version: Callable[..., AppVersion], root: Actor
    ) -> None:
        switching.revoke(installed.holder, by=root, reason="leaked")
        with pytest.raises(held.Ended):
            installing.change_version(installed.holder, make_version("v2"), by=root)

    def test_somebody_who_looked_at_an_older_state_is_told(
        self, installed: Rotated, make_version: Callable[..., AppVersion], root: Actor
    ) -> None:
        installing.change_version(installed.holder, make_version("v2"), by=root, seen=1)
        with pytest.raises(held.Changed):
            installing.change_version(installed.holder, make_version("v3"), by=root, seen=1)

    def test_nobody_brings_in_scopes_that_they_do_not_hold(
        self, installed: Rotated, make_version: Callable[..., AppVersion]
    ) -> None:
        narrow = Actor("narrow", "token", frozenset([Scope.APPS_MANAGE]))
        with pytest.raises(TooBroad, match="audit:read"):
            installing.change_version(installed.holder, make_version("v2", scopes=[Scope.AUDIT_READ]), by=narrow)


class TestRotate:
    def test_the_id_in_the_token_stays_and_both_open(self, installed: Rotated, root: Actor) -> None:
        new = overlap.rotate(installed.holder, by=root)
        old_id, new_id = (text.split("_")[2] for text in (installed.text, new.text))
        assert old_id == new_id == installed.holder.pk
        assert new.text != installed.text
        assert (opens(installed.text), opens(new.text)) == (True, True)

    def test_a_third_needs_force_which_ends_the_older(self, installed: Rotated, root: Actor) -> None:
        second = overlap.rotate(installed.holder, by=root)
        with pytest.raises(overlap.TwoSecretsLive):
            overlap.rotate(installed.holder, by=root)
        third = overlap.rotate(installed.holder, by=root, force=True)
        assert [opens(each.text) for each in (installed, second, third)] == [False, True, True]

    def test_the_device_stays_the_same(self, installed: Rotated, root: Actor) -> None:
        new = overlap.rotate(installed.holder, by=root)
        assert shown_secrets.of_installation(new.text, address=HERE).device == "press-1"


class TestUninstall:
    def test_needs_that_it_opens_nothing(self, installed: Rotated, root: Actor) -> None:
        with pytest.raises(switching.DisableFirst):
            switching.delete(installed.holder, by=root)
        switching.disable(installed.holder, by=root, reason="gone")
        switching.delete(installed.holder, by=root)
        assert not InstalledApp.objects.exists()
        assert not opens(installed.text)

    def test_makes_room_for_the_app_with_another_token(self, installed: Rotated, root: Actor) -> None:
        switching.revoke(installed.holder, by=root, reason="leaked")
        again = installing.install(installed.holder.version, "press-1", by=root)
        assert again.holder.pk != installed.holder.pk
        assert (opens(installed.text), opens(again.text)) == (False, True)

    def test_de_registering_the_app_takes_it_off_every_device(self, installed: Rotated, root: Actor) -> None:
        registration.deregister(installed.holder.app, by=root)
        assert not opens(installed.text)
        assert InstalledApp.objects.get().revoked_at


class TestADeviceThatComesBack:
    @pytest.mark.parametrize("worker_came", [True, False])
    def test_restored_it_gets_its_apps_anew(self, installed: Rotated, root: Actor, worker_came: bool) -> None:
        denial.deny(Device.objects.get(), by=root)
        denial.restore(Device.objects.get(), by=root)
        if worker_came:
            outbox.hand_on()
        again = installing.install(installed.holder.version, "press-1", by=root)
        assert (opens(installed.text), opens(again.text)) == (False, True)

    @pytest.mark.parametrize("worker_came", [True, False])
    def test_after_a_purge_it_is_another_device(
        self, installed: Rotated, root: Actor, make_device: Callable[..., Device], worker_came: bool
    ) -> None:
        denial.purge(Device.objects.get(), by=root)
        if worker_came:
            outbox.hand_on()
        assert InstalledApp.objects.get().on == "press-1"
        make_device(status="accepted")
        again = installing.install(installed.holder.version, "press-1", by=root)
        assert (opens(installed.text), opens(again.text)) == (False, True)
        assert InstalledApp.objects.filter(on="press-1", revoked_at=None).get() == again.holder


@pytest.mark.django_db(transaction=True)
def test_of_two_who_install_at_once_the_second_is_told(
    version: AppVersion, root: Actor, at_once: Callable[..., list[Any]]
) -> None:
    def install() -> Rotated:
        return installing.install(version, "press-1", by=root)

    outcomes = at_once(install, install)
    assert sorted(type(each).__name__ for each in outcomes) == ["AlreadyInstalled", "Rotated"]
    assert InstalledApp.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_device_that_is_denied_at_once_with_an_installation_has_no_app_that_opens(
    version: AppVersion, root: Actor, at_once: Callable[..., list[Any]]
) -> None:
    def deny() -> bool:
        return denial.deny_by_id("press-1", by=root)

    _, outcome = at_once(deny, lambda: installing.install(version, "press-1", by=root))
    outbox.hand_on()
    if isinstance(outcome, Rotated):
        assert not opens(outcome.text)
    assert not InstalledApp.objects.filter(revoked_at=None).exists()
