"""The tokens of everybody, over REST and on the page: who sees them, finds one, and ends one that is another's."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from portal.actor import Actor
from portal.models import AuditEvent, User
from portal.scopes import Scope
from tokens import issuing, listing
from tokens.models import ApiToken, TokenState

TOKENS, PAGE = "/api/v1/tokens", "/portal/tokens/"


@pytest.fixture
def make_token(root: Actor) -> Callable[..., ApiToken]:
    def make(owner: User, name: str, **facts: Any) -> ApiToken:
        token, _ = issuing.issue(name, [Scope.DEVICES_READ], owner=owner, days=30, by=root)
        ApiToken.objects.filter(pk=token.pk).update(**facts)
        return ApiToken.objects.get(pk=token.pk)

    return make


@pytest.fixture
def hers(make_token: Callable[..., ApiToken], viewer: User) -> ApiToken:
    """A token of the viewer's."""
    return make_token(viewer, "hers")


@pytest.fixture
def every_state(make_token: Callable[..., ApiToken], viewer: User) -> dict[str, ApiToken]:
    """A token of each state; the revoked one has been disabled and has expired, too."""
    now = timezone.now()
    past = {"created_at": now - timedelta(days=2), "expires_at": now - timedelta(days=1)}
    return {
        "live": make_token(viewer, "a live one"),
        "disabled": make_token(viewer, "a disabled one", disabled_at=now),
        "expired": make_token(viewer, "an expired one", disabled_at=now, **past),
        "revoked": make_token(viewer, "a revoked one", disabled_at=now, revoked_at=now, revoked_by="ada", **past),
    }


def names(answer: Any) -> set[str]:
    assert answer.status_code == 200, answer.content
    return {entry["name"] for entry in answer.json()["results"]} - {"test"}


