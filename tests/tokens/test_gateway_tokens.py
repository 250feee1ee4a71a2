"""What an API token buys for the gateway, and that it ends with the token; the scopes of routes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from portal import outbox, standing
from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid
from portal.roles import Role
from portal.scopes import Scope, beyond, described, is_known, is_of_route, within
from tokens import credentials, ending, gateway_users, issuing, registration, rotation
from tokens.models import ApiToken, AppVersion, Revocation

pytestmark = pytest.mark.django_db
PATH = "/api/v1/access-tokens"


@pytest.fixture
def issue(administrator: User, root: Actor) -> Callable[..., tuple[ApiToken, APIClient]]:
    def issue(*scopes: str) -> tuple[ApiToken, APIClient]:
        token, shown = issuing.issue("line", scopes, owner=administrator, days=1, by=root)
        return token, APIClient(headers={"Authorization": f"Bearer {shown}"})

    return issue


def claims(answer: Any) -> dict[str, Any]:
    told: dict[str, Any] = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    return told


MANY = [f"gateway:{number}" for number in range(101)]


def test_nothing_holds_more_scopes_than_a_token_can(
    administrator: User, root: Actor, make_version: Callable[..., AppVersion]
) -> None:
    version = make_version(scopes=[Scope.GATEWAY_ALL])
    for refused in (
        lambda: issuing.issue("line", MANY, owner=administrator, days=1, by=root),
        lambda: registration.add_version(version.app, "v2", scopes=MANY, by=root),
        lambda: credentials.issue(version, scopes=MANY, owner=administrator, by=root),
        lambda: gateway_users.add("ann", scopes=MANY, by=root),
    ):
        with pytest.raises(Invalid, match="at most 100 scopes"):
            refused()


def refused() -> set[str]:
    return set(Revocation.objects.values_list("value", flat=True))


class TestBuying:
    def test_gives_a_token_for_the_gateway_alone(self, issue: Callable[..., Any]) -> None:
        token, client = issue("gateway:line", Scope.DEVICES_READ)
        answer = client.post(PATH)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        assert answer.json()["scope"] == "devices:read gateway:line"
        told = claims(answer)
        assert (told["aud"], told["sub"], told["grant"]) == (
            ["gateway"],
            f"token:{token.pk}",
            f"{token.pk}.administrator",
        )
        assert told["scope"] == "devices:read gateway:line"
        assert told["exp"] - told["iat"] == answer.json()["expires_in"] == 900
        bought = APIClient(headers={"Authorization": f"Bearer {answer.json()['access_token']}"})
        assert bought.get("/api/v1/devices").status_code == 401

    def test_narrows_it_to_what_is_asked(self, issue: Callable[..., Any]) -> None:
        _, client = issue(Scope.GATEWAY_ALL, Scope.DEVICES_READ)
        answer = client.post(PATH, {"scopes": ["gateway:line"]}, format="json")
        assert answer.json()["scope"] == "gateway:line"

    @pytest.mark.parametrize(("most", "length"), [(100, 8), (9, 250)])
    def test_holds_no_more_scopes_than_the_gateway_reads_of_a_token(
        self, issue: Callable[..., Any], most: int, length: int
    ) -> None:
        _, client = issue(Scope.GATEWAY_ALL)
        named = [f"gateway:{number:0{length}}" for number in range(3_000)]
        for scopes in (named, named[: most + 1], [*named[:most], "gateway:" + "x" * 256]):
            answer = client.post(PATH, {"scopes": scopes}, format="json")
            assert (answer.status_code, list(answer.json()["invalid"])) == (400, ["scopes"])
            assert len(answer.content) < 1000
        bought = client.post(PATH, {"scopes": named[:most]}, format="json")
        assert bought.status_code == 200
        assert len(bought.json()["access_token"]) < 8192

    @pytest.mark.parametrize("scope", ["gateway:other", "devices:admit", "gateway:manage", "gateway:A", "x"])
    def test_refuses_what_the_api_token_does_not_open(self, issue: Callable[..., Any], scope: str) -> None:
        _, client = issue("gateway:line")
        answer = client.post(PATH, {"scopes": [scope]}, format="json")
        assert answer.status_code == 400
        assert list(answer.json()["invalid"]) in (["scopes"], ["scopes.0"])

    def test_gives_no_scope_that_the_owner_has_lost(self, issue: Callable[..., Any], administrator: User) -> None:
        _, client = issue(Scope.GATEWAY_ALL, "gateway:line", Scope.DEVICES_READ)
        User.objects.filter(pk=administrator.pk).update(role=Role.VIEWER)
        assert client.post(PATH).json()["scope"] == "devices:read"

    def test_never_outlives_the_api_token(self, issue: Callable[..., Any]) -> None:
        token, client = issue("gateway:line")
        ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() + timedelta(seconds=60))
        answer = client.post(PATH)
        assert 50 <= answer.json()["expires_in"] <= 60
        assert claims(answer)["exp"] - claims(answer)["iat"] <= 60

    def test_is_for_who_comes_from_where_the_api_token_may(self, administrator: User, root: Actor) -> None:
        facts: Any = {"owner": administrator, "days": 1, "by": root, "addresses": ["10.0.0.0/8"]}
        _, shown = issuing.issue("line", ["gateway:line"], **facts)
        client = APIClient(headers={"Authorization": f"Bearer {shown}"})
        assert client.post(PATH, REMOTE_ADDR="10.1.2.3").status_code == 200
        assert client.post(PATH, REMOTE_ADDR="192.168.0.1").status_code in (401, 403)

    def test_needs_an_api_token(self) -> None:
        answer: Any = APIClient().post(PATH)
        assert answer.status_code == 401


class TestEnding:
    def test_a_disabled_token_ends_what_it_bought_and_an_enabled_one_brings_it_back(
        self, issue: Callable[..., Any], root: Actor
    ) -> None:
        token, _ = issue("gateway:line")
        ending.disable(token, by=root)
        assert refused() == {f"token:{token.pk}"}
        ending.enable(token, by=root)
        assert refused() == set()
        ending.revoke(token, by=root)
        assert refused() == {f"token:{token.pk}"}

    @pytest.mark.parametrize(("hours", "ends"), [(0, True), (1, False)])
    def test_a_rotated_one_ends_it_with_its_own_secret(
        self, issue: Callable[..., Any], root: Actor, hours: int, ends: bool
    ) -> None:
        token, _ = issue("gateway:line")
        rotation.rotate(token, by=root, overlap_hours=hours)
        assert (refused() == {f"token:{token.pk}"}) is ends


class TestScopesOfRoutes:
    @pytest.mark.parametrize("text", ["gateway:core-data", "gateway:a.b~c_d", "gateway:" + "a" * 255, "gateway:reads"])
    def test_are_known(self, text: str) -> None:
        assert is_of_route(text)
        assert is_known(text)

    @pytest.mark.parametrize("text", ["gateway:", "gateway:A", "gateway:a/b", "gateway:a b", "gateway:" + "a" * 256,
                                      "gateway:a\n", "devices:line", "line"])  # fmt: skip
    def test_others_are_none(self, text: str) -> None:
        assert not is_known(text)

    @pytest.mark.parametrize("text", ["gateway:read", "gateway:manage", "gateway:*"])
    def test_those_of_the_portal_are_not_of_routes(self, text: str) -> None:
        assert is_known(text)
        assert not is_of_route(text)

    def test_who_holds_the_scope_of_all_holds_each_and_nothing_of_the_portal(self) -> None:
        held = {"gateway:*", "devices:read"}
        assert beyond(["gateway:line", "devices:read"], held) == set()
        assert beyond(["gateway:manage", "gateway:read", "devices:admit"], held) == {
            "gateway:manage", "gateway:read", "devices:admit"
        }  # fmt: skip
        assert beyond(["gateway:line"], {"gateway:manage", "gateway:other"}) == {"gateway:line"}
        assert within(["gateway:line", "gateway:manage"], held) == {"gateway:line"}

    def test_are_told_in_words_after_the_declared(self) -> None:
        assert [name for name, _ in described(["gateway:line", "users:read", "gateway:*"])] == [
            "users:read", "gateway:*", "gateway:line"
        ]  # fmt: skip

    def test_are_granted_by_who_holds_them_or_all(self, administrator: User, operator: User) -> None:
        by = Actor.person(administrator)
        token, _ = issuing.issue("x", ["gateway:line"], owner=administrator, days=1, by=by)
        assert token.scopes == ["gateway:line"]
        with pytest.raises(issuing.TooBroad):
            issuing.issue("x", ["gateway:line"], owner=operator, days=1, by=Actor.person(operator))

    def test_are_declared_by_versions_and_given_to_their_credentials(
        self, make_version: Callable[..., AppVersion], administrator: User
    ) -> None:
        version = make_version(scopes=["gateway:line", "users:read"])
        by = Actor.person(administrator)
        assert "gateway:line" in credentials.issue(version, by=by, owner=None).holder.scopes
        narrow = credentials.issue(version, ["gateway:line"], by=by, owner=None, instance="b", rotate_own=False)
        assert narrow.holder.scopes == ["gateway:line"]
        with pytest.raises(issuing.TooBroad):
            registration.add_version(
                version.app, "2", scopes=["gateway:line"], by=Actor("x", "token", frozenset({"gateway:read"}))
            )


class TestTheOwner:
    def test_who_is_shut_out_takes_what_was_bought_along_until_let_in_again(
        self, issue: Callable[..., Any], administrator: User, make_person: Callable[..., User], root: Actor
    ) -> None:
        make_person("eve", Role.ADMINISTRATOR)
        token, client = issue("gateway:line")
        bought = claims(client.post(PATH))
        standing.deactivate(administrator, by=root)
        outbox.hand_on()
        assert bought["sub"] in refused()
        standing.activate(administrator, by=root)
        outbox.hand_on()
        assert bought["sub"] not in refused()
        assert token.pk in bought["sub"]

    def test_who_is_shut_out_has_nothing_bought_brought_back_by_a_token_that_is_switched_on(
        self, issue: Callable[..., Any], administrator: User, make_person: Callable[..., User], root: Actor
    ) -> None:
        make_person("eve", Role.ADMINISTRATOR)
        token, _ = issue("gateway:line")
        standing.deactivate(administrator, by=root)
        outbox.hand_on()
        ending.disable(token, by=root)
        ending.enable(token, by=root)
        assert refused() == {f"token:{token.pk}"}
        standing.activate(administrator, by=root)
        outbox.hand_on()
        assert refused() == set()

    def test_who_is_let_in_again_gets_back_what_live_tokens_bought_and_no_more(
        self, issue: Callable[..., Any], administrator: User, make_person: Callable[..., User], root: Actor
    ) -> None:
        make_person("eve", Role.ADMINISTRATOR)
        rotated, disabled, revoked, _ = (issue("gateway:line")[0] for _ in range(4))
        rotation.rotate(rotated, by=root, overlap_hours=0)
        ending.disable(disabled, by=root)
        ending.revoke(revoked, by=root)
        standing.deactivate(administrator, by=root)
        standing.activate(administrator, by=root)
        outbox.hand_on()
        assert refused() == {f"token:{token.pk}" for token in (rotated, disabled, revoked)}

    def test_a_token_that_was_off_while_the_role_changed_brings_nothing_of_the_former_role_back(
        self, issue: Callable[..., Any], administrator: User, make_person: Callable[..., User], root: Actor
    ) -> None:
        make_person("eve", Role.ADMINISTRATOR)
        token, client = issue("gateway:line")
        before = claims(client.post(PATH))["grant"]
        ending.disable(token, by=root)
        standing.change_role(administrator, Role.VIEWER, by=root)
        outbox.hand_on()
        ending.enable(token, by=root)
        assert before in refused()

    def test_another_role_ends_what_was_bought_in_the_one_before(
        self, issue: Callable[..., Any], administrator: User, make_person: Callable[..., User], root: Actor
    ) -> None:
        make_person("eve", Role.ADMINISTRATOR)
        _, client = issue("gateway:line", Scope.DEVICES_READ)
        before = claims(client.post(PATH))["grant"]
        standing.change_role(administrator, Role.VIEWER, by=root)
        outbox.hand_on()
        after = claims(client.post(PATH, {"scopes": ["devices:read"]}, format="json"))["grant"]
        assert before in refused()
        assert after not in refused()
