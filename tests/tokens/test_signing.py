"""JWTs: only what one of our keys signed for this purpose, and is good now, is believed; all else is Untrusted."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portal import sealing
from portal.actor import Actor
from portal.models import AuditEvent
from tokens import signing
from tokens.models import KeyState, SigningKey

AUDIENCE, ISSUER = "here", "https://gate.example"
OURS = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FOREIGN = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def claims(**other: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {"iss": ISSUER, "aud": AUDIENCE, "sub": "press-1", "jti": "1", "iat": now, "exp": now + 60} | other
    return {name: value for name, value in made.items() if value is not None}


def verified(token: str) -> dict[str, Any]:
    return signing.verified(token, audience=AUDIENCE, issuer=ISSUER)


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.fixture
def ring(db: None) -> dict[str, Any]:
    """The one public key of a ring; made once, because making it takes long."""
    plain = OURS.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    jwk = signing._public_jwk(OURS.public_key())
    SigningKey.objects.create(kid=jwk["kid"], state=KeyState.ACTIVE, public_jwk=jwk, sealed_private=sealing.seal(plain))
    return jwk


def test_what_was_signed_is_verified(ring: dict[str, Any]) -> None:
    token = signing.sign(claims())
    assert verified(token)["sub"] == "press-1"
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "kid": ring["kid"], "typ": "JWT"}


def test_a_stranger_verifies_it_with_the_published_key(ring: dict[str, Any]) -> None:
    key = jwt.PyJWK(ring).key
    assert jwt.decode(signing.sign(claims()), key, ["RS256"], audience=AUDIENCE, issuer=ISSUER)["sub"] == "press-1"
    assert set(ring) == {"kty", "n", "e", "kid", "alg", "use"}


@pytest.mark.parametrize(
    "other",
    [
        {"iss": "https://other.example"}, {"iss": None},
        {"aud": "there"}, {"aud": None}, {"aud": ["there"]}, {"aud": {}},
        {"jti": None}, {"iat": None}, {"exp": None}, {"exp": "soon"}, {"exp": [1]}, {"iat": "now"},
        {"exp": 1}, {"exp": -1}, {"iat": 2**40}, {"nbf": 2**40}, {"sub": 5}, {"jti": 5},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_or_missing_claim_is_untrusted(ring: dict[str, Any], other: dict[str, Any]) -> None:
    token = signing.sign(claims(**other))
    with pytest.raises(signing.Untrusted):
        verified(token)


@pytest.mark.parametrize(
    ("seconds", "good"),
    [(0, True), (60 + signing.LEEWAY - 1, True), (60 + signing.LEEWAY + 1, False), (-29, True), (-31, False)],
)
def test_a_token_is_good_until_its_expiry_and_the_leeway_and_never_again(
    ring: dict[str, Any], seconds: int, good: bool
) -> None:
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        token = signing.sign(claims())
        clock.shift(seconds)
        signing.forget_ring()
        if good:
            assert verified(token)
        else:
            with pytest.raises(signing.Untrusted):
                verified(token)


def test_a_token_without_signature_is_untrusted(ring: dict[str, Any]) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        header = {"alg": algorithm, "kid": ring["kid"], "typ": "JWT"}
        for signature in ("", "AAAA"):
            with pytest.raises(signing.Untrusted):
                verified(f"{part(header)}.{part(claims())}.{signature}")


def test_the_public_key_is_no_secret_to_sign_with(ring: dict[str, Any]) -> None:
    pem = jwt.PyJWK(ring).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(ring).encode(), ring["n"].encode()):
        for algorithm in ("HS256", "HS384", "HS512"):
            header = {"alg": algorithm, "kid": ring["kid"], "typ": "JWT"}
            signed = f"{part(header)}.{part(claims())}"
            mac = jwt.get_algorithm_by_name(algorithm)
            signature = part(mac.sign(signed.encode(), secret))
            with pytest.raises(signing.Untrusted):
                verified(f"{signed}.{signature}")


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"kid": "another"},
        {"kid": ""},
        {"kid": None},
        {"kid": 5},
        {"kid": ["a"]},
        {"kid": "../../etc/passwd"},
        {"kid": "' OR 1=1 --"},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"b64": False},
        {"alg": "RS512"},
        {"alg": "PS256"},
    ],
    ids=str,
)
def test_a_strangers_key_is_untrusted_whatever_the_header_says(ring: dict[str, Any], header: dict[str, Any]) -> None:
    full = {"alg": "RS256", "typ": "JWT", "kid": ring["kid"], **header}
    if header == {}:
        full["jwk"] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(FOREIGN.public_key()))
    signed = f"{part(full)}.{part(claims())}"
    signature = part(jwt.get_algorithm_by_name("RS256").sign(signed.encode(), FOREIGN))
    with pytest.raises(signing.Untrusted):
        verified(f"{signed}.{signature}")


def test_our_own_signature_under_a_critical_header_is_untrusted(ring: dict[str, Any]) -> None:
    private = signing._private(ring["kid"])
    for extra in ({"crit": ["exp"]}, {"crit": []}, {"crit": None}):
        signed = f"{part({'alg': 'RS256', 'kid': ring['kid'], **extra})}.{part(claims())}"
        signature = part(jwt.get_algorithm_by_name("RS256").sign(signed.encode(), private))
        with pytest.raises(signing.Untrusted):
            verified(f"{signed}.{signature}")


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"null", b"5", b'"a"', b"{", b"\xff", b"[" * 3000, b'{"exp": NaN}', b'{"exp": 1e999}']
)
def test_our_own_signature_over_what_are_no_claims_is_untrusted(ring: dict[str, Any], payload: bytes) -> None:
    signed = f"{part({'alg': 'RS256', 'kid': ring['kid']})}.{part(payload)}"
    signature = part(jwt.get_algorithm_by_name("RS256").sign(signed.encode(), signing._private(ring["kid"])))
    with pytest.raises(signing.Untrusted):
        verified(f"{signed}.{signature}")


def test_a_token_over_8_kilobytes_is_untrusted(ring: dict[str, Any]) -> None:
    with pytest.raises(signing.Untrusted):
        verified(signing.sign(claims(more="x" * 8000)))
    assert verified(signing.sign(claims(more="x" * 4000)))


@given(text=st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}"))
@example(text="")
@example(text="..")
@example(text="\ud800.\ud800.\ud800")
@example(text=part(b"[" * 6000) + ".e30.AA")
@example(text=part(b"9" * 6000) + ".e30.AA")
@example(text=part({"alg": "RS256", "kid": {}}) + ".e30.AA")
@example(text=part([]) + ".e30.AA")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_untrusted_and_nothing_worse(ring: dict[str, Any], text: str) -> None:
    with pytest.raises(signing.Untrusted):
        verified(text)


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_token_with_a_part_changed_is_untrusted(ring: dict[str, Any], data: st.DataObject) -> None:
    parts = signing.sign(claims()).split(".")
    which = data.draw(st.integers(0, 2))
    replacement = data.draw(st.binary(max_size=300))
    if part(replacement) == parts[which]:
        return
    parts[which] = part(replacement)
    with pytest.raises(signing.Untrusted):
        verified(".".join(parts))


class TestRing:
    def test_the_private_half_is_kept_sealed_alone(self, ring: dict[str, Any]) -> None:
        row = SigningKey.objects.values().get()
        assert b"PRIVATE" not in str(row).encode()
        assert not {"d", "p", "q"} & set(row["public_jwk"])
        assert row["sealed_private"].startswith("gAAAA")

    def test_a_retiring_key_still_verifies_and_a_retired_one_does_not(self, ring: dict[str, Any]) -> None:
        token = signing.sign(claims())
        SigningKey.objects.update(state=KeyState.RETIRING)
        signing.forget_ring()
        assert verified(token)
        SigningKey.objects.update(state=KeyState.RETIRED)
        signing.ensure_active(by=Actor.worker())
        signing.forget_ring()
        with pytest.raises(signing.Untrusted):
            verified(token)

    def test_the_first_use_makes_the_first_key_with_a_row_in_the_history(self, db: None) -> None:
        assert verified(signing.sign(claims()))
        assert AuditEvent.objects.get().subject_id == SigningKey.objects.get(state=KeyState.ACTIVE).kid

    @pytest.mark.django_db(transaction=True)
    def test_of_four_replicas_at_first_start_one_makes_the_key(self, at_once: Callable[..., list[Any]]) -> None:
        at_once(*(lambda: signing.ensure_active(by=Actor.worker()) for _ in range(4)))
        assert SigningKey.objects.count() == 1
        assert AuditEvent.objects.count() == 1
