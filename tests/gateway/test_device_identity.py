"""Certificates of every kind, as Envoy forwards them: which name a device, and which check refuses the others."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import device_identity
from gateway.device_identity import NoCertificate, NotAccepted, Presented
from gateway.models import DeviceCA
from tests.amount import many
from tests.pki import CLIENT, SERVER, Authority, Holder

pytestmark = pytest.mark.django_db
HALL = Authority("hall CA")


def trust(authority: Authority, name: str = "hall") -> DeviceCA:
    certificate = authority.certificate
    device_identity.forget_bundle()
    return DeviceCA.objects.create(
        name=name,
        certificate=authority.pem,
        fingerprint=certificate.fingerprint(SHA256()).hex(),
        subject=certificate.subject.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        created_by="test",
    )


@pytest.fixture(autouse=True)
def hall() -> Iterator[DeviceCA]:
    yield trust(HALL)
    device_identity.forget_bundle()


def read(holder: Holder, *, later: timedelta = timedelta()) -> Presented:
    return device_identity.read(holder.forwarded, timezone.now() + later)[0]


def refusal(holder: Holder, **when: Any) -> str:
    with pytest.raises(NotAccepted) as no:
        read(holder, **when)
    assert (no.value.status, no.value.code) == (403, "certificate_not_accepted")
    return str(no.value)


@pytest.mark.parametrize("cn", ["press-1", "A", "x" * 64, "a:b_c-D9", "3a9c1f6e-5a0b-4d3e-9f43-6a1c2f0b7d55"])
def test_a_good_one_names_the_device_its_key_and_its_ca(hall: DeviceCA, cn: str) -> None:
    holder = HALL.issue(cn)
    presented, ca = device_identity.read(holder.forwarded, timezone.now())
    assert (presented.id, presented.key.fingerprint, ca) == (cn, holder.fingerprint, hall.fingerprint)
    assert presented.key.pem == holder.public_pem


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-384", "P-521", "RSA", "Ed25519"],
)
def test_keys_that_devices_may_have(key: Any) -> None:
    assert read(HALL.issue(key=key)).key.fingerprint


def test_the_same_key_in_a_renewed_certificate_is_the_same_device() -> None:
    first = HALL.issue()
    renewed = HALL.issue(key=first.key)
    assert read(first).key.fingerprint == read(renewed).key.fingerprint
    assert first.pem != renewed.pem


def test_none() -> None:
    with pytest.raises(NoCertificate) as no:
        device_identity.read("", timezone.now())
    assert (no.value.status, no.value.code) == (403, "no_certificate")


@pytest.mark.parametrize(
    "cn",
    [
        "",
        "a/b",
        "..",
        "a/../b",
        "a.b",
        "press 1",
        "press\x00x",
        "ünicode",
        "x" * 65,
        "x" * 2000,
        "a\n",
        "*",
        "a,b",
        "\u202ea",
    ],
)
def test_names_that_are_no_id(cn: str) -> None:
    assert "CN" in refusal(HALL.issue(cn))


@pytest.mark.parametrize("names", [[], ["press-1", "press-2"], ["press-1", "press-1"]])
def test_exactly_one_name(names: list[str]) -> None:
    assert f"it has {len(names)}" in refusal(HALL.issue(names))


def test_two_names_in_one_part_of_the_subject() -> None:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in ("press-1", "press-2")]
    assert "exactly one" in refusal(HALL.issue(subject=x509.Name([x509.RelativeDistinguishedName(parts)])))


def test_what_stands_beside_the_name_is_not_looked_at() -> None:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "../other"),
            x509.NameAttribute(NameOID.COMMON_NAME, "press-1"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, "press-2"),
        ]
    )
    assert read(HALL.issue(subject=subject)).id == "press-1"


@pytest.mark.parametrize(
    ("oddity", "words"),
    [
        ({"purposes": None}, "no extended key usage"),
        ({"purposes": [SERVER]}, "does not name clientAuth"),
        ({"is_ca": True}, "of a CA"),
        ({"key": rsa.generate_private_key(65537, 1024)}, "key of the certificate"),
        ({"key": ec.generate_private_key(ec.SECP256K1())}, "key of the certificate"),
        ({"key": dsa.generate_private_key(2048)}, "key of the certificate"),
        ({"ends": timedelta(seconds=-1), "starts": timedelta(days=-1)}, "ended at"),
        ({"starts": timedelta(days=1)}, "not valid before"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_oddities(oddity: dict[str, Any], words: str) -> None:
    assert words in refusal(HALL.issue(**oddity))


def test_both_purposes_and_no_word_about_cas_will_do() -> None:
    assert read(HALL.issue(purposes=[SERVER, CLIENT], is_ca=None)).id == "press-1"


def test_dates_hold_at_every_request_of_a_connection() -> None:
    holder = HALL.issue(ends=timedelta(hours=1))
    assert read(holder).id == "press-1"
    assert "ended at" in refusal(holder, later=timedelta(hours=2))


class TestIssuer:
    def test_a_foreign_one(self) -> None:
        assert "device CAs" in refusal(Authority("foreign").issue())

    def test_a_foreign_one_of_the_same_name(self) -> None:
        assert "device CAs" in refusal(Authority("hall CA").issue())

    def test_one_that_is_withdrawn(self, hall: DeviceCA) -> None:
        holder = HALL.issue()
        assert read(holder)
        hall.delete()
        device_identity.forget_bundle()
        assert "no longer" in refusal(holder)

    def test_one_that_was_added_a_moment_ago_is_known_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert read(HALL.issue())  # From now on the bundle is held for a second.
        late = Authority("late CA")
        monkeypatch.setattr(device_identity, "forget_bundle", lambda: None)
        trust(late, "late")
        assert read(late.issue()).id == "press-1"

    def test_one_between_a_device_and_the_bundle(self) -> None:
        between = HALL.issue("between", is_ca=True, purposes=None)
        authority = Authority.__new__(Authority)
        Holder.__init__(authority, between.certificate, between.key)
        assert "device CAs" in refusal(authority.issue())
        trust(authority, "between")
        assert read(authority.issue()).id == "press-1"

    def test_two_of_one_name_with_different_keys(self) -> None:
        twin = Authority("hall CA")
        second = trust(twin, "twin")
        assert device_identity.read(twin.issue().forwarded, timezone.now())[1] == second.fingerprint
        assert read(HALL.issue()).id == "press-1"

    def test_one_that_has_itself_ended(self, hall: DeviceCA) -> None:
        holder = HALL.issue()
        DeviceCA.objects.update(not_before=timezone.now() - timedelta(days=9), not_after=timezone.now() - timedelta(1))
        device_identity.forget_bundle()
        assert "device CAs" in refusal(holder)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
@settings(max_examples=many(80))
def test_no_text_in_the_header_is_a_fault(text: str) -> None:
    for forwarded in (text or "x", f'Cert="{text}"', f"Cert={text}"):
        with pytest.raises(NotAccepted):
            device_identity.read(forwarded, timezone.now())


GOOD = HALL.issue()


@given(st.integers(30, len(GOOD.pem) - 30), st.sampled_from("Aa0+/=\n-"))
@settings(max_examples=many(100))
def test_no_character_of_a_certificate_can_be_another(place: int, char: str) -> None:
    broken = GOOD.pem[:place] + char + GOOD.pem[place + 1 :]
    forwarded = f'Cert="{quote(broken, safe="")}"'
    try:
        presented, _ = device_identity.read(forwarded, timezone.now())
    except NotAccepted:
        return
    assert x509.load_pem_x509_certificate(broken.encode()) == GOOD.certificate
    assert presented.key.fingerprint == GOOD.fingerprint
