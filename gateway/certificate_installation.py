"""Certificates that an operator installs at a TLS door: judged first, live without a restart, withdrawn again."""

import time
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from gateway import certificate_checks, certificates, discovery, nodes, remote_nodes
from gateway.certificate_checks import Fit
from gateway.certificate_pem import Sent
from gateway.envoy import listeners
from gateway.models import GatewayNode, NodeKind, Role, TlsCertificate
from portal import audit, outbox, sealing, text
from portal.actor import Actor
from portal.refusal import NotFound, Refusal
from portal.topics import Topic

SUBSCRIPTION = discovery.subscription("secrets", [listeners.DOOR])
ACKNOWLEDGED_WITHIN = 10.0
TURN = 0.2


class Unknown(NotFound):
    code = "certificate_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such certificate; look at the list again.")


class NotInstalled(Refusal):
    """It is the one that Gatehouse made, which has to stay."""

    code = "certificate_not_installed"


def find(number: int) -> TlsCertificate:
    found: TlsCertificate | None = TlsCertificate.objects.select_related("node").filter(pk=number).first()
    if found is None:
        raise Unknown
    return found


def install(
    certificate: Sent, key: Sent, *, by: Actor, node: GatewayNode | None = None, any_name: bool = False
) -> TlsCertificate:
    """Let the door of a node, the local one if none is named, show this pair; the same pair again changes nothing.

    Refused as `certificate_checks` says. A door elsewhere has other names than `PUBLIC_URL`, so its are not compared.
    """
    door = node if node and node.kind == NodeKind.REMOTE else None
    public = urlsplit(settings.PUBLIC_URL).hostname if settings.PUBLIC_URL_SET else ""
    fit = certificate_checks.judge(certificate, key, timezone.now(), host="" if any_name or door else public or "")
    with transaction.atomic():
        door = remote_nodes.locked(door) if door else None
        present = _installed(door)
        if present and present.chain == fit.chain and _opens(present):
            return present
        installed: TlsCertificate
        installed, _ = TlsCertificate.objects.update_or_create(
            role=Role.DOOR, node=door, installed=True, defaults=_facts(fit, by)
        )
        if door is None:
            _publish_later()
        _tell(by, "installed", door, before=present, after=installed)
    return installed


@transaction.atomic
def remove(certificate: TlsCertificate, *, by: Actor, reason: str = "") -> None:
    """Take an installed one away and destroy its key; the door shows the one that Gatehouse made again."""
    text.check("reason", reason, most=500)
    if not certificate.installed:
        raise NotInstalled("Gatehouse made this certificate for the door itself, and renews it; it can't be removed.")
    removed, _ = TlsCertificate.objects.filter(pk=certificate.pk, fingerprint=certificate.fingerprint).delete()
    if not removed:
        raise Unknown
    if certificate.node is None:
        certificates.ensure_default(by=by)
        _publish_later()
    _tell(by, "removed", certificate.node, before=certificate, after=None, reason=reason)


def is_live(certificate: TlsCertificate) -> bool:
    """Whether its door shows this one, and its node, or each host's own that is there, has said that it holds it."""
    is_shown = TlsCertificate.objects.shown(Role.DOOR, certificate.node) == certificate
    return is_shown and is_held(certificate, _there(certificate))


def is_held(certificate: TlsCertificate, owners: Iterable[GatewayNode]) -> bool:
    """Whether those of its nodes that are there, and one is, have said that they hold this one."""
    there = [node for node in owners if not nodes.is_away(node)]
    return bool(there) and all(_holds(node, certificate) for node in there)


def _holds(node: GatewayNode, certificate: TlsCertificate) -> bool:
    held = node.accepted.get(SUBSCRIPTION, {}).get("version", "")
    return bool(held.rpartition(".")[0] == discovery.content_of_door(certificate))


def strangers(certificate: TlsCertificate) -> list[str]:
    """The nodes elsewhere that may not know the portal by this certificate: each was given a key or a CA before."""
    if certificate.node_id or not certificate.installed:
        return []
    remote = GatewayNode.objects.filter(kind=NodeKind.REMOTE, created_at__lt=certificate.created_at)
    return list(remote.order_by("name").values_list("name", flat=True))


def refusal(owners: Iterable[GatewayNode]) -> str:
    """Why one of these nodes does not take its door's certificate as it is now; else empty."""
    return next((said for node in owners if (said := nodes.standing_refusals(node).get(SUBSCRIPTION))), "")


def wait_until_live(certificate: TlsCertificate, seconds: float = ACKNOWLEDGED_WITHIN) -> bool:
    """Wait for the node's word; not at all for one that is away."""
    until = time.monotonic() + seconds
    while not (live := is_live(certificate)) and time.monotonic() < until:
        if not _there(certificate):
            return False
        time.sleep(TURN)
    return live


def warnings(certificate: TlsCertificate) -> list[str]:
    """What speaks against it although it was taken, as sentences."""
    try:
        first = x509.load_pem_x509_certificate(certificate.chain.encode())
    except ValueError:
        return ["The stored certificate cannot be read; install it again."]
    said = certificate_checks.warnings(first, certificate.not_after, timezone.now())
    return said if certificate.installed else [each for each in said if "self-signed" not in each]


def _there(certificate: TlsCertificate) -> list[GatewayNode]:
    """The nodes whose doors it is for, as they stand now, without those that are away."""
    asked = {"pk": certificate.node_id} if certificate.node_id else {"kind": NodeKind.LOCAL}
    return [node for node in GatewayNode.objects.filter(**asked) if not nodes.is_away(node)]


def _publish_later() -> None:
    """The door does not wait for the file: what keeps it from being written is logged, and the worker tries again."""
    transaction.on_commit(certificates.publish, robust=True)


def _installed(node: GatewayNode | None) -> TlsCertificate | None:
    there: TlsCertificate | None = (
        TlsCertificate.objects.select_for_update(of=("self",)).filter(role=Role.DOOR, node=node, installed=True).first()
    )
    return there


def _opens(certificate: TlsCertificate) -> bool:
    """Whether what is stored is whole; a pair that a backup or a hand spoiled may be installed again."""
    try:
        return certificates.fits(certificate)
    except sealing.Broken:
        return False


def _facts(fit: Fit, by: Actor) -> dict[str, Any]:
    kept: Sequence[str] = ("chain", "fingerprint", "subject", "names", "not_before", "not_after")
    made = {"created_at": timezone.now(), "created_by": str(by), "sealed_key": sealing.seal(fit.key)}
    return {**{name: getattr(fit, name) for name in kept}, **made}


def _tell(
    by: Actor,
    word: str,
    node: GatewayNode | None,
    *,
    before: TlsCertificate | None,
    after: TlsCertificate | None,
    reason: str = "",
) -> None:
    shown = [{"fingerprint": each.fingerprint, "not_after": each.not_after, "names": each.names} if each else None
             for each in (before, after)]  # fmt: skip
    body = {"node": node.name if node else nodes.LOCAL, "fingerprint": (after or before).fingerprint, "by": str(by)}  # type: ignore[union-attr]
    topic = Topic.CERTIFICATE_INSTALLED if after else Topic.CERTIFICATE_REMOVED
    audit.record(by, f"certificate.{word}", certificates.subject(node), before=shown[0], after=shown[1], reason=reason)
    outbox.put(topic, {**body, "reason": reason})
