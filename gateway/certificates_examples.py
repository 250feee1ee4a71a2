"""Certificates of the doors as the OpenAPI shows them; a test sends what is asked and compares what is answered.

The key opens nothing: it was made for this example alone.
"""

from typing import Any

CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBrjCCAVSgAwIBAgIUSi5YHddd5rjNFjYt9Yk7H4qLAvYwCgYIKoZIzj0EAwIw
MTEQMA4GA1UECgwHUGxhbnQgNzEdMBsGA1UEAwwUU2VydmVyIENBIG9mIHBsYW50
IDcwIBcNMjYwMTAxMDAwMDAwWhgPMjA1NjAxMDEwMDAwMDBaMCkxEDAOBgNVBAoM
B1BsYW50IDcxFTATBgNVBAMMDGdhdGUuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABN9yU4RcJeYbLMoe14vplsmcq5PNEI+JYSdtodpaNEOgwLvSPPmB
pB7xJZtCVVSbIzXzGToaEuln1xSekrGx29+jUDBOMCkGA1UdEQQiMCCCDGdhdGUu
ZXhhbXBsZYIQKi5wbGFudDcuZXhhbXBsZTAMBgNVHRMBAf8EAjAAMBMGA1UdJQQM
MAoGCCsGAQUFBwMBMAoGCCqGSM49BAMCA0gAMEUCIQDIr7gi0+k/wRWWPOGzTQ4a
g1it7K2wwtXQKOS+mnYGRwIgS8KI1E0vFzZ2spx8/iZgy5Lxii3dRc3GCfj2m6mt
P2U=
-----END CERTIFICATE-----
"""
KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgetaubW47+OWqT1bF
bYydIUSV1X5MczclQ60uJJUklGyhRANCAATfclOEXCXmGyzKHteL6ZbJnKuTzRCP
iWEnbaHaWjRDoMC70jz5gaQe8SWbQlVUmyM18xk6GhLpZ9cUnpKxsdvf
-----END PRIVATE KEY-----
"""

NEW = {"certificate": CERTIFICATE, "key": KEY}
INSTALLED: dict[str, Any] = {
    "fingerprint": "448f563cd8b25b5a6d87efa4441a6fb6bb9ce4085082c672599ee0293190d560",
    "subject": "CN=gate.example,O=Plant 7",
    "names": ["gate.example", "*.plant7.example"],
    "not_after": "2056-01-01T00:00:00Z",
    "live": False,
}
LISTED: dict[str, Any] = {
    "id": 2,
    "node": "local",
    "installed": True,
    "shown": True,
    "live": False,
    "fingerprint": INSTALLED["fingerprint"],
    "subject": INSTALLED["subject"],
    "names": INSTALLED["names"],
    "not_before": "2026-01-01T00:00:00Z",
    "not_after": INSTALLED["not_after"],
    "warnings": [],
    "certificate": CERTIFICATE,
    "created_at": "2026-11-25T08:00:00.000000Z",
    "created_by": "token line-3",
}
