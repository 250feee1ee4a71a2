"""API tokens: who may grant what, how long they live, and what ends them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import override_settings
from rest_framework.test import APIClient

from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, User
from portal.refusal import Invalid
from portal.roles import Role
from portal.scopes import Scope
from tokens import ending, issuing, lookup, rotation
from tokens.models import ApiToken

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def call(shown: str, **headers: str) -> Any:
    return APIClient(headers={"Authorization": f"Bearer {shown}", **headers}).get("/api/v1/devices")


class TestIssue:
    def test_the_secret_is_shown_and_only_its_digest_kept(self, administrator: User, root: Actor) -> None:
        token, shown = issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=30, by=root)
        kept = str(ApiToken.objects.values().get()) + str(AuditEvent.objects.values().get())
        assert shown not in kept + str(Outbox.objects.values().get())
        assert shown.split("_", 3)[3] not in kept
        assert (token.scopes, token.expires_at - token.created_at < timedelta(days=30, seconds=5)) == (
            ["devices:read"],
            True,
        )
        assert call(shown).status_code == 200

    def test_its_audit_row_says_what_was_granted(self, administrator: User) -> None:
        token, _ = issuing.issue(
            "ci", [Scope.DEVICES_READ], owner=administrator, days=30, by=Actor.person(administrator, "192.0.2.1")
        )
        row = AuditEvent.objects.get()
        assert (row.verb, row.actor, row.address, row.subject_id) == ("token.issued", "ada", "192.0.2.1", token.pk)
        assert row.after["scopes"] == ["devices:read"]
        assert row.after["owner"] == "ada"

    @pytest.mark.parametrize("days", [-1, 0, 366, 10**9, 10**30])
    def test_a_life_shorter_than_a_day_or_longer_than_allowed_is_refused(
        self, administrator: User, root: Actor, days: int
    ) -> None:
        with pytest.raises(Invalid, match="A token lives 1 to 365 days"):
            issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=days, by=root)
        assert not ApiToken.objects.exists()

    def test_the_longest_life_is_the_settings(self, administrator: User, root: Actor) -> None:
        with override_settings(TOKEN_MAX_DAYS=7):
            issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=7, by=root)
            with pytest.raises(Invalid, match="1 to 7 days"):
                issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=8, by=root)

    @pytest.mark.parametrize("name", ["", "x" * 101, "ci\u202e", "ci\x00", "a\nb"])
    def test_a_name_that_is_none_is_refused(self, administrator: User, root: Actor, name: str) -> None:
        with pytest.raises(Invalid):
            issuing.issue(name, [Scope.DEVICES_READ], owner=administrator, days=1, by=root)

    @pytest.mark.parametrize("scopes", [[], ["devices:fly"], ["devices:read", "devices"], ["*"], ["DEVICES:READ"]])
    def test_no_scope_and_an_unknown_one_are_refused(self, administrator: User, root: Actor, scopes: list[str]) -> None:
        with pytest.raises(Invalid) as refused:
            issuing.issue("ci", scopes, owner=administrator, days=1, by=root)
        assert list(refused.value.invalid or ()) == ["scopes"]

    @pytest.mark.parametrize("scope", Scope)
    def test_nobody_grants_a_scope_that_they_do_not_hold(self, administrator: User, scope: Scope) -> None:
        by = Actor.token("narrow", set(Scope) - {scope}, owner=administrator.pk, credential="token a")
        with pytest.raises(issuing.TooBroad, match=f"You do not hold {scope.replace('*', '[*]')}"):
            issuing.issue("ci", list(Scope), owner=administrator, days=1, by=by)

    def test_nobody_is_given_a_token_that_may_more_than_its_owner(self, viewer: User, root: Actor) -> None:
        with pytest.raises(issuing.TooBroad, match="vera does not hold devices:admit"):
            issuing.issue("ci", [Scope.DEVICES_ADMIT], owner=viewer, days=1, by=root)

    def test_a_person_who_was_deactivated_gets_no_token(self, viewer: User, root: Actor) -> None:
        viewer.is_active = False
        with pytest.raises(issuing.TooBroad):
            issuing.issue("ci", [Scope.DEVICES_READ], owner=viewer, days=1, by=root)


class TestEnd:
    @pytest.fixture
    def issued(self, administrator: User, root: Actor) -> Any:
        """A token of the administrator's with its secret, issued at noon."""
        with time_machine.travel(NOON, tick=False) as clock:
            token, shown = issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=1, by=root)
            yield token, shown, clock

    def test_a_token_expires_to_the_second_and_does_not_revive(self, issued: Any) -> None:
        _, shown, clock = issued
        clock.move_to(NOON + timedelta(days=1, seconds=-1))
        assert call(shown).status_code == 200
        clock.move_to(NOON + timedelta(days=1))
        assert call(shown).status_code == 401
        clock.shift(timedelta(days=400))
        assert call(shown).status_code == 401

    def test_a_revoked_token_is_refused_at_once(self, issued: Any, root: Actor) -> None:
        token, shown, _ = issued
        ending.revoke(token, by=root, reason="lost")
        assert call(shown).status_code == 401
        row = AuditEvent.objects.get(verb="token.revoked")
        assert (row.subject_id, row.reason) == (token.pk, "lost")

    def test_the_second_to_revoke_is_told_who_was_first_and_when(
        self, issued: Any, root: Actor, administrator: User
    ) -> None:
        token, _, _ = issued
        ending.revoke(ApiToken.objects.get(), by=Actor.person(administrator))
        with pytest.raises(ending.AlreadyRevoked, match=r"^ci was revoked by ada at 2026-11-25 12:00:00 UTC\.$"):
            ending.revoke(token, by=root)
        assert AuditEvent.objects.filter(verb="token.revoked").count() == 1

    def test_a_disabled_token_is_refused_until_it_is_enabled(self, issued: Any, root: Actor) -> None:
        token, shown, _ = issued
        ending.disable(token, by=root)
        ending.disable(token, by=root)
        assert call(shown).status_code == 401
        ending.enable(token, by=root)
        ending.enable(token, by=root)
        assert call(shown).status_code == 200
        verbs = list(AuditEvent.objects.order_by("number").values_list("verb", flat=True))
        assert verbs == ["token.issued", "token.disabled", "token.enabled"]

    def test_a_revoked_token_is_never_enabled_again(self, issued: Any, root: Actor) -> None:
        token, shown, _ = issued
        ending.disable(token, by=root)
        ending.revoke(token, by=root)
        for verb in (ending.enable, ending.disable):
            with pytest.raises(ending.AlreadyRevoked):
                verb(token, by=root)
        assert call(shown).status_code == 401

    def test_a_token_dies_with_its_owner_and_lives_again_with_them(self, issued: Any, administrator: User) -> None:
        _, shown, _ = issued
        User.objects.filter(pk=administrator.pk).update(is_active=False)
        assert call(shown).status_code == 401
        User.objects.filter(pk=administrator.pk).update(is_active=True)
        assert call(shown).status_code == 200

    def test_a_token_may_no_more_than_its_owner_may_now(
        self, administrator: User, root: Actor, rest: Callable[..., APIClient]
    ) -> None:
        client = rest(Scope.DEVICES_READ, Scope.TOKENS_MANAGE)
        assert client.post("/api/v1/tokens", {}, format="json").status_code == 400
        User.objects.filter(pk=administrator.pk).update(role=Role.VIEWER)
        assert client.get("/api/v1/devices").status_code == 200
        answer = client.post("/api/v1/tokens", {}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")

    @pytest.mark.parametrize(("address", "status"), [("10.1.2.3", 200), ("10.2.0.1", 401), ("", 401), ("::1", 401)])
    def test_a_token_that_is_bound_to_addresses_is_refused_from_others(
        self, administrator: User, root: Actor, address: str, status: int
    ) -> None:
        _, shown = issuing.issue(
            "ci", [Scope.DEVICES_READ], owner=administrator, days=1, by=root, addresses=["10.1.0.0/16", "192.0.2.1"]
        )
        client = APIClient(headers={"Authorization": f"Bearer {shown}"}, REMOTE_ADDR=address)
        assert client.get("/api/v1/devices").status_code == status

    @pytest.mark.parametrize("address", ["10.1.2.3/8", "localhost", "", "10.0.0.0/33", "1.2.3", "é"])
    def test_an_address_that_is_none_is_refused(self, administrator: User, root: Actor, address: str) -> None:
        with pytest.raises(Invalid) as refused:
            issuing.issue(
                "ci", [Scope.DEVICES_READ], owner=administrator, days=1, by=root, addresses=["10.0.0.1", address]
            )
        assert list(refused.value.invalid or ()) == ["addresses"]


class TestOthers:
    """Whose tokens one may end, and whose one may be given a new secret of."""

    VERBS = (ending.revoke, ending.disable, ending.enable)

    @pytest.fixture
    def hers(self, viewer: User, root: Actor) -> ApiToken:
        return issuing.issue("hers", [Scope.DEVICES_READ], owner=viewer, days=1, by=root)[0]

    def actor(self, owner: User, *scopes: Scope) -> Actor:
        return Actor.token("narrow", scopes, owner=owner.pk, credential="token aaaaaaaaaaaa")

    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize(
        "scopes", [(Scope.TOKENS_MANAGE,), (Scope.USERS_MANAGE,), (Scope.TOKENS_MANAGE, Scope.USERS_READ)]
    )
    def test_who_does_not_manage_both_tokens_and_people_ends_no_token_of_another(
        self, administrator: User, hers: ApiToken, verb: Callable[..., None], scopes: tuple[Scope, ...]
    ) -> None:
        with pytest.raises(ending.NotYours, match="needs the scopes tokens:manage and users:manage, or ask its owner"):
            verb(hers, by=self.actor(administrator, *scopes))
        assert ApiToken.objects.get().revision == hers.revision

    @pytest.mark.parametrize("verb", VERBS)
    def test_who_manages_both_ends_any_and_who_manages_tokens_their_own(
        self, administrator: User, viewer: User, hers: ApiToken, verb: Callable[..., None]
    ) -> None:
        for by in (
            self.actor(viewer, Scope.TOKENS_MANAGE),
            self.actor(administrator, Scope.TOKENS_MANAGE, Scope.USERS_MANAGE),
        ):
            assert ending.may_change(hers, by)
            ApiToken.objects.update(revoked_at=None, revoked_by="")
            verb(hers, by=by)

    def test_nobody_but_the_owner_and_an_operator_at_the_machine_is_shown_a_successor(
        self, administrator: User, viewer: User, root: Actor, hers: ApiToken
    ) -> None:
        with pytest.raises(ending.NotYours, match="only its owner is shown a new secret"):
            rotation.rotate(hers, by=Actor.person(administrator))
        successor = rotation.rotate(hers, by=Actor.person(viewer)).token
        assert rotation.rotate(successor, by=root).token.owner == viewer


class TestUse:
    def test_the_last_use_is_noted_at_most_once_a_minute(self, administrator: User, root: Actor) -> None:
        with time_machine.travel(NOON, tick=False) as clock:
            _, shown = issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=1, by=root)
            noted = []
            for seconds in (0, 59, 2, 60):
                clock.shift(seconds)
                call(shown)
                noted.append(ApiToken.objects.get().last_used_at)
        seconds_after = [int((at - NOON).total_seconds()) for at in noted]
        assert seconds_after == [0, 0, 61, 121]

    def test_of_requests_at_once_one_notes_its_use(self, administrator: User, root: Actor) -> None:
        token, _ = issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=1, by=root)
        for minute in (0, 5):
            now = NOON + timedelta(minutes=minute)
            first, second = lookup.find(token.pk), lookup.find(token.pk)
            assert first is not None
            assert second is not None
            issuing.note_use(first, "192.0.2.1", now)
            issuing.note_use(second, "192.0.2.2", now + timedelta(seconds=1))
            token.refresh_from_db()
            assert (token.last_used_at, token.last_used_from) == (now, "192.0.2.1")


