"""The examples in the OpenAPI are real: each fits its schema, and what is asked in one is answered as in the other."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from devices import (
    app_states,
    configs,
    examples,
    records,
    rules,
    rules_examples,
    stored_examples,
    system_info,
    update_events,
)
from devices.models import CheckIn, Device, KeyChangeRequest
from gateway import device_cas
from gateway import examples as ca_examples
from gateway.models import DeviceCA, IssuedCertificate
from portal import backlog, webhook_examples, webhooks
from portal.actor import Actor
from portal.models import Delivery, Outbox, User, Webhook
from portal.scopes import Scope
from tokens import ending, issuing

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


def document() -> dict[str, Any]:
    schema: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return schema


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
