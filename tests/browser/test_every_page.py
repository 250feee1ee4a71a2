"""Every page, light and dark, wide and narrow: open to everybody, inside its window, and within its policy."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.site import Site

pytestmark = pytest.mark.long

PAGES = [
    "/portal/",
    "/portal/devices/",
    "/portal/devices/?tab=denied",
    "/portal/devices/?tab=preauthorized",
    "/portal/devices/?q=PRESS",
    "/portal/devices/?tab=all&seen=never&sort=silent",
    "/portal/devices/{device}/",
    "/portal/devices/decisions/{bulk}/",
    "/portal/devices/list/preauthorize/",
    "/portal/enrolment-rules/",
    "/portal/enrolment-rules/new/",
    "/portal/enrolment-rules/{rule}/",
    "/portal/shutdowns/",
    "/portal/shutdowns/order/",
    "/portal/shutdowns/{running}/",
    "/portal/shutdowns/{awaiting}/",
    "/portal/shutdowns/{ended}/",
    "/portal/tokens/",
    "/portal/tokens/?owner=all&state=live",
    "/portal/apps/",
    "/portal/apps/showing/",
    "/portal/apps/showing/?q=none",
    "/portal/apps/showing/versions/{version}/",
    "/portal/apps/credentials/{credential}/",
    "/portal/apps/showing/installations/{installation}/",
    "/portal/audit/",
    "/portal/audit/?verify=1",
    "/portal/audit/?actor=nobody",
    "/portal/device-cas/",
    "/portal/device-cas/gatehouse/",
    "/portal/gateway/",
    "/portal/gateway/?q=shown",
    "/portal/gateway/try/?path=/shown/",
    "/portal/gateway/routes/new/",
    "/portal/gateway/routes/{route}/",
    "/portal/gateway/signing-keys/",
    "/portal/gateway/certificates/",
    "/portal/gateway/nodes/",
    "/portal/gateway/nodes/local/",
    "/portal/gateway/nodes/{node}/",
    "/portal/people/",
    "/portal/people/{person}/",
    "/portal/tenants/",
    "/portal/tenants/main/",
    "/portal/webhooks/",
    "/portal/webhooks/{webhook}/",
    "/portal/webhooks/{webhook}/?state=waiting",
    "/portal/webhooks/{webhook}/deliveries/{delivery}/",
    "/portal/account/",
    "/portal/account/second-factor/",
    "/portal/expiring/",
    "/portal/help/",
    "/portal/devices/nobody/",
    "/portal/login/",
]


BULK = """
from uuid import uuid4
from devices import bulk_decisions
from portal.actor import Actor
from portal.models import User
by = Actor.person(User.objects.get(username="ada"))
asked = bulk_decisions.ask("reject", [("{device}", 1), ("nobody", 1)], by=by, reason="for show", id=uuid4())
print(bulk_decisions.go_on(asked, by=by, seconds=1).pk)
"""

RULE = """
from devices import rules
from portal.actor import Actor
print(rules.make(
    name="Batch 12, hall 3", verdict="accept", attribute="serial", pattern="SHO*", ca="ab" * 32, most=250,
    range_of="serial", first="SHOWN-" + "0" * 90 + "1", last="SHOWN-" + "9" * 91, is_enabled=False,
    by=Actor.command("x"),
).pk)
"""

WEBHOOK = """
from datetime import timedelta
from django.utils import timezone
from portal import webhooks
from portal.actor import Actor
from portal.models import Delivery, Webhook
from portal.topics import Topic
url, now = "https://hooks.example/" + "services/" * 40, timezone.now()
wrong = "It answered 503; a success is 200 to 299."
webhook, _ = webhooks.create("Ticket system of the plant " + "W" * 37, url, list(Topic), by=Actor.command("x"))
Webhook.objects.filter(pk=webhook.pk).update(
    waiting=1, failing_since=now, next_at=now + timedelta(hours=6), missed=3, missed_since=now
)
for state, error in (("delivered", ""), ("failed", wrong), ("waiting", wrong)):
    made = Delivery.objects.create(
        webhook=webhook, message="msg_" + "0a" * 16, topic="device.pending", body='{"type":"' + "x" * 900 + '"}',
        state=state, attempts=3, last_at=now, last_status=503 if error else 200, last_error=error, took_ms=120,
    )
