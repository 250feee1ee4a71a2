"""The page of what expires next, the banner of every page, the panel of the overview and the metric say the same."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from portal import expiry
from portal.actor import Actor
from portal.models import User
from portal.roles import SCOPES, Role
from portal.scopes import Scope
from tokens import issuing, rotation
from tokens.models import ApiToken
from tokens.overlap import Rotated

NOON = datetime(2031, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PAGE = "/portal/expiring/"


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def make_token(root: Actor) -> Callable[..., ApiToken]:
    def make(owner: User, name: str = "line 3", days: int = 5) -> ApiToken:
        return issuing.issue(name, [Scope.DEVICES_READ], owner=owner, days=days, by=root)[0]

    return make


def names(client: Client, query: str = "") -> list[str]:
    """What the page lists, in its order."""
    page = client.get(PAGE + query).content.decode()
    return re.findall(r'<a class="name"[^>]*><bdi>([^<]*)</bdi>', page)


def banner(client: Client, path: str = "/portal/help/") -> str:
    page = client.get(path).content.decode()
    found = re.search(r'<p id="expiring-banner".*?</p>', page)
    return re.sub("<[^>]*>", "", found[0]).strip() if found else ""


def test_what_ends_first_comes_first_over_all_kinds(
    clock: Any,
    log_in: Callable[..., Client],
    administrator: User,
    make_token: Any,
    make_credential: Callable[..., Rotated],
) -> None:
    make_token(administrator, "in 20", 20)
    make_credential(days=10)
    make_token(administrator, "in 5", 5)
    make_token(administrator, "in 300", 300)
    client = log_in(administrator)
    assert names(client) == ["in 5", "main-app1-v1.0.0", "in 20"]
    assert names(client, "?days=7") == ["in 5"]
    assert names(client, "?days=365") == ["in 5", "main-app1-v1.0.0", "in 20", "in 300"]
    assert names(client, "?kind=app_credential") == ["main-app1-v1.0.0"]


def test_a_row_says_how_old_it_is_how_long_it_lasts_and_what_to_do(
    clock: Any, log_in: Callable[..., Client], administrator: User, make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential(days=15, owner=administrator)
    clock.shift(10 * DAY)
    page = log_in(administrator).get(PAGE).content.decode()
    row = page[page.index(f'id="app_credential-{issued.holder.pk}"') :]
    assert f'href="/portal/apps/credentials/{issued.holder.pk}/"' in row
    for said in ("10 days ago", "5 days left", "2031-01-16 12:00:00 UTC", "Rotate it, give the new secret", "ada"):
        assert said in row


def test_what_has_ended_stands_there_for_a_week(
    clock: Any, log_in: Callable[..., Client], administrator: User, make_credential: Callable[..., Rotated]
) -> None:
    make_credential(days=5)
    clock.shift(11 * DAY)
    client = log_in(administrator)
    assert names(client) == ["main-app1-v1.0.0"]
    assert '<span class="chip expired">expired</span>' in client.get(PAGE).content.decode()
    assert banner(client) == ""
    clock.shift(2 * DAY)
    assert names(log_in(administrator)) == []


def test_what_has_a_successor_is_not_there(
    clock: Any, log_in: Callable[..., Client], administrator: User, make_token: Any, root: Actor
) -> None:
    rotated = rotation.rotate(make_token(administrator, days=20), by=root, overlap_hours=24)
    client = log_in(administrator)
    assert client.get(PAGE).content.decode().count('<tr id="api_token-') == 1
    assert f'<tr id="api_token-{rotated.token.pk}"' in client.get(PAGE).content.decode()


def test_the_pages_follow_each_other_without_gap_or_overlap(
    clock: Any, log_in: Callable[..., Client], administrator: User, make_token: Any
) -> None:
    for number in range(103):
        make_token(administrator, f"token {number:03}", days=20)
    client = log_in(administrator)
    pages = [names(client, f"?page={number}") for number in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [50, 50, 3, 0]
    assert len(set().union(*pages)) == 103
    assert 'rel="next"' not in client.get(f"{PAGE}?page=3").content.decode()
    assert 'rel="prev"' in client.get(f"{PAGE}?page=3").content.decode()


@pytest.mark.parametrize(
    "query",
    ["?kind=nonsense", "?days=0", "?days=1e3", "?days=99999", "?page=0", "?page=x", "?whose=his", "?days=1&days=2"],
)
def test_a_query_that_makes_no_sense_is_refused(log_in: Callable[..., Client], viewer: User, query: str) -> None:
    assert log_in(viewer).get(PAGE + query).status_code == 400


def test_a_kind_is_seen_only_with_its_scope(db: None, make_token: Any, administrator: User) -> None:
    make_token(administrator)
    everything = {scope for scopes in SCOPES.values() for scope in scopes}
    for scope, kinds in {
        Scope.TOKENS_READ: {"api_token"},
        Scope.CREDENTIALS_READ: {"app_credential"},
        Scope.APPS_READ: {"app_token"},
        Scope.GATEWAY_READ: {"certificate", "device_ca"},
        Scope.DEVICES_READ: {"device_certificate"},
    }.items():
        held = Actor("x", "person", frozenset(everything - {scope}), owner=administrator.pk)
        assert {source.kind for source in expiry.sources()} - {source.kind for source in expiry.seen_by(held)} == kinds
    blind = Actor("x", "person", frozenset(everything - {Scope.TOKENS_READ}), owner=administrator.pk)
    assert expiry.find(blind, days=30, most=5) == []
    assert expiry.find(Actor("x", "person"), days=30, most=5) == []
    assert expiry.pressing(Actor("x", "person")) == 0


def test_who_may_not_see_people_sees_their_own_tokens_alone(db: None, make_token: Any, make_person: Any) -> None:
    vera, otto = make_person("vera"), make_person("otto", Role.OPERATOR)
    make_token(vera, "hers")
    make_token(otto, "his")
    narrow = Actor("vera", "person", SCOPES[Role.VIEWER] - {Scope.USERS_READ}, owner=vera.pk)
    assert [ending.told.title for ending in expiry.find(narrow, days=30, most=5)] == ["hers"]


def test_every_page_says_how_much_ends_within_a_week_of_what_concerns_the_person(
    clock: Any,
    log_in: Callable[..., Client],
    administrator: User,
    viewer: User,
    make_token: Any,
    make_credential: Callable[..., Rotated],
) -> None:
    assert banner(log_in(viewer)) == ""
    make_token(administrator, "hers", 6)
    assert banner(log_in(viewer)) == ""
    make_token(viewer, "mine", 6)
    make_token(viewer, "later", 8)
    client = log_in(viewer)
    assert banner(client) == "1 thing expires within 7 days: see which"
    assert names(client, "?days=7&whose=own") == ["mine"]
    make_credential(days=7)
    assert banner(client) == "2 things expire within 7 days: see which"
    assert banner(log_in(administrator), "/portal/devices/") == "3 things expire within 7 days: see which"
    assert "expiring-banner" not in Client().get("/portal/login/").content.decode()


def test_the_overview_and_the_metric_tell_of_the_same(
    clock: Any, log_in: Callable[..., Client], administrator: User, make_credential: Callable[..., Rotated], rest: Any
) -> None:
    make_credential(days=10)
    page = log_in(administrator).get("/portal/").content.decode()
    assert 'id="expiring-soon"' in page
    assert "main-app1-v1.0.0" in page
    metrics = rest(Scope.METRICS_READ).get("/metrics").content.decode()
    assert 'gatehouse_days_to_expiry{kind="app_credential"} 10.0' in metrics
    assert 'gatehouse_days_to_expiry{kind="api_token"} 1.0' in metrics
    assert 'gatehouse_days_to_expiry{kind="app_token"}' not in metrics


def test_the_page_costs_the_same_questions_however_much_ends(
    clock: Any,
    log_in: Callable[..., Client],
    administrator: User,
    make_token: Any,
    django_assert_num_queries: Any,
) -> None:
    make_token(administrator)
    client = log_in(administrator)
    with django_assert_num_queries(13):  # Session, person, 6 kinds, rows, owners, the banner, who and what waits.
        client.get(PAGE)
    for number in range(30):
        make_token(administrator, f"token {number}")
    with django_assert_num_queries(13):
        client.get(PAGE)
