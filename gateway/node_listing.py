"""Nodes as people and programs are shown them: whether each asks, what it holds, what it refused, how late it hears."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway import discovery, nodes
from gateway.envoy.plan import USUAL
from gateway.models import GatewayNode, NodeKind

# What a poll takes beside the wait before it.
ANSWERED_WITHIN = 0.1


@dataclass(frozen=True)
class Version:
    """Which version, and since when; `content` is the same at every node that holds the same."""

    version: str
    at: datetime

    @property
    def content(self) -> str:
        return self.version.partition(".")[0]


@dataclass(frozen=True)
class Subscription:
    """What a node asks for, such as `routes/doors`. `is_refused` says that it does not take what is offered now."""

    name: str
    offered: Version | None
    accepted: Version | None
    refused: Version | None
    reason: str
    is_refused: bool


@dataclass(frozen=True)
class ListedNode:
    """A node; a revocation acts there within `revoked_within` seconds, any other change within `changed_within`."""

    node: GatewayNode
    is_away: bool
    is_remote: bool
    revoked_within: float
    changed_within: float
    subscriptions: list[Subscription]

    @property
    def refusals(self) -> list[Subscription]:
        return [each for each in self.subscriptions if each.is_refused]


def listed() -> list[ListedNode]:
    """All of them: the local one, then the others by name."""
    return [one(node) for node in GatewayNode.objects.order_by("kind", "name")]


def one(node: GatewayNode) -> ListedNode:
    is_remote = node.kind == NodeKind.REMOTE
    polls = discovery.polls(node) if is_remote else USUAL
    slowest = max(polls.listeners, polls.clusters, polls.routes, polls.secrets, polls.access_token)
    standing = nodes.standing_refusals(node)
    names = sorted({*node.offered, *node.accepted, *node.refused})
    return ListedNode(
        node,
        nodes.is_away(node),
        is_remote,
        round(2 * polls.revocations + ANSWERED_WITHIN, 1),
        round(2 * slowest + ANSWERED_WITHIN, 1),
        [_subscription(node, name, is_refused=name in standing) for name in names],
    )


def _subscription(node: GatewayNode, name: str, *, is_refused: bool) -> Subscription:
    reason = node.refused.get(name, {}).get("reason", "")
    offered, accepted, refused = (_version(facts.get(name)) for facts in (node.offered, node.accepted, node.refused))
    return Subscription(name, offered, accepted, refused, reason, is_refused)


def _version(noted: dict[str, Any] | None) -> Version | None:
    return Version(noted["version"], datetime.fromisoformat(noted["at"])) if noted else None