print(webhook.pk, made.pk)
"""


APPS = """
from devices import admission
from devices.models import Device
from portal.actor import Actor
from portal.models import Tenant, User
from tokens import credentials, installing, overlap, registration, shown_secrets, tenant_grants
by, ada = Actor.command("x"), User.objects.get(username="ada")
Tenant.objects.get_or_create(name="operatorofseventeen1", title="The operator of seventeen plants " + "W" * 60)
device = Device.objects.get(pk={device!r})
admission.decide(device, "accepted", by=by)
app = registration.register("showing", title="W" * 100, by=by)
facts = dict(features=["API.Shutdown"], scopes=sorted(by.scopes - {{"credentials:rotate-own"}}), by=by)
version = registration.add_version(app, "v1.0.0" + "w" * 24, **facts)
registration.add_version(app, "v2", by=by)
tenant_grants.give(version, "operatorofseventeen1", by=by)
issued = credentials.issue(version, by=by, owner=None, instance="w" * 20)
installed = installing.install(version, device.pk, by=by, owner=ada)
for shown in (issued, overlap.rotate(issued.holder, by=by, reason="W" * 500)):
    shown_secrets.of_client(issued.holder.client_id, shown.text, address="2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")
overlap.rotate(installed.holder, by=by)
print(version.version, issued.holder.pk, installed.holder.pk)
"""


ROUTE = """
from gateway import routes
from gateway.models import RouteEntryRefusal
from portal.actor import Actor
RouteEntryRefusal.objects.create(position=1, entry="x" * 300, sentence="has no http:// or https:// target.")
print(routes.make(
    "shown/" + "w" * 60 + "/" + "w" * 60, "http://10.0.0.5:59880/" + "base" * 40, methods=["GET", "OPTIONS"],
    rate_per_minute=600, health_path="/api/v3/" + "ping" * 40, websocket=True, cors_credentials=True,
    cors_origins=["https://" + "w" * 60 + ".example"], reason="W" * 500, by=Actor.command("x"),
).pk)
"""

NODE = """
from django.utils import timezone
from gateway import remote_nodes
from gateway.models import GatewayNode
from portal.actor import Actor
name, at, host = "hall-" + "w" * 58, timezone.now().isoformat(), "w" * 60 + ".example"
remote_nodes.make(name, bind="2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", names=[host], by=Actor.command("x"))
told = {"version": "3f9a1c5de2b84706.1", "at": at}
refused = {**told, "content": "3f9a1c5de2b84706", "times": 1, "reason": "Failed to load " + "/etc/ssl/certs" * 20}
GatewayNode.objects.filter(name=name).update(
    offered={"clusters": told, "secrets/door": told}, refused={"clusters": refused, "secrets/door": refused},
    last_seen=timezone.now(), address="2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", envoy_version="1.40.0",
)
print(name)
"""


SHUTDOWNS = """
from datetime import timedelta
from django.utils import timezone
from devices.models import ShutdownAck, ShutdownJob, ShutdownTarget, TargetState
from portal.models import User
vera, now = User.objects.get(username="vera"), timezone.now()
facts = dict(
    reason="W" * 200, via="page", requested_by="W" * 150, requester=vera, device_count=11,
    decide_by=now + timedelta(days=9), started_at=now, expires_at=now + timedelta(days=9),
    start_at=now + timedelta(days=9), needs_approval=True,
)
taken = dict(
    code="c" * 64, detail="W" * 500, nonce="n", queued_at=now, expires_at=now + timedelta(days=9), claimed_at=now,
    deadline=now + timedelta(days=9),
)
for state in ("running", "awaiting_approval", "completed_with_errors"):
    job = ShutdownJob.objects.create(state=state, decided_by="" if state == "awaiting_approval" else "ada", **facts)
    for each in TargetState.values:
        is_open = each in ("queued", "claimed", "executing")
        if is_open and state != "running":
            continue
        executing_at = now if each in ("executing", "succeeded") else None
        target = ShutdownTarget.objects.create(
            job=job, device_id=each + "-" + "d" * 90, state=each, executing_at=executing_at, finished_at=now, **taken
        )
        for app, at in (("a" * 20, now), ("b" * 20, None)):
            ShutdownAck.objects.create(target=target, installation=app, app=app, version="v1", acknowledged_at=at)
    print(job.pk)
