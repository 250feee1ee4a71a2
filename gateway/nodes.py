"""The Envoys that ask here: who may ask, which version each holds, and what it refused."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from gateway.models import GatewayNode, NodeKind
from portal import audit
from portal.actor import Actor
from portal.refusal import Refusal
from tokens import peppers, secret

KIND = "gate_node"
# By which people name the doors beside the portal, whatever their host is called.
LOCAL = "local"
SEEN_EVERY = timedelta(seconds=15)
AWAY_AFTER = timedelta(seconds=30)
# A node that asks once more and again with its old version has refused what it was offered.
OFFERS = 3
NO_REASON = "The node gave no reason; see its log."


class NotANode(Refusal):
    """No token of a node, or a wrong one."""

    status, code = 401, "node_token_refused"

    def challenge(self) -> str:
        return 'Bearer realm="gatehouse"'


class AnotherNode(Refusal):
    status, code = 403, "node_mismatch"


class NameOfAnother(Refusal):
    """An Envoy elsewhere has the name of this host."""

    code = "node_name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is a node elsewhere; set GATEHOUSE_NODE to another name, or delete that node.")


def local(*, by: Actor) -> tuple[GatewayNode, str]:
    """The Envoy beside the portal on this host, with a new token; the former one is worth nothing from now on."""
    made, name = secret.generate(KIND), settings.NODE
    facts = {"token_id": made.id, "digest": made.digest, "pepper": made.pepper}
    with transaction.atomic():
        if GatewayNode.objects.filter(name=name, kind=NodeKind.REMOTE).exists():
            raise NameOfAnother(name)
        node, new = GatewayNode.objects.update_or_create(
            name=name, defaults=facts, create_defaults={**facts, "kind": NodeKind.LOCAL}
        )
        audit.record(by, "node.made" if new else "node.token_renewed", ("node", node.name))
    return node, made.text


def known(authorization: str) -> GatewayNode:
    """The node whose token this is."""
    scheme, _, text = authorization.partition(" ")
    token_id = secret.parse(KIND, text) if scheme.lower() == "bearer" else None
    # Each node asks several times a second: to put the question together would be most of what it costs.
    asked = f"SELECT * FROM {GatewayNode._meta.db_table} WHERE token_id = %s"  # noqa: S608
    node = next(iter(GatewayNode.objects.raw(asked, [token_id])), None) if token_id else None
    if node is None or not secret.matches(text, node.digest, node.pepper):
        raise NotANode("The control plane answers to nodes only; send the node's own token.")
    peppers.renew(GatewayNode, node.pk, text, node.digest, node.pepper)
    return node


def speaks_as(node: GatewayNode, node_id: object) -> None:
    """Refuse a token that is shown under another node's id."""
    if node.name != node_id:
        raise AnotherNode("This token belongs to another node; give each Envoy its own bootstrap file.")


@dataclass(frozen=True)
class Poll:
    """What a node asks: the subscription, the version it holds, if any, and who it is at the moment."""

    subscription: str
    held: str
    envoy_version: str = ""
    address: str = ""


def version(node: GatewayNode, subscription: str, content: str) -> str:
    """The name of this content for this node: alike at every replica, another one after a refusal."""
    return f"{content}.{node.refused.get(subscription, {}).get('times', 0)}"


def judge(
    node: GatewayNode,
    poll: Poll,
    content: str,
    *,
    objected: Callable[[datetime], str | None],
    why: Callable[[], str | None],
) -> str | None:
    """The version to send with the content now, or None if the node shall keep what it holds.

    What the node holds is accepted. Refused is what it `objected` to since the offer, as far as we hear it, or what it
    was offered three times without taking it, for the reason that `why` finds; that is not offered again until the
    content is another. The objection is asked first: of a secret that it has refused once, Envoy takes the second offer
    for no change and says that it holds it.
    """
    told = version(node, poll.subscription, content)
    refused = node.refused.get(poll.subscription)
    if poll.held == told:
        if node.accepted.get(poll.subscription, {}).get("version") != told:
            _note(node, poll, accepted={"version": told})
        else:
            _seen(node, poll)
        return None
    if refused and refused["content"] == content and poll.held:
        _seen(node, poll)
        return None
    offer = node.offered.get(poll.subscription, {})
    # A node that has just started holds nothing, so it has refused nothing yet.
    same = offer.get("version") == told and offer.get("held") == poll.held
    times = offer["times"] + 1 if same else 1
    if same and poll.held and (objection := objected(datetime.fromisoformat(offer["at"]))):
        _refuse(node, poll, content, told, objection)
        return None
    if times > OFFERS and poll.held:
        _refuse(node, poll, content, told, why() or NO_REASON)
        return None
    if times <= OFFERS:
        _note(node, poll, offered={"version": told, "held": poll.held, "times": times})
    return told


def is_away(node: GatewayNode) -> bool:
    """Whether the node has been silent for 30 s, or for longer than one may be that is to ask seldom."""
    seldom = SEEN_EVERY + 2 * timedelta(seconds=node.revocations_poll_s) + timedelta(seconds=1)
    return node.last_seen is None or timezone.now() - node.last_seen > max(AWAY_AFTER, seldom)


def standing_refusals(node: GatewayNode) -> dict[str, str]:
    """Why the node does not take what it is offered, by subscription; it goes on with what it took before."""
    return {
        subscription: refused["reason"]
        for subscription, refused in node.refused.items()
        if refused["at"] > node.accepted.get(subscription, {}).get("at", "")
    }


def _refuse(node: GatewayNode, poll: Poll, content: str, told: str, reason: str) -> None:
    with transaction.atomic():
        times = node.refused.get(poll.subscription, {}).get("times", 0) + 1
        _note(node, poll, refused={"version": told, "content": content, "times": times, "reason": reason})
        audit.record(
            Actor.worker(),
            "node.refused",
            ("node", node.name),
            after={"subscription": poll.subscription, "version": told},
            reason=reason,
        )


def _note(node: GatewayNode, poll: Poll, **facts: dict[str, Any]) -> None:
    """Write what is new about this subscription; polls of other subscriptions may write at the same moment."""
    now = timezone.now()
    with transaction.atomic():
        fresh = GatewayNode.objects.select_for_update().filter(pk=node.pk).first()
        if fresh is None:
            raise NotANode("This node was deleted; stop its Envoy.")
        for name, fact in facts.items():
            getattr(fresh, name)[poll.subscription] = {**fact, "at": now.isoformat()}
        fresh.envoy_version, fresh.address, fresh.last_seen = poll.envoy_version, poll.address, now
        fresh.save(update_fields=[*facts, "envoy_version", "address", "last_seen"])


def _seen(node: GatewayNode, poll: Poll) -> None:
    now = timezone.now()
    if node.last_seen is None or now - node.last_seen > SEEN_EVERY:
        GatewayNode.objects.filter(pk=node.pk).update(
            last_seen=now, envoy_version=poll.envoy_version, address=poll.address
        )
