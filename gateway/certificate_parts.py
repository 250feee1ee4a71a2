"""What the certificates that are made here have in common, whether they are of a CA, a device or a door."""

import secrets
from datetime import timedelta

from cryptography import x509

BACKDATED = timedelta(minutes=5)
USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def key_usage(*uses: str) -> x509.KeyUsage:
    """A key usage that allows these and nothing else."""
    return x509.KeyUsage(**{usage: usage in uses for usage in USAGES})


def serial_number() -> int:
    """A random positive number of 128 bits."""
    return secrets.randbits(128) or 1