"""


@pytest.fixture(scope="session")
def names(site: Site) -> dict[str, str]:
    """What stands in the paths: a device with another key, a person, a decision on many; each shows all it can."""
    (device,) = site.knock({"serial": "SHOWN", "mac": "00:1b:44:11:3a:b7"})
    site.another_key(device)
    person = site.run("from portal.models import User; print(User.objects.get(username='vera').pk)").strip()
    rule, bulk = site.run(RULE).strip(), site.run(BULK.format(device=device)).strip()
    webhook, delivery = site.run(WEBHOOK).split()
    hooks = {"webhook": webhook, "delivery": delivery}
    (edge,) = site.knock({"serial": "SHOWN-EDGE"})
    version, credential, installation = site.run(APPS.format(device=edge)).split()
    running, awaiting, ended = site.run(SHUTDOWNS).split()
    hooks |= {"running": running, "awaiting": awaiting, "ended": ended}
    apps = {"version": version, "credential": credential, "installation": installation}
    node, route = site.run(NODE).strip(), site.run(ROUTE).strip()
    doors = {"node": node, "route": route}
    return {"device": device, "person": person, "bulk": bulk, "rule": rule, **doors, **hooks, **apps}


def faults(page: Page, **only: Any) -> list[Any]:
    found = Axe().run(page, options={"resultTypes": ["violations"], **only}).response["violations"]
    return [
        (fault["id"], [node["html"][:200] for node in fault["nodes"]][:3])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_from_here_within_its_policy_free_of_faults_and_inside_a_narrow_window(
    open_page: Open, names: dict[str, str], site: Site, path: str
) -> None:
    page = open_page("about:blank", color_scheme="light")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.format(**names))
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith((site.url, "data:"))] == []
    assert page.evaluate("typeof htmx") == "object"
    for panel in page.locator("details").all()[:3]:
        panel.evaluate("panel => { panel.open = true; }")
    assert faults(page) == []
    page.emulate_media(color_scheme="dark")
    assert faults(page, runOnly=["color-contrast"]) == []  # Nothing else is another in the dark.
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_swagger_pages_work_under_the_policy(open_page: Open, site: Site, scheme: str) -> None:
    page = open_page("/api/docs/", color_scheme=scheme)
    expect(page.locator(".opblock").first).to_be_visible()
    page.get_by_role("button", name="Authorize").click()
    own = page.locator("form").filter(has_text="bearer (http, Bearer)")
    own.get_by_label("auth-bearer-value").fill("gate_pat_wrong")
    own.get_by_label("Apply credentials").click()
    page.get_by_role("button", name="Close", exact=True).first.click()
    listing = page.locator(".opblock-get").filter(has=page.locator('[data-path="/api/v1/devices"]'))
    # Of so many operations the page holds only those in sight, so one scrolls to the rest.
    for _ in range(300):
        if listing.count():
            break
        page.mouse.wheel(0, 500)
        page.wait_for_timeout(100)
    listing.locator(".opblock-summary-control").click()
    expect(listing).to_contain_text("devices:read")
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("401")
