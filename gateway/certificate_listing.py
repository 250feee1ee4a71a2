"""The certificates of the doors as people are shown them: what each shows, whether it is live, how long it lasts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from gateway import certificate_installation
from gateway.certificate_checks import SOON
from gateway.models import GatewayNode, NodeKind, TlsCertificate
from gateway.nodes import LOCAL


@dataclass(frozen=True)
class ListedCertificate:
    """A certificate; `is_shown` if the door shows it, and not the one that was installed over it."""

    certificate: TlsCertificate
    door: str
    is_shown: bool
    is_live: bool
    standing: str
    warnings: list[str]


@dataclass(frozen=True)
class ListedDoor:
    """The door of a node: what it shows, and what Gatehouse keeps beside that; why the node does not take it, if so."""

    name: str
    is_remote: bool
    shown: ListedCertificate | None
    spare: TlsCertificate | None
    refused: str


class _Kept:
    """What is kept of all doors, read at once: it costs the same questions however many there are."""

    def __init__(self) -> None:
        self.nodes = {node.pk: node for node in GatewayNode.objects.order_by("name")}
        self.local = [node for node in self.nodes.values() if node.kind == NodeKind.LOCAL]
        # Of each door, by the key of its node, the one that it shows first.
        self.certificates: defaultdict[int | None, list[TlsCertificate]] = defaultdict(list)
        for certificate in TlsCertificate.objects.order_by("-installed"):
            self.certificates[certificate.node_id].append(certificate)

    def owners(self, owner: GatewayNode | None) -> list[GatewayNode]:
        """The nodes of a door: the local one is that of each host."""
        return [owner] if owner else self.local


def doors() -> list[ListedDoor]:
    """The local one, then the others by the names of their nodes."""
    kept = _Kept()
    remote = [node for node in kept.nodes.values() if node.kind == NodeKind.REMOTE]
    return [_door(kept, owner) for owner in (None, *remote)]


def several(certificates: Iterable[TlsCertificate]) -> list[ListedCertificate]:
    kept = _Kept()
    return [_one(kept, certificate) for certificate in certificates]


def one(certificate: TlsCertificate) -> ListedCertificate:
    return several([certificate])[0]


def _one(kept: _Kept, certificate: TlsCertificate) -> ListedCertificate:
    owner = kept.nodes[certificate.node_id] if certificate.node_id else None
    is_shown = certificate in kept.certificates[certificate.node_id][:1]
    return ListedCertificate(
        certificate,
        owner.name if owner else LOCAL,
        is_shown,
        is_shown and certificate_installation.is_held(certificate, kept.owners(owner)),
        _standing(certificate, timezone.now()),
        certificate_installation.warnings(certificate),
    )


def _door(kept: _Kept, owner: GatewayNode | None) -> ListedDoor:
    first, *others = [*kept.certificates[owner.pk if owner else None], None]
    refusal = certificate_installation.refusal(kept.owners(owner))
    name = owner.name if owner else LOCAL
    return ListedDoor(
        name, owner is not None, _one(kept, first) if first else None, others[0] if others else None, refusal
    )


def _standing(certificate: TlsCertificate, now: datetime) -> str:
    if certificate.not_after <= now:
        return "ended"
    return "ends soon" if certificate.not_after - now < SOON else "valid"
