"""What every page has in common: who may open it, what it forbids the browser, and how its templates are made."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from devices.models import Device, EnrolmentRule, ShutdownJob, ShutdownTarget
from gateway import device_cas, remote_nodes
from gateway.models import Route
from portal.actor import Actor
from portal.models import Delivery, Tenant, User, Webhook
from portal.templatetags import frame
from tokens.models import AppCredential, AppTokenSecret, AppVersion, CredentialSecret, InstalledApp

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
TEMPLATES = Path("templates")
FRAGMENTS = sorted(TEMPLATES.rglob("_*.html"))
OTHER = "00000000-0000-4000-8000-000000000001"
PAGES = [
    "/portal/",
    "/portal/expiring/",
    "/portal/expiring/?kind=api_token&days=365&whose=own&page=2",
    "/portal/help/",
    "/portal/devices/",
    "/portal/devices/?tab=denied",
    "/portal/devices/?tab=all&q=press&asked=7d&seen=never&sort=silent",
    "/portal/devices/press-1/",
    "/portal/devices/press-1/?report=1",
    "/portal/enrolment-rules/",
    "/portal/enrolment-rules/1/",
    "/portal/shutdowns/",
    "/portal/shutdowns/?device=press-1",
    f"/portal/shutdowns/{OTHER}/",
    f"/portal/shutdowns/{OTHER}/?state=waiting&after=a",
    "/portal/tokens/",
    "/portal/tokens/?owner=all&state=live",
    "/portal/apps/",
    "/portal/apps/app1/",
    "/portal/apps/app1/?q=press",
    "/portal/apps/app1/versions/v1.0.0/",
    "/portal/apps/credentials/abcdefghijkl/",
    "/portal/apps/app1/installations/AAAAAAAAAAAA/",
    "/portal/device-cas/",
    "/portal/device-cas/gatehouse/",
    "/portal/gateway/",
    "/portal/gateway/?q=line&state=enabled",
    "/portal/gateway/?q=nothing",
    "/portal/gateway/try/?path=/line/",
    "/portal/gateway/routes/901/",
    "/portal/gateway/certificates/",
    "/portal/gateway/nodes/",
    "/portal/gateway/nodes/hall-3/",
    "/portal/gateway/signing-keys/",
    "/portal/people/",
    "/portal/people/?q=nobody",
    f"/portal/people/{OTHER}/",
    "/portal/tenants/",
    "/portal/tenants/main/",
    "/portal/tenants/ten1/",
    "/portal/audit/",
    "/portal/audit/?verify=1",
    "/portal/account/",
    "/portal/account/second-factor/",
]
FOR_ADMINISTRATORS = [
    "/portal/gateway/routes/new/",
    "/portal/webhooks/",
    f"/portal/webhooks/{OTHER}/",
    f"/portal/webhooks/{OTHER}/?state=failed",
    f"/portal/webhooks/{OTHER}/deliveries/1/",
]
OWN_POSTS = [
    "/portal/logout/",
    "/portal/account/password/",
    "/portal/account/facts/",
    "/portal/account/sessions/0123456789abcdef01234567/end/",
    "/portal/account/second-factor/confirm/",
    "/portal/account/second-factor/app/offer/",
    "/portal/account/second-factor/app/add/",
    "/portal/account/second-factor/passkeys/ask/",
    "/portal/account/second-factor/passkeys/add/",
    "/portal/account/second-factor/codes/make/",
    "/portal/account/second-factor/1/rename/",
    "/portal/account/second-factor/1/remove/",
]
# Only looked at: whoever may see the routes may send it.
LOOKS = ["/portal/gateway/try/judge/"]
POSTS = [
    *OWN_POSTS,
    *LOOKS,
    "/portal/devices/list/decide/",
    "/portal/devices/list/preauthorize/one/",
    "/portal/devices/list/preauthorize/judge/",
    "/portal/devices/list/preauthorize/carry-out/",
    f"/portal/devices/decisions/{OTHER}/go-on/",
    "/portal/devices/press-1/accept/",
    "/portal/devices/press-1/reject/",
    "/portal/devices/press-1/deny/",
    "/portal/devices/press-1/restore/",
    "/portal/devices/press-1/purge/",
    "/portal/devices/press-1/config/file/",
    "/portal/devices/press-1/config/file/remove/",
    "/portal/devices/press-1/key-changes/1/accept/",
    "/portal/devices/press-1/key-changes/1/refuse/",
    "/portal/enrolment-rules/create/",
    "/portal/enrolment-rules/preview/",
    "/portal/enrolment-rules/1/change/",
    "/portal/enrolment-rules/1/preview/",
    "/portal/enrolment-rules/1/enable/",
    "/portal/enrolment-rules/1/disable/",
    "/portal/enrolment-rules/1/delete/",
    "/portal/shutdowns/order/choose/",
    "/portal/shutdowns/order/review/",
    "/portal/shutdowns/order/change/",
    "/portal/shutdowns/order/place/",
    f"/portal/shutdowns/{OTHER}/cancel/",
    f"/portal/shutdowns/{OTHER}/approve/",
    f"/portal/shutdowns/{OTHER}/refuse/",
    f"/portal/shutdowns/{OTHER}/retry/",
    "/portal/tokens/create/",
    "/portal/tokens/abcdefghijkl/rotate/",
    "/portal/tokens/abcdefghijkl/disable/",
    "/portal/tokens/abcdefghijkl/enable/",
    "/portal/tokens/abcdefghijkl/revoke/",
    "/portal/apps/new/register/",
    "/portal/apps/app1/add-version/",
    "/portal/apps/app1/deregister/",
    "/portal/apps/app1/install/",
    "/portal/apps/app1/versions/v1.0.0/transfer/",
    "/portal/apps/app1/versions/v1.0.0/deregister/",
    "/portal/apps/app1/versions/v1.0.0/grants/",
    "/portal/apps/app1/versions/v1.0.0/grants/ten1/withdraw/",
    "/portal/apps/app1/versions/v1.0.0/issue/",
    "/portal/apps/credentials/abcdefghijkl/rotate/",
    "/portal/apps/credentials/abcdefghijkl/end-overlap/",
    "/portal/apps/credentials/abcdefghijkl/cancel-rotation/",
    "/portal/apps/credentials/abcdefghijkl/disable/",
    "/portal/apps/credentials/abcdefghijkl/enable/",
    "/portal/apps/credentials/abcdefghijkl/revoke/",
    "/portal/apps/credentials/abcdefghijkl/delete/",
    "/portal/apps/credentials/abcdefghijkl/hand-over/",
    "/portal/apps/app1/installations/AAAAAAAAAAAA/rotate/",
    "/portal/apps/app1/installations/AAAAAAAAAAAA/end-overlap/",
    "/portal/apps/app1/installations/AAAAAAAAAAAA/cancel-rotation/",
    "/portal/apps/app1/installations/AAAAAAAAAAAA/disable/",
    "/portal/apps/app1/installations/AAAAAAAAAAAA/enable/",
    "/portal/apps/app1/installations/AAAAAAAAAAAA/revoke/",
    "/portal/apps/app1/installations/AAAAAAAAAAAA/delete/",
    "/portal/apps/app1/installations/AAAAAAAAAAAA/change-version/",
    "/portal/device-cas/new/make/",
    "/portal/device-cas/new/add/",
    "/portal/device-cas/gatehouse/withdraw/",
    "/portal/gateway/certificates/install/",
    "/portal/gateway/certificates/1/remove/",
    "/portal/gateway/nodes/hall-3/delete/",
    "/portal/gateway/routes/new/make/",
    "/portal/gateway/routes/901/change/",
    "/portal/gateway/routes/901/enable/",
    "/portal/gateway/routes/901/disable/",
    "/portal/gateway/routes/901/delete/",
    "/portal/gateway/signing-keys/rotate/",
    "/portal/people/create/",
    f"/portal/people/{OTHER}/role/",
    f"/portal/people/{OTHER}/facts/",
    f"/portal/people/{OTHER}/deactivate/",
    f"/portal/people/{OTHER}/activate/",
    f"/portal/people/{OTHER}/password/",
    f"/portal/people/{OTHER}/second-factor/reset/",
    f"/portal/people/{OTHER}/sessions/end/",
    f"/portal/people/{OTHER}/sessions/0123456789abcdef01234567/end/",
    "/portal/tenants/new/make/",
    "/portal/tenants/ten1/rename/",
    "/portal/tenants/ten1/delete/",
    "/portal/webhooks/create/",
    f"/portal/webhooks/{OTHER}/change/",
    f"/portal/webhooks/{OTHER}/enable/",
    f"/portal/webhooks/{OTHER}/disable/",
    f"/portal/webhooks/{OTHER}/delete/",
    f"/portal/webhooks/{OTHER}/rotate/",
    f"/portal/webhooks/{OTHER}/test/",
    f"/portal/webhooks/{OTHER}/replay/",
    f"/portal/webhooks/{OTHER}/deliveries/1/replay/",
]
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)|hx-on|hx-vals=.js:", re.IGNORECASE)


@pytest.fixture(autouse=True)
def _somebody_else(db: None) -> None:
    User.objects.create(pk=OTHER, username="grace", role="operator")


@pytest.fixture
def _a_webhook(db: None) -> None:
    webhook = Webhook.objects.create(pk=OTHER, name="chat", url="https://hooks.example/", topics=["device.pending"])
    Delivery.objects.create(pk=1, webhook=webhook, message="msg_1", topic="device.pending", body="{}", state="failed")


@pytest.fixture(autouse=True)
def _a_tenant(db: None) -> None:
    Tenant.objects.create(name="ten1", title="Plant 7")


@pytest.fixture(autouse=True)
def _a_rule(db: None) -> None:
    EnrolmentRule.objects.create(pk=1, name="hall 3", verdict="accept", created_by="ada")


@pytest.fixture(autouse=True)
def _a_shutdown(db: None) -> None:
    facts: dict[str, Any] = {"reason": "maintenance", "via": "page", "requested_by": "ada", "device_count": 1}
    job = ShutdownJob.objects.create(pk=OTHER, state="awaiting_approval", decide_by=NOON, **facts)
    ShutdownTarget.objects.create(job=job, device_id="press-1", state="waiting")


@pytest.fixture(autouse=True)
def _a_device_ca(db: None) -> None:
    device_cas.ensure_first(by=Actor.command("test"))


@pytest.fixture(autouse=True)
def _a_route(db: None) -> None:
    Route.objects.create(pk=901, prefix="line", target="https://10.0.0.5", scope="gateway:line", methods=["GET"])


@pytest.fixture(autouse=True)
def _a_node(db: None) -> None:
    remote_nodes.make("hall-3", by=Actor.command("test"))


@pytest.fixture(autouse=True)
def _an_app(_a_tenant: None, make_version: Callable[..., AppVersion]) -> None:
    version = make_version()
    facts: dict[str, Any] = {"created_by": "ada", "version": version, "expires_at": NOON + timedelta(days=3650)}
    issued = AppCredential.objects.create(
        id="abcdefghijkl", client_id="main-app1-v1.0.0", host_tenant="main", stage=version.stage, **facts
    )
    kept: dict[str, Any] = {"pepper": "p1", "hint": "0000", "expires_at": issued.expires_at, "slot": 1}
    CredentialSecret.objects.create(id="abcdefghijkm", holder=issued, client_id=issued.client_id, digest="c", **kept)
    installed = InstalledApp.objects.create(id="AAAAAAAAAAAA", app=version.app, on="press-9", **facts)
    AppTokenSecret.objects.create(id="abcdefghijkn", holder=installed, digest="i", **kept)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_only_to_who_is_logged_in(
    log_in: Callable[..., Client], viewer: User, make_device: Callable[..., Device], path: str
) -> None:
    make_device()
    assert Client().get(path)["Location"].startswith("/portal/login/?next=/portal/")
    assert log_in(viewer).get(path).status_code == 200


@pytest.mark.parametrize("path", FOR_ADMINISTRATORS)
@pytest.mark.usefixtures("_a_webhook")
def test_some_pages_open_to_administrators_alone(
    log_in: Callable[..., Client], administrator: User, operator: User, path: str
) -> None:
    assert Client().get(path)["Location"].startswith("/portal/login/?next=/portal/")
    assert log_in(operator).get(path).status_code == 403
    assert log_in(administrator).get(path).status_code == 200


@pytest.mark.parametrize("path", [*PAGES, *FOR_ADMINISTRATORS])
@pytest.mark.usefixtures("_a_webhook")
def test_a_page_is_neither_kept_nor_framed_nor_scripted_inline(
    log_in: Callable[..., Client], administrator: User, make_device: Callable[..., Device], path: str
) -> None:
    make_device()
    answer = log_in(administrator).get(path)
    policy = answer["Content-Security-Policy"]
    assert answer["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not INLINE.search(answer.content.decode())
    # What stands in a `bdi` is text, such as the target of a route.
    assert "http://" not in re.sub(r"(http://www\.w3\.org|http://localhost|<bdi>http://)", "", answer.content.decode())


@pytest.mark.parametrize("path", POSTS)
def test_what_changes_something_is_no_get_and_needs_our_form(
    log_in: Callable[..., Client], administrator: User, path: str
) -> None:
    client = log_in(administrator)
    assert client.get(path).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(path).status_code == 403


@pytest.mark.usefixtures("_a_webhook")
def test_a_method_in_small_letters_is_none(log_in: Callable[..., Client], administrator: User) -> None:
    client = log_in(administrator)
    client.handler.enforce_csrf_checks = True
    read = ["/", *PAGES, *FOR_ADMINISTRATORS, "/portal/login/", "/healthz", "/static/gatehouse.css"]
    for method, path in [*(("get", path) for path in read), *(("Post", path) for path in POSTS)]:
        answer = client.generic(method, path)
        assert answer.status_code == 405, path
        assert method.upper() in answer["Allow"].split(", ")
    page = client.generic("gEt", "/portal/").content.decode()
    assert "gEt is not served here; use GET, HEAD. Methods are written in capitals." in page


@pytest.mark.parametrize("path", POSTS[len(OWN_POSTS) + len(LOOKS) :])
def test_a_viewer_changes_nothing(log_in: Callable[..., Client], viewer: User, path: str) -> None:
    answer = log_in(viewer).post(path, {"seen": "1"})
    assert answer.status_code == 403
    assert "This needs the scope" in answer.content.decode()


def test_the_navigation_names_the_person_and_marks_the_place(log_in: Callable[..., Client], operator: User) -> None:
    page = log_in(operator).get("/portal/devices/").content.decode()
    assert "otto" in page
    assert "Operator" in page
    assert '<a href="/portal/devices/" aria-current="page">' in page


def test_a_page_that_is_not_there_says_so_in_the_frame(log_in: Callable[..., Client], viewer: User) -> None:
    answer = log_in(viewer).get("/portal/nowhere/")
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()


def test_swagger_comes_from_here_and_writes_no_script_into_the_page(client: Client) -> None:
    page = client.get("/api/docs/").content.decode()
    assert not INLINE.search(page)
    assert "https://" not in page
    assert client.get("/api/docs/?script=").headers["Content-Type"].startswith("application/javascript")


@pytest.mark.parametrize("path", FRAGMENTS, ids=str)
def test_a_fragment_is_named_by_what_it_shows_and_used(path: Path) -> None:
    named = f'"{path.relative_to(TEMPLATES)}"'
    sources = [*TEMPLATES.rglob("*.html"), *Path().glob("*/*.py")]
    assert any(named in source.read_text() for source in sources)


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(minutes=-1, seconds=-59), "1 min ago"),
        (timedelta(hours=-23, minutes=-59), "23 h ago"),
        (timedelta(days=-1), "1 day ago"),
        (timedelta(days=-400), "400 days ago"),
        (timedelta(days=90) - timedelta(seconds=1), "in 90 days"),
        (timedelta(seconds=5), "in a moment"),
    ],
)
def test_a_distance_in_time_reads_in_its_largest_unit(distance: timedelta, words: str) -> None:
    assert frame.distance(NOON + distance, NOON) == words
