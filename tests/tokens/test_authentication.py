"""The Authorization header: one 401 for everything that is not a live token, and no look for garbage."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory

from devices.models import Device
from portal.actor import Actor
from portal.models import User
from portal.rest import Endpoint
from portal.scopes import Scope
from tests.amount import many
from tests.conftest import PASSWORD
from tokens import device_tokens, issuing, lookup, secret
from tokens.models import ApiToken

LIST = "/api/v1/devices"


class Nothing(Endpoint):
    """An endpoint that costs nothing itself."""

    scopes: ClassVar = {"get": Scope.DEVICES_READ}

    def get(self, request: Request) -> Response:
        return Response({})


@pytest.fixture
def shown(administrator: User, root: Actor) -> str:
    """The secret of a live token."""
    return issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=1, by=root)[1]


def get(header: str | None, **extra: Any) -> Any:
    return APIClient(**extra).get(LIST, **({} if header is None else {"HTTP_AUTHORIZATION": header}))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer   "])
def test_the_scheme_is_taken_in_any_case(shown: str, scheme: str) -> None:
    assert get(f"{scheme} {shown}").status_code == 200


def refusals(shown: str) -> dict[str, str]:
    body = f"gate_pat_aaaaaaaaaaaa_{'A' * 43}"
    other_kind = f"gate_app_aaaaaaaaaaaa_{'A' * 43}"
    identifier = shown.split("_")[2]
    wrong = f"gate_pat_{identifier}_{'A' * 43}"
    return {
        "another scheme": f"Basic {shown}",
        "no scheme": shown,
        "no token": "Bearer",
        "nothing": "",
        "two credentials": f"Bearer {shown}, Bearer {shown}",
        "two tokens": f"Bearer {shown} {shown}",
        "a word behind": f"Bearer {shown},x",
        "no secret of ours": "Bearer garbage",
        "a wrong checksum": f"Bearer {shown[:-1]}{'A' if shown[-1] != 'A' else 'B'}",
        "an unknown id": f"Bearer {body}{secret.checksum(body)}",
        "a wrong secret": f"Bearer {wrong}{secret.checksum(wrong)}",
        "another kind": f"Bearer {other_kind}{secret.checksum(other_kind)}",
        "a JWT": "Bearer eyJhbGciOiJub25lIn0.e30.",
        "very long": "Bearer " + "x" * 100_000,
        "not latin": "Bearer \xff\xfe",
    }


@pytest.mark.parametrize("what", refusals("gate_pat_aaaaaaaaaaaa_xx"))
def test_everything_that_is_no_live_token_is_one_and_the_same_401(shown: str, what: str) -> None:
    answer = get(refusals(shown)[what])
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="gatehouse", error="invalid_token"'
    body = answer.json()
    assert (body["code"], body["error"]) == (
        "invalid_token",
        "This token is malformed, unknown, expired or revoked; issue another on the portal's token page.",
    )


def test_no_header_is_told_what_to_send(db: None) -> None:
    answer = get(None)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"] == 'Bearer realm="gatehouse"'


@pytest.mark.parametrize("what", ["no secret of ours", "a wrong checksum", "another kind", "a JWT", "very long"])
def test_garbage_costs_no_query(shown: str, what: str) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        get(refusals(shown)[what])
    assert len(queries) == 0


def test_a_wrong_and_an_unknown_token_cost_the_same_queries(shown: str) -> None:
    counts = []
    for what, address in (("a wrong secret", "192.0.2.1"), ("an unknown id", "192.0.2.2")):
        with CaptureQueriesContext(connection) as queries:
            get(refusals(shown)[what], REMOTE_ADDR=address)
        counts.append(len(queries))
    assert counts[0] == counts[1]


class TestCost:
    """What a call over REST pays for its token: one look by the primary key, and a write once a minute."""

    def queries(self, shown: str) -> list[str]:
        request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {shown}")
        with CaptureQueriesContext(connection) as queries:
            assert Nothing.as_view()(request).status_code == 200
        return [query["sql"].strip().split()[0] for query in queries]

    def test_a_call_costs_one_query_and_the_first_of_a_minute_a_write(self, shown: str) -> None:
        assert self.queries(shown) == ["SELECT", "UPDATE"]
        assert self.queries(shown) == ["SELECT"]
        with time_machine.travel(timezone.now() + timedelta(seconds=61)):
            assert self.queries(shown) == ["SELECT", "UPDATE"]

    def test_the_look_reads_both_rows_by_their_primary_keys(self, shown: str) -> None:
        if connection.vendor != "sqlite":
            pytest.skip("PostgreSQL reads a table of one page in whatever way, and is right.")
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {lookup.SELECT}", [shown.split("_")[2]])
            plan = " ".join(str(row) for row in cursor.fetchall())
        assert "SCAN" not in plan
        assert "tokens_apitoken_1 (id=?)" in plan

    def test_the_look_gives_what_the_orm_gives(self, shown: str, administrator: User) -> None:
        moment = timezone.now()
        facts = {"disabled_at": moment, "last_used_at": moment, "revoked_at": moment, "addresses": ["10.0.0.0/8"]}
        ApiToken.objects.update(**facts, revoked_by="ada")
        token = ApiToken.objects.get()
        known = lookup.find(token.pk)
        assert known == lookup.Known(
            **{
                name: getattr(token, name)
                for name in ("pk", "name", "digest", "pepper", "scopes", "expires_at", "owner_id", *facts)
            },
            owner_role=administrator.role,
            owner_is_active=True,
        )
        ApiToken.objects.update(
            expires_at=token.created_at + timedelta(days=1, microseconds=-token.created_at.microsecond)
        )
        assert lookup.find(token.pk).expires_at == ApiToken.objects.get().expires_at
        assert lookup.find("a" * 12) is None


def test_a_device_token_is_no_api_token(make_device: Callable[..., Device]) -> None:
    device = make_device(status="accepted")
    assert get(f"Bearer {device_tokens.issue(device)}").status_code == 401


def test_a_session_opens_no_rest_endpoint(administrator: User) -> None:
    client = APIClient()
    assert client.login(username="ada", password=PASSWORD)
    assert client.get(LIST).status_code == 401


@given(header=st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=120))
@settings(max_examples=many(100))
def test_any_header_is_a_401_and_never_an_exception(db: None, header: str) -> None:
    assert get(header).status_code == 401
    assert get(f"Bearer {header}").status_code == 401


class TestThrottle:
    def test_who_guesses_at_one_token_ten_times_waits_for_the_next_minute(self, shown: str) -> None:
        with time_machine.travel(datetime(2026, 11, 30, 12, 0, 20, tzinfo=UTC), tick=False):
            answers = [get(refusals(shown)["a wrong secret"]) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429, 429]
        assert answers[-1]["Retry-After"] == "40"

    def test_a_valid_token_is_never_slowed_by_the_failures_of_others_behind_its_address(self, shown: str) -> None:
        for _ in range(30):
            get(refusals(shown)["a wrong secret"])
            get(refusals(shown)["an unknown id"])
        assert get(f"Bearer {shown}").status_code == 200

    def test_failures_elsewhere_are_not_counted_here(self, shown: str) -> None:
        for _ in range(30):
            get(refusals(shown)["a wrong secret"], REMOTE_ADDR="198.51.100.7")
        assert get(refusals(shown)["a wrong secret"]).status_code == 401


def test_the_address_of_the_last_use_is_kept(shown: str) -> None:
    get(f"Bearer {shown}", REMOTE_ADDR="2001:db8::1")
    assert ApiToken.objects.get(pk=shown.split("_")[2]).last_used_from == "2001:db8::1"
