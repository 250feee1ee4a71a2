"""Device CAs at the real door: what is added opens it at once, what is withdrawn closes it, on open connections too."""

import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.gateway.authorities import ca_certificate, csr, named, new_key, pem, private_pem
from tests.served.installation import ANSWERED_WITHIN, Served, serving, settled, wait_for

SCOPES = ("gateway:read", "gateway:manage", "devices:enrol")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One for these tests alone: devices that knock stay in its list."""
    with serving() as ready:
        yield ready


@pytest.fixture(scope="module")
def call(served: Served) -> Callable[..., tuple[int, Any]]:
    """Ask the REST API for something; status and body."""
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    token = served.manage("issue_token", "device CAs", "--owner", "admin", "--days", "1", *scopes).strip()

    def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        status, _, content = served.ask(method, path, None if body is None else json.dumps(body), headers)
        return status, json.loads(content) if content else None

    return ask


@contextmanager
def connected(served: Served, folder: Path, key: Any, certificate: str) -> Iterator[http.client.HTTPSConnection]:
    """A connection to the device door with this client certificate."""
    (folder / "client.pem").write_text(private_pem(key) + certificate)
    context = served.trusted()
    context.load_cert_chain(folder / "client.pem")
    port = int(served.env["GATEHOUSE_DEVICE_PORT"])
    connection = http.client.HTTPSConnection("localhost", port, timeout=ANSWERED_WITHIN, context=context)
    try:
        yield connection
    finally:
        connection.close()


def said(connection: http.client.HTTPSConnection) -> str:
    """The code of what the door answers; `alert` if it does not shake hands."""
    try:
        connection.request("GET", "/device")
        return str(json.loads(connection.getresponse().read())["code"])
    except (TimeoutError, ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        connection.close()
        return "alert"


def signed(ca: str, ca_key: Any, device: str, key: Any) -> str:
    """A certificate for a device, as a CA of others signs it."""
    issuer, now = x509.load_pem_x509_certificate(ca.encode()), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(device))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    return pem(builder.sign(ca_key, None if isinstance(ca_key, Ed25519PrivateKey) else SHA256()))


def test_a_certificate_of_the_command_is_known_at_the_door(served: Served, tmp_path: Path) -> None:
    key = new_key()
    (tmp_path / "device.csr").write_text(csr("command-1", key=key))
    certificate = served.manage("enrol_device", "command-1", "--csr", str(tmp_path / "device.csr"))
    with connected(served, tmp_path, key, certificate) as door:
        assert said(door) == "device_pending"


def test_a_certificate_of_the_rest_api_is_known_at_the_door(
    served: Served, tmp_path: Path, call: Callable[..., tuple[int, Any]]
) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    status, body = call("POST", "/api/v1/devices/rest-1/certificate", {"csr": csr("rest-1", key=key)})
    assert status == 201
    with connected(served, tmp_path, key, body["certificate"]) as door:
        assert said(door) == "device_pending"


@pytest.mark.parametrize(
    ("name", "ca_key"),
    [
        ("p-256", ec.generate_private_key(ec.SECP256R1())),
        ("p-384", ec.generate_private_key(ec.SECP384R1())),
        ("p-521", ec.generate_private_key(ec.SECP521R1())),
        ("rsa", rsa.generate_private_key(65537, 2048)),
        ("ed25519", Ed25519PrivateKey.generate()),
    ],
)
def test_every_kind_of_ca_that_is_taken_opens_the_door_and_closes_it_when_it_is_withdrawn(
    served: Served, tmp_path: Path, call: Callable[..., tuple[int, Any]], name: str, ca_key: Any
) -> None:
    ca, key = ca_certificate(ca_key, subject=named(f"CA {name}")), new_key()
    certificate = signed(ca, ca_key, f"foreign-{name}", key)

    def knock() -> str:
        with connected(served, tmp_path, key, certificate) as door:
            return said(door)

    assert knock() == "alert"
    assert call("POST", "/api/v1/device-cas", {"name": name, "certificate": ca})[0] == 201
    wait_for(settled(lambda: knock() == "device_pending"))
    with connected(served, tmp_path, key, certificate) as door:
        assert said(door) == "device_pending"
        assert call("DELETE", f"/api/v1/device-cas/{name}")[0] == 204
        wait_for(lambda: said(door) == "certificate_not_accepted")
    wait_for(lambda: knock() == "alert")


def test_two_cas_of_one_subject_are_told_apart_by_the_ids_of_their_keys(
    served: Served, tmp_path: Path, call: Callable[..., tuple[int, Any]]
) -> None:
    keys = [new_key(), new_key()]
    cas = [ca_certificate(key, subject=named("One name")) for key in keys]
    for number, ca in enumerate(cas):
        assert call("POST", "/api/v1/device-cas", {"name": f"twin-{number}", "certificate": ca})[0] == 201
    for number, (ca, ca_key) in enumerate(zip(cas, keys, strict=True)):
        key = new_key()
        certificate = signed(ca, ca_key, f"twin-{number}", key)

        def knock(key: Any = key, certificate: str = certificate) -> str:
            with connected(served, tmp_path, key, certificate) as door:
                return said(door)

        wait_for(settled(lambda knock=knock: knock() == "device_pending"))  # type: ignore[misc]
    for number in range(2):
        assert call("DELETE", f"/api/v1/device-cas/twin-{number}")[0] == 204


def test_a_connection_of_another_ca_goes_on_while_the_bundle_changes(
    served: Served, tmp_path: Path, call: Callable[..., tuple[int, Any]]
) -> None:
    key, passing_key = new_key(), new_key()
    passing = ca_certificate(passing_key, subject=named("Passing"))
    of_passing = signed(passing, passing_key, "passing-1", key)

    def knock() -> str:
        with connected(served, tmp_path, key, of_passing) as door:
            return said(door)

    _, body = call("POST", "/api/v1/devices/steady-1/certificate", {"csr": csr("steady-1", key=key)})
    with connected(served, tmp_path, key, body["certificate"]) as door:
        assert said(door) == "device_pending"
        port = door.sock.getsockname()
        call("POST", "/api/v1/device-cas", {"name": "passing", "certificate": passing})
        wait_for(settled(lambda: knock() == "device_pending"))
        call("DELETE", "/api/v1/device-cas/passing")
        wait_for(settled(lambda: knock() == "alert"))
        assert said(door) == "device_pending"
        assert door.sock.getsockname() == port
