"""Random stories at the device door against a small model: each contact is answered by its row of B2 (contracts:
satellite), and what is stored is what was answered 200, no more and no less.

Told by the rules and over HTTP, each a second time with a database that fails at one call in five. The same fleet is
decided on, and spoken to by Mender devices, as in the stories of admission.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from devices import app_states, check_in, configs, contact, keys, records, rules, submission, system_info, update_events
from devices.models import (
    AppState,
    CheckIn,
    Device,
    DeviceConfig,
    DeviceCount,
    EnrolmentRule,
    Introduction,
    Inventory,
    KeyChange,
    KeyChangeRequest,
    RetiredKey,
    Status,
    SystemInfo,
    UpdateEvent,
)
from gateway import device_cas, device_certificates, device_identity
from gateway.models import IssuedCertificate
from portal.actor import Actor
from portal.models import AuditEvent, AuditHead, Outbox
from portal.refusal import Refusal
from tests.amount import many
from tests.devices import test_admission_stories as admissions
from tests.devices.test_admission_stories import IDS, MOVES, Fleet, ids, rarely, snapshot
from tests.gateway import test_satellite_device as door
from tests.gateway.test_device_identity import trust
from tests.pki import Authority, new_key, request_for
from tokens import signing

HALL = Authority("hall CA")
PRIVATE = [new_key() for _ in range(6)]
# The first is also the key that most Mender devices of the stories have; the others may ask for certificates.
PUBLIC = [admissions.PUBLIC[0], *(private.public_key() for private in PRIVATE)]
KEYS = [keys.read(each.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()) for each in PUBLIC]
ADDRESS = "127.0.0.1"
GONE = "service_unavailable"


@dataclass(frozen=True)
class PublicAlone:
    """As much of a pair of keys as the CA needs to sign a certificate."""

    public: Any

    def public_key(self) -> Any:
        return self.public


HOLDERS = {(cn, k): HALL.issue(cn, key=PublicAlone(public)) for cn in IDS for k, public in enumerate(PUBLIC)}
REQUESTS = {(cn, k): request_for(cn, private) for cn in IDS for k, private in enumerate(PRIVATE, 1)}

REQUESTED = {csr: KEYS[k].fingerprint for (_, k), csr in REQUESTS.items()}

# B2 and what may follow it: status and the seconds that the device is told to wait.
ANSWERS: dict[str, tuple[int, range | None]] = {
    "": (200, None),
    "device_denied": (403, range(3600, 3601)),
    "too_many_waiting": (429, range(300, 301)),
    "key_change_pending": (403, range(300, 301)),
    "key_refused": (403, range(3600, 3601)),
    "device_pending": (403, range(60, 91)),
    "device_rejected": (403, range(3600, 3601)),
    "invalid": (400, None),
    "too_many_key_changes": (409, None),
    "rate_limited": (429, range(1, 86_402)),
    GONE: (503, range(5, 6)),
}
# Those that B2 itself gives: nothing that the device sent is looked at.
TURNED_AWAY = (
    "device_denied", "too_many_waiting", "key_change_pending", "key_refused", "device_pending", "device_rejected"
)  # fmt: skip
WITHOUT_A_TRACE = ("device_denied", "too_many_waiting", "key_refused")

# What others hear of, by what the history says; nobody hears of what is not here.
TOLD = {
    "device.asked": "device.pending", "device.enrolled": "device.accepted", "device.submitted": "device.pending",
    "device.identified": "", "key_change.refused": "", "key_change.proven": "",
    "certificate.issued": "",
}  # fmt: skip

FIELDS = {"x-ats-target": "target", "x-ats-tags": "tag", "x-ats-dockerapps": "apps", "x-ats-ostreehash": "ostree_hash"}
UNFIT = {"x-ats-target": "a\tb"}
SAID = [{}, {"x-ats-target": "lmp-1"}, {"x-ats-target": "", "x-ats-tags": "main"}, {"x-ats-dockerapps": "a,b"}, UNFIT]
FILES: list[dict[str, Any]] = [{}, {"wg.conf": {"Value": "on"}}, {"wg.conf": {"Value": "off"}, "b": {"Value": ""}}]


@dataclass
class Kept:
    """The model of what is stored for a device; its last check-in without what is empty."""

    said: dict[str, str] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)
    reports: int = 0
    info: dict[str, str] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A call of the device, the rule behind it, and what it adds to the model; `None` if it is refused as invalid."""

    method: str
    path: str
    body: Any
    rule: Callable[[Device, Any], Any]
    adds: Callable[[Kept], None] | None


