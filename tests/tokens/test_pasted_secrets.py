"""A secret that is pasted into the search for tokens: only its id goes on, and a program is told what to do."""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from rest_framework.test import APIClient

from portal.access import ScopeMissing
from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid
from portal.scopes import Scope
from tokens import issuing, listing
from tokens.models import ApiToken

TOKENS, PAGE = "/api/v1/tokens", "/portal/tokens/"
PASTED = ["{}", " {} ", "GATEHOUSE_TOKEN={}", "Bearer {}"]


@pytest.fixture
def issued(administrator: User, root: Actor) -> tuple[ApiToken, str]:
    return issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=1, by=root)


class TestPage:
    @pytest.mark.parametrize("form", [*PASTED, "curl -H 'Authorization: Bearer {}' https://gatehouse.example/api"])
    @pytest.mark.parametrize("cut", [None, -1, -20])
    def test_the_page_goes_on_to_the_id_alone(
        self, log_in: Callable[..., Client], administrator: User, issued: Any, form: str, cut: int | None
    ) -> None:
        token, shown = issued
        client = log_in(administrator)
        answer = client.get(PAGE, {"owner": "all", "q": form.format(shown[:cut])})
        assert (answer.status_code, answer["Location"]) == (302, f"{PAGE}?owner=all&q={token.pk}")
        page = client.get(answer["Location"])
        assert page.status_code == 200
        assert f'id="token-{token.pk}"' in page.content.decode()

    def test_what_is_no_secret_stays(self, log_in: Callable[..., Client], administrator: User, issued: Any) -> None:
        for q in (issued[0].pk, "ci", "gate_pat", f"gate_pat_{issued[0].pk}"):
            assert log_in(administrator).get(PAGE, {"q": q}).status_code == 200

    def test_what_the_listing_hands_on_holds_the_id(self, administrator: User, issued: Any) -> None:
        query = QueryDict(mutable=True)
        query["q"] = issued[1]
        page = listing.read(query, by=Actor.person(administrator))
        assert (page.query, page.tokens, page.is_shortened) == (f"q={issued[0].pk}", [issued[0]], True)


class TestRest:
    @pytest.mark.parametrize("form", PASTED)
    def test_a_secret_is_refused_without_being_repeated(
        self, rest: Callable[..., APIClient], issued: Any, form: str
    ) -> None:
        answer = rest(Scope.TOKENS_READ).get(TOKENS, {"q": form.format(issued[1])})
        assert (answer.status_code, list(answer.json()["invalid"])) == (400, ["q"])
        assert answer.json()["error"].startswith("Send the id alone, and revoke this token")
        assert issued[1] not in answer.content.decode()

    def test_its_id_finds_it(self, rest: Callable[..., APIClient], issued: Any) -> None:
        answer = rest(Scope.TOKENS_READ).get(TOKENS, {"q": issued[0].pk})
        assert [entry["name"] for entry in answer.json()["results"]] == ["ci"]


class TestOwnName:
    """Who may not see people may ask for their own tokens by name, on every face, and for no others."""

    @pytest.fixture
    def narrow(self, administrator: User) -> Actor:
        return Actor.token("t", [Scope.TOKENS_READ], owner=administrator.pk, credential="token aaaaaaaaaaaa")

    def test_ones_own_are_listed_and_no_others_named(
        self, narrow: Actor, issued: Any, viewer: User, root: Actor
    ) -> None:
        issuing.issue("hers", [Scope.DEVICES_READ], owner=viewer, days=1, by=root)
        page = listing.read(QueryDict("owner=ada"), by=narrow)
        assert (page.tokens, page.owners) == ([issued[0]], ["ada"])
        assert list(listing.find(by=narrow, owner="ada")) == [issued[0]]

    @pytest.mark.parametrize("owner", ["vera", "all"])
    def test_those_of_others_are_refused(self, narrow: Actor, viewer: User, owner: str) -> None:
        with pytest.raises(ScopeMissing):
            listing.read(QueryDict(f"owner={owner}"), by=narrow)

    def test_a_secret_in_the_rule_is_refused(self, narrow: Actor, issued: Any) -> None:
        with pytest.raises(Invalid):
            listing.find(by=narrow, q=issued[1])
