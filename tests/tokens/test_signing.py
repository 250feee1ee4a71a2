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
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from portal import sealing
from portal.actor import Actor
from portal.models import AuditEvent
from tests.amount import many
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
    critical: list[Any] = [["exp"], [], None]
    for crit in critical:
        signed = f"{part({'alg': 'RS256', 'kid': ring['kid'], 'crit': crit})}.{part(claims())}"
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
@settings(max_examples=many(60))
def test_any_text_is_untrusted_and_nothing_worse(ring: dict[str, Any], text: str) -> None:
    with pytest.raises(signing.Untrusted):
        verified(text)


@given(data=st.data())
@settings(max_examples=many(100))
def test_a_token_with_a_part_changed_is_untrusted(ring: dict[str, Any], data: st.DataObject) -> None:
    parts = signing.sign(claims()).split(".")
    which = data.draw(st.integers(0, 2))
    replacement = data.draw(st.binary(max_size=300))
    if part(replacement) == parts[which]:
        return
    parts[which] = part(replacement)
    with pytest.raises(signing.Untrusted):
        verified(".".join(parts))


# Of each claim what is wrong with it, whatever else is right.
WRONG = {
    "exp": st.text() | st.floats(allow_nan=False) | st.booleans() | st.none() | st.lists(st.integers(), max_size=2)
    | st.integers(max_value=0),
    "iat": st.text() | st.floats(allow_nan=False) | st.booleans() | st.none() | st.integers(min_value=2**33),
    "nbf": st.text() | st.floats(allow_nan=False) | st.booleans() | st.none() | st.integers(min_value=2**33),
    "aud": st.text().filter(lambda aud: aud != AUDIENCE) | st.integers() | st.none() | st.booleans()
    | st.lists(st.text().filter(lambda aud: aud != AUDIENCE), max_size=3)
    | st.just([AUDIENCE, 5]) | st.just({AUDIENCE: 1}),
    "iss": st.text().filter(lambda iss: iss != ISSUER) | st.integers() | st.none() | st.just([ISSUER]),
    "jti": st.integers() | st.none() | st.lists(st.text(), max_size=1),
    "sub": st.integers() | st.none() | st.booleans() | st.lists(st.text(), max_size=1),
}  # fmt: skip


def signed_by_us(ring: dict[str, Any], payload: Any, **header: Any) -> str:
    """A token with our own signature, whatever it says."""
    signed = f"{part({'alg': 'RS256', 'typ': 'JWT', 'kid': ring['kid'], **header})}.{part(payload)}"
    mac = jwt.get_algorithm_by_name("RS256").sign(signed.encode(), signing._private(ring["kid"]))
    return f"{signed}.{part(mac)}"


@given(data=st.data(), name=st.sampled_from(sorted(WRONG)))
@settings(max_examples=many(100))
def test_a_claim_of_a_wrong_type_or_value_is_untrusted_though_we_signed_it(
    ring: dict[str, Any], data: st.DataObject, name: str
) -> None:
    payload = claims()
    payload[name] = data.draw(WRONG[name])
    with pytest.raises(signing.Untrusted):
        verified(signed_by_us(ring, payload))


HEADER = st.dictionaries(
    st.sampled_from(["alg", "kid", "crit", "jku", "x5u", "jwk", "x5c", "b64", "typ", "cty", "zip"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=50) | st.lists(st.text(max_size=5), max_size=2)
    | st.sampled_from(["none", "HS256", "HS512", "RS384", "PS256", "ES256", "https://evil.example/keys"])
    | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)  # fmt: skip


@given(header=HEADER)
@settings(max_examples=many(80))
def test_a_header_changes_nothing_but_to_a_no(ring: dict[str, Any], header: dict[str, Any]) -> None:
    """What a header adds is ignored or refused, never followed."""
    try:
        believed = verified(signed_by_us(ring, claims(), **header))
    except signing.Untrusted:
        return
    assert believed["sub"] == "press-1"
    assert header.get("alg", "RS256") == "RS256"
    assert header.get("kid", ring["kid"]) == ring["kid"]
    assert "crit" not in header


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["there", AUDIENCE]], ids=str)
def test_the_audience_may_be_one_or_several(ring: dict[str, Any], aud: Any) -> None:
    assert verified(signing.sign(claims(aud=aud)))


