"""The examples in the OpenAPI are real: each fits its schema, and what is asked in one is answered as in the other."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from devices import (
    app_states,
    configs,
    examples,
    records,
    rules,
    rules_examples,
    shutdown,
    shutdown_claim,
    shutdown_deadlines,
    shutdown_examples,
    stored_examples,
    system_info,
    update_events,
)
from devices.models import CheckIn, Device, KeyChangeRequest, ShutdownAck, Via
from devices.shutdown_fields import Order
from gateway import (
    certificate_installation,
    certificates,
    certificates_examples,
    device_cas,
    nodes,
    nodes_examples,
    remote_nodes,
    routes,
    routes_examples,
)
from gateway import examples as ca_examples
from gateway.certificate_pem import Sent
from gateway.models import DeviceCA, IssuedCertificate, RouteTraffic
from portal import backlog, tenants, tenants_examples, webhook_examples, webhooks
from portal.actor import Actor
from portal.models import Delivery, Outbox, User, Webhook
from portal.scopes import Scope
from tests.documents import document
from tokens import (
    apps_examples,
    credentials,
    credentials_examples,
    ending,
    installations_examples,
    installing,
    issuing,
    overlap,
    registration,
    switching,
    tenant_grants,
)

JSON = "application/json"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
# How the device stands when the example is sent; of others there is none yet.
STANDS: dict[str, dict[str, Any]] = {
    "devices_list": {"status": "accepted"},
    "devices_retrieve": {"status": "accepted"},
    "devices_accept": {},
    "devices_reject": {"status": "accepted"},
    "devices_deny": {"status": "accepted"},
    "devices_destroy": {"status": "accepted"},
    "devices_purge": {},
    "devices_history": {},
    "devices_config": {"status": "accepted"},
    "devices_config_replace": {"status": "accepted"},
    "devices_config_clear": {"status": "accepted"},
    "devices_check_in": {"status": "accepted", "last_seen": NOON},
    "devices_system_info": {"status": "accepted"},
    "devices_inventory": {"status": "accepted"},
    "devices_events": {"status": "accepted"},
    "devices_apps_states": {"status": "accepted"},
    "device_decisions_create": {},
    "key_changes_list": {"status": "accepted"},
    "key_changes_retrieve": {"status": "accepted"},
    "key_changes_accept": {"status": "accepted"},
    "key_changes_refuse": {"status": "accepted"},
    "denied_devices_list": {"status": "accepted", "denied_at": NOON},
    "denied_devices_retrieve": {"status": "accepted", "denied_at": NOON},
    "denied_devices_restore": {"status": "accepted", "denied_at": NOON},
    "denied_devices_destroy": {"status": "accepted", "denied_at": NOON},
    "shutdowns_list": {"status": "accepted"},
    "shutdowns_retrieve": {"status": "accepted"},
    "shutdowns_create": {"status": "accepted"},
    "shutdowns_targets": {"status": "accepted"},
    "shutdowns_cancel": {"status": "accepted"},
    "shutdowns_retry": {"status": "accepted"},
    "shutdowns_approve": {"status": "accepted"},
    "shutdowns_refuse": {"status": "accepted"},
    "apps_installations_list": {"status": "accepted"},
    "apps_installations_retrieve": {"status": "accepted"},
    "apps_installations_create": {"status": "accepted"},
    "apps_installations_certsips": {"status": "accepted"},
    "apps_installations_partial_update": {"status": "accepted"},
    "apps_installations_destroy": {"status": "accepted"},
    "apps_installations_rotate": {"status": "accepted"},
    "apps_installations_end_overlap": {"status": "accepted"},
    "apps_installations_cancel_rotation": {"status": "accepted"},
    "apps_installations_disable": {"status": "accepted"},
    "apps_installations_enable": {"status": "accepted"},
    "apps_installations_revoke": {"status": "accepted"},
}

# What they answer holds a key, or is signed by one, that was made in this moment.
MADE_ANEW = ("device_cas_create", "devices_certificate_create")


@dataclass(frozen=True)
class Operation:
    """One native operation as the document has it."""

    method: str
    path: str
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.facts["operationId"])

    @property
    def sent(self) -> Any:
        """Schema and examples of its body; None if it takes none."""
        return self.facts.get("requestBody", {}).get("content", {}).get(JSON)

    @property
    def success(self) -> tuple[int, Any]:
        """The status of its success, and schema and examples of that body; what a list is answered is the lesser."""
        status = max(int(status) for status in self.facts["responses"] if status.startswith("2"))
        return status, self.facts["responses"][str(status)].get("content", {}).get(JSON)

    @property
    def media(self) -> list[Any]:
        """Schema and examples of every body that it takes or answers."""
        bodies = [self.facts.get("requestBody", {}), *self.facts["responses"].values()]
        return [media for body in bodies for media in body.get("content", {}).values()]

    @property
    def lists(self) -> tuple[Any, Any]:
        """Schema and examples of the list that it takes, too, and of what that is answered."""
        return self.facts["requestBody"]["content"]["text/csv"], self.facts["responses"]["200"]["content"][JSON]


def operations() -> Iterator[Operation]:
    for path, methods in document()["paths"].items():
        if path.startswith("/api/v1/"):
            for method, facts in methods.items():
                yield Operation(method.upper(), path, facts)


def every_operation() -> Iterator[Any]:
    for operation in operations():
        yield pytest.param(operation, id=operation.name)


each_operation = pytest.mark.parametrize("operation", list(every_operation()))


def values(media: Any) -> dict[str, Any]:
    return {name: example["value"] for name, example in media.get("examples", {}).items()}


@each_operation
def test_every_body_has_an_example_and_each_fits_its_schema(operation: Operation) -> None:
    components = document()["components"]
    for media in operation.media:
        assert values(media), operation.name
        schema = {**media["schema"], "components": components}
        for value in values(media).values():
            Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def sendable() -> Iterator[Any]:
    for operation in operations():
        for name, body in (values(operation.sent) if operation.sent else {"": None}).items():
            yield pytest.param(operation, body, id=f"{operation.name} {name}".strip())


class TestSent:
    @pytest.fixture
    def place(self, administrator: User, make_device: Callable[..., Device]) -> Callable[[Operation], str]:
        """Bring about what the operation needs, and give its path."""

        def bring_about(operation: Operation) -> str:
            if (stands := STANDS.get(operation.name)) is not None:
                device = make_device(examples.ID, dict(examples.PENDING["identity"]), examples.KEY, **stands)
                if stands.get("status") == "accepted" and "denied_at" not in stands:
                    store_all(device)
            if operation.name.startswith("key_changes_"):
                KeyChangeRequest.objects.create(
                    id=examples.KEY_CHANGE["id"],
                    device_id=examples.ID,
                    present_fingerprint=examples.KEY_CHANGE["present_fingerprint"],
                    new_fingerprint=examples.KEY_CHANGE["new_fingerprint"],
                    new_key=examples.KEY,
                    seen_from="10.20.3.7",
                )
            token, _ = issuing.issue("line-3", [Scope.DEVICES_READ], owner=administrator, days=9, by=Actor.command("x"))
            if operation.name == "tokens_enable":
                ending.disable(token, by=Actor.command("x"))
            named = {"id": token.pk if "/tokens/" in operation.path else examples.ID, "number": 1}
            if operation.name.startswith("key_changes_"):
                named["id"] = examples.KEY_CHANGE["id"]
            if operation.name.startswith("enrolment_rules_") and operation.name != "enrolment_rules_create":
                named["id"] = rules.make(by=Actor.command("x"), **rule_facts()).pk
                make_device(examples.ID, dict(examples.PENDING["identity"]), examples.KEY)
            if "device-cas" in operation.path or "/certificate" in operation.path:
                named["name"] = ca_examples.DEVICE_CA["name"]
                make_device_ca(operation)
            if "/apps" in operation.path or "/credentials" in operation.path:
                named |= make_app(operation, administrator)
            if "/tenants" in operation.path and operation.name != "tenants_create":
                named["name"] = tenants.make(**tenants_examples.NEW, by=Actor.command("x")).name
            if operation.path.startswith("/api/v1/certificates"):
                named["id"] = make_door_certificate(operation)
            if operation.path.startswith("/api/v1/nodes"):
                named["name"] = make_node()
            if "/routes/" in operation.path:
                route = routes.make(**routes_examples.NEW, by=Actor.command("x"))
                named["id"] = route.pk
                if operation.name == "routes_traffic":
                    node, _ = nodes.local(by=Actor.command("x"))
                    facts = {"requests": 9, "latencies": {"5": 9}, "began_at": timezone.now()}
                    RouteTraffic.objects.create(route=route, node=node, **facts)
            if operation.name.startswith("shutdowns_") and operation.name != "shutdowns_create":
                named["id"] = make_shutdown(operation)
            if "/webhooks/" in operation.path:
                named |= {"id": webhook_examples.ID, "delivery": webhook_examples.DELIVERY["id"]}
                make_webhook()
            return operation.path.format(**named)

        return bring_about

    @pytest.mark.parametrize(("operation", "body"), list(sendable()))
    def test_what_is_asked_is_answered_as_shown(
        self, rest: Callable[..., APIClient], place: Callable[[Operation], str], operation: Operation, body: Any
    ) -> None:
        path, client = place(operation), rest(*Scope)
        if operation.name == "devices_history":
            client.post(f"/api/v1/devices/{examples.ID}/accept", {"reason": "to have a history"}, format="json")
        answer = client.generic(
            operation.method, path, b"" if body is None else client._encode_data(body, "json")[0], content_type=JSON
        )
        status, shown = operation.success
        assert answer.status_code == status, answer.content
        if shown is None:
            assert answer.content == b""
            return
        [example] = values(shown).values()
        alike(answer.json(), example, operation.name)
        for header in operation.facts["responses"][str(status)].get("headers", {}):
            assert answer[header]


def make_device_ca(operation: Operation) -> None:
    """The device CA of the examples and what it signed; one that signs, for what is to be signed."""
    if operation.name == "devices_certificate_create":
        device_cas.make("gatehouse", by=Actor.command("x"))
    if operation.method == "POST":
        return
    shown = {name: fact for name, fact in ca_examples.DEVICE_CA.items() if name != "signs_here"}
    DeviceCA.objects.create(**shown)
    shown = {name: fact for name, fact in ca_examples.ISSUED.items() if name != "device"}
    IssuedCertificate.objects.create(device_id=ca_examples.ISSUED["device"], **shown)


def make_door_certificate(operation: Operation) -> int:
    """The installed certificate of the examples, but for the operation that installs it."""
    by, shown = Actor.command("x"), certificates_examples.NEW
    own = certificates.ensure_default(by=by)
    if operation.method == "POST":
        return own.pk
    certificate, key = Sent(shown["certificate"], "The certificate"), Sent(shown["key"], "The key")
    installed = certificate_installation.install(certificate, key, by=by)
    own.delete()
    return installed.pk


def make_node() -> str:
    """The node of the examples, which has refused the routes."""
    shown = nodes_examples.NODE
    node, _ = remote_nodes.make(shown["name"], poll_s=shown["poll_s"], by=Actor.command("x"))
    [told] = shown["subscriptions"]
    refused = {**told["refused"], "content": told["refused"]["version"].partition(".")[0], "times": 1}
    refused["reason"] = told["reason"]
    node.offered, node.accepted = {told["name"]: told["offered"]}, {told["name"]: told["accepted"]}
    node.refused, node.last_seen, node.address = {told["name"]: refused}, timezone.now(), shown["address"]
    node.save()
    return node.name


def make_app(operation: Operation, owner: User) -> dict[str, str]:
    """The app of the examples with what the operation needs of it; the names that stand in its path."""
    if operation.name == "apps_create":
        return {}
    by = Actor.command("x")
    for name in ("plant7", "plant8"):
        tenants.make(name, by=by)
    app = registration.register(**apps_examples.NEW_APP, by=by)
    named = {"app": app.name, "version": apps_examples.VERSION["version"], "tenant": apps_examples.GRANT["tenant"]}
    if operation.name == "apps_versions_create":
        return named
    version = registration.add_version(app, **apps_examples.NEW_VERSION, by=by)
    registration.add_version(app, **{**apps_examples.NEW_VERSION, **installations_examples.CHANGE}, by=by)
    if "/grants" in operation.path and operation.name != "apps_versions_grants_create":
        tenant_grants.give(version, named["tenant"], by=by)
    if operation.name in ("credentials_create", "apps_installations_create"):
        return named
    if "/credentials" in operation.path:
        User.objects.create(username=credentials_examples.OWNER["owner"])
        holder = credentials.issue(version, by=by, owner=owner, instance="line2").holder
    elif "/installations" in operation.path:
        holder = installing.install(version, examples.ID, by=by, owner=owner).holder
    else:
        return named
    if operation.name.endswith(("_end_overlap", "_cancel_rotation")):
        overlap.rotate(holder, by=by)
    if operation.name.endswith(("_enable", "_destroy")):
        switching.disable(holder, by=by, reason="to have it disabled")
    if operation.name == "apps_installations_certsips":
        certificates.ensure_default(by=by)
    return {**named, "id": holder.pk}


def make_shutdown(operation: Operation) -> str:
    """A shutdown of the device by another person, as far along as the operation needs it."""
    otto = Actor.person(User.objects.create(username=shutdown_examples.APPROVED["requested_by"], role="operator"))
    wanted = Order([examples.ID], shutdown_examples.NEW["reason"])
    with override_settings(SHUTDOWN_APPROVAL_FROM=1 if operation.name.endswith(("_approve", "_refuse")) else 0):
        job = shutdown.order(wanted, by=otto, via=Via.PAGE)
    target = job.targets.get()
    if operation.name == "shutdowns_targets":
        shutdown_claim.claim(target, "0123456789abcdef", by=Actor.device(examples.ID))
        ack = {name: shutdown_examples.TARGET["acks"][0][name] for name in ("app", "version")}
        ShutdownAck.objects.create(target=target, installation="AAAAAAAAAAAA", acknowledged_at=NOON, **ack)
    if operation.name == "shutdowns_retry":
        job.targets.update(expires_at=timezone.now())
        shutdown_deadlines.move_on(by=Actor.worker())
    return str(job.pk)


def make_webhook() -> None:
    """The webhook of the examples, with the delivery that failed."""
    webhook, _ = webhooks.create(**webhook_examples.NEW, by=Actor.command("x"))
    backlog.take([Outbox(topic="device.pending", body={"device": "press-1"})])
    Webhook.objects.update(id=webhook_examples.ID, waiting=0)
    facts = {name: webhook_examples.DELIVERY[name] for name in ("attempts", "last_error", "took_ms", "state")}
    Delivery.objects.filter(webhook=webhook).update(
        id=webhook_examples.DELIVERY["id"], webhook_id=webhook_examples.ID, last_at=NOON, **facts
    )


def test_the_list_in_the_document_is_answered_as_shown(rest: Callable[..., APIClient]) -> None:
    [create] = [operation for operation in operations() if operation.name == "devices_create"]
    sent, answered = create.lists
    [body], [shown] = values(sent).values(), values(answered).values()
    answer: Any = rest(Scope.DEVICES_ADMIT).post("/api/v1/devices", body, content_type="text/csv")
    assert (answer.status_code, answer.json()) == (200, shown)


def rule_facts() -> dict[str, Any]:
    return {name: rules_examples.RULE[name] for name in ("name", "verdict", *rules.CONDITIONS)} | {"most": 250}


def store_all(device: Device) -> None:
    """Everything that the examples show as stored for a device."""
    shown = stored_examples
    configs.put(device, shown.FILES, by=Actor.command("x"))
    said = shown.CHECK_IN | {"apps": ",".join(shown.CHECK_IN["apps"])}
    CheckIn.objects.create(device=device, **{name: said[name] for name in ("target", "tag", "apps", "ostree_hash")})
    system_info.put_hardware(device, shown.SYSTEM_INFO["hardware"])
    system_info.put_network(device, shown.SYSTEM_INFO["network"])
    system_info.put_config(device, shown.SYSTEM_INFO["config"])
    records.report_inventory(device, shown.INVENTORY["attributes"], replace=True)
    event = {"id": shown.EVENT["id"], "eventType": shown.EVENT["event_type"]}
    event["event"] = {**shown.EVENT["event"], "correlationId": shown.EVENT["correlation_id"]}
    update_events.report(device, [event])
    at = {"deviceTime": shown.APP_STATE["device_time"], "ostree": shown.APP_STATE["ostree"]}
    app_states.report(device, at | {"apps": shown.APPS})


def alike(real: Any, shown: Any, where: str) -> None:
    """The same members with values of the same kind, where both say something; words of a list are the same words."""
    if isinstance(shown, dict) and isinstance(real, dict):
        if not where.endswith((".before", ".after", ".identity")):
            assert set(real) == set(shown), where
        for name in set(real) & set(shown):
            alike(real[name], shown[name], f"{where}.{name}")
    elif isinstance(shown, list) and isinstance(real, list):
        for one in real[:1]:
            alike(one, shown[0], f"{where}[]")
    elif real is not None and shown is not None:
        assert type(real) is type(shown), where
        if where.split(".")[0] in MADE_ANEW and where.endswith((".fingerprint", ".signs_here")):
            return
        if isinstance(real, bool) or where.endswith((".status", ".state", ".fingerprint")):
            assert real == shown, where


def test_the_examples_of_a_device_belong_together(make_device: Callable[..., Device]) -> None:
    device = make_device(examples.ID, dict(examples.PENDING["identity"]), examples.KEY)
    assert device.identity_digest == examples.ID
    assert device.fingerprint == examples.PENDING["fingerprint"]


def test_operations_are_named_as_methods_and_no_name_stands_twice() -> None:
    names = [facts["operationId"] for methods in document()["paths"].values() for facts in methods.values()]
    assert len(names) == len(set(names))
    assert not [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+|_v1)*", name)]
    native = {operation.name for operation in operations()}
    assert {"devices_list", "devices_accept", "devices_destroy", "denied_devices_restore", "audit_retrieve"} <= native
