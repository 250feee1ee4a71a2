"""The pages about apps: registered, versioned, transferred, granted, de-registered, each within its scope."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device, Status
from portal.actor import Actor
from portal.models import AuditEvent, Tenant, User
from portal.scopes import Scope
from tokens import credentials, installing, registration, tenant_grants
from tokens.models import App, AppCredential, AppVersion
from tokens.overlap import Rotated

LIST, APP, VERSION = "/portal/apps/", "/portal/apps/app1/", "/portal/apps/app1/versions/v1.0.0/"


@pytest.fixture
def plain(log_in: Callable[..., Client], administrator: User) -> Client:
    """An administrator whose browser has no JavaScript."""
    return log_in(administrator)


@pytest.fixture
def htmx(log_in: Callable[..., Client], administrator: User) -> Client:
    client = log_in(administrator)
    client.defaults["HTTP_HX_REQUEST"] = "true"
    return client


@pytest.fixture
def ten1(db: None) -> Tenant:
    return Tenant.objects.create(name="ten1", title="Plant 7")


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))


def test_an_empty_list_says_what_to_do_next(plain: Client, log_in: Callable[..., Client], viewer: User) -> None:
    assert "No app is registered. Register one below; then add a version" in text_of(plain.get(LIST))
    page = text_of(log_in(viewer).get(LIST))
    assert "An administrator registers them here." in page
    assert "needs the scope apps:manage" in page


def test_an_app_is_registered_and_one_goes_on_to_its_page_which_wants_a_version(plain: Client, htmx: Client) -> None:
    answer = plain.post("/portal/apps/new/register/", {"name": "app1", "title": "Historian"})
    assert answer["Location"] == APP
    assert (App.objects.get().tenant_id, App.objects.get().title) == ("main", "Historian")
    page = text_of(plain.get(APP))
    assert "It has no version. Add one below" in page
    assert "Add a version first." in page
    assert htmx.post("/portal/apps/new/register/", {"name": "app2"})["HX-Redirect"] == "/portal/apps/app2/"


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"name": ""}, "Say what programs call it."),
        ({"name": "My-App"}, "A name is 1 to 20 small letters and digits and begins with a letter."),
        ({"name": "app1"}, "There is an app app1 already"),
        ({"name": "app2", "tenant": "nowhere"}, "There is no such tenant"),
        ({"name": "app2", "title": "a\u200bb"}, "invisible character"),
    ],
)
def test_what_is_wrong_stands_beside_the_field(
    plain: Client, htmx: Client, make_version: Callable[..., AppVersion], sent: dict[str, str], sentence: str
) -> None:
    make_version()
    answer = plain.post("/portal/apps/new/register/", sent)
    assert answer.status_code == 400
    assert sentence in text_of(answer)
    answer = htmx.post("/portal/apps/new/register/", sent)
    assert (answer.status_code, answer["HX-Retarget"]) == (400, "#new-app")
    assert answer.content.decode().strip().startswith('<section id="new-app"')
    assert App.objects.count() == 1


def test_the_list_counts_versions_credentials_and_devices(
    plain: Client, make_version: Callable[..., AppVersion], make_device: Callable[..., Device], root: Actor
) -> None:
    version, device = make_version(), make_device(status=Status.ACCEPTED)
    make_version("v1.1.0")
    credentials.issue(version, by=root, owner=None, instance="soon", days=10)
    credentials.issue(version, by=root, owner=None, instance="late")
    installing.install(version, device.pk, by=root)
    page = text_of(plain.get(LIST))
    assert "versions 2" in page
    assert "credentials 2 live 1 expires within 30 days" in page
    assert "installed on 1 device" in page


def test_a_list_of_many_asks_the_database_no_more_than_a_short_one(
    plain: Client, make_version: Callable[..., AppVersion], make_credential: Callable[..., Rotated]
) -> None:
    def asked(path: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            plain.get(path)
        return len(queries)

    version = make_version()
    make_credential(version)
    few = [asked(path) for path in (LIST, APP, VERSION)]
    for number in range(5):
        make_version("v2", app=f"many{number}")
        make_credential(version, instance=f"i{number}")
        make_version(f"v1.{number}.1")
    assert [asked(path) for path in (LIST, APP, VERSION)] == few


def test_a_version_declares_features_and_scopes_in_words(
    plain: Client, make_version: Callable[..., AppVersion]
) -> None:
    make_version("v0.9.0")
    page = text_of(plain.get(APP))
    assert "Order the shutdown of the device it is installed on, and see how that goes API.Shutdown" in page
    assert all(scope.label in page for scope in Scope if scope != Scope.CREDENTIALS_ROTATE_OWN)
    sent = {"version": "v1.0.0", "features": ["API.Shutdown"], "scopes": ["devices:read"]}
    assert plain.post(f"{APP}add-version/", sent)["Location"] == VERSION
    added = AppVersion.objects.get(version="v1.0.0")
    assert (added.features, added.scopes) == (["API.Shutdown"], ["devices:read"])
    page = text_of(plain.get(VERSION))
    assert "See devices and the denied list devices:read" in page
    assert "Nothing has credentials of this version. Issue a set below" in page
    again = plain.post(f"{APP}add-version/", sent)
    assert again.status_code == 400
    assert "has a version v1.0.0 already" in text_of(again)
    assert 'value="devices:read" checked' in again.content.decode()


def test_a_transfer_names_the_credentials_that_it_revokes_and_revokes_them(
    plain: Client, make_credential: Callable[..., Rotated], ten1: Tenant
) -> None:
    issued = make_credential()
    assert "Its 1 live credential of development is revoked at once and for good" in text_of(plain.get(VERSION))
    assert plain.post(f"{VERSION}transfer/", {"tenant": "ten1"})["Location"] == VERSION
    page = text_of(plain.get(VERSION))
    assert "in operation" in page
    assert "Transferred to ten1" in page
    assert "Transfer to who operates it" not in page
    assert AppCredential.objects.get(pk=issued.holder.pk).revoked_at
    again = plain.post(f"{VERSION}transfer/", {"tenant": "main"})
    assert again.status_code == 409
    assert "was transferred to ten1 already" in text_of(again)


def test_a_tenant_grant_is_given_and_withdrawn_with_its_effect_spelled_out(
    htmx: Client, make_version: Callable[..., AppVersion], ten1: Tenant
) -> None:
    version = make_version()
    answer = htmx.post(f"{VERSION}grants/", {"tenant": "ten1"})
    assert answer.content.decode().strip().startswith('<article id="app-version"')
    assert [grant.tenant_id for grant in version.grants.all()] == ["ten1"]
    page = text_of(answer)
    assert "Every access token that the version’s credentials have bought dies at once" in page
    assert "count once it is transferred" in page
    assert "Every other tenant has a grant: Tenants." in page
    htmx.post(f"{VERSION}grants/ten1/withdraw/")
    assert not version.grants.exists()
    Tenant.objects.filter(pk="ten1").delete()
    assert "There is no other tenant yet: Tenants." in text_of(htmx.get(VERSION))
    assert htmx.post(f"{VERSION}grants/ten1/withdraw/").status_code == 404
    assert htmx.post(f"{VERSION}grants/", {"tenant": "main"}).status_code == 409


def test_nothing_is_deregistered_without_its_name(
    plain: Client, htmx: Client, make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential()
    for path, element in ((f"{VERSION}deregister/", "app-version"), (f"{APP}deregister/", "app")):
        answer = plain.post(path, {"typed": "app2"})
        assert answer.status_code == 400
        assert "to confirm that it goes; nothing was changed." in text_of(answer)
        assert htmx.post(path, {})["HX-Retarget"] == f"#{element}"
    assert plain.post(f"{VERSION}deregister/", {"typed": "v1.0.0", "reason": "unsafe"})["Location"] == APP
    assert AppCredential.objects.get(pk=issued.holder.pk).revoked_at
    assert AuditEvent.objects.get(verb="app.version_deregistered").reason == "unsafe"
    assert plain.get(VERSION).status_code == 404
    assert plain.post(f"{APP}deregister/", {"typed": "app1"})["Location"] == LIST
    assert plain.get(APP).status_code == 404


def test_credentials_of_a_version_that_is_gone_can_still_be_looked_at(
    plain: Client, make_credential: Callable[..., Rotated], root: Actor
) -> None:
    issued = make_credential()
    registration.deregister(issued.holder.version.app, by=root)
    page = text_of(plain.get(f"/portal/apps/credentials/{issued.holder.pk}/"))
    assert "app1 v1.0.0, de-registered" in page
    assert "v1.0.0 was de-registered." in page


def test_devices_are_found_by_the_beginning_of_their_id_and_page_by_page(
    plain: Client, make_version: Callable[..., AppVersion], make_device: Callable[..., Device], root: Actor
) -> None:
    version = make_version()
    for number in range(51):
        installing.install(version, make_device(f"press-{number:02}", status=Status.ACCEPTED).pk, by=root)
    first = plain.get(APP).content.decode()
    assert first.count('<tr class="one live" id="installation-') == 50
    older = re.search(r'rel="next" href="/portal/apps/app1/(\?after=[0-9A-Za-z]{12})"', first)
    assert older
    assert "press-50" in plain.get(APP + older[1]).content.decode()
    found = plain.get(APP, {"q": "press-4"}).content.decode()
    assert ("press-49" in found, "press-39" in found) == (True, False)
    assert "No installation fits." in text_of(plain.get(APP, {"q": "oven"}))
    assert plain.get(APP, {"after": "nothing"}).status_code == 400
    assert plain.get(APP, {"q": "a\u200bb"}).status_code == 400


def test_a_device_shows_what_is_installed_on_it_and_what_became_of_that(
    plain: Client, make_version: Callable[..., AppVersion], make_device: Callable[..., Device], root: Actor
) -> None:
    device = make_device(status=Status.ACCEPTED)
    assert 'id="installed-apps"' not in plain.get("/portal/devices/press-1/").content.decode()
    version = make_version()
    assert "No app has a token here." in text_of(plain.get("/portal/devices/press-1/"))
    made = installing.install(version, device.pk, by=root)
    page = plain.get("/portal/devices/press-1/").content.decode()
    assert f'href="/portal/apps/app1/installations/{made.holder.pk}/"' in page
    Device.objects.filter(pk=device.pk).update(status=Status.REJECTED)
    assert "Its device is rejected; its token opens again once the device is accepted." in text_of(plain.get(APP))
    Device.objects.filter(pk=device.pk).update(status=Status.ACCEPTED, denials=1)
    assert "which ends its token for good" in text_of(plain.get(APP))


def test_ten_minutes_after_the_login_what_shows_a_secret_wants_the_password(
    plain: Client, make_version: Callable[..., AppVersion]
) -> None:
    make_version()
    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=True):
        assert 'id="issue-password"' in plain.get(VERSION).content.decode()
        assert 'id="install-password"' in plain.get(APP).content.decode()


def test_a_viewer_sees_all_of_it_and_no_form(
    log_in: Callable[..., Client], viewer: User, make_credential: Callable[..., Rotated], ten1: Tenant, root: Actor
) -> None:
    issued = make_credential()
    tenant_grants.give(issued.holder.version, "ten1", by=root)
    client = log_in(viewer)
    for path in (LIST, APP, VERSION, f"/portal/apps/credentials/{issued.holder.pk}/"):
        page = client.get(path).content.decode()
        assert set(re.findall(r'method="post" action="([^"]+)"', page)) == {"/portal/logout/"}
        assert "ask an administrator" in page
