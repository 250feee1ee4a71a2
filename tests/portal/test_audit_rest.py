"""The audit trail over REST: filters, times, one row by its number."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from rest_framework.test import APIClient

from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent
from portal.scopes import Scope

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
AUDIT = "/api/v1/audit"


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    """A client that may read; four changes happened at noon, one, two and three o'clock."""
    client = rest(Scope.AUDIT_READ)
    for n, (who, verb) in enumerate([("a", "x.made"), ("b", "x.made"), ("a", "x.gone"), ("b", "y.made")]):
        with time_machine.travel(NOON + timedelta(hours=n), tick=False), transaction.atomic():
            audit.record(Actor.command(who), verb, (verb[0], str(n)), after={"n": n}, reason=f"row {n}")
    return client


def reasons(client: APIClient, **query: Any) -> list[str]:
    answer = client.get(AUDIT, query)
    assert answer.status_code == 200, answer.content
    return [row["reason"] for row in answer.json()["results"] if row["reason"]]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ({"actor": "a"}, [2, 0]),
        ({"verb": "x.made"}, [1, 0]),
        ({"verb": "x."}, []),
        ({"subject_kind": "x"}, [2, 1, 0]),
        ({"subject_kind": "x", "subject_id": "1"}, [1]),
        ({"subject_id": "3"}, [3]),
        ({"request_id": "nobody's"}, []),
        ({"actor": ""}, [3, 2, 1, 0]),
        ({"after": "2026-11-25T13:00:00Z", "verb": "x.made"}, [1]),
        ({"after": "2026-11-25T13:00:00Z", "before": "2026-11-25T16:00:00+01:00"}, [2, 1]),
        ({"before": "2026-11-25T12:00:00Z", "verb": "x.made"}, []),
    ],
)
def test_only_rows_that_pass_every_filter_are_shown_the_latest_first(
    client: APIClient, query: dict[str, str], rows: list[int]
) -> None:
    assert reasons(client, **query) == [f"row {n}" for n in rows]


@pytest.mark.parametrize(
    ("name", "value"), [("after", "noon"), ("before", ""), ("actor", "x" * 201), ("verb", "\x00"), ("number", "1")]
)
def test_a_value_that_is_none_is_refused_by_name(client: APIClient, name: str, value: str) -> None:
    answer = client.get(AUDIT, {name: value})
    assert (answer.status_code, list(answer.json()["invalid"])) == (400, [name])


def test_a_row_is_found_by_its_number(client: APIClient) -> None:
    event = AuditEvent.objects.get(reason="row 2")
    row = client.get(f"{AUDIT}/{event.number}").json()
    assert row == next(each for each in client.get(AUDIT).json()["results"] if each["reason"] == "row 2")
    assert (row["number"], row["actor"], row["after"]) == (event.number, "a", {"n": 2})


@pytest.mark.parametrize("number", ["0", "999", str(2**63), "9" * 30, "9" * 5000, "-1", "1.0", "one", "٣"])
def test_a_number_that_no_row_has_is_a_404(client: APIClient, number: str) -> None:
    answer = client.get(f"{AUDIT}/{number}")
    assert answer.status_code == 404
    assert answer.json()["error"].endswith(".")


def test_nobody_changes_a_row(client: APIClient) -> None:
    for method in ("post", "put", "patch", "delete"):
        assert getattr(client, method)(f"{AUDIT}/1").status_code == 405
