"""What may be wrong with an installation: each check finds one thing out and says what would help."""

import http.client
import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from gateway import device_cas, expiring, nodes, trial
from gateway.models import GatewayNode, Role, RouteEntryRefusal, TlsCertificate
from portal import audit, health
from portal.models import Outbox, ScheduledJob
from portal.refusal import Refusal

LEAST_FREE = 500 * 1024 * 1024
LATE = timedelta(seconds=30)
SOON = timedelta(days=30)
# Those of nodes elsewhere are announced 30 days ahead too; one that is so near its end was overlooked.
VERY_SOON = timedelta(days=7)


@dataclass(frozen=True)
class Finding:
    """What a check found: `wrong` is a sentence that says what would help, or None."""

    about: str
    wrong: str | None = None


def examine() -> Iterator[Finding]:
    """Every check in turn. Without a database those that need it are left out."""
    yield Finding("secrets", _secrets())
    yield Finding("disk", _disk())
    yield Finding("envoy", _envoy())
    database = health.why_not_ready()
    yield Finding("database", database)
    if database is None:
        needing: dict[str, Callable[[], str | None]] = {
            "audit": _audit, "worker": _worker, "outbox": _outbox, "certificate": _certificate,
            "node certificates": _node_certificates, "device CAs": _device_cas, "nodes": _nodes,
            "route entries": _route_entries,
        }  # fmt: skip
        for about, check in needing.items():
            yield Finding(about, check())
    yield Finding("clear-text door", _door("127.0.0.1", settings.HTTP_PORT, tls=False))
    yield Finding("TLS door", _door("127.0.0.1", settings.TLS_PORT, tls=True))
    yield Finding("device door", _door("127.0.0.1", settings.DEVICE_PORT, tls=True, asked="/device", answered=403))


def _secrets() -> str | None:
    """Whether others on this machine can read one, or the file of an embedded database, in which sessions stand."""
    # Where all of them come from the environment, there is no folder.
    kept = sorted(settings.SECRETS_DIR.iterdir()) if settings.SECRETS_DIR.exists() else []
    file = Path(settings.DATABASES["default"]["NAME"])
    for path in [*kept, *([file] if not settings.ON_SERVER and file.exists() else [])]:
        if path.stat().st_mode & 0o077:
            return f"{path} can be read by others; run chmod 600 {path}."
    return None


def _disk() -> str | None:
    free = shutil.disk_usage(settings.DATA_DIR).free
    if free < LEAST_FREE:
        return f"Only {free // 2**20} MiB are free in {settings.DATA_DIR}; make room before the database stops."
    return None


def _envoy() -> str | None:
    program = trial.binary()
    if not os.access(program, os.X_OK):
        return f"There is no Envoy at {program}; run make install or correct GATEHOUSE_ENVOY."
    return None


def _audit() -> str | None:
    verdict = audit.verify()
    return None if verdict.holds else f"The chain is broken at row {verdict.broken_at}; compare it with your backup."


def _worker() -> str | None:
    job = ScheduledJob.objects.filter(name="outbox").first()
    if job is None or job.due_at < timezone.now() - LATE:
        return "The worker does nothing; start serve, or run_worker on one host."
    return None


def _outbox() -> str | None:
    oldest = Outbox.objects.order_by("pk").first()
    if oldest and oldest.created_at < timezone.now() - LATE:
        return f"A message waits since {oldest.created_at:%Y-%m-%d %H:%M:%S} UTC; the worker's log says why."
    return None


def _certificate() -> str | None:
    door = TlsCertificate.objects.shown(Role.DOOR)
    if door is None:
        return "The TLS door has no certificate; start serve, which makes one."
    if door.not_after < timezone.now() + SOON:
        return f"The certificate of the TLS door ends on {door.not_after:%Y-%m-%d}; replace it before."
    return None


def _node_certificates() -> str | None:
    """Whether what the doors of nodes elsewhere show has ended, or is about to; each is named."""
    now = timezone.now()
    ending = expiring.door_certificates().filter(node__isnull=False, not_after__lt=now + VERY_SOON)
    said = [
        f"The certificate that the node {certificate.node} shows {'ended' if certificate.not_after <= now else 'ends'} "
        f"on {certificate.not_after:%Y-%m-%d}; install the next one with install_certificate --node {certificate.node}."
        for certificate in ending.order_by("node__name")
    ]
    return " ".join(said) or None


def _device_cas() -> str | None:
    """Whether one signs, opens under the master key and fits its certificate, and does not end soon."""
    try:
        ca = device_cas.signing_ca()
        device_cas.key_of(ca)
    except Refusal as refusal:
        return str(refusal)
    if ca.not_after < timezone.now() + SOON:
        return f"The device CA {ca}, which signs, ends on {ca.not_after:%Y-%m-%d}; make the next one, and renew."
    return None


def _nodes() -> str | None:
    for node in GatewayNode.objects.order_by("name"):
        if nodes.is_away(node):
            return f"The node {node} has not asked for 30 s; start it, or look into its log."
        for subscription, reason in nodes.standing_refusals(node).items():
            return f"The node {node} does not take {subscription} and goes on with what it had: {reason}"
    return None


def _route_entries() -> str | None:
    refused = [str(refusal) for refusal in RouteEntryRefusal.objects.order_by("position")]
    return f"{' '.join(refused)} Correct EDGEX_ADD_PROXY_ROUTE and start serve again." if refused else None


def _door(host: str, port: int, *, tls: bool, asked: str = "/readyz", answered: int = 200) -> str | None:
    """Through the door; whether the certificate is trusted is for others to say."""
    context = ssl._create_unverified_context()  # noqa: S323
    connection = (
        http.client.HTTPSConnection(host, port, timeout=5, context=context)
        if tls
        else http.client.HTTPConnection(host, port, timeout=5)
    )
    try:
        connection.request("GET", asked)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return f"Nothing answers on port {port}; start serve."
    finally:
        connection.close()
    return None if status == answered else f"{asked} answers {status} on port {port}; the log of serve says why."
