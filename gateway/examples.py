"""Device CAs and certificates as the OpenAPI shows them; a test sends what is asked and compares what is answered."""

from typing import Any

CA_CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBnTCCAUKgAwIBAgIFLx0zqoEwCgYIKoZIzj0EAwIwMTEQMA4GA1UECgwHUGxh
bnQgNzEdMBsGA1UEAwwURGV2aWNlIENBIG9mIHBsYW50IDcwIBcNMjYwMTAxMDAw
MDAwWhgPMjA1NjAxMDEwMDAwMDBaMDExEDAOBgNVBAoMB1BsYW50IDcxHTAbBgNV
BAMMFERldmljZSBDQSBvZiBwbGFudCA3MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
QgAE6l2JepznymOfg0qe7RHFRtYPkhraPnp9NlYUfcdsNtfsr3lCJV+5FLqV9WHO
qI8pR5oieNfo3OPk7cTRjjNVLaNFMEMwEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNV
HQ8BAf8EBAMCAQYwHQYDVR0OBBYEFNaNBraFXVI6T+aRAXBwrcmZnJTnMAoGCCqG
SM49BAMCA0kAMEYCIQDcem3CyTQjbdO5PRqlE41bCIzKIkuccMrSj4NfD3egwQIh
ANk8boCdoWHDigz1o7rBTN2aUQCn9EuQHVJ8qDezynWo
-----END CERTIFICATE-----
"""
CSR = """-----BEGIN CERTIFICATE REQUEST-----
MIIBBjCBrQIBADBLMUkwRwYDVQQDDEA0NGMwNzNiYzZhZTUyYzQyNmJlODUzZThj
NjNmYjNkYmQ3NGE1NTgxYTg2ZTNjNjJiZGU3NGZkYzliNzNjMTVlMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEvIb9C0uIBwYyEWq5z1siQayqLTGSlKKJsTLZ+ZcD
RJNPVfMkIVKxkQ0WxA66i7i0Ma5KH+H2LmOt8Uybaw8R+qAAMAoGCCqGSM49BAMC
A0gAMEUCICOGFOhiJpJd8WEIHVxWheybOufOFp8Tc2rLNVThGKuLAiEA/Pi9OPLx
2KOSN5fsv+QFFEIQZox05N/uzGytIwWsKjo=
-----END CERTIFICATE REQUEST-----
"""
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIB8DCCAZWgAwIBAgIQf4pchlZihdxUMzykrEvZ+TAKBggqhkjOPQQDAjAxMRAw
DgYDVQQKDAdQbGFudCA3MR0wGwYDVQQDDBREZXZpY2UgQ0Egb2YgcGxhbnQgNzAe
Fw0yNjExMjUwNzU1MDBaFw0yNzExMjUwODAwMDBaMEsxSTBHBgNVBAMMQDQ0YzA3
M2JjNmFlNTJjNDI2YmU4NTNlOGM2M2ZiM2RiZDc0YTU1ODFhODZlM2M2MmJkZTc0
ZmRjOWI3M2MxNWUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS8hv0LS4gHBjIR
arnPWyJBrKotMZKUoomxMtn5lwNEk09V8yQhUrGRDRbEDrqLuLQxrkof4fYuY63x
TJtrDxH6o3UwczAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUE
DDAKBggrBgEFBQcDAjAdBgNVHQ4EFgQUiTH3qzmY+mOVxuxA2DvoU6GXWGIwHwYD
VR0jBBgwFoAU1o0GtoVdUjpP5pEBcHCtyZmclOcwCgYIKoZIzj0EAwIDSQAwRgIh
AO6Dus5jfJ9JFjqdPv3Q2KRaDM284t5Ie/dnxkNjwo06AiEA+NBADV44F/3xqm4g
+6SRui6AIUm4nSnCuiVIgq4bz1A=
-----END CERTIFICATE-----
"""
CA_FINGERPRINT = "43aadd0da740afca19349b24ae638327c14b0ccdb940bb4c6d733100129f0553"
FINGERPRINT = "a22a4a4e2095be49ab8a15d77d41aff20781bb5d581287c1e24eae777e63ff13"

DEVICE_CA: dict[str, Any] = {
    "name": "plant-7",
    "fingerprint": CA_FINGERPRINT,
    "subject": "CN=Device CA of plant 7,O=Plant 7",
    "signs_here": False,
    "not_before": "2026-01-01T00:00:00Z",
    "not_after": "2056-01-01T00:00:00Z",
    "certificate": CA_CERTIFICATE,
    "created_at": "2026-11-25T08:00:00.000000Z",
    "created_by": "token line-3",
}
NEW_CA = {"name": "plant-7", "certificate": CA_CERTIFICATE}
NEW_CA_HERE = {"name": "plant-7"}

REQUEST = {"csr": CSR, "days": 365}
SIGNED: dict[str, Any] = {
    "certificate": CERTIFICATE,
    "ca": CA_CERTIFICATE,
    "serial": "7f8a5c86566285dc54333ca4ac4bd9f9",
    "fingerprint": FINGERPRINT,
    "not_before": "2026-11-25T07:55:00Z",
    "not_after": "2027-11-25T08:00:00Z",
}
ISSUED: dict[str, Any] = {
    "device": "44c073bc6ae52c426be853e8c63fb3dbd74a5581a86e3c62bde74fdc9b73c15e",
    "ca_fingerprint": CA_FINGERPRINT,
    "serial": SIGNED["serial"],
    "fingerprint": FINGERPRINT,
    "key_fingerprint": "cc91cce75ef7e22205809c2084037ec60d11c790283c407990d8382ebbde4510",
    "not_before": SIGNED["not_before"],
    "not_after": SIGNED["not_after"],
    "issued_at": "2026-11-25T08:00:00.000000Z",
    "issued_by": "token line-3",
}
