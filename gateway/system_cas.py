"""The CAs of this machine, by which a service that speaks TLS is judged."""

import ssl
from functools import cache
from pathlib import Path

# Where OpenSSL was told to look, then Debian, Fedora, SUSE and Alpine.
PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@cache
def file() -> str:
    """One file with all of them; empty if this machine has none."""
    told = ssl.get_default_verify_paths().cafile
    return next((place for place in (told, *PLACES) if place and Path(place).is_file()), "")