def event(name: str, update: str = "u1") -> dict[str, Any]:
    return {"id": name, "deviceTime": "?", "event": {"correlationId": update}, "eventType": {}}


def add_report(kept: Kept) -> None:
    kept.reports = min(kept.reports + 1, app_states.MOST)


APPS = {"deviceTime": "2026-11-25T12:00:00Z", "ostree": "ab", "apps": {"edge": {"uri": "x", "state": "healthy"}}}
NOTHING = Call("GET", "/device", None, lambda device, sent: None, lambda kept: None)
FETCH = Call("GET", "/config", None, lambda device, sent: configs.current(device), lambda kept: None)
CALLS = [
    NOTHING,
    FETCH,
    Call("POST", "/events", [event("e1"), event("e2"), {"id": 5}, event("e1", "u2")], update_events.report,
         lambda kept: kept.events.update({"e1", "e2"})),
    Call("POST", "/events", [event("e2"), event("e3", "u2"), None], update_events.report,
         lambda kept: kept.events.update({"e2", "e3"})),
    Call("POST", "/apps-states", APPS, app_states.report, add_report),
    Call("POST", "/apps-states", APPS | {"deviceTime": "yesterday"}, app_states.report, None),
    Call("PUT", "/system_info", "[1]", system_info.put_hardware, lambda kept: kept.info.update(hardware="[1]")),
    Call("PUT", "/system_info", "[2]", system_info.put_hardware, lambda kept: kept.info.update(hardware="[2]")),
    Call("PUT", "/system_info", "{", system_info.put_hardware, None),
    Call("PUT", "/system_info/network", "{}", system_info.put_network, lambda kept: kept.info.update(network="{}")),
    Call("PUT", "/system_info/config", "[tls]", system_info.put_config, lambda kept: kept.info.update(config="[tls]")),
]  # fmt: skip
STORING = [each for each in CALLS if each not in (NOTHING, FETCH)]

pairs = st.sampled_from([0, 0, 0, 0, 1, 1, 2])
news = st.sampled_from([1, 1, 2, 3, 4, 5, 6])


def recorded() -> list[Any]:
    """Everything that only a recorded change may alter."""
    return [
        *snapshot(),
        list(DeviceConfig.objects.order_by("pk").values_list("pk", "version")),
        list(IssuedCertificate.objects.order_by("pk").values_list("pk", "device_id")),
        list(KeyChangeRequest.objects.order_by("pk").values_list("pk", "proven")),
    ]


def everything() -> list[Any]:
    """Whatever is in the tables that a contact may write, and how much is in the history."""
    tables = (Device, Introduction, CheckIn, KeyChangeRequest, RetiredKey, EnrolmentRule, SystemInfo, DeviceConfig)
    rows = [list(table.objects.order_by("pk").values()) for table in tables]
    return [rows, UpdateEvent.objects.count(), AppState.objects.count(), *(
        model.objects.count() for model in (Inventory, IssuedCertificate, AuditEvent, Outbox)
    )]  # fmt: skip


