"""Which Envoy may ask, what it is sent, and how a refusal is noticed, remembered and audited."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from gateway import nodes
from gateway.models import GatewayNode, NodeKind
from portal.actor import Actor
from portal.models import AuditEvent

pytestmark = pytest.mark.django_db
GOOD, BAD = "a" * 16, "b" * 16


@pytest.fixture
def local(root: Actor) -> GatewayNode:
    return nodes.local(by=root)[0]


@pytest.fixture
def ask(local: GatewayNode) -> Callable[..., str | None]:
    """Poll for listeners, holding a version, while this content is offered."""

    def poll(content: str, held: str = "", why: str | None = "It is bad.", objection: str | None = None) -> str | None:
        local.refresh_from_db()
        told = nodes.Poll("listeners", held, "1.40.0", "127.0.0.1")
        return nodes.judge(local, told, content, objected=lambda since: objection, why=lambda: why)

    return poll


class TestTokens:
    def test_each_serve_makes_a_new_one_and_the_former_is_worth_nothing(self, root: Actor) -> None:
        node, former = nodes.local(by=root)
        again, token = nodes.local(by=root)
        assert node.pk == again.pk
        assert nodes.known(f"Bearer {token}") == again
        assert nodes.known(f"bearer {token}") == again
        with pytest.raises(nodes.NotANode):
            nodes.known(f"Bearer {former}")
        verbs = list(AuditEvent.objects.order_by("number").values_list("verb", flat=True))
        assert verbs == ["node.made", "node.token_renewed"]

    @pytest.mark.parametrize("shown", ["", "Bearer", "Bearer x", "Basic {}", "Bearer {}x", "Bearer gate_pat{}", "{}"])
    def test_nothing_else_opens(self, root: Actor, shown: str) -> None:
        _, token = nodes.local(by=root)
        with pytest.raises(nodes.NotANode) as refused:
            nodes.known(shown.format(token))
        assert refused.value.challenge() == 'Bearer realm="gatehouse"'

    def test_speaks_for_its_own_node_only(self, local: GatewayNode) -> None:
        nodes.speaks_as(local, "local")
        for other in ("remote", "", None, {"id": "local"}):
            with pytest.raises(nodes.AnotherNode):
                nodes.speaks_as(local, other)

    def test_only_a_digest_is_kept(self, root: Actor) -> None:
        _, token = nodes.local(by=root)
        assert token not in str(GatewayNode.objects.values().get())


def test_each_host_has_a_local_node_of_its_own_name(local: GatewayNode, root: Actor, settings: Any) -> None:
    settings.NODE = "hall-2"
    other, _ = nodes.local(by=root)
    assert (other.name, other.kind, GatewayNode.objects.get(name="local").digest) == ("hall-2", "local", local.digest)
    GatewayNode.objects.filter(pk=other.pk).update(kind=NodeKind.REMOTE)
    with pytest.raises(nodes.NameOfAnother, match="GATEHOUSE_NODE"):
        nodes.local(by=root)


class TestPolls:
    def test_a_node_is_sent_what_it_does_not_hold_and_nothing_once_it_does(
        self, ask: Callable[..., str | None]
    ) -> None:
        assert ask(GOOD) == f"{GOOD}.0"
        assert ask(GOOD, f"{GOOD}.0") is None
        assert GatewayNode.objects.get().accepted["listeners"]["version"] == f"{GOOD}.0"

    def test_a_node_that_starts_again_is_sent_everything_again(self, ask: Callable[..., str | None]) -> None:
        ask(GOOD, f"{GOOD}.0")
        for _ in range(6):
            assert ask(GOOD) == f"{GOOD}.0"
        assert GatewayNode.objects.get().refused == {}

    def test_what_is_offered_three_times_and_not_taken_is_refused(self, ask: Callable[..., str | None]) -> None:
        ask(GOOD, f"{GOOD}.0")
        assert [ask(BAD, f"{GOOD}.0") for _ in range(5)] == [f"{BAD}.0"] * 3 + [None, None]
        refused = GatewayNode.objects.get().refused["listeners"]
        assert (refused["version"], refused["reason"], refused["times"]) == (f"{BAD}.0", "It is bad.", 1)
        event = AuditEvent.objects.get(verb="node.refused")
        assert (event.subject_id, event.reason) == ("local", "It is bad.")

    def test_what_the_node_objects_to_is_refused_at_once_and_not_offered_again(
        self, ask: Callable[..., str | None]
    ) -> None:
        ask(GOOD, f"{GOOD}.0")
        assert ask(BAD, f"{GOOD}.0") == f"{BAD}.0"
        assert ask(BAD, f"{GOOD}.0", objection="A key is wrong.") is None
        assert GatewayNode.objects.get().refused["listeners"]["reason"] == "A key is wrong."

    def test_an_objection_from_before_the_offer_is_about_something_else(self, ask: Callable[..., str | None]) -> None:
        assert ask(BAD, f"{GOOD}.0", objection="An older one.") == f"{BAD}.0"

    def test_after_a_refusal_even_the_former_content_comes_under_a_new_version(
        self, ask: Callable[..., str | None]
    ) -> None:
        ask(GOOD, f"{GOOD}.0")
        for _ in range(4):
            ask(BAD, f"{GOOD}.0")
        assert ask(GOOD, f"{GOOD}.0") == f"{GOOD}.1"
        assert ask(GOOD, f"{GOOD}.1") is None

    def test_a_node_that_gives_no_reason_is_said_to(self, ask: Callable[..., str | None]) -> None:
        for _ in range(4):
            ask(BAD, f"{GOOD}.0", why=None)
        assert GatewayNode.objects.get().refused["listeners"]["reason"] == nodes.NO_REASON

    def test_one_subscription_knows_nothing_of_another(self, local: GatewayNode) -> None:
        for _ in range(4):
            local.refresh_from_db()
            nodes.judge(local, nodes.Poll("listeners", "x.0"), BAD, objected=lambda since: None, why=lambda: None)
        local.refresh_from_db()
        assert (
            nodes.judge(local, nodes.Poll("clusters", "x.0"), BAD, objected=lambda since: None, why=lambda: None)
            == f"{BAD}.0"
        )

    def test_a_poll_with_nothing_new_writes_only_now_and_then(
        self, ask: Callable[..., str | None], django_assert_num_queries: Callable[..., object]
    ) -> None:
        ask(GOOD, f"{GOOD}.0")
        with django_assert_num_queries(1):  # It reads the node.
            ask(GOOD, f"{GOOD}.0")
        asked_at = timezone.now()
        GatewayNode.objects.update(last_seen=asked_at - timedelta(seconds=20))
        ask(GOOD, f"{GOOD}.0")
        assert GatewayNode.objects.get().last_seen >= asked_at


def test_a_node_is_away_when_it_was_silent_for_thirty_seconds(local: GatewayNode) -> None:
    assert nodes.is_away(local)
    for seconds, away in ((0, False), (29, False), (31, True)):
        local.last_seen = timezone.now() - timedelta(seconds=seconds)
        assert nodes.is_away(local) is away
