"""Which apps a device is told to wait for: those whose token opens something there."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices import admission, denial, installed
from devices.models import Device, Status
from portal.actor import Actor
from tokens import installed_source, installing, switching
from tokens.models import AppVersion, InstalledApp

pytestmark = pytest.mark.django_db


@pytest.fixture
def install(make_version: Callable[..., AppVersion], root: Actor) -> Callable[..., InstalledApp]:
    def make(app: str, device: str = "press-1") -> InstalledApp:
        known = AppVersion.objects.filter(app__name=app).first()
        holder: Any = installing.install(known or make_version("1.0.0", app=app), device, by=root).holder
        return holder  # type: ignore[no-any-return]

    return make


@pytest.fixture
def press(make_device: Callable[..., Device]) -> Device:
    return make_device("press-1", status=Status.ACCEPTED)


def names(device: str = "press-1") -> list[str]:
    return [app.name for app in installed.on([device])[device]]


def test_those_of_each_device_are_found_in_one_look(
    press: Device, make_device: Callable[..., Device], install: Callable[..., InstalledApp]
) -> None:
    make_device("press-2", status=Status.ACCEPTED)
    make_device("press-3", status=Status.ACCEPTED)
    pump, historian = install("pump"), install("historian")
    install("pump", "press-2")
    with CaptureQueriesContext(connection) as asked:
        found = installed.on(["press-1", "press-2", "press-3", "nobody"])
    assert len(asked) == 1
    assert found["press-1"] == [
        installed.App(historian.pk, "historian", "1.0.0"), installed.App(pump.pk, "pump", "1.0.0")
    ]  # fmt: skip
    assert ([app.name for app in found["press-2"]], found["press-3"], found["nobody"]) == (["pump"], [], [])


@pytest.mark.parametrize("how", ["disabled", "revoked", "uninstalled", "expired", "denied", "restored", "purged"])
def test_what_opens_nothing_is_not_waited_for(
    press: Device, install: Callable[..., InstalledApp], root: Actor, how: str
) -> None:
    pump, _ = install("pump"), install("historian")
    if how == "disabled":
        switching.disable(pump, by=root, reason="leaked")
    if how in ("revoked", "uninstalled"):
        switching.revoke(pump, by=root, reason="leaked")
    if how == "uninstalled":
        switching.delete(pump, by=root)
    if how == "expired":
        InstalledApp.objects.filter(pk=pump.pk).update(expires_at=timezone.now())
    if how in ("denied", "restored"):
        denial.deny(press, by=root)
    if how == "restored":
        denial.restore(Device.objects.get(), by=root)
    if how == "purged":
        denial.purge(press, by=root)
    assert names() == ([] if how in ("denied", "restored", "purged") else ["historian"])


def test_one_that_is_enabled_again_or_installed_anew_is(
    press: Device, install: Callable[..., InstalledApp], root: Actor
) -> None:
    pump = install("pump")
    enabled = switching.disable(pump, by=root, reason="leaked")
    assert names() == []
    switching.enable(enabled, by=root)
    assert names() == ["pump"]
    denial.deny(press, by=root)
    denial.restore(Device.objects.get(), by=root)
    admission.decide(Device.objects.get(), Status.REJECTED, by=root)
    admission.decide(Device.objects.get(), Status.ACCEPTED, by=root)
    install("pump")
    assert names() == ["pump"]


def test_its_present_version_is_told(
    press: Device, install: Callable[..., InstalledApp], make_version: Callable[..., AppVersion], root: Actor
) -> None:
    pump = install("pump")
    installing.change_version(pump, make_version("2", app="pump"), by=root)
    assert [app.version for app in installed.on(["press-1"])["press-1"]] == ["2"]
    found = installed_source.find(pump.pk)
    assert found is not None
    assert (found.app.name, found.version.version) == ("pump", "2")
    switching.revoke(pump, by=root, reason="leaked")
    assert installed_source.find(pump.pk) is None
