"""Envoys on other hosts: each is made with a token and a certificate of its own, gets another token, and is removed."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from gateway import certificates, nodes
from gateway.models import GatewayNode, NodeKind
from portal import audit, outbox, text
from portal.actor import Actor
from portal.refusal import Invalid, NotFound, Refusal
from portal.topics import Topic
from tokens import secret

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
# Seconds between two questions, about the revocations and about everything else.
POLLS, REVOCATION_POLLS = (0.5, 60.0), (0.1, 60.0)
FACTS = ("bind", "port", "poll_s", "revocations_poll_s")


class Unknown(NotFound):
    code = "node_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no gateway node named {name}; look at the list again.")


class Unnamed(Invalid):
    """A request names a node that is not there."""

    code = "node_not_found"


class Exists(Refusal):
    code = "node_exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a gateway node named {name}; give it a new token with --rotate, or delete it first."
        )


class IsLocal(Refusal):
    """It is the Envoy beside a portal, which `serve` looks after."""

    code = "node_is_local"

    def __init__(self, node: GatewayNode) -> None:
        super().__init__(f"{node} is the Envoy beside a portal; serve makes it, and gives it its token.")


def find(name: str) -> GatewayNode:
    node = GatewayNode.objects.filter(name=name).first()
    if node is None:
        raise Unknown(name)
    return node


def locked(node: GatewayNode) -> GatewayNode:
    """The node as it is in this transaction, in which nobody else deletes it or adds to what goes with it."""
    there = GatewayNode.objects.select_for_update().filter(pk=node.pk).first()
    if there is None:
        raise Unknown(node.name)
    return there


def door(name: str) -> GatewayNode | None:
    """The node whose door is meant; None for the doors beside the portal: `local`, whatever their hosts are called."""
    if name == nodes.LOCAL:
        return None
    try:
        return find(name)
    except Unknown as unknown:
        raise Unnamed("node", str(unknown)) from unknown


def make(name: str, *, names: Sequence[str] = (), by: Actor, **facts: Any) -> tuple[GatewayNode, str]:
    """A node with its token, which is shown this once, and a certificate for its name, its address and these names.

    `bind` and `port` are where its TLS door is, `poll_s` and `revocations_poll_s` how often it asks here.
    """
    if not re.fullmatch(NAME, name):
        raise Invalid("name", "A node's name is 1 to 63 of A-Z a-z 0-9 . _ and -, and begins with a letter or a digit.")
    if name == nodes.LOCAL or GatewayNode.objects.filter(name=name).exists():
        raise Exists(name)
    wanted = {"bind": "0.0.0.0", **_judged(facts)}  # noqa: S104  # The door is there for the network.
    _judge_names(names)
    made = secret.generate(nodes.KIND)
    kept = {"token_id": made.id, "digest": made.digest, "pepper": made.pepper, "created_by": str(by)}
    try:
        with transaction.atomic():
            node = GatewayNode.objects.create(name=name, kind=NodeKind.REMOTE, **kept, **wanted)
            certificates.make_for(node, [*_of_door(node), *names], by=by)
            audit.record(by, "node.made", ("node", name), after=_facts(node))
            outbox.put(Topic.NODE_MADE, {"node": name, "by": str(by)})
    except IntegrityError as taken:
        raise Exists(name) from taken
    return node, made.text


@transaction.atomic
def rotate(name: str, *, names: Sequence[str] = (), by: Actor, **facts: Any) -> tuple[GatewayNode, str]:
    """A new token, and whatever else is to change of a node; the former token is worth nothing from now on."""
    wanted = _judged(facts)
    _judge_names(names)
    node = GatewayNode.objects.select_for_update().filter(name=name).first()
    if node is None:
        raise Unknown(name)
    _refuse_local(node)
    before, made = _facts(node), secret.generate(nodes.KIND)
    node.token_id, node.digest, node.pepper = made.id, made.digest, made.pepper
    for field, value in wanted.items():
        setattr(node, field, value)
    node.save(update_fields=["token_id", "digest", "pepper", *wanted])
    certificates.make_for(node, [*_of_door(node), *names], by=by)
    audit.record(by, "node.token_renewed", ("node", name), before=before, after=_facts(node))
    return node, made.text


@transaction.atomic
def delete(node: GatewayNode, *, by: Actor, reason: str = "") -> None:
    """Remove a node: its token opens nothing from now on, and its certificates and their keys are destroyed here.

    An Envoy that still runs goes on with what it holds until it is stopped, and hears of no revocation any more.
    """
    text.check("reason", reason, most=500)
    node = locked(node)
    if node.name == settings.NODE or not nodes.is_away(node):
        _refuse_local(node)  # The one of a host that is no more may go.
    node.delete()
    audit.record(by, "node.deleted", ("node", node.name), before=_facts(node), reason=reason)
    outbox.put(Topic.NODE_DELETED, {"node": node.name, "by": str(by), "reason": reason})


def _refuse_local(node: GatewayNode) -> None:
    if node.kind == NodeKind.LOCAL:
        raise IsLocal(node)


def _judged(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What was said; None says nothing."""
    wanted = {name: value for name, value in facts.items() if value is not None}
    if "bind" in wanted:
        try:
            address = ipaddress.ip_address(wanted["bind"])
        except ValueError as nonsense:
            raise Invalid("bind", "The address of the door must be an IP address such as 0.0.0.0.") from nonsense
        if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
            # What Envoy is to take is tried here first, and no certificate carries a zone.
            zone = address.scope_id
            raise Invalid("bind", f"Write the address of the door without %{zone}, which only its own host knows.")
        wanted["bind"] = str(address)
    if not 1 <= wanted.get("port", 1) <= 65535:
        raise Invalid("port", "A port is a number from 1 to 65535.")
    for name, (least, most) in (("poll_s", POLLS), ("revocations_poll_s", REVOCATION_POLLS)):
        if not least <= wanted.get(name, least) <= most:
            raise Invalid(name, f"A node asks every {least:g} to {most:g} seconds.")
    return wanted


def _judge_names(names: Sequence[str]) -> None:
    for name in names:
        if not certificates.is_host(name):
            raise Invalid("names", f"{name} is neither a host name nor an address.")


def _of_door(node: GatewayNode) -> list[str]:
    return [] if ipaddress.ip_address(node.bind).is_unspecified else [node.bind]


def _facts(node: GatewayNode) -> dict[str, Any]:
    return {name: getattr(node, name) for name in FACTS}
