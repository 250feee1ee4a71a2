"""The files that an Envoy on another host starts with: its bootstrap, its token, and the CA that it knows us by."""

import base64
import json
import os
import shlex
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from devices import keys
from gateway import certificate_checks, certificate_pem, certificates, discovery
from gateway.certificate_pem import Sent, Unfit
from gateway.envoy import bootstrap
from gateway.envoy.bootstrap import Portal
from gateway.models import GatewayNode, Role, TlsCertificate
from portal import whole_file
from portal.addresses import is_address
from portal.refusal import Invalid, Refusal

BOOTSTRAP, TOKEN, CA = "bootstrap.json", "node-token.json", "ca.pem"
# As beside the portal: several Envoys may run on one host, and a changed listener is not drained for minutes.
OPTIONS = (
    "--disable-hot-restart --log-level warning --component-log-level misc:error --drain-time-s 1 "
    "--drain-strategy immediate"
)


class CannotWrite(Refusal):
    """The folder is not one to write to; the sentence says why."""

    code = "folder_refused"


@dataclass(frozen=True)
class Place:
    """Where the files go, where the portal is, and what it is known by: certificates of CAs as PEM, or its key."""

    folder: Path
    host: str
    port: int
    trusted: str
    pin: str


def judge(folder: Path, portal: str, ca: Sent | None, *, overwrite: bool) -> Place:
    """Refuse a folder that holds such files already or can hold none, a portal that is no https URL, and one by a name
    that its certificate has not. Of `ca`, which holds no private key, the certificates are kept and nothing else."""
    folder = folder.absolute()
    _judge_folder(folder, overwrite=overwrite)
    host, port = _portal(portal)
    if ca is not None:
        return Place(folder, host, port, _trusted(ca), "")
    shown = TlsCertificate.objects.shown(Role.DOOR)
    if shown is None:
        raise Invalid("portal", "The TLS door has no certificate yet; start serve first, or give a CA with --ca.")
    if not certificate_checks.covers(shown.names, host):
        raise Invalid(
            "portal",
            f"The certificate of the TLS door is not for {host} but for {', '.join(shown.names[:5])}; name it by one "
            "of these, or set GATEHOUSE_PUBLIC_URL and start serve again.",
        )
    return Place(folder, host, port, shown.chain, "" if shown.installed else _pin(shown.chain))


def write(place: Place, node: GatewayNode, token: str) -> str:
    """Write the files, the token last, and give the command that starts the Envoy."""
    folder = place.folder
    portal = Portal(place.host, place.port, is_address(place.host), folder / CA, place.pin)
    config = bootstrap.remote(node.name, portal, token_file=folder / TOKEN, polls=discovery.polls(node))
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        whole_file.write(folder / CA, place.trusted, mode=0o644)
        whole_file.write(folder / BOOTSTRAP, json.dumps(config, indent=1), mode=0o644)
        whole_file.write(folder / TOKEN, json.dumps(bootstrap.node_token(token)))
    except OSError as failed:
        raise CannotWrite(
            f"{folder} cannot be written ({failed.strerror}); the node is made, so write its files with --rotate."
        ) from failed
    return f"envoy -c {shlex.quote(str(folder / BOOTSTRAP))} {OPTIONS}"


def _judge_folder(folder: Path, *, overwrite: bool) -> None:
    """Before anything is made, for what is made then has no files."""
    try:
        there = [name for name in (BOOTSTRAP, TOKEN, CA) if (folder / name).exists()]
    except OSError as failed:
        raise CannotWrite(f"{folder} cannot be looked into ({failed.strerror}); choose another folder.") from failed
    if there and not overwrite:
        raise CannotWrite(f"{folder / there[0]} is there already; choose another folder, or renew it with --rotate.")
    nearest = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise CannotWrite(f"{nearest} is no folder; choose another one.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise CannotWrite(f"{nearest} is not open to you for writing; choose another folder.")


def _portal(url: str) -> tuple[str, int]:
    nonsense = Invalid("portal", "The portal is an https URL without a path, such as https://gate.example:8443.")
    try:
        parts = urlsplit(url.rstrip("/"))
        host, port = parts.hostname or "", 443 if parts.port is None else parts.port
    except ValueError as unreadable:
        raise nonsense from unreadable
    bare = url.rstrip("/") == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
    if parts.scheme != "https" or not bare or not port or not certificates.is_host(host):
        raise nonsense
    return host, port


def _trusted(ca: Sent) -> str:
    """The certificates one after the other. Everybody may read the file that they go to, so no key must get there."""
    if keys.is_private(ca.text):
        raise Invalid("ca", f"{ca.name} holds a private key; give the certificates alone.")
    try:
        found = certificate_pem.certificates(ca)
    except Unfit as unfit:
        raise Invalid("ca", str(unfit)) from unfit
    if not found:
        raise Invalid("ca", f"{ca.name} holds no certificate; give those of the CA as PEM.")
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in found)


def _pin(chain: str) -> str:
    public = x509.load_pem_x509_certificate(chain.encode()).public_key()
    return base64.b64encode(
        sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    ).decode()
