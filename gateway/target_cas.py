"""The CAs that a route trusts in place of the system's, where its service speaks TLS."""

import re
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from devices import keys
from gateway import ca_certificates
from gateway.certificate_pem import BLOCK
from portal.refusal import Invalid

FIELD = "target_ca"
MAX_BYTES = 64 * 1024


def bundle(pem: str, now: datetime) -> str:
    """The certificates one after the other, without what stands between them; empty if there is nothing at all.

    Each belongs to a CA, is valid now and is written once. A private key that was pasted with them is never kept.
    """
    if keys.is_private(pem):
        raise Invalid(FIELD, "This holds a private key; send certificates alone, and make a new key if others saw it.")
    if len(pem.encode()) > MAX_BYTES:
        raise Invalid(FIELD, f"It is over {MAX_BYTES // 1024} KiB; send only the CAs that the service needs.")
    blocks = list(BLOCK.finditer(pem))
    if pem.strip() and (not blocks or len(blocks) != pem.count("-----BEGIN")):
        raise Invalid(FIELD, "It is no PEM bundle; send BEGIN CERTIFICATE and END CERTIFICATE with all between them.")
    read = [_read(block, position, now) for position, block in enumerate(blocks, 1)]
    return "".join(dict.fromkeys(read))


def fingerprints(bundle: str) -> list[str]:
    """SHA-256 of each certificate, for the history."""
    found = x509.load_pem_x509_certificates(bundle.encode()) if bundle else []
    return [certificate.fingerprint(SHA256()).hex() for certificate in found]


def _read(block: re.Match[str], position: int, now: datetime) -> str:
    if block["label"] != "CERTIFICATE":
        raise Invalid(FIELD, f"Block {position} is no CERTIFICATE; send the certificates of CAs alone.")
    try:
        found = ca_certificates.read(block[0], now)
    except ca_certificates.Unusable as no:
        raise Invalid(FIELD, f"Certificate {position}: {no}") from no
    if found.not_before > now:
        raise Invalid(
            FIELD, f"Certificate {position}: It is not valid before {found.not_before:%Y-%m-%d}; check the clock."
        )
    return found.pem
