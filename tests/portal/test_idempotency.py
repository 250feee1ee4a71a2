"""A creation under an Idempotency-Key: one at a time, and a turn that was taken is given back."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from portal import idempotency_turn, tenants
from portal.models import KeptAnswer, Tenant
from portal.scopes import Scope

TENANTS = "/api/v1/tenants"
NEW = {"name": "ten1", "title": "Plant 7"}


def send(client: APIClient, body: Any = NEW) -> Any:
    return client.post(TENANTS, body, format="json", headers={"Idempotency-Key": "k"})


@pytest.mark.django_db(transaction=True)
def test_while_the_first_still_runs_the_second_is_told_so_at_once_and_then_gets_its_answer(
    rest: Callable[..., APIClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, real = rest(Scope.USERS_MANAGE, Scope.USERS_READ), tenants.make
    runs, may_go_on = threading.Event(), threading.Event()
    client.get(TENANTS)  # The use of the token is noted, which is not done again within a minute.

    def slow(*args: Any, **facts: Any) -> Any:
        runs.set()
        assert may_go_on.wait(60)
        return real(*args, **facts)

    def first() -> Any:
        try:
            return send(client)
        finally:
            connection.close()

    monkeypatch.setattr(tenants, "make", slow)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(first)
        try:
            assert runs.wait(60)
            for body in (NEW, {"name": "ten2"}):
                told = send(client, body)
                assert (told.status_code, told.json()["code"]) == (409, "idempotency_in_progress")
                assert told["Retry-After"] == "1"
        finally:
            may_go_on.set()
        made = running.result(timeout=60)
    again = send(client)
    assert (made.status_code, again.status_code, again["Idempotency-Replayed"]) == (201, 201, "true")
    assert again.content == made.content
    assert (Tenant.objects.filter(name="ten1").count(), KeptAnswer.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_done(rest: Callable[..., APIClient], at_once: Callable[..., list[Any]]) -> None:
    client = rest(Scope.USERS_MANAGE)
    answers = at_once(*[lambda: send(client)] * 6)
    assert {answer.status_code for answer in answers} <= {201, 409}
    told = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert told <= {"idempotency_in_progress"}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert Tenant.objects.filter(name="ten1").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_no_gives_the_turn_back(rest: Callable[..., APIClient]) -> None:
    client = rest(Scope.USERS_MANAGE)
    for _ in range(2):
        assert send(client, {"name": "main"}).json()["code"] == "tenant_exists"
    assert send(client).status_code == 201


@pytest.mark.django_db
def test_the_file_of_turns_is_for_nobody_else_and_stays_empty(settings: Any) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps the turns itself.")
    with idempotency_turn.alone("0" * 64), idempotency_turn.alone("f" * 64):
        with pytest.raises(idempotency_turn.InProgress), idempotency_turn.alone("0" * 64):
            pass
        file = settings.DATA_DIR / idempotency_turn.FILE
        assert (file.stat().st_mode & 0o777, file.stat().st_size) == (0o600, 0)
    with idempotency_turn.alone("0" * 64):
        pass


@pytest.mark.django_db
def test_a_folder_that_cannot_be_written_is_told_of_as_a_database_that_cannot(
    rest: Callable[..., APIClient], settings: Any, tmp_path: Path
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps the turns itself.")
    client = rest(Scope.USERS_MANAGE)
    settings.DATA_DIR = tmp_path / "gone"
    told = send(client)
    assert (told.status_code, told.json()["code"]) == (503, "service_unavailable")
    assert "Retry-After" in told
    settings.DATA_DIR = tmp_path
    assert send(client).status_code == 201