class TestRotation:
    def test_the_successor_may_the_same_and_both_live_through_the_overlap(
        self, administrator: User, root: Actor
    ) -> None:
        with time_machine.travel(NOON, tick=False) as clock:
            token, old = issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=30, by=root)
            clock.shift(timedelta(days=10))
            made = rotation.rotate(token, by=root, overlap_hours=2)
            assert (made.token.scopes, made.token.name) == (token.scopes, token.name)
            assert made.token.expires_at == NOON + timedelta(days=40)
            assert (call(old).status_code, call(made.secret).status_code) == (200, 200)
            clock.shift(timedelta(hours=2))
            assert (call(old).status_code, call(made.secret).status_code) == (401, 200)

    @pytest.mark.parametrize("hours", [-1, 721])
    def test_an_overlap_beyond_its_bounds_is_refused(self, administrator: User, root: Actor, hours: int) -> None:
        token, _ = issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=30, by=root)
        with pytest.raises(Invalid):
            rotation.rotate(token, by=root, overlap_hours=hours)

    def test_nobody_rotates_a_token_that_may_more_than_they(self, administrator: User, root: Actor) -> None:
        """They would be shown a secret with scopes that they do not hold."""
        token, _ = issuing.issue(
            "ci", [Scope.DEVICES_READ, Scope.DEVICES_DELETE], owner=administrator, days=30, by=root
        )
        narrow = Actor.token(
            "narrow", [Scope.DEVICES_READ, Scope.TOKENS_MANAGE], owner=administrator.pk, credential="t"
        )
        with pytest.raises(issuing.TooBroad, match="You do not hold devices:delete"):
            rotation.rotate(token, by=narrow)
        assert ApiToken.objects.count() == 1

    def test_a_token_rotates_itself_though_it_manages_no_token_and_its_owner_has_lost_a_scope_of_it(
        self, administrator: User, root: Actor
    ) -> None:
        """The successor is given what is stored; what both may do is judged at each use, for it as for the old one."""
        scopes = [Scope.CREDENTIALS_ROTATE_OWN, Scope.DEVICES_DELETE]
        token, _ = issuing.issue("ci", scopes, owner=administrator, days=30, by=root)
        lost = Actor.token("ci", [], owner=administrator.pk, credential=f"token {token.pk}")
        assert rotation.rotate(token, by=lost).token.scopes == sorted(scopes)
        other = Actor.token("ci", [], owner=administrator.pk, credential="token aaaaaaaaaaaa")
        with pytest.raises(issuing.TooBroad, match="You do not hold credentials:rotate-own, devices:delete"):
            rotation.rotate(ApiToken.objects.exclude(pk=token.pk).get(), by=other)

    def test_a_successor_lives_no_longer_than_is_allowed_now(self, administrator: User, root: Actor) -> None:
        token, _ = issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=300, by=root)
        with override_settings(TOKEN_MAX_DAYS=7):
            made = rotation.rotate(token, by=root).token
        assert made.expires_at - made.created_at <= timedelta(days=7)

    @pytest.mark.parametrize("end", [ending.revoke, ending.disable, rotation.rotate])
    def test_a_token_that_is_not_live_or_has_a_successor_is_not_rotated(
        self, administrator: User, root: Actor, end: Callable[..., Any]
    ) -> None:
        token, _ = issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=30, by=root)
        end(token, by=root)
        before = ApiToken.objects.count()
        with pytest.raises(rotation.NotRotatable):
            rotation.rotate(ApiToken.objects.get(pk=token.pk), by=root)
        assert ApiToken.objects.count() == before


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_of_two_revocations_at_once_one_is_told_of_the_other(
        self,
        administrator: User,
        make_person: Callable[..., User],
        root: Actor,
        at_once: Callable[..., list[Any]],
    ) -> None:
        token, _ = issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=1, by=root)
        people = (Actor.person(administrator), Actor.person(make_person("eve", Role.ADMINISTRATOR)))
        outcomes = at_once(*(lambda by=by: ending.revoke(ApiToken.objects.get(pk=token.pk), by=by) for by in people))
        (refusal,) = [outcome for outcome in outcomes if outcome is not None]
        winner = people[outcomes.index(None)]
        assert isinstance(refusal, ending.AlreadyRevoked)
        assert f"was revoked by {winner}" in str(refusal)
        assert AuditEvent.objects.filter(verb="token.revoked").count() == 1
        assert audit.verify().holds

    def test_of_two_rotations_at_once_one_makes_a_successor(
        self, administrator: User, root: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        token, _ = issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=1, by=root)
        outcomes = at_once(*(lambda: rotation.rotate(ApiToken.objects.get(pk=token.pk), by=root) for _ in range(2)))
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NotRotatable", "Rotated"]
        assert ApiToken.objects.count() == 2

    def test_a_token_in_use_by_many_at_once_is_honoured_each_time(
        self, administrator: User, root: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        _, shown = issuing.issue("ci", [Scope.DEVICES_READ], owner=administrator, days=1, by=root)
        assert [answer.status_code for answer in at_once(*(lambda: call(shown) for _ in range(8)))] == [200] * 8


class TestCommand:
    def test_prints_the_token_alone(self, administrator: User) -> None:
        out = StringIO()
        call_command("issue_token", "ci", owner="ada", scopes=["devices:read"], days=1, as_json=False, stdout=out)
        assert call(out.getvalue().strip()).status_code == 200

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ({"owner": "nobody"}, "no active person named nobody"),
            ({"scopes": ["devices:fly"]}, "no scope devices:fly"),
            ({"days": 1000}, "1 to 365 days"),
        ],
    )
    def test_says_the_same_no(self, administrator: User, arguments: dict[str, Any], sentence: str) -> None:
        given = {"owner": "ada", "scopes": ["devices:read"], "days": 1, "as_json": False} | arguments
        with pytest.raises(CommandError, match=sentence):
            call_command("issue_token", "ci", stdout=StringIO(), **given)
