"""The networks of a token: from where it opens, and that no token bound to some gives away one that opens elsewhere."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from portal.actor import Actor
from portal.models import User
from portal.scopes import Scope
from tokens import addresses, issuing, rotation
from tokens.models import ApiToken

TOKENS = "/api/v1/tokens"
MAY = [Scope.TOKENS_MANAGE, Scope.DEVICES_READ]


@pytest.mark.parametrize(
    ("networks", "bounds", "within"),
    [
        ([], [], True),
        (["10.0.0.0/8"], [], True),
        ([], ["10.0.0.0/8"], False),
        (["10.0.0.0/8"], ["10.0.0.0/8"], True),
        (["10.1.2.3/32", "192.0.2.7/32"], ["10.0.0.0/8", "192.0.2.0/24"], True),
        (["10.1.2.3/32", "192.0.2.7/32"], ["10.0.0.0/8"], False),
        (["10.0.0.0/7"], ["10.0.0.0/8"], False),
        (["0.0.0.0/0"], ["::/0"], False),
        (["::1/128"], ["0.0.0.0/0"], False),
        (["2001:db8::/48"], ["10.0.0.0/8", "2001:db8::/32"], True),
        (["nonsense"], ["10.0.0.0/8"], False),
        (["10.0.0.0/8"], ["nonsense"], False),
    ],
)
def test_networks_lie_within_others_if_each_is_part_of_one(
    networks: list[str], bounds: list[str], within: bool
) -> None:
    assert addresses.lie_within(networks, bounds) is within


class TestBound:
    """A token that is bound to networks, and what it may issue and rotate."""

    BOUNDS = ("10.0.0.0/8", "2001:db8::/32")

    @pytest.fixture
    def client(self, administrator: User, root: Actor) -> APIClient:
        _, shown = issuing.issue("bound", MAY, owner=administrator, days=9, by=root, addresses=self.BOUNDS)
        return APIClient(headers={"Authorization": f"Bearer {shown}"}, REMOTE_ADDR="10.1.2.3")

    def issue(self, client: APIClient, **sent: Any) -> Any:
        return client.post(TOKENS, {"name": "t", "scopes": ["devices:read"], "days": 9, **sent}, format="json")

    @pytest.mark.parametrize("sent", [{}, {"addresses": []}])
    def test_what_it_issues_without_addresses_has_its_own(self, client: APIClient, sent: dict[str, Any]) -> None:
        answer = self.issue(client, **sent)
        assert (answer.status_code, answer.json()["addresses"]) == (201, list(self.BOUNDS))

    def test_what_it_issues_may_be_bound_to_parts_of_its_networks(self, client: APIClient) -> None:
        answer = self.issue(client, addresses=["10.1.0.0/16", "2001:db8::7"])
        assert (answer.status_code, answer.json()["addresses"]) == (201, ["10.1.0.0/16", "2001:db8::7/128"])

    @pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.0.0.0/7", "192.0.2.7"])
    def test_it_issues_none_that_opens_from_elsewhere(self, client: APIClient, network: str) -> None:
        answer = self.issue(client, addresses=["10.1.0.0/16", network])
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_too_broad")
        assert "10.0.0.0/8, 2001:db8::/32" in answer.json()["error"]
        assert ApiToken.objects.count() == 1

    @pytest.mark.parametrize(("bound", "status"), [((), 403), (("192.0.2.7",), 403), (("10.1.0.0/16",), 201)])
    def test_it_is_not_shown_the_successor_of_one_that_opens_from_elsewhere(
        self, client: APIClient, administrator: User, root: Actor, bound: tuple[str, ...], status: int
    ) -> None:
        other, _ = issuing.issue("other", MAY[1:], owner=administrator, days=9, by=root, addresses=bound)
        assert client.post(f"{TOKENS}/{other.pk}/rotate").status_code == status

    def test_it_rotates_itself(self, client: APIClient) -> None:
        assert client.post(f"{TOKENS}/{ApiToken.objects.get().pk}/rotate").json()["addresses"] == list(self.BOUNDS)

    def test_a_person_is_bound_to_none(self, administrator: User) -> None:
        token, _ = issuing.issue("t", MAY, owner=administrator, days=9, by=Actor.person(administrator, "10.1.2.3"))
        assert token.addresses == []
        assert rotation.rotate(token, by=Actor.person(administrator)).token.addresses == []