class Door(Fleet):
    """Devices come with certificates, by the rules; `kept` is the model, `met` who was served a while ago."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Kept] = {}
        self.met: dict[str, Device] = {}
        device_cas.make("own", by=self.by)
        self.ca = trust(HALL).fingerprint
        self.recorded = recorded()

    def teardown(self) -> None:
        super().teardown()
        device_identity.forget_bundle()

    def attempt(self, action: Callable[[], Any]) -> Any:
        """Do it; what has changed is in the history and told, once. The model forgets whoever is denied or gone."""
        before, rows = self.recorded, AuditHead.objects.get().number
        last = Outbox.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        outcome: Any = None
        try:
            with connection.execute_wrapper(self.now_and_then_fail):
                outcome = action()
        except (Refusal, OperationalError) as no:
            outcome = no
        transaction.set_rollback(False)  # As in the stories of admission.
        events = list(AuditEvent.objects.filter(number__gt=rows).order_by("number"))
        self.recorded = recorded()
        assert (self.recorded != before) == bool(events)
        assert AuditHead.objects.get().number == rows + len(events)
        assert not events or not isinstance(outcome, Refusal) or isinstance(outcome, contact.NotServed)
        topics = [(TOLD.get(each.verb, each.verb), each.subject_id) for each in events]
        told = Outbox.objects.filter(pk__gt=last).order_by("pk")
        assert [topic for topic in topics if topic[0]] == [
            (message.topic, message.body.get("device") or message.body["rule"]) for message in told
        ]
        statuses = {device_id: status for device_id, status, *_ in before[0]}
        for device_id, status, *_ in self.recorded[0]:
            known = statuses.get(device_id)
            assert known is None or known == status or (known, status) in MOVES
        self.forget_whoever_is_denied_or_gone()
        return outcome

    def forget_whoever_is_denied_or_gone(self) -> None:
        denied = dict(Device.objects.values_list("pk", "denied_at"))
        for device_id, kept in list(self.kept.items()):
            if device_id not in denied:
                del self.kept[device_id]
            elif denied[device_id]:
                self.kept[device_id] = Kept(said=kept.said)

    def of(self, device_id: str) -> Kept:
        return self.kept.setdefault(device_id, Kept())

    def present_key(self, device_id: str) -> int:
        """Which key the device has; the first if it is new, or has one that only Mender devices have."""
        device = self.device(device_id)
        return next((k for k, key in enumerate(KEYS) if device and key.fingerprint == device.fingerprint), 0)

    def ruled(self, device: Device | None) -> tuple[str, str]:
        """What becomes of a device that is new or waits, and how it is answered."""
        said = Introduction.objects.filter(device=device).first() if device and device.identity_digest else None
        serial = said.members["serial"] if said else ""
        live = EnrolmentRule.objects.filter(is_enabled=True, used=0).order_by("created_at", "pk")
        fitting = [each.verdict for each in live if each.ca == self.ca or (serial and each.pattern == serial)]
        if "reject" in fitting:
            return "device_rejected", Status.REJECTED
        return ("", Status.ACCEPTED) if fitting else ("device_pending", Status.PENDING)

    def foretell(self, device_id: str, key: keys.Key, crowded: bool) -> tuple[str, str | None]:
        """The code of the row of B2, empty for a device that is served, and the status of its record afterwards."""
        device = self.device(device_id)
        if device is None:
            code, status = self.ruled(None)
            return ("too_many_waiting", None) if crowded and code == "device_pending" else (code, status)
        if device.is_denied:
            return "device_denied", device.status
        if device.fingerprint != key.fingerprint:
            retired = RetiredKey.objects.filter(device=device, fingerprint=key.fingerprint).exists()
            return "key_refused" if retired else "key_change_pending", device.status
        if device.status == Status.PENDING:
            return self.ruled(device)
        return ("device_rejected", device.status) if device.status == Status.REJECTED else ("", Status.ACCEPTED)

    def visit(self, device_id: str, k: int, said: dict[str, str], call: Call) -> str:
        """What the door does with one call, step by step; the code of the answer. The model learns what was stored."""
        met = self.attempt(lambda: contact.meet(device_id, KEYS[k], ca=self.ca, address=ADDRESS))
        if isinstance(met, Exception):
            return self.answered(met)
        self.met[device_id] = met.device
        noted = self.attempt(lambda: check_in.note(met.device, met.said, check_in.read(said), timezone.now()))
        if isinstance(noted, Exception):
            return self.answered(noted)
        self.note(device_id, said)
        sent = call.body
        return self.answered(self.attempt(lambda: call.rule(met.device, sent)))

    def answered(self, outcome: Any) -> str:
        """The code, which has the status and the wait that it is known by."""
        if isinstance(outcome, OperationalError):
            return GONE
        if not isinstance(outcome, Refusal):
            return ""
        status, waits = ANSWERS[outcome.code]
        assert outcome.status == status
        assert outcome.retry_after in waits if waits else outcome.retry_after is None
        return outcome.code

    def note(self, device_id: str, said: dict[str, str]) -> None:
        fields = {FIELDS[header]: value for header, value in said.items()}
        self.of(device_id).said = {name: value for name, value in (self.of(device_id).said | fields).items() if value}

    def come(self, device_id: str, k: int, said: dict[str, str], call: Call, *, crowded: bool = False) -> str:
        """One call as it is foretold, and then as it is answered."""
        code, status = self.foretell(device_id, KEYS[k], crowded)
        before, had = everything(), self.device(device_id)
        if crowded:
            DeviceCount.objects.filter(tab="pending").update(number=F("number") + 50_000)
        answered = self.visit(device_id, k, said, call)
        if crowded:
            DeviceCount.objects.filter(tab="pending").update(number=F("number") - 50_000)
        if answered == GONE:
            assert self.failing
            return answered
        device = self.device(device_id)
        assert (device and device.status) == status
        if code:
            assert answered == code
        if code in WITHOUT_A_TRACE:
            assert everything() == before
        if code == "key_change_pending":
            assert device.fingerprint == had.fingerprint
            waiting = KeyChangeRequest.objects.filter(device=device, state=KeyChange.OPEN)
            assert waiting.count() == 5 or waiting.filter(new_fingerprint=KEYS[k].fingerprint).exists()
        if not code:
            assert device.is_admitted
            assert answered != "invalid" or said is UNFIT or call.adds is None
            assert answered or not (said is UNFIT or call.adds is None)
            if not answered:
                call.adds(self.of(device_id))
        return answered

    @initialize(accepted=st.booleans())
    def the_first_is_there_or_not(self, accepted: bool) -> None:
        """Many things happen only to a device that is accepted, which while calls fail it seldom gets."""
        if accepted:
            submission.preauthorize_id(IDS[1], KEYS[0].pem, by=self.by)
            contact.meet(IDS[1], KEYS[0], ca=self.ca, address=ADDRESS)
            self.recorded = recorded()

    @rule(device_id=ids, k=pairs, said=st.sampled_from(SAID), call=st.sampled_from(CALLS), crowded=rarely)
    def a_device_calls(self, device_id: str, k: int, said: dict[str, str], call: Call, crowded: bool) -> None:
        self.come(device_id, k, said, call, crowded=crowded)

    @rule(device_id=ids, calls=st.lists(st.sampled_from(STORING), min_size=2, max_size=4), n=st.integers(0, 2))
    def one_that_is_accepted_stores_much(self, device_id: str, calls: list[Call], n: int) -> None:
        k = self.present_key(device_id)
        self.come(device_id, k, SAID[1], NOTHING)
        self.decide(device_id, Status.ACCEPTED, 0)
        self.put_a_configuration_down(device_id, n)
        for each in calls:
            self.come(device_id, k, {}, each)
        self.come(device_id, k, {}, FETCH)

    @rule(device_id=ids, strangers=st.lists(news, max_size=6, unique=True))
    def strangers_come_in_its_name(self, device_id: str, strangers: list[int]) -> None:
        for k in strangers:
            self.come(device_id, k, SAID[1], NOTHING)

    @rule(device_id=ids, call=st.sampled_from(STORING))
    def what_was_under_way_arrives_late(self, device_id: str, call: Call) -> None:
        """The device was let in before whatever has happened since."""
        if device_id not in self.met:
            return
        device = self.device(device_id)
        outcome = self.attempt(lambda: call.rule(self.met[device_id], call.body))
        if isinstance(outcome, OperationalError):
            return
        possible = device is not None and device.is_admitted
        wanted = "invalid" if call.adds is None else "" if possible else "device_not_admitted"
        assert getattr(outcome, "code", "") == wanted
        if not wanted:
            call.adds(self.of(device_id))

    @rule(device_id=ids, n=st.integers(0, 2))
    def put_a_configuration_down(self, device_id: str, n: int) -> None:
        device = self.device(device_id)
        if device is None:
            return
        outcome = self.attempt(lambda: configs.put(device, FILES[n], by=self.by))
        assert isinstance(outcome, OperationalError) or isinstance(outcome, Refusal) == device.is_denied
        if not isinstance(outcome, Exception):
            self.of(device_id).files = FILES[n]

    @rule(device_id=ids, value=st.integers(0, 2))
    def report_an_inventory(self, device_id: str, value: int) -> None:
        device = self.device(device_id)
        if device is None:
            return
        outcome = self.attempt(lambda: records.report_inventory(device, {"ram": value}, replace=False))
        assert isinstance(outcome, OperationalError) or (outcome is None) == device.is_admitted
        if outcome is None:
            self.of(device_id).attributes = {"ram": value}

    @rule(device_id=ids, k=pairs, new=news, accepted=st.booleans())
    def renew(self, device_id: str, k: int, new: int, accepted: bool) -> None:
        if accepted:
            k = self.present_key(device_id)
            self.decide(device_id, Status.ACCEPTED, 0)
        by = Actor.device(device_id, ADDRESS)
        own, had = IssuedCertificate.objects.filter(device_id=device_id, issued_by=str(by)), self.device(device_id)
        before, wanted = own.count(), self.foretell_renewal(had, KEYS[new], own.count())
        answered = self.come(
            device_id, k, {},
            Call("POST", "/device/certificate", {"csr": REQUESTS[device_id, new]},
                 lambda device, sent: device_certificates.renew(device, sent["csr"], by=by), lambda kept: None),
        )  # fmt: skip
        assert own.count() == before + (answered == "")
        if answered in ("", "too_many_key_changes", "rate_limited"):
            assert answered == wanted
        if not answered and KEYS[new].fingerprint != KEYS[k].fingerprint:
            waiting = KeyChangeRequest.objects.get(
                device=device_id, state=KeyChange.OPEN, new_fingerprint=KEYS[new].fingerprint
            )
            assert waiting.proven

    def foretell_renewal(self, device: Device | None, new: keys.Key, made: int) -> str:
        """How a device that is served is answered, if the door lets it come so far."""
        if device and device.fingerprint != new.fingerprint:
            if RetiredKey.objects.filter(device=device, fingerprint=new.fingerprint).exists():
                return "key_refused"
            waiting = list(KeyChangeRequest.objects.filter(device=device, state=KeyChange.OPEN))
            is_new = new.fingerprint not in [each.new_fingerprint for each in waiting]
            if is_new and len(waiting) == 5 and all(each.proven for each in waiting):
                return "too_many_key_changes"
        return "rate_limited" if made >= 20 else ""

    @rule(device_id=ids, k=news, really=rarely)
    def an_operator_signs(self, device_id: str, k: int, really: bool) -> None:
        if not really:
            return
        device = self.device(device_id)
        outcome = self.attempt(lambda: device_certificates.sign(device_id, REQUESTS[device_id, k], by=self.by))
        assert isinstance(outcome, OperationalError) or isinstance(outcome, Refusal) == bool(
            device and device.is_denied
        )

    @rule(device_id=ids, k=pairs)
    def preauthorize_an_id(self, device_id: str, k: int) -> None:
        known = Device.objects.claiming(device_id).exists()
        outcome = self.attempt(lambda: submission.preauthorize_id(device_id, KEYS[k].pem, by=self.by))
        assert isinstance(outcome, OperationalError) or isinstance(outcome, Refusal) == known

    @rule(verdict=st.sampled_from(["accept", "reject"]), word=st.sampled_from(["disable", "enable", "delete"]))
    def make_a_rule_for_certificates_or_change_it(self, verdict: str, word: str) -> None:
        name = f"door {verdict}"
        if present := EnrolmentRule.objects.filter(name=name).first():
            outcome = self.attempt(lambda: getattr(rules, word)(present, by=self.by))
        else:
            outcome = self.attempt(lambda: rules.make(name=name, verdict=verdict, ca=self.ca, most=1, by=self.by))
        assert not isinstance(outcome, Refusal)

    @invariant()
    def what_is_stored_is_what_was_answered(self) -> None:
        found: dict[str, Kept] = {}
        denied = dict(Device.objects.values_list("pk", "denied_at"))
        for pk in denied:
            found[pk] = Kept()
        for said in CheckIn.objects.all():
            found[said.pk].said = {name: value for name in FIELDS.values() if (value := getattr(said, name))}
        for step in UpdateEvent.objects.all():
            found[step.device_id].events.add(step.event_id)
        for report in AppState.objects.all():
            found[report.device_id].reports += 1
        for info in SystemInfo.objects.all():
            texts = {"hardware": info.hardware, "network": info.network, "config": info.config}
            found[info.pk].info = {name: text for name, text in texts.items() if text}
        for config in DeviceConfig.objects.select_related("device"):
            found[config.pk].files = dict(configs.find(config.device).files)
        for inventory in Inventory.objects.all():
            found[inventory.device_id].attributes = inventory.attributes
        assert found == {pk: self.kept.get(pk, Kept()) for pk in found}
        assert all(kept == Kept(said=kept.said) for pk, kept in found.items() if denied[pk])

    @invariant()
    def one_key_change_waits_for_a_key_and_five_for_a_device(self) -> None:
        waiting = list(KeyChangeRequest.objects.filter(state=KeyChange.OPEN).select_related("device"))
        assert len({(each.device_id, each.new_fingerprint) for each in waiting}) == len(waiting)
        assert max(Counter(each.device_id for each in waiting).values(), default=0) <= 5
        assert all(each.new_fingerprint != each.device.fingerprint for each in waiting)

    @invariant()
    def the_present_key_is_never_one_that_was_turned_down(self) -> None:
        assert not RetiredKey.objects.filter(fingerprint=F("device__fingerprint")).exists()


class DoorOverHTTP(Door):
    """The same with each call as Envoy forwards it."""

    def visit(self, device_id: str, k: int, said: dict[str, str], call: Call) -> str:
        held = dict(self.of(device_id).said) if device_id in self.kept else {}
        headers: Any = {header.replace("-", "_"): value for header, value in said.items()}
        answer = self.attempt(
            lambda: door.call(call.method, call.path, call.body, holder=HOLDERS[device_id, k], **headers)
        )
        code = self.code_of(answer, device_id, k, call)
        served = Device.objects.filter(pk=device_id, denied_at=None, fingerprint=KEYS[k].fingerprint).exists()
        if code == GONE:
            # What was said may have been noted before the database was gone; the model learns which it is.
            kept = CheckIn.objects.filter(pk=device_id).values(*FIELDS.values()).first() or {}
            if {name: value for name, value in kept.items() if value} != held:
                self.note(device_id, said)
        elif served and said is not UNFIT and code not in TURNED_AWAY:
            self.note(device_id, said)
        if not code and call is FETCH:
            files = self.of(device_id).files
            assert (answer.status_code, json.loads(answer.content or "{}")) == (200 if files else 204, files)
        return code

    def code_of(self, answer: Any, device_id: str, k: int, call: Call) -> str:
        if answer.status_code < 400:
            return ""
        said = answer.json()
        status, waits = ANSWERS[said["code"]]
        assert answer.status_code == status
        assert ("Retry-After" in answer) == bool(waits)
        assert not waits or int(answer["Retry-After"]) in waits
        if said["code"] in TURNED_AWAY:
            # A renewal may be refused for the key that it asks for, which is the one then named.
            asked = REQUESTED.get(call.body["csr"]) if call.path == "/device/certificate" else None
            assert said["device"] == device_id
            assert said["fingerprint"] in (KEYS[k].fingerprint, asked)
            assert str(said["retry_after"]) == answer["Retry-After"]
        code: str = said["code"]
        return code


class FailingDoor(Door):
    failing = 0.2


class FailingDoorOverHTTP(DoorOverHTTP):
    failing = 0.2


@pytest.mark.parametrize("machine", [Door, FailingDoor, DoorOverHTTP, FailingDoorOverHTTP])
def test_each_contact_is_answered_by_its_row_and_stores_what_it_may(db: None, machine: type[Door]) -> None:
    signing.ensure_active(by=Actor.worker())
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=many(3), stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )
