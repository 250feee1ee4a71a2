"""What each node is told: from the database's facts to resources and their versions, built only when facts change.

Where no node is named, the local one is meant.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from devices import check_in
from gateway import addresses, portal_paths, route_fields, run_folder, system_cas
from gateway.envoy import clusters, extension_configs, listeners, routes, secrets
from gateway.envoy import plan as plans
from gateway.envoy.plan import USUAL, Doors, Keys, Pair, Plan, Polls, Revoked, Trusted
from gateway.memory import OfEachNode
from gateway.models import DeviceCA, GatewayNode, NodeKind, Role, Route, TlsCertificate
from portal import rows, sealing
from portal.refusal import Refusal
from tokens import signing
from tokens.models import Named, Revocation

TYPES = {
    "listeners": "envoy.config.listener.v3.Listener",
    "clusters": "envoy.config.cluster.v3.Cluster",
    "routes": "envoy.config.route.v3.RouteConfiguration",
    "secrets": "envoy.extensions.transport_sockets.tls.v3.Secret",
    "extension_configs": "envoy.config.core.v3.TypedExtensionConfig",
}
# So many seconds an answer may take that goes over a line.
ELSEWHERE = 5.0
# Clusters and tables of routes are alike at all nodes elsewhere, and a thousand routes fill 15 MiB each time.
REMEMBERED = 16
# By which they are made, wherever the doors are and however often the node asks.
ANYWHERE = Doors((), 0, "", 0, 0)
Mark = tuple[int, ...]


class UnknownType(Refusal):
    status, code = 404, "type_unknown"


class Offer:
    """Resources of one type: `content` is their digest, `resources` their JSON list."""

    def __init__(self, kind: str, resources: list[dict[str, Any]]) -> None:
        self.type_url = f"type.googleapis.com/{TYPES[kind]}"
        self.resources = resources
        text = json.dumps(resources, sort_keys=True, separators=(",", ":"))
        self.content = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._list = text

    def answer(self, version: str) -> str:
        """The DiscoveryResponse as JSON."""
        head = json.dumps({"version_info": version, "type_url": self.type_url})
        return f'{head[:-1]}, "resources": {self._list}}}'


def subscription(kind: str, names: Sequence[str]) -> str:
    """How a node's record names what it asks for: `listeners`, `secrets/door`."""
    return "/".join([kind, *sorted(names)])


def offer(kind: str, names: Sequence[str], node: GatewayNode | None = None) -> Offer:
    """What there is of a type now; `names` are what the node asks for, none meaning all."""
    if kind not in TYPES:
        raise UnknownType(f"There is nothing of the type {kind} here; there are {', '.join(TYPES)}.")
    if kind == "secrets":
        elsewhere = _elsewhere(node)
        pairs = _pairs(TlsCertificate.objects.shown(Role.DOOR, elsewhere))
        return _secrets(tuple(names), pairs, None if elsewhere else trusted())
    if kind == "extension_configs":
        return _extensions(tuple(names), keys(), revoked())
    if kind == "listeners":
        # None changes with a route; connections would be drained for nothing.
        return _listeners(tuple(names), plan(node))
    return _services(kind, tuple(names), replace(plan(node), doors=ANYWHERE, polls=USUAL), _mark_of_routes())


def content_of_door(certificate: TlsCertificate) -> str:
    """The content of what its node is offered as its door's secret while the door shows this one."""
    return _secrets((listeners.DOOR,), _pairs(certificate), None).content


def plan(node: GatewayNode | None = None) -> Plan:
    """What a node has to do, but for the routes."""
    if elsewhere := _elsewhere(node):
        doors, system = Doors((), 0, elsewhere.bind, elsewhere.port, 0), system_cas.file()
        return Plan(doors, Path(), (), (), system_cas=system, polls=polls(elsewhere), is_remote=True)
    doors = Doors(addresses.loopbacks(), settings.HTTP_PORT, settings.BIND, settings.TLS_PORT, settings.DEVICE_PORT)
    return Plan(
        doors,
        run_folder.PORTAL_SOCKET,
        portal_paths.segments(settings.ROOT_URLCONF),
        portal_paths.segments(settings.DEVICE_URLCONF),
        tuple(check_in.HEADERS),
        system_cas=system_cas.file(),
    )


def polls(node: GatewayNode) -> Polls:
    """How often a node elsewhere asks. The slower it is told to, the less often it asks about everything but the
    revocations; never more often than the local one."""
    slowed = {each: max(getattr(USUAL, each), node.poll_s) for each in ("listeners", "secrets", "access_token")}
    return Polls(
        **slowed, clusters=node.poll_s, routes=node.poll_s, revocations=node.revocations_poll_s, timeout=ELSEWHERE
    )


