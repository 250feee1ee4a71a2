"""The certificates of the doors as people are shown them: what each shows, whether it is live, how long it lasts."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from gateway import certificate_installation
from gateway.certificate_checks import SOON
from gateway.models import GatewayNode, NodeKind, Role, TlsCertificate
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


def doors() -> list[ListedDoor]:
    """The local one, then the others by the names of their nodes."""
    known = {node.name: node for node in GatewayNode.objects.filter(kind=NodeKind.REMOTE).order_by("name")}
    return [_door(LOCAL, None), *(_door(name, node) for name, node in known.items())]


def one(certificate: TlsCertificate) -> ListedCertificate:
    shown = TlsCertificate.objects.shown(Role(certificate.role), certificate.node)
    is_shown = shown == certificate
    return ListedCertificate(
        certificate,
        certificate.node.name if certificate.node else LOCAL,
        is_shown,
        is_shown and certificate_installation.is_live(certificate),
        _standing(certificate, timezone.now()),
        certificate_installation.warnings(certificate),
    )


def _door(name: str, owner: GatewayNode | None) -> ListedDoor:
    first, *others = [*TlsCertificate.objects.filter(node=owner).order_by("-installed"), None]
    refusal = certificate_installation.refusal(owner)
    return ListedDoor(name, owner is not None, one(first) if first else None, others[0] if others else None, refusal)


def _standing(certificate: TlsCertificate, now: datetime) -> str:
    if certificate.not_after <= now:
        return "ended"
    return "ends soon" if certificate.not_after - now < SOON else "valid"
