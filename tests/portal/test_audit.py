"""The audit trail: a row for each change in the change's own transaction, in a chain that shows every tampering."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from devices import admission
from devices.models import Device, Status
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, AuditHead

WRITERS = 8
EACH = 6


@pytest.fixture
def chain(db: None) -> list[AuditEvent]:
    """Five rows with something in every column."""
    by = Actor.token("press hall", (), owner=None, credential="token abc", address="10.0.0.7")
    changes = [audit.Change(("device", f"press-{n}"), {"n": n}, {"n": n + 1}) for n in range(5)]
    audit.record_all(by, "device.accepted", changes[:3], reason="as ordered")
    for change in changes[3:]:
        audit.record(
            by, "device.accepted", change.subject, before=change.before, after=change.after, reason="as ordered"
        )
    return list(AuditEvent.objects.order_by("number"))


def test_a_chain_that_nobody_touched_holds(chain: list[AuditEvent]) -> None:
    verdict = audit.verify()
    assert (verdict.holds, verdict.rows, verdict.mac) == (True, 5, chain[-1].mac)


def test_an_empty_chain_holds(db: None) -> None:
    assert audit.verify() == audit.Verdict(0, "", None)


COLUMNS: dict[str, Any] = {
    "at": timezone.now() - timedelta(days=1),
    "actor": "eve",
    "actor_kind": "person",
    "credential": "token xyz",
    "address": "10.0.0.8",
    "verb": "device.rejected",
    "subject_kind": "token",
    "subject_id": "press-9",
    "before": {"n": 99},
    "after": None,
    "reason": "because",
    "request_id": "another",
    "mac": "0" * 64,
}


def test_the_table_below_names_every_column() -> None:
    assert {field.attname for field in AuditEvent._meta.get_fields()} == {*COLUMNS, "number"}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("number", [1, 3, 5])
def test_an_edited_column_is_found_at_its_row(chain: list[AuditEvent], column: str, number: int) -> None:
    assert AuditEvent.objects.filter(number=number).update(**{column: COLUMNS[column]})
    assert audit.verify().broken_at == number


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_removed_row_is_found(chain: list[AuditEvent], number: int) -> None:
    AuditEvent.objects.filter(number=number).delete()
    assert audit.verify().broken_at == number


def test_all_rows_removed_is_found(chain: list[AuditEvent]) -> None:
    AuditEvent.objects.all().delete()
    assert audit.verify().broken_at == 1


def test_a_row_put_behind_the_last_one_is_found(chain: list[AuditEvent]) -> None:
    forged = AuditEvent.objects.get(number=5)
    forged.number = 6
    forged.save(force_insert=True)
    assert audit.verify().broken_at == 6


def test_two_rows_that_changed_places_are_found(chain: list[AuditEvent]) -> None:
    for old, new in ((2, 100), (3, 2), (100, 3)):
        AuditEvent.objects.filter(number=old).update(number=new)
    assert audit.verify().broken_at == 2


def test_a_head_that_was_moved_forward_is_found(chain: list[AuditEvent]) -> None:
    AuditHead.objects.update(number=6, mac="0" * 64)
    assert not audit.verify().holds


def test_facts_that_are_not_of_json_come_back_as_they_were_sealed(db: None) -> None:
    facts = {"at": timezone.now(), "role": Status.PENDING, "n": 1, "list": ["é", None, True], "deep": {"a": {"b": "c"}}}
    audit.record(Actor.worker(), "thing.changed", ("thing", "1"), before={}, after=facts)
    assert audit.verify().holds


def test_a_row_belongs_into_a_transaction(transactional_db: None) -> None:
    with pytest.raises(transaction.TransactionManagementError):
        audit.record(Actor.worker(), "thing.changed", ("thing", "1"))
    assert not AuditEvent.objects.exists()


def test_a_change_that_fails_leaves_neither_row_nor_gap(chain: list[AuditEvent]) -> None:
    def fail() -> None:
        with transaction.atomic():
            audit.record(Actor.worker(), "thing.changed", ("thing", "1"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    audit.record(Actor.worker(), "thing.changed", ("thing", "2"))
    assert AuditEvent.objects.latest("number").number == 6
    assert audit.verify().holds


def test_the_command_says_that_the_chain_holds_or_where_it_breaks(chain: list[AuditEvent]) -> None:
    out = StringIO()
    call_command("audit_verify", stdout=out)
    assert '"holds": true' in out.getvalue()
    AuditEvent.objects.filter(number=2).update(actor="eve")
    with pytest.raises(CommandError, match="broken at row 2"):
        call_command("audit_verify", stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_eight_writers_at_once_leave_numbers_without_gap_and_a_chain_without_fork(
    at_once: Callable[..., list[Any]],
) -> None:
    def write(writer: int) -> None:
        for n in range(EACH):
            with transaction.atomic():
                audit.record(Actor.command(f"writer {writer}"), "thing.changed", ("thing", str(n)))

    at_once(*(lambda writer=writer: write(writer) for writer in range(WRITERS)))
    numbers = list(AuditEvent.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, WRITERS * EACH + 1))
    assert audit.verify() == audit.Verdict(WRITERS * EACH, AuditHead.objects.get().mac, None)


@pytest.mark.django_db(transaction=True)
def test_eight_people_deciding_on_devices_of_their_own_all_succeed(
    make_device: Callable[..., Device], root: Actor, at_once: Callable[..., list[Any]]
) -> None:
    """On SQLite a writer waits for the one before it and never meets `database is locked`."""
    for writer in range(WRITERS):
        for n in range(EACH):
            make_device(f"press-{writer}-{n}")

    def decide(writer: int) -> None:
        for n in range(EACH):
            admission.decide(Device.objects.get(pk=f"press-{writer}-{n}"), Status.ACCEPTED, by=root)

    assert at_once(*(lambda writer=writer: decide(writer) for writer in range(WRITERS))) == [None] * WRITERS
    assert Device.objects.filter(status=Status.ACCEPTED).count() == WRITERS * EACH
    assert audit.verify().rows == WRITERS * EACH


@pytest.mark.django_db(transaction=True)
def test_a_chain_that_grows_while_it_is_verified_holds(at_once: Callable[..., list[Any]]) -> None:
    def write() -> None:
        for n in range(40):
            with transaction.atomic():
                audit.record(Actor.worker(), "thing.changed", ("thing", str(n)))

    def verify() -> bool:
        return all(audit.verify().holds for _ in range(20))

    assert at_once(write, verify, verify)[1:] == [True, True]
