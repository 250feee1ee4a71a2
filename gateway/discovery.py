"""What each node is told: from the database's facts to resources and their versions, built only when facts change."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings

from devices import check_in
from gateway import addresses, portal_paths, run_folder
from gateway.envoy import clusters, extension_configs, listeners, routes, secrets
from gateway.envoy.plan import Doors, Keys, Pair, Plan, Revoked, Trusted
from gateway.models import DeviceCA, Role, TlsCertificate
from portal import sealing
from portal.refusal import Refusal
from tokens import signing

TYPES = {
    "listeners": "envoy.config.listener.v3.Listener",
    "clusters": "envoy.config.cluster.v3.Cluster",
    "routes": "envoy.config.route.v3.RouteConfiguration",
    "secrets": "envoy.extensions.transport_sockets.tls.v3.Secret",
    "extension_configs": "envoy.config.core.v3.TypedExtensionConfig",
}


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


def offer(kind: str, names: Sequence[str]) -> Offer:
    """What there is of a type now; `names` are what the node asks for, none meaning all."""
    if kind not in TYPES:
        raise UnknownType(f"There is nothing of the type {kind} here; there are {', '.join(TYPES)}.")
    if kind == "secrets":
        return _secrets(tuple(names), _pairs(), trusted())
    if kind == "extension_configs":
        return _extensions(tuple(names), keys(), revoked())
    return _doors(kind, tuple(names), plan())


def plan() -> Plan:
    """What the local Envoy has to do."""
    doors = Doors(addresses.loopbacks(), settings.HTTP_PORT, settings.BIND, settings.TLS_PORT, settings.DEVICE_PORT)
    return Plan(
        doors,
        run_folder.PORTAL_SOCKET,
        portal_paths.segments(settings.ROOT_URLCONF),
        portal_paths.segments(settings.DEVICE_URLCONF),
        tuple(check_in.HEADERS),
    )


def keys() -> Keys:
    return Keys(json.dumps(signing.jwks(), sort_keys=True), settings.PUBLIC_URL)


def revoked() -> Revoked:
    """Nothing can be revoked at the doors while no access token is sold."""
    return Revoked()


def trusted() -> Trusted:
    """The CAs whose certificates open the device door.

    Envoy takes no empty list, so where there is none it trusts the door's own certificate, which signs none.
    """
    found = list(DeviceCA.objects.order_by("name").values_list("certificate", flat=True))
    if not found and (door := TlsCertificate.objects.shown(Role.DOOR)):
        found = [door.chain]
    return Trusted(listeners.DEVICE_CAS, "\n".join(found))


def _pairs() -> tuple[tuple[str, str, str], ...]:
    """Name, chain and sealed key of each certificate that a door shows; opened only when they are new."""
    door = TlsCertificate.objects.shown(Role.DOOR)
    return ((listeners.DOOR, door.chain, door.sealed_key),) if door else ()


@lru_cache(maxsize=16)
def _doors(kind: str, names: tuple[str, ...], plan: Plan) -> Offer:
    builders = {"listeners": listeners.listeners, "clusters": clusters.clusters, "routes": routes.routes}
    return Offer(kind, _named(builders[kind](plan), names))


@lru_cache(maxsize=16)
def _extensions(names: tuple[str, ...], keys: Keys, revoked: Revoked) -> Offer:
    every = (extension_configs.access_token(keys), extension_configs.revocations(revoked))
    return Offer("extension_configs", _named(every, names))


@lru_cache(maxsize=16)
def _secrets(names: tuple[str, ...], pairs: tuple[tuple[str, str, str], ...], trusted: Trusted) -> Offer:
    opened = (Pair(name, chain, sealing.unseal(key).decode()) for name, chain, key in pairs)
    every = [*map(secrets.secret, opened), secrets.bundle(trusted)]
    return Offer("secrets", _named(every, names))


def _named(resources: Iterable[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Those that were asked for, none meaning all: of routes and secrets Envoy takes no others beside them."""
    return [resource for resource in resources if not names or resource["name"] in names]
