"""The file `certsips.json`, with the traps that apps know (seed 000)."""

import base64
import ipaddress
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from rest_framework.test import APIClient

from devices.models import Device
from gateway import certificates, certsips
from gateway.models import Role, TlsCertificate
from portal.actor import Actor
from portal.scopes import Scope
from tests.pki import Authority, Holder, new_key
from tokens import device_files, installing
from tokens.models import AppVersion
from tokens.overlap import Rotated

NAME = "edge-iot-core.proxy-redirect"
PLANT = Authority("plant CA")

pytestmark = pytest.mark.django_db


def server(names: Sequence[str] = (NAME,), addresses: Sequence[str] = (), by: Holder = PLANT) -> Holder:
    """A certificate for a server that this CA signed."""
    key, now = new_key(), datetime.now(UTC)
    alternatives = [*map(x509.DNSName, names), *(x509.IPAddress(ipaddress.ip_address(each)) for each in addresses)]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gate")]))
        .issuer_name(by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=90))
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return Holder(builder.sign(by.key, SHA256()), key)


def intermediate(by: Holder) -> Holder:
    return by.issue("intermediate CA", is_ca=True, purposes=None)  # type: ignore[attr-defined,no-any-return]


def install(*chain: Holder) -> None:
    """Let the door show this chain, as an operator would."""
    leaf = chain[0].certificate
    TlsCertificate.objects.update_or_create(
        role=Role.DOOR,
        installed=True,
        defaults={
            "chain": "".join(each.pem for each in chain),
            "sealed_key": "sealed",
            "fingerprint": leaf.fingerprint(SHA256()).hex(),
            "not_before": leaf.not_valid_before_utc,
            "not_after": leaf.not_valid_after_utc,
        },
    )


def unpacked(text: str) -> list[bytes]:
    """The certificates in a chain of the file: decoded once, then PEM text."""
    assert "\n" not in text
    pem = base64.b64decode(text, validate=True).decode("ascii")
    assert pem.startswith("-----BEGIN CERTIFICATE-----\n")
    return [each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(pem.encode())]


def der(*holders: Holder) -> list[bytes]:
    return [each.certificate.public_bytes(Encoding.DER) for each in holders]


def test_the_file_has_these_members_and_no_other(root: Actor) -> None:
    certificates.ensure_default(by=root)
    file = certsips.content()
    assert list(file) == [
        "auth-api-path", "cert-chain", "edge-certificates", "edge-ips", "secure-storage-api-path",
    ]  # fmt: skip
    assert list(file["edge-certificates"]) == ["certificate-chain", "service-name"]
    assert file["edge-certificates"]["service-name"] == NAME


def test_one_path_begins_with_a_slash_and_the_other_does_not(root: Actor) -> None:
    certificates.ensure_default(by=root)
    file = certsips.content()
    assert file["auth-api-path"] == "a.service/api/v3"
    assert file["secure-storage-api-path"] == "/device/edge/iert/api/v1/secure-storage"
    joined = f"https://{NAME}/device/edge/{file['auth-api-path']}/token/permit"
    assert joined == "https://edge-iot-core.proxy-redirect/device/edge/a.service/api/v3/token/permit"


def test_the_doors_own_certificate_is_its_own_trust(root: Actor) -> None:
    own = certificates.ensure_default(by=root)
    shown = [x509.load_pem_x509_certificate(own.chain.encode()).public_bytes(Encoding.DER)]
    file = certsips.content()
    assert unpacked(file["cert-chain"]) == shown
    assert unpacked(file["edge-certificates"]["certificate-chain"]) == shown


def test_of_a_chain_the_cas_are_trusted_and_all_of_it_is_shown_leaf_first() -> None:
    middle = intermediate(PLANT)
    leaf = server(by=middle)
    install(leaf, middle, PLANT)
    file = certsips.content()
    assert unpacked(file["cert-chain"]) == der(leaf, middle, PLANT)
    assert unpacked(file["edge-certificates"]["certificate-chain"]) == der(middle, PLANT)


