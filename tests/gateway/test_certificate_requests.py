"""Which certificate requests are signed: one PEM block, its own signature, one common name, a key that we take."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import certificate_requests
from gateway.certificate_requests import Unusable
from tests.amount import many
from tests.gateway.authorities import csr, named, new_key, private_pem

GOOD = csr("press-1")
DER = base64.b64decode("".join(GOOD.splitlines()[1:-1]))
BEGIN, END = "-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----"


def wrapped(der: bytes) -> str:
    return f"{BEGIN}\n{base64.encodebytes(der).decode()}{END}\n"


def refused(text: str) -> str:
    with pytest.raises(Unusable) as refusal:
        certificate_requests.read(text)
    return str(refusal.value)


@pytest.mark.parametrize(
    "make_key",
    [
        pytest.param(lambda: ec.generate_private_key(ec.SECP256R1()), id="P-256"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP384R1()), id="P-384"),
        pytest.param(lambda: rsa.generate_private_key(65537, 2048), id="RSA 2048"),
        pytest.param(lambda: rsa.generate_private_key(65537, 4096), id="RSA 4096"),
    ],
)
def test_usual_keys_are_taken_and_only_name_and_key_are_read(make_key: Callable[[], Any]) -> None:
    key = make_key()
    read = certificate_requests.read(csr("press-1", key=key).replace("\n", "\r\n"))
    assert read.name == "press-1"
    assert read.public == key.public_key()
    assert len(read.key.fingerprint) == 64


@pytest.mark.parametrize(
    "make_key",
    [
        pytest.param(lambda: Ed25519PrivateKey.generate(), id="Ed25519"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP521R1()), id="P-521"),
        pytest.param(lambda: ec.generate_private_key(ec.SECP256K1()), id="secp256k1"),
        pytest.param(lambda: rsa.generate_private_key(65537, 1024), id="RSA 1024"),
        pytest.param(lambda: rsa.generate_private_key(3, 4104), id="RSA 4104"),
    ],
)
def test_other_keys_are_refused(make_key: Callable[[], Any]) -> None:
    assert "key" in refused(csr("press-1", key=make_key())).lower()


@pytest.mark.parametrize("extra", [("-param_enc", "explicit"), ("-conv_form", "compressed")])
def test_explicit_curves_and_other_spellings_of_a_key_are_refused(tmp_path: Path, extra: tuple[str, str]) -> None:
    key, plain = tmp_path / "key", tmp_path / "plain"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", plain], check=True)
    subprocess.run(["openssl", "ec", "-in", plain, *extra, "-out", key], check=True, capture_output=True)
    made = subprocess.run(
        ["openssl", "req", "-new", "-key", key, "-subj", "/CN=press-1"], check=True, capture_output=True, text=True
    )
    refused(made.stdout)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "not one PEM", id="nothing"),
        pytest.param(GOOD + GOOD, "more than one", id="two"),
        pytest.param(f"Certificate Request:\n{GOOD}", "nothing around", id="text before"),
        pytest.param(f"{GOOD}bye", "nothing around", id="text behind"),
        pytest.param(GOOD.replace("\n", "\n\0", 1), "not one PEM", id="NUL"),
        pytest.param(GOOD.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"), "not one PEM", id="other label"),
        pytest.param(GOOD + private_pem(new_key()), "private key", id="with its key"),
        pytest.param(private_pem(new_key()), "private key", id="a key"),
        pytest.param(wrapped(DER + b"\0"), "decoded", id="trailing byte"),
        pytest.param(GOOD.replace("\n", "\n" + " " * 17_000, 1), "over 16384", id="huge"),
        pytest.param(GOOD.replace("M", "М", 1), "not one PEM", id="cyrillic"),
    ],
)
def test_what_is_not_one_request_is_refused(text: str, said: str) -> None:
    assert said in refused(text)


@pytest.mark.parametrize("names", [(), ("press-1", "press-2"), ("press-1", "press-1")], ids=["none", "two", "twice"])
def test_there_is_exactly_one_common_name(names: tuple[str, ...]) -> None:
    assert f"it has {len(names)}" in refused(csr(subject=named(*names)))


def test_two_common_names_within_one_part_of_the_subject_are_two() -> None:
    both = x509.RelativeDistinguishedName([*named("press-1"), *named("press-2")])
    assert "it has 2" in refused(csr(subject=x509.Name([both])))


def test_other_parts_of_the_subject_and_other_kinds_of_text_say_nothing() -> None:
    unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "hall 3")
    wide = x509.NameAttribute(NameOID.COMMON_NAME, "press-1", _type=_ASN1Type.BMPString)
    assert certificate_requests.read(csr(subject=x509.Name([x509.RelativeDistinguishedName([wide, unit])]))).name == (
        "press-1"
    )


def test_a_signature_by_another_key_is_refused() -> None:
    other = base64.b64decode("".join(csr("press-1").splitlines()[1:-1]))
    # The signature is the last of three parts; that of another request of the same length takes its place.
    mine = x509.load_der_x509_csr(DER)
    stranger = x509.load_der_x509_csr(other)
    forged = DER.replace(mine.signature, stranger.signature[: len(mine.signature)].ljust(len(mine.signature), b"\1"))
    refused(wrapped(forged))


@settings(max_examples=many(100))
@given(at=st.integers(0, len(DER) - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_a_request_that_was_changed_anywhere_is_refused_in_words(at: int, byte: int, cut: bool) -> None:
    changed = DER[:at] if cut else DER[:at] + bytes([byte]) + DER[at + 1 :]
    if changed != DER:
        assert refused(wrapped(changed)).endswith(".")


@settings(max_examples=many(80))
@given(st.text(max_size=60), st.integers(0, len(GOOD)))
def test_any_text_is_a_request_or_refused_in_words(text: str, at: int) -> None:
    said = "press-1."
    try:
        said = f"{certificate_requests.read(GOOD[:at] + text + GOOD[at:]).name}."
    except Unusable as refusal:
        said = str(refusal)
    assert said == "press-1." or (said.endswith(".") and " " in said)


@settings(max_examples=many(60))
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=16))
def test_a_name_is_read_as_it_stands(name: str) -> None:
    assert certificate_requests.read(csr(name)).name == name


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_a_common_name_of_two_kilobytes_breaks_nothing() -> None:
    long = x509.NameAttribute(NameOID.COMMON_NAME, "x" * 2048, _validate=False)
    assert len(certificate_requests.read(csr(subject=x509.Name([long]))).name) == 2048
