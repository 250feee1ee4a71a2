"""Deciding on many devices in the browser: choosing, reviewing, and seeing what became of each."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from devices.models import BulkDecision, Device
from portal.models import User

DECIDE = "/portal/devices/list/decide/"
Make = Callable[..., Device]


@pytest.fixture
def plain(log_in: Callable[..., Client], operator: User) -> Client:
    return log_in(operator)


def form(**facts: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "which": "chosen", "decision": "accept", "query": "tab=pending", **facts}


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))


def test_a_box_names_the_device_and_what_was_seen_of_it(plain: Client, make_device: Make) -> None:
    make_device("press-1")
    page = plain.get("/portal/devices/").content.decode()
    assert 'name="chosen" value="press-1.1"' in page
    assert 'form="bulk"' in page


def test_those_that_are_ticked_are_accepted_at_once(plain: Client, make_device: Make) -> None:
    for name in ("a", "b", "c"):
        make_device(name)
    answer = plain.post(DECIDE, form(chosen=["a.1", "b.1"], reason="checked"), follow=True)
    assert "2 of 2: 2 accepted" in words(answer)
    assert dict(Device.objects.values_list("pk", "status")) == {"a": "accepted", "b": "accepted", "c": "pending"}


@pytest.mark.parametrize(("decision", "effect"), [("reject", "no longer served"), ("deny", "is destroyed")])
def test_what_takes_something_away_is_reviewed_first(
    plain: Client, make_device: Make, decision: str, effect: str
) -> None:
    make_device("a", {"serial": "PRESS-77"})
    review = plain.post(DECIDE, form(chosen=["a.1"], decision=decision), follow=True)
    assert f"{decision.capitalize()} 1 device?" in words(review)
    assert effect in words(review)
    assert "PRESS-77" in words(review)
    device = Device.objects.get()
    assert (device.status, device.is_denied) == ("pending", False)
    done = plain.post(f"{review.redirect_chain[-1][0]}go-on/", follow=True)
    assert "1 of 1: 1" in words(done)
    device.refresh_from_db()
    assert device.status == "rejected" or device.is_denied


def test_all_that_match_are_frozen_and_reviewed(plain: Client, make_device: Make) -> None:
    for number in range(60):
        make_device(f"press-{number:02}", {"site": "hall-3"})
    make_device("other", {"site": "hall-4"})
    make_device("gone", {"site": "hall-3"}, denied_at="2026-01-01T00:00:00Z")
    review = plain.post(DECIDE, form(which="all", query="tab=all&q=hall-3&sort=id"), follow=True)
    assert "Accept 60 devices?" in words(review)
    make_device("late", {"site": "hall-3"})
    plain.post(f"{review.redirect_chain[-1][0]}go-on/")
    assert Device.objects.filter(status="accepted").count() == 60
    assert Device.objects.get(pk="late").status == "pending"


def test_a_stale_choice_is_left_as_it_is_and_named(plain: Client, make_device: Make) -> None:
    make_device("a", revision=2)
    make_device("b")
    answer = plain.post(DECIDE, form(chosen=["a.1", "b.1"]), follow=True)
    assert "1 accepted, 1 left as they were" in words(answer)
    only = plain.get(f"{answer.redirect_chain[-1][0]}?only=refused")
    assert re.findall(r'devices/([ab])/"', only.content.decode()) == ["a"]
    assert "has changed since you looked" in words(only)


def test_a_device_that_is_named_twice_is_decided_on_once(plain: Client, make_device: Make) -> None:
    make_device("a")
    assert "1 of 1: 1 accepted" in words(plain.post(DECIDE, form(chosen=["a.1", "a.1"]), follow=True))


def test_a_double_click_asks_once(plain: Client, make_device: Make) -> None:
    make_device("a")
    sent = form(chosen=["a.1"])
    first, second = plain.post(DECIDE, sent), plain.post(DECIDE, sent)
    assert first["Location"] == second["Location"]
    assert BulkDecision.objects.get().done == 1


def test_htmx_gets_the_progress_alone_and_asks_again_until_it_is_done(plain: Client, make_device: Make) -> None:
    make_device("a")
    review = plain.post(DECIDE, form(which="all"))
    answer = plain.post(f"{review['Location']}go-on/", headers={"HX-Request": "true"})
    assert answer.content.decode().startswith('<article id="bulk-decision"')
    assert 'hx-trigger="load' not in answer.content.decode()  # It is done.
    BulkDecision.objects.update(finished_at=None, total=2)
    assert 'hx-trigger="load' in plain.get(review["Location"]).content.decode()


@pytest.mark.parametrize(
    "facts",
    [
        {"chosen": []},
        {"chosen": ["a"]},
        {"chosen": ["a.x"]},
        {"chosen": ["../a.1"]},
        {"which": "some"},
        {"decision": "purge"},
        {"id": "1"},
        {"which": "all", "query": "tab=nowhere"},
        {"which": "all", "query": "tab=rejected"},
        {"which": "all", "query": "q=%00"},
        {"chosen": ["a.1"], "reason": "x" * 501},
        {"chosen": ["a.1"], "reason": "\u202e"},
    ],
)
def test_what_is_no_choice_is_refused_with_a_sentence(plain: Client, make_device: Make, facts: dict[str, Any]) -> None:
    make_device("a")
    answer = plain.post(DECIDE, form(**facts))
    assert answer.status_code == 400
    assert Device.objects.get().status == "pending"
    assert not BulkDecision.objects.exists()


def test_somebody_elses_decision_is_not_shown(
    log_in: Callable[..., Client], administrator: User, plain: Client, make_device: Make
) -> None:
    make_device("a")
    place = plain.post(DECIDE, form(which="all"))["Location"]
    other = log_in(administrator)
    assert other.get(place).status_code == 403
    assert other.post(f"{place}go-on/").status_code == 403
    assert plain.get(f"/portal/devices/decisions/{uuid4()}/").status_code == 404


def test_outcomes_are_paged(plain: Client, make_device: Make) -> None:
    for number in range(101):
        make_device(f"press-{number:03}")
    place = plain.post(DECIDE, form(which="all"))["Location"]
    page = plain.get(place).content.decode()
    assert len(re.findall(r'id="outcome-', page)) == 100
    more = re.search(r'href="([^"]+after=\d+)"', page)
    assert more
    assert re.findall(r"devices/(press-\d+)/", plain.get(more[1]).content.decode()) == ["press-100"]
    assert plain.get(f"{place}?after=x").status_code == 400


def test_a_viewer_sees_no_boxes(log_in: Callable[..., Client], viewer: User, make_device: Make) -> None:
    make_device("a")
    page = log_in(viewer).get("/portal/devices/").content.decode()
    assert 'name="chosen"' not in page
    assert 'id="bulk"' not in page
