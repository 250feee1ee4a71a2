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

from devices import examples
from devices.models import Device, KeyChangeRequest
from portal.actor import Actor
from portal.models import User
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
        """The status of its success, and schema and examples of that body."""
        [(status, response)] = [(int(s), r) for s, r in self.facts["responses"].items() if s.startswith("2")]
        return status, response.get("content", {}).get(JSON)

    @property
    def refusals(self) -> list[Any]:
        return [r["content"][JSON] for s, r in self.facts["responses"].items() if int(s) >= 400]


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
    bodies = [media for media in (operation.sent, operation.success[1], *operation.refusals) if media]
    for media in bodies:
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
                make_device(examples.ID, dict(examples.PENDING["identity"]), examples.KEY, **stands)
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
