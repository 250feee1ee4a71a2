"""Which certificates and keys a TLS door takes: each check in its order, with the sentence of its no."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway import certificate_pem
from gateway.ca_certificates import Kind
from gateway.certificate_pem import KeyNotPem, Sent, Unfit, within
from portal import text

MOST = 10
LEAST_LEFT = timedelta(hours=24)
SOON = timedelta(days=30)


class KeyMismatch(Unfit):
    field, code = "key", "key_mismatch"


class WrongNumber(KeyMismatch):
    """There is no certificate that could hold the key, or there are more than a door shows."""

    field = "certificate"


class ChainBroken(Unfit):
    code = "chain_broken"


class CertificateExpired(Unfit):
    code = "certificate_expired"


class NotYetValid(Unfit):
    code = "certificate_not_yet_valid"


class Weak(Unfit):
    code = "certificate_weak"


class WrongPurpose(Unfit):
    code = "certificate_purpose"


class WrongNames(Unfit):
    code = "certificate_names"


@dataclass(frozen=True)
class Fit:
    """A pair that a door takes: the chain without what stood around it, the key, and what stands in the first one."""

    chain: str
    key: bytes = field(repr=False)
    fingerprint: str
    subject: str
    names: list[str]
    not_before: datetime
    not_after: datetime


def judge(certificate: Sent, key: Sent, now: datetime, *, host: str = "") -> Fit:
    """Refuse a pair that browsers or Envoy would not take. `host` must be covered by its names, if it is given."""
    chain, blocks = certificate_pem.certificates(certificate), certificate_pem.blocks(key, KeyNotPem)
    private = certificate_pem.private_key(blocks, key.name)
    if not chain:
        raise WrongNumber(f"{certificate.name} holds no BEGIN CERTIFICATE; send the server's certificate first.")
    if len(chain) > MOST:
        raise WrongNumber(f"{certificate.name} holds {len(chain)} certificates; a door shows {MOST} at most.")
    if chain[0].public_key() != private.public_key():
        raise KeyMismatch(f"The private key does not belong to the first certificate in {within(certificate.name)}.")
    chain = _linked(chain)
    for number, each in enumerate(chain, 1):
        _judge_time(_named(number), each, now)
    for number, each in enumerate(chain, 1):
        _judge_use(_named(number), each)
    names = names_of(chain[0])
    _judge_names(names, host)
    return Fit(
        "".join(each.public_bytes(Encoding.PEM).decode() for each in chain),
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        chain[0].fingerprint(SHA256()).hex(),
        _legible(chain[0].subject.rfc4514_string())[:500],
        names,
        chain[0].not_valid_before_utc,
        min(each.not_valid_after_utc for each in chain),
    )


def warnings(first: x509.Certificate, not_after: datetime, now: datetime) -> list[str]:
    """What is taken all the same, as sentences."""
    said = []
    constraints = _extension(first, x509.BasicConstraints)
    if first.issuer == first.subject and constraints is not None and constraints.ca:
        said.append("The certificate is self-signed and may sign others (CA:TRUE); some clients do not take it.")
    if now < not_after < now + SOON:
        # Rounded as pages round what is to come, so that both give one number.
        days = max(1, round((not_after - now) / timedelta(days=1)))
        said.append(f"The certificate has {days} day{'s' if days > 1 else ''} left; it ends on {not_after:%Y-%m-%d}.")
    return said


def names_of(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that it is for."""
    found = _extension(certificate, x509.SubjectAlternativeName)
    if found is None:
        return []
    dns = map(_legible, found.get_values_for_type(x509.DNSName))
    return [*dns, *map(str, found.get_values_for_type(x509.IPAddress))]


def covers(names: Sequence[str], host: str) -> bool:
    """Whether a certificate for these names is one for this host; `*.` stands for one label."""
    host = host.casefold().rstrip(".")
    try:
        return str(ipaddress.ip_address(host)) in names
    except ValueError:
        known = {name.casefold() for name in names}
        return host in known or f"*.{host.partition('.')[2]}" in known


def _linked(chain: list[x509.Certificate]) -> list[x509.Certificate]:
    """The chain without a root at its end; each must be signed by the next."""
    for number, (each, issuer) in enumerate(pairwise(chain), 1):
        if not _signed(each, issuer):
            raise ChainBroken(
                f"Certificate {number + 1} did not sign certificate {number}; put the server certificate first, then "
                "its issuers."
            )
    return chain[:-1] if len(chain) > 1 and _signed(chain[-1], chain[-1]) else chain


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _judge_time(named: str, certificate: x509.Certificate, now: datetime) -> None:
    began, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if ends <= now:
        raise CertificateExpired(f"{named} expired on {ends:%Y-%m-%d}.")
    if ends < now + LEAST_LEFT:
        raise CertificateExpired(f"{named} expires at {ends:%Y-%m-%d %H:%M} UTC, within 24 hours; get the next one.")
    if began > now:
        raise NotYetValid(f"{named} is not valid before {began:%Y-%m-%d %H:%M} UTC.")


def _judge_use(named: str, certificate: x509.Certificate) -> None:
    try:
        broken = isinstance(certificate.signature_hash_algorithm, MD5 | SHA1)
    except UnsupportedAlgorithm:
        broken = True
    if broken:
        raise Weak(f"{named} is signed with MD5 or SHA-1, which no browser takes; get one with SHA-256.")
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.SERVER_AUTH not in purposes:
        raise WrongPurpose(f"{named} is not meant for servers.")


def _judge_names(names: list[str], host: str) -> None:
    if not names:
        raise WrongNames("The certificate has no subjectAltName; browsers ignore its CN.")
    if host and not covers(names, host):
        raise WrongNames(
            f"The certificate is for {', '.join(names[:5])} and not for {host}, the host of GATEHOUSE_PUBLIC_URL; "
            "say that any name will do (--any-name) if that is meant."
        )


def _named(number: int) -> str:
    return "The certificate" if number == 1 else f"Certificate {number}"


def _legible(words: str) -> str:
    return "".join("\N{REPLACEMENT CHARACTER}" if text.hidden_character(char) else char for char in words)


def _extension(certificate: x509.Certificate, kind: type[Kind]) -> Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