def listed(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return re.findall(r'<tr id="token-([a-z0-9]{12})"', answer.content.decode())


@pytest.mark.parametrize("state", TokenState.values)
def test_a_state_finds_in_the_database_what_the_token_says_of_itself(
    every_state: dict[str, ApiToken], state: str
) -> None:
    assert list(ApiToken.objects.in_state(state, timezone.now())) == [every_state[state]]
    assert every_state[state].state() == state


class TestRest:
    SEES = (Scope.TOKENS_READ, Scope.USERS_READ)

    def test_who_may_see_people_sees_the_tokens_of_everybody(
        self, rest: Callable[..., APIClient], hers: ApiToken
    ) -> None:
        assert names(rest(*self.SEES).get(TOKENS)) == {"hers"}
        assert rest(*self.SEES).get(f"{TOKENS}/{hers.pk}").json()["owner"] == "vera"
        assert names(rest(Scope.TOKENS_READ).get(TOKENS)) == set()

    def test_the_list_is_narrowed_by_owner_state_and_beginning(
        self, rest: Callable[..., APIClient], every_state: dict[str, ApiToken]
    ) -> None:
        client = rest(*self.SEES)
        assert len(names(client.get(TOKENS, {"owner": "vera"}))) == 4
        assert names(client.get(TOKENS, {"owner": "ada"})) == set()
        for state, token in every_state.items():
            assert names(client.get(TOKENS, {"owner": "vera", "state": state})) == {token.name}
        assert names(client.get(TOKENS, {"q": "A LIVE"})) == {"a live one"}
        assert names(client.get(TOKENS, {"q": every_state["live"].pk[:8]})) == {"a live one"}
        assert names(client.get(TOKENS, {"q": f"gate_pat_{every_state['live'].pk}_…"})) == {"a live one"}
        assert names(client.get(TOKENS, {"q": "%"})) == set()

    @pytest.mark.parametrize(
        "query", ["state=alive", "state=live&state=revoked", "owner=a&owner=b", "owner=%00", "q=%00", f"q={'x' * 101}"]
    )
    def test_a_filter_that_is_none_is_refused_by_name(self, rest: Callable[..., APIClient], query: str) -> None:
        answer = rest(*self.SEES).get(f"{TOKENS}?{query}")
        assert (answer.status_code, list(answer.json()["invalid"])) == (400, [query.partition("=")[0]])

    def test_without_the_scope_the_tokens_of_another_may_not_be_asked_for(
        self, rest: Callable[..., APIClient], hers: ApiToken
    ) -> None:
        client = rest(Scope.TOKENS_READ)
        answer = client.get(TOKENS, {"owner": "vera"})
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        assert client.get(TOKENS, {"owner": "ada"}).status_code == 200

    @pytest.mark.parametrize("verb", ["revoke", "disable", "enable"])
    def test_who_manages_tokens_and_people_ends_those_of_others(
        self, rest: Callable[..., APIClient], hers: ApiToken, verb: str
    ) -> None:
        path, sent = f"{TOKENS}/{hers.pk}/{verb}", {"reason": "leaked"}
        assert rest(Scope.TOKENS_MANAGE).post(path, sent, format="json").status_code == 404
        seeing = rest(Scope.TOKENS_MANAGE, Scope.USERS_READ).post(path, sent, format="json")
        assert (seeing.status_code, seeing.json()["code"]) == (403, "not_the_owner")
        assert rest(Scope.TOKENS_MANAGE, Scope.USERS_MANAGE).post(path, sent, format="json").status_code == 200

    def test_a_new_secret_of_another_is_shown_to_nobody(self, rest: Callable[..., APIClient], hers: ApiToken) -> None:
        answer = rest(*Scope).post(f"{TOKENS}/{hers.pk}/rotate")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_the_owner")
        assert ApiToken.objects.filter(owner=hers.owner).count() == 1


class TestPage:
    @pytest.fixture
    def plain(self, log_in: Callable[..., Client], administrator: User) -> Client:
        return log_in(administrator)

    def test_ones_own_tokens_come_first_and_those_of_everybody_with_their_owners_next(
        self, plain: Client, hers: ApiToken, make_token: Callable[..., ApiToken], administrator: User
    ) -> None:
        own = make_token(administrator, "mine")
        assert listed(plain.get(PAGE)) == [own.pk]
        everybody = plain.get(PAGE, {"owner": "all"})
        assert listed(everybody) == [own.pk, hers.pk]
        assert "<bdi>vera</bdi></a></td>" in everybody.content.decode()
        assert listed(plain.get(PAGE, {"owner": "vera"})) == [hers.pk]

    def test_the_list_is_narrowed_by_state_and_beginning_and_says_when_nothing_fits(
        self, plain: Client, every_state: dict[str, ApiToken]
    ) -> None:
        for state, token in every_state.items():
            assert listed(plain.get(PAGE, {"owner": "all", "state": state})) == [token.pk]
        assert listed(plain.get(PAGE, {"owner": "vera", "q": "an exp"})) == [every_state["expired"].pk]
        assert "No token fits." in plain.get(PAGE, {"owner": "all", "q": "nothing"}).content.decode()
        assert "No token fits." in plain.get(PAGE, {"state": "live"}).content.decode()

    @pytest.mark.parametrize(
        "query", ["state=alive", "q=%00", "owner=%E2%80%AE", "after=x", "after=aaaaaaaaaaaa", "owner=all&owner=vera"]
    )
    def test_a_query_that_is_none_is_refused(self, plain: Client, query: str) -> None:
        assert plain.get(f"{PAGE}?{query}").status_code == 400

    def test_it_goes_on_where_the_page_before_ended(
        self, plain: Client, viewer: User, make_token: Callable[..., ApiToken], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listing, "PAGE", 2)
        same = timezone.now()
        made = {make_token(viewer, f"no {number}", created_at=same).pk for number in range(5)}
        path, seen = f"{PAGE}?owner=vera&state=live", []
        while path:
            page = plain.get(path)
            seen += listed(page)
            older = re.search(r'rel="next" href="([^"]+)"', page.content.decode())
            path = older[1].replace("&amp;", "&") if older else ""
        assert len(seen) == 5
        assert set(seen) == made

    def test_an_administrator_ends_the_token_of_another_and_stays_in_the_list(
        self, plain: Client, hers: ApiToken
    ) -> None:
        here = f"{PAGE}?owner=all&state=live"
        answer = plain.post(f"{PAGE}{hers.pk}/revoke/", {"reason": "leaked", "next": here})
        assert (answer.status_code, answer["Location"]) == (302, here)
        row = AuditEvent.objects.get(verb="token.revoked")
        assert (row.actor, row.subject_id, row.reason) == ("ada", hers.pk, "leaked")

    def test_the_row_that_htmx_gets_has_the_columns_of_its_list(self, plain: Client, hers: ApiToken) -> None:
        for verb, here, cells in (("disable", PAGE, 6), ("enable", f"{PAGE}?owner=all", 7)):
            answer = plain.post(f"{PAGE}{hers.pk}/{verb}/", {"next": here}, headers={"HX-Request": "true"})
            assert answer.content.decode().count("<td") == cells

    def test_the_token_of_another_is_not_rotated_here(self, plain: Client, hers: ApiToken) -> None:
        assert f"{hers.pk}/rotate/" not in plain.get(PAGE, {"owner": "all"}).content.decode()
        answer = plain.post(f"{PAGE}{hers.pk}/rotate/", {"overlap_hours": "0"})
        assert answer.status_code == 403
        assert "only its owner is shown a new secret" in answer.content.decode()

    def test_who_may_only_read_gets_no_button(
        self, log_in: Callable[..., Client], operator: User, hers: ApiToken
    ) -> None:
        client = log_in(operator)
        page = client.get(PAGE, {"owner": "all"})
        assert listed(page) == [hers.pk]
        assert "/revoke/" not in page.content.decode()
        assert client.post(f"{PAGE}{hers.pk}/revoke/").status_code == 403

    def test_it_costs_the_same_for_one_owner_as_for_many(
        self,
        plain: Client,
        hers: ApiToken,
        make_person: Callable[..., User],
        make_token: Callable[..., ApiToken],
        django_assert_num_queries: Any,
    ) -> None:
        plain.get(PAGE, {"owner": "all"})
        with CaptureQueriesContext(connection) as one:
            plain.get(PAGE, {"owner": "all"})
        for number in range(4):
            make_token(make_person(f"person {number}"), "x", replaces=None)
        with django_assert_num_queries(len(one)):
            assert len(listed(plain.get(PAGE, {"owner": "all"}))) == 5