@pytest.mark.parametrize("leeway", [0, 5, 30])
def test_the_leeway_is_what_the_asker_says(ring: dict[str, Any], leeway: int) -> None:
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        token = signing.sign(claims())

        def good() -> bool:
            signing.forget_ring()
            try:
                return bool(signing.verified(token, audience=AUDIENCE, issuer=ISSUER, leeway=leeway))
            except signing.Untrusted:
                return False

        clock.shift(60 + leeway - 1)
        assert good()
        clock.shift(1)
        assert not good()
        clock.move_to(1_800_000_000 - leeway)
        assert good()
        clock.shift(-1)
        assert not good()


class TestRemembered:
    """A signature is verified once in each process; all else is judged each time."""

    def test_a_token_that_was_believed_is_not_for_another_audience_or_issuer(self, ring: dict[str, Any]) -> None:
        token = signing.sign(claims())
        assert verified(token)
        for audience, issuer in (("there", ISSUER), (AUDIENCE, "them")):
            with pytest.raises(signing.Untrusted):
                signing.verified(token, audience=audience, issuer=issuer)
        assert verified(token)

    def test_nor_after_its_key_has_retired(self, ring: dict[str, Any]) -> None:
        token = signing.sign(claims())
        assert verified(token)
        SigningKey.objects.update(state=KeyState.RETIRED)
        signing.forget_ring()
        with pytest.raises(signing.Untrusted):
            verified(token)

    def test_whoever_changes_what_was_answered_changes_nothing_for_the_next(self, ring: dict[str, Any]) -> None:
        token = signing.sign(claims(scope=["users:read"]))
        first = verified(token)
        first["scope"].append("users:manage")
        first["sub"] = "press-2"
        assert (verified(token)["scope"], verified(token)["sub"]) == (["users:read"], "press-1")

    def test_it_is_quick(self, ring: dict[str, Any]) -> None:
        token = signing.sign(claims())
        verified(token)
        began = time.thread_time()
        for _ in range(1000):
            verified(token)
        assert time.thread_time() - began < 5  # With a key that is parsed anew each time it is half a minute.

    def test_only_so_many_are_remembered_and_no_token_that_is_not_ours(
        self, ring: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(signing, "REMEMBERED", 5)
        signing._remembered.clear()
        tokens = [signing.sign(claims(jti=str(number))) for number in range(8)]
        for token in tokens:
            verified(token)
            with pytest.raises(signing.Untrusted):
                verified(token[:-6] + "AAAAAA")
        assert len(signing._remembered) == 5
        assert all(verified(token) for token in tokens)


class TestRing:
    def test_made_up_key_ids_cost_no_look_into_the_database_each(
        self, ring: dict[str, Any], django_assert_max_num_queries: Any
    ) -> None:
        verified(signing.sign(claims()))
        with django_assert_max_num_queries(2):
            for number in range(100):
                with pytest.raises(signing.Untrusted):
                    verified(signed_by_us(ring, claims(), kid=f"{number:043}"))

    def test_what_can_be_no_key_id_costs_none(self, ring: dict[str, Any], django_assert_max_num_queries: Any) -> None:
        verified(signing.sign(claims()))
        with django_assert_max_num_queries(0):
            for kid in ("", "x", "x" * 42, "x" * 44, "é" * 43, "../" * 14 + "x"):
                with pytest.raises(signing.Untrusted):
                    verified(signed_by_us(ring, claims(), kid=kid))

    def test_a_key_that_does_not_open_is_refused_in_a_sentence(self, ring: dict[str, Any]) -> None:
        token = signing.sign(claims())
        for sealed in ("", "gAAAA", "é", sealing.seal(b"no key")):
            SigningKey.objects.update(sealed_private=sealed)
            signing._private.cache_clear()
            with pytest.raises(signing.Unusable, match=r"GATEHOUSE_MASTER_KEY") as refused:
                signing.sign(claims())
            assert refused.value.status == 503
        assert verified(token)

    def test_the_published_pem_is_the_key_and_is_made_once(self, ring: dict[str, Any]) -> None:
        [key] = signing.token_keys()["keys"]
        assert set(key) == {"kid", "kty", "alg", "use", "value", "n", "e"}
        assert load_pem_public_key(key["value"].encode()) == OURS.public_key()
        assert signing.token_keys()["keys"][0]["value"] is key["value"]

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
