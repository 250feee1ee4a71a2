"""What the overview says of tokens that end soon: to their owner, and to who manages people of everybody's."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.actor import Actor
from portal.models import User
from portal.scopes import Scope
from tokens import issuing, rotation
from tokens.models import ApiToken


@pytest.fixture
def ending(root: Actor) -> Callable[..., ApiToken]:
    """A token that ends in so many days."""

    def make(owner: User, name: str, days: int, **facts: Any) -> ApiToken:
        token, _ = issuing.issue(name, [Scope.DEVICES_READ], owner=owner, days=days, by=root)
        ApiToken.objects.filter(pk=token.pk).update(**facts)
        return ApiToken.objects.get(pk=token.pk)

    return make


def shown(client: Client) -> str:
    page: str = client.get("/portal/").content.decode()
    start = page.find('id="expiring-soon"')
    return "" if start < 0 else page[start : page.find("</section>", start)]


def test_a_token_that_ends_within_two_weeks_without_a_successor_is_named(
    log_in: Callable[..., Client], viewer: User, ending: Callable[..., ApiToken], root: Actor
) -> None:
    client = log_in(viewer)
    assert shown(client) == ""
    ending(viewer, "ends later", 15)
    ending(viewer, "switched off", 5, disabled_at=timezone.now())
    rotation.rotate(ending(viewer, "goes on", 300), by=root, overlap_hours=24)
    assert shown(client) == ""
    token = ending(viewer, "ends soon", 5)
    assert "ends soon" in shown(client)
    assert f'href="/portal/tokens/?q={token.pk}"' in shown(client)
    assert "switched off" not in shown(client)


def test_a_person_is_told_of_their_own_and_an_administrator_of_everybodys_with_the_owner(
    log_in: Callable[..., Client],
    administrator: User,
    operator: User,
    viewer: User,
    ending: Callable[..., ApiToken],
) -> None:
    ending(viewer, "hers", 5)
    ending(operator, "his", 6)
    assert "his" not in shown(log_in(viewer)).replace("this", "")
    everybody = shown(log_in(administrator))
    assert everybody.index("hers") < everybody.index("his</bdi>")
    assert 'of <bdi class="cut">vera</bdi>, expires' in everybody


def test_the_overview_changes_when_a_token_comes_near_its_end(
    log_in: Callable[..., Client], viewer: User, ending: Callable[..., ApiToken]
) -> None:
    client = log_in(viewer)
    token = ending(viewer, "ends", 20)
    known = client.get("/portal/").context["mark"]
    asking = {"headers": {"HX-Request": "true"}}
    assert client.get("/portal/", {"known": known}, **asking).status_code == 204
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() + timedelta(days=2))
    assert client.get("/portal/", {"known": known}, **asking).status_code == 200


def test_of_many_the_soonest_are_named_and_that_there_are_more(
    log_in: Callable[..., Client], viewer: User, ending: Callable[..., ApiToken]
) -> None:
    for days in range(7, 0, -1):
        ending(viewer, f"in {days}", days)
    page = shown(log_in(viewer))
    assert re.findall(r"in \d(?=</bdi>)", page) == [f"in {days}" for days in range(1, 6)]
    assert "and more" in page