def _elsewhere(node: GatewayNode | None) -> GatewayNode | None:
    return node if node and node.kind == NodeKind.REMOTE else None


def _mark_of_routes() -> Mark:
    """What is another once a route was made, changed or deleted.

    Numbers are given in order and none twice, so as many other routes have another sum; and no revision falls.
    """
    sums = "count(*), coalesce(sum(id), 0), coalesce(sum(revision), 0)"
    [mark] = rows.read(f"SELECT {sums} FROM {Route._meta.db_table}", ())  # noqa: S608
    return tuple(map(int, mark))


@lru_cache(maxsize=1)
def _routes(mark: Mark) -> tuple[plans.Route, ...]:
    """Those that are enabled. They are read after their mark, so what changes in between is read once more.

    What was made of the former ones is forgotten: a thousand routes fill 15 MiB each time.
    """
    _services.cache_clear()
    return tuple(map(route_fields.planned, Route.objects.filter(is_enabled=True).order_by("pk")))


def forget_routes() -> None:
    """Read them anew at the next question, as a test must whose database is another."""
    _routes.cache_clear()
    _services.cache_clear()


def keys() -> Keys:
    return Keys(json.dumps(signing.jwks(), sort_keys=True), settings.PUBLIC_URL)


_revoked: tuple[tuple[int, int], Revoked] = ((0, 0), Revoked())


def revoked() -> Revoked:
    """The access tokens that ended before their time. All of them are read only when one came or went.

    The newest key would not show it: of two that are made at once, the one with the lower key may commit later.
    """
    global _revoked
    [mark] = rows.read(f"SELECT count(*), coalesce(sum(id), 0) FROM {Revocation._meta.db_table}", ())  # noqa: S608
    if _revoked[0] != mark:
        named: dict[str, set[str]] = {kind: set() for kind in Named.values}
        for kind, value in Revocation.objects.values_list("kind", "value"):
            named[kind].add(value)
        sets = (frozenset(named[kind]) for kind in (Named.TOKEN, Named.GRANT, Named.SUBJECT))
        _revoked = (mark, Revoked(*sets))
    return _revoked[1]


def forget_revoked() -> None:
    """Read them anew at the next question, as a test must whose database is another."""
    global _revoked
    _revoked = ((0, 0), Revoked())


def trusted() -> Trusted:
    """The CAs whose certificates open the device door.

    Envoy takes no empty list, so where there is none it trusts the door's own certificate, which signs none.
    """
    found = list(DeviceCA.objects.order_by("name").values_list("certificate", flat=True))
    if not found and (door := TlsCertificate.objects.shown(Role.DOOR)):
        found = [door.chain]
    return Trusted(listeners.DEVICE_CAS, "\n".join(found))


def _pairs(door: TlsCertificate | None) -> tuple[tuple[str, str, str], ...]:
    """Name, chain and sealed key of each certificate that a node's doors show; opened only when they are new."""
    return ((listeners.DOOR, door.chain, door.sealed_key),) if door else ()


@OfEachNode
def _listeners(names: tuple[str, ...], plan: Plan) -> Offer:
    return Offer("listeners", _named(listeners.listeners(plan), names))


@lru_cache(maxsize=REMEMBERED)
def _services(kind: str, names: tuple[str, ...], plan: Plan, mark: Mark) -> Offer:
    """Known by the mark of the routes: to compare a thousand of them would cost more than all else of a poll."""
    builders = {"clusters": clusters.clusters, "routes": routes.routes}
    return Offer(kind, _named(builders[kind](replace(plan, routes=_routes(mark))), names))


# Two names that nodes ask for, of now and of just before: 50,000 revocations fill 50 MiB each time.
@lru_cache(maxsize=4)
def _extensions(names: tuple[str, ...], keys: Keys, revoked: Revoked) -> Offer:
    every = (extension_configs.access_token(keys), extension_configs.revocations(revoked))
    return Offer("extension_configs", _named(every, names))


@OfEachNode
def _secrets(names: tuple[str, ...], pairs: tuple[tuple[str, str, str], ...], trusted: Trusted | None) -> Offer:
    opened = (Pair(name, chain, sealing.unseal(key).decode()) for name, chain, key in pairs)
    every = [*map(secrets.secret, opened), *([secrets.bundle(trusted)] if trusted else [])]
    return Offer("secrets", _named(every, names))


def _named(resources: Iterable[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Those that were asked for, none meaning all: of routes and secrets Envoy takes no others beside them."""
    return [resource for resource in resources if not names or resource["name"] in names]
