"""The charts on the overview: what they say, who sees them, and that a page that waits learns of what is new."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal import overview, tally
from portal.actor import Actor
from portal.models import User
from portal.scopes import Scope


@pytest.fixture
def client(log_in: Callable[..., Client], viewer: User) -> Client:
    return log_in(viewer)


def test_the_numbers_stand_in_words_beside_the_pictures_and_in_a_table(client: Client) -> None:
    tally.add("device.accepted", 1234, timezone.now())
    tally.add("request.failed", 2, timezone.now())
    page = client.get("/portal/").content.decode()
    assert "Devices in the last 24 hours: 0 asked, 1,234 accepted, 0 rejected, 0 denied." in page
    assert "Requests in the last 24 hours: 0 answered, 0 refused, 2 failed." in page
    assert page.count('role="img"') == 2
    assert len(re.findall(r'<tr><th scope="row">', page)) == 48


def test_a_page_that_looks_again_gets_nothing_until_a_count_has_changed(client: Client) -> None:
    asking: Any = {"headers": {"HX-Request": "true", "X-Gatehouse-Poll": "1"}}
    known = client.get("/portal/").context["mark"]
    assert client.get("/portal/", {"known": known}, **asking).status_code == 204
    tally.add("request.refused", 1, timezone.now())
    answer = client.get("/portal/", {"known": known}, **asking)
    assert answer.status_code == 200
    assert "1 refused" in answer.content.decode()


@pytest.mark.parametrize(
    ("scopes", "shown"),
    [
        ({Scope.DEVICES_READ}, ["admissions"]),
        ({Scope.METRICS_READ}, ["requests"]),
        ({Scope.DEVICES_READ, Scope.METRICS_READ}, ["admissions", "requests"]),
        ({Scope.AUDIT_READ}, []),
    ],
)
def test_admissions_are_for_who_sees_devices_and_requests_for_who_reads_metrics(
    db: None, scopes: set[Scope], shown: list[str]
) -> None:
    actor = Actor("x", "person", frozenset(scopes))
    assert [chart.key for chart in overview.activity(actor)] == shown