def test_a_leaf_whose_ca_nobody_gave_is_trusted_itself() -> None:
    leaf = server()
    install(leaf)
    assert unpacked(certsips.content()["edge-certificates"]["certificate-chain"]) == der(leaf)


def test_what_stands_around_the_certificates_is_left_out() -> None:
    leaf = server()
    install(leaf)
    TlsCertificate.objects.update(chain=f"subject=CN = gate\n{leaf.pem}\n\n")
    assert unpacked(certsips.content()["cert-chain"]) == der(leaf)


@pytest.mark.parametrize(
    ("addresses", "text"),
    [
        ([], ""),
        (["192.168.0.150"], "192.168.0.150"),
        (["192.168.0.150", "10.0.0.4", "::1"], "192.168.0.150,10.0.0.4,::1"),
    ],
)
def test_the_addresses_are_those_of_the_certificate_with_commas_and_no_blanks(addresses: list[str], text: str) -> None:
    install(server(addresses=addresses))
    assert certsips.content()["edge-ips"] == text


@pytest.mark.parametrize(
    ("names", "covered"),
    [([NAME], True), (["gate.example", NAME.upper()], True), (["*.proxy-redirect"], True), (["gate.example"], False),
     ([], False), ([f"x.{NAME}"], False), (["*"], False)],
)  # fmt: skip
def test_it_is_refused_while_the_certificate_lacks_the_name(names: list[str], covered: bool) -> None:
    install(server(names))
    if covered:
        assert certsips.content()
        return
    with pytest.raises(certsips.NameNotCovered, match=NAME):
        certsips.content()


def test_an_installation_without_a_door_has_no_file_and_its_tokens_are_shown_all_the_same() -> None:
    with pytest.raises(certsips.NameNotCovered):
        certsips.content()
    assert device_files.certsips() is None


def test_what_is_shown_with_a_token_is_the_file_as_it_stands_on_a_device(root: Actor) -> None:
    certificates.ensure_default(by=root)
    text = device_files.certsips()
    assert text is not None
    assert text.endswith("}\n")
    assert json.loads(text) == certsips.content()


class TestRest:
    @pytest.fixture
    def installed(
        self, make_version: Callable[..., AppVersion], make_device: Callable[..., Device], root: Actor
    ) -> Rotated:
        make_device(status="accepted")
        return installing.install(make_version(), "press-1", by=root)

    @pytest.fixture
    def get(self, rest: Callable[..., APIClient]) -> Callable[..., Any]:
        client = rest(Scope.APPS_READ)
        return lambda app, identifier: client.get(f"/api/v1/apps/{app}/installations/{identifier}/certsips.json")

    def test_answers_the_file_anew_at_each_call(self, installed: Rotated, get: Callable[..., Any], root: Actor) -> None:
        certificates.ensure_default(by=root)
        answer = get("app1", installed.holder.pk)
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        assert answer.json() == certsips.content()
        leaf = server()
        install(leaf)
        assert unpacked(get("app1", installed.holder.pk).json()["cert-chain"]) == der(leaf)

    def test_refuses_a_certificate_without_the_name(self, installed: Rotated, get: Callable[..., Any]) -> None:
        install(server(["gate.example"]))
        answer = get("app1", installed.holder.pk)
        assert (answer.status_code, answer.json()["code"]) == (409, "name_not_covered")
        assert NAME in answer.json()["error"]

    @pytest.mark.parametrize(
        ("app", "identifier", "code"),
        [("app1", "a" * 12, "installation_not_found"), ("app2", None, "app_not_found"), ("app1", "x", "not_found")],
    )
    def test_does_not_know_others(
        self, installed: Rotated, get: Callable[..., Any], app: str, identifier: str | None, code: str
    ) -> None:
        answer = get(app, identifier or installed.holder.pk)
        assert (answer.status_code, answer.json()["code"]) == (404, code)
