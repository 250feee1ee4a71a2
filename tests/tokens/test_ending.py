"""Ending a token that has changed meanwhile, and enabling one that somebody else has disabled."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from rest_framework.test import APIClient

from portal.actor import Actor
from portal.models import AuditEvent, User
from portal.scopes import Scope
from tokens import ending, issuing, listing
from tokens.models import ApiToken

TOKENS, PAGE = "/api/v1/tokens", "/portal/tokens/"
VERBS = (ending.revoke, ending.disable, ending.enable)


@pytest.fixture
def token(administrator: User, root: Actor) -> ApiToken:
    return issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=1, by=root)[0]


class TestSeen:
    @pytest.mark.parametrize("verb", VERBS)
    def test_a_token_that_has_changed_since_it_was_seen_stays_as_it_is(
        self, token: ApiToken, root: Actor, verb: Callable[..., None]
    ) -> None:
        ApiToken.objects.update(revision=2)
        rows = AuditEvent.objects.count()
        with pytest.raises(ending.Changed, match="ci has changed since you looked: it is live") as refused:
            verb(token, by=root, seen=1)
        assert (refused.value.status, refused.value.code) == (409, "token_changed")
        kept = ApiToken.objects.get()
        assert (kept.state(), kept.revision, AuditEvent.objects.count()) == ("live", 2, rows)

    @pytest.mark.parametrize(
        ("verb", "state"), [(ending.revoke, "revoked"), (ending.disable, "disabled"), (ending.enable, "live")]
    )
    def test_one_that_was_seen_as_it_is_is_changed(
        self, token: ApiToken, root: Actor, verb: Callable[..., None], state: str
    ) -> None:
        verb(token, by=root, seen=1)
        assert ApiToken.objects.get().state() == state

    def test_one_that_was_revoked_since_says_so(self, token: ApiToken, root: Actor) -> None:
        ending.revoke(ApiToken.objects.get(), by=root)
        with pytest.raises(ending.AlreadyRevoked):
            ending.enable(token, by=root, seen=1)

    @pytest.mark.parametrize("verb", ["revoke", "disable", "enable"])
    def test_a_change_between_the_comparison_and_the_write_is_refused_over_rest(
        self, rest: Callable[..., APIClient], token: ApiToken, monkeypatch: pytest.MonkeyPatch, verb: str
    ) -> None:
        client, one = rest(*Scope), listing.one
        stale = {"If-Match": '"1"'}

        def read_and_changed_at_once(token_id: str, *, by: Actor) -> ApiToken:
            found = one(token_id, by=by)
            ApiToken.objects.filter(pk=token_id).update(revision=2)
            return found

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(listing, "one", read_and_changed_at_once)
            answer = client.post(f"{TOKENS}/{token.pk}/{verb}", headers=stale)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
        answer = client.post(f"{TOKENS}/{token.pk}/{verb}", headers=stale)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
        assert ApiToken.objects.get(pk=token.pk).state() == "live"

    @pytest.mark.django_db(transaction=True)
    def test_of_two_at_once_who_saw_the_same_the_second_is_refused(
        self, token: ApiToken, root: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        ending.disable(token, by=root)
        outcomes = at_once(
            lambda: ending.enable(ApiToken.objects.get(), by=root, seen=2),
            lambda: ending.revoke(ApiToken.objects.get(), by=root, seen=2),
        )
        refused = [outcome for outcome in outcomes if outcome is not None]
        assert len(refused) == 1
        assert isinstance(refused[0], ending.Changed | ending.AlreadyRevoked)


class TestDisabledByAnother:
    @pytest.fixture
    def hers(self, viewer: User, root: Actor) -> ApiToken:
        """A viewer's token."""
        return issuing.issue("hers", [Scope.DEVICES_READ], owner=viewer, days=1, by=root)[0]

    def owning(self, viewer: User, name: str = "own") -> Actor:
        return Actor.token(name, [Scope.TOKENS_MANAGE], owner=viewer.pk, credential="token aaaaaaaaaaaa")

    def test_the_owner_enables_only_what_they_disabled_themselves(
        self, administrator: User, viewer: User, hers: ApiToken
    ) -> None:
        owner, ada = self.owning(viewer), Actor.person(administrator)
        ending.disable(hers, by=owner)
        assert (hers.disabled_by, ending.may_enable(hers, owner)) == ("token own", True)
        ending.enable(hers, by=owner)
        assert (hers.disabled_by, hers.disabled_by_owner) == ("", False)
        ending.disable(hers, by=ada)
        assert (hers.disabled_by, ending.may_enable(hers, owner), ending.may_enable(hers, ada)) == ("ada", False, True)
        with pytest.raises(ending.DisabledByAnother, match="hers was disabled by ada; enabling it needs") as refused:
            ending.enable(hers, by=owner)
        assert refused.value.status == 403
        assert ApiToken.objects.get().state() == "disabled"
        ending.enable(hers, by=ada)
        assert ApiToken.objects.get().state() == "live"

    def test_a_name_like_that_of_who_disabled_it_does_not_help(
        self, administrator: User, viewer: User, hers: ApiToken
    ) -> None:
        wide = Actor.token("guard", Scope, owner=administrator.pk, credential="token bbbbbbbbbbbb")
        ending.disable(hers, by=wide)
        with pytest.raises(ending.DisabledByAnother):
            ending.enable(hers, by=self.owning(viewer, "guard"))

    def test_an_owner_who_looked_before_it_was_disabled_does_not_enable_it_either(
        self, administrator: User, viewer: User, hers: ApiToken
    ) -> None:
        ending.disable(ApiToken.objects.get(), by=Actor.person(administrator))
        with pytest.raises(ending.DisabledByAnother):
            ending.enable(hers, by=self.owning(viewer))

    def test_the_owner_may_still_revoke_it(self, administrator: User, viewer: User, hers: ApiToken) -> None:
        ending.disable(hers, by=Actor.person(administrator))
        ending.revoke(hers, by=self.owning(viewer))
        assert ApiToken.objects.get().state() == "revoked"

    def test_over_rest_it_says_who_and_no(self, rest: Callable[..., APIClient], token: ApiToken, root: Actor) -> None:
        ending.disable(token, by=root)
        narrow = rest(Scope.TOKENS_READ, Scope.TOKENS_MANAGE)
        assert narrow.get(f"{TOKENS}/{token.pk}").json()["disabled_by"] == str(root)
        answer = narrow.post(f"{TOKENS}/{token.pk}/enable")
        assert (answer.status_code, answer.json()["code"]) == (403, "token_disabled_by_another")
        answer = rest(Scope.TOKENS_MANAGE, Scope.USERS_MANAGE).post(f"{TOKENS}/{token.pk}/enable")
        assert (answer.status_code, answer.json()["disabled_by"]) == (200, "")

    def test_the_row_says_who_switched_it_off(
        self, log_in: Callable[..., Client], administrator: User, hers: ApiToken
    ) -> None:
        client = log_in(administrator)
        answer = client.post(f"{PAGE}{hers.pk}/disable/", {"next": f"{PAGE}?owner=all"}, headers={"HX-Request": "true"})
        assert "switched off by <bdi>ada</bdi>" in answer.content.decode()
        assert re.search(rf'id="enable-{hers.pk}"', answer.content.decode())

    @pytest.mark.parametrize("facts", [{"disabled_by": "ada"}, {"disabled_by_owner": True}])
    def test_nobody_disabled_what_is_not_disabled(self, token: ApiToken, facts: dict[str, Any]) -> None:
        with pytest.raises(IntegrityError):
            ApiToken.objects.update(**facts)
