"""Which pairs a door takes: every check of the contract with real certificates, in its order, with its sentence."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway import certificate_checks
from gateway.certificate_pem import Sent, Unfit
from portal.templatetags.frame import distance
from tests.pki import CLIENT, SERVER, Authority, Holder

DAY = timedelta(days=1)
KEY = ec.generate_private_key(ec.SECP256R1())
CA = Authority("plant CA")


def for_server(ca: Authority = CA, **facts: Any) -> Holder:
    facts = {"key": KEY, "purposes": (SERVER,), "dns_names": ("gate.example",), **facts}
    return ca.issue("gate.example", **facts)


def judged(certificate: str, key: str, host: str = "") -> certificate_checks.Fit:
    sent = Sent(certificate, "cert.pem"), Sent(key, "cert.key")
    return certificate_checks.judge(*sent, datetime.now(UTC), host=host)


def refused(certificate: str, key: str, host: str = "") -> tuple[str, str]:
    with pytest.raises(Unfit) as no:
        judged(certificate, key, host)
    assert no.value.status == 400
    assert list(no.value.invalid or ()) == [no.value.field]
    return no.value.code, str(no.value)


def pem_of(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes = b"") -> str:
    how = BestAvailableEncryption(password) if password else NoEncryption()
    text: str = key.private_bytes(Encoding.PEM, form, how).decode()
    return text


def rsa_key(first: int, second: int, **wrong: int) -> rsa.RSAPrivateKey:
    """Of two Mersenne primes by their exponents, so that none has to be sought; `wrong` are numbers of other keys."""
    p, q, e = 2**first - 1, 2**second - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = {"p": p, "q": q, "d": d, "dmp1": d % (p - 1), "dmq1": d % (q - 1), "iqmp": pow(q, -1, p)} | wrong
    public = rsa.RSAPublicNumbers(numbers.pop("e", e), p * q)
    return rsa.RSAPrivateNumbers(**numbers, public_numbers=public).private_key(unsafe_skip_rsa_key_validation=True)


GOOD = for_server()
SELF = Authority("self", days=100)


class TestTaken:
    @pytest.mark.parametrize(
        "key",
        [ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1()),
         rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 3072)],
        ids=["p256", "p384", "rsa2048", "rsa3072"],
    )  # fmt: skip
    @pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
    def test_every_kind_of_key_in_either_form(self, key: Any, form: PrivateFormat) -> None:
        issued = for_server(key=key)
        fit = judged(issued.pem, pem_of(key, form))
        assert (fit.fingerprint, fit.names) == (
            issued.certificate.fingerprint(SHA256()).hex(),
            ["gate.example"],
        )
        assert fit.subject == "CN=gate.example"

    def test_a_chain_without_the_root_at_its_end(self) -> None:
        between = CA.issue("between", is_ca=True, purposes=None)
        first = for_server(Below(between))
        fit = judged(first.pem + between.pem + CA.pem, first.key_pem)
        assert fit.chain == first.pem + between.pem
        assert fit.not_after == min(first.certificate.not_valid_after_utc, between.certificate.not_valid_after_utc)

    def test_a_self_signed_one_alone(self) -> None:
        alone = self_signed(ca=False)
        assert judged(alone.pem, alone.key_pem).chain == alone.pem

    def test_what_stands_around_the_blocks_is_dropped_and_both_may_be_one_file(self) -> None:
        whole = f"subject=CN = gate.example\r\n{GOOD.pem}\nBag Attributes\n{GOOD.key_pem}".replace("\n", "\r\n")
        assert judged(whole, whole).chain == GOOD.pem

    def test_a_long_rsa_key_within_seconds(self) -> None:
        """Of the processor's time; to see that these primes are prime takes more than ten."""
        long = rsa_key(4423, 3217)
        pair = for_server(key=long)
        started = time.thread_time()
        assert judged(pair.pem, pem_of(long)).fingerprint == pair.certificate.fingerprint(SHA256()).hex()
        assert time.thread_time() - started < 4

    @pytest.mark.parametrize(
        ("names", "host"),
        [(("gate.example",), "gate.example"), (("Gate.Example",), "GATE.example"), (("*.example",), "gate.example")],
    )
    def test_a_host_that_its_names_cover(self, names: tuple[str, ...], host: str) -> None:
        assert judged(for_server(dns_names=names).pem, GOOD.key_pem, host).names == list(names)


OTHER = ec.generate_private_key(ec.SECP256R1())
CASES: list[tuple[str, Callable[[], tuple[str, str]], str, str]] = [
    ("no PEM", lambda: ("hello", GOOD.key_pem), "certificate_unreadable", "cert.pem is not a PEM file."),
    ("empty", lambda: ("", GOOD.key_pem), "certificate_unreadable", "cert.pem is not a PEM file."),
    ("key no PEM", lambda: (GOOD.pem, "hello"), "certificate_unreadable", "cert.key is not a PEM file."),
    ("too long", lambda: (GOOD.pem + " " * 262_145, GOOD.key_pem), "certificate_unreadable", "is over 256 KiB"),
    ("key too long", lambda: (GOOD.pem, GOOD.key_pem + " " * 262_145), "certificate_unreadable", "is over 256 KiB"),
    ("half", lambda: (GOOD.pem[: len(GOOD.pem) // 2], GOOD.key_pem), "certificate_unreadable", "is not a PEM file."),
    ("spoiled", lambda: (GOOD.pem.replace("MII", "MIJ"), GOOD.key_pem), "certificate_unreadable", "cannot be decoded."),
    ("unreadable before the key", lambda: ("x", "y"), "certificate_unreadable", "cert.pem is not a PEM file."),
    ("no key", lambda: (GOOD.pem, GOOD.pem), "key_unreadable", "cert.key holds no private key."),
    ("two keys", lambda: (GOOD.pem, GOOD.key_pem * 2), "key_unreadable", "cert.key holds 2 private keys"),
    ("spoiled key", lambda: (GOOD.pem, GOOD.key_pem.replace("MI", "MX")), "key_unreadable", "cannot be decoded."),
    ("encrypted", lambda: (GOOD.pem, pem_of(KEY, password=b"x")), "key_encrypted",
     "The private key is encrypted; remove its password first (openssl pkey -in F -out F2)."),
    ("encrypted of old", lambda: (GOOD.pem, pem_of(KEY, PrivateFormat.TraditionalOpenSSL, b"x")), "key_encrypted",
     "The private key is encrypted"),
    ("Ed25519", lambda: (GOOD.pem, pem_of(ed25519.Ed25519PrivateKey.generate())), "key_unsupported", "must be EC on"),
    ("P-521", lambda: (GOOD.pem, pem_of(ec.generate_private_key(ec.SECP521R1()))), "key_unsupported", "P-256 or P-384"),
    ("RSA 1024", lambda: (GOOD.pem, pem_of(rsa.generate_private_key(65537, 1024))), "key_unsupported", "2048 to 8192"),
    ("longer than any", lambda: (GOOD.pem, GOOD.key_pem.replace("-----END", f"{'A' * 8192}\n-----END")),
     "key_unsupported", "2048 to 8192"),
    ("RSA 8676", lambda: (GOOD.pem, pem_of(rsa_key(4423, 4253))), "key_unsupported", "2048 to 8192"),
    ("RSA of odd numbers", lambda: (GOOD.pem, pem_of(rsa_key(2203, 2281, iqmp=3))), "key_unreadable",
     "does not fit together"),
    ("RSA of another exponent", lambda: (GOOD.pem, pem_of(rsa_key(2203, 2281, d=2**4000 + 1))), "key_unreadable",
     "does not fit together"),
    ("RSA of a long exponent", lambda: (GOOD.pem, pem_of(rsa_key(2203, 2281, e=2**33 + 1))), "key_unsupported",
     "2048 to 8192"),
    ("no certificate", lambda: (GOOD.key_pem, GOOD.key_pem), "key_mismatch", "cert.pem holds no BEGIN CERTIFICATE"),
    ("one of OpenSSL's own", lambda: (GOOD.pem.replace("BEGIN ", "BEGIN TRUSTED ").replace("END ", "END TRUSTED "),
     GOOD.key_pem), "key_mismatch", "cert.pem holds no BEGIN CERTIFICATE; send"),
    ("another key", lambda: (GOOD.pem, pem_of(OTHER)), "key_mismatch",
     "The private key does not belong to the first certificate in cert.pem."),
    ("its issuer first", lambda: (CA.pem + GOOD.pem, GOOD.key_pem), "key_mismatch", "does not belong to the first"),
    ("eleven", lambda: (GOOD.pem * 11, GOOD.key_pem), "key_mismatch", "cert.pem holds 11 certificates"),
    ("a stranger", lambda: (GOOD.pem + Authority("other").pem, GOOD.key_pem), "chain_broken",
     "Certificate 2 did not sign certificate 1; put the server certificate first, then its issuers."),
    ("its name", lambda: (GOOD.pem + Authority("plant CA").pem, GOOD.key_pem), "chain_broken", "2 did not"),
    ("a stranger behind", lambda: (GOOD.pem + CA.pem + SELF.pem, GOOD.key_pem), "chain_broken", "Certificate 3 did"),
    ("expired", lambda: (for_server(starts=-9 * DAY, ends=-DAY).pem, GOOD.key_pem), "certificate_expired",
     f"The certificate expired on {datetime.now(UTC) - DAY:%Y-%m-%d}."),
    ("nearly", lambda: (for_server(ends=timedelta(hours=23)).pem, GOOD.key_pem), "certificate_expired", "within 24"),
    ("tomorrow", lambda: (for_server(starts=DAY).pem, GOOD.key_pem), "certificate_not_yet_valid", "is not valid"),
    ("SHA-1", lambda: (weak(5), GOOD.key_pem), "certificate_weak", "MD5 or SHA-1"),
    ("MD5", lambda: (weak(4), GOOD.key_pem), "certificate_weak", "MD5 or SHA-1"),
    ("for clients", lambda: (for_server(purposes=(CLIENT,)).pem, GOOD.key_pem), "certificate_purpose",
     "The certificate is not meant for servers."),
    ("without names", lambda: (for_server(dns_names=()).pem, GOOD.key_pem), "certificate_names",
     "The certificate has no subjectAltName; browsers ignore its CN."),
]  # fmt: skip


class TestRefused:
    @pytest.mark.parametrize(
        ("made", "code", "sentence"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
    )
    def test_with_its_code_and_its_sentence(
        self, made: Callable[[], tuple[str, str]], code: str, sentence: str
    ) -> None:
        pair = made()
        started = time.thread_time()
        told = refused(*pair)
        assert time.thread_time() - started < 4
        assert told[0] == code
        assert sentence in told[1]
        assert told[1].endswith(".")

    @pytest.mark.parametrize("host", ["other.example", "example", "a.gate.example", "10.0.0.1"])
    def test_a_host_that_no_name_covers(self, host: str) -> None:
        code, sentence = refused(for_server(dns_names=("gate.example", "*.gate2.example")).pem, GOOD.key_pem, host)
        assert code == "certificate_names"
        assert f"not for {host}, the host of GATEHOUSE_PUBLIC_URL" in sentence

    def test_the_checks_come_in_the_order_of_the_contract(self) -> None:
        """One pair with everything wrong, mended step by step."""
        broken = for_server(starts=-9 * DAY, ends=-DAY, purposes=(CLIENT,), dns_names=())
        expired = for_server(starts=-9 * DAY, ends=-DAY, purposes=(CLIENT,), dns_names=())
        now_valid = for_server(purposes=(CLIENT,), dns_names=())
        unnamed = for_server(dns_names=())
        steps = [
            ("x", "y"), (broken.pem + SELF.pem, GOOD.pem), (broken.pem + SELF.pem, pem_of(KEY, password=b"x")),
            (broken.pem + SELF.pem, pem_of(OTHER)), (broken.pem + SELF.pem, GOOD.key_pem), (expired.pem, GOOD.key_pem),
            (now_valid.pem, GOOD.key_pem), (unnamed.pem, GOOD.key_pem),
        ]  # fmt: skip
        assert [refused(*step)[0] for step in steps] == [
            "certificate_unreadable", "key_unreadable", "key_encrypted", "key_mismatch", "chain_broken",
            "certificate_expired", "certificate_purpose", "certificate_names",
        ]  # fmt: skip

    def test_blocks_that_never_end_cost_no_time(self) -> None:
        endless = "-----BEGIN CERTIFICATE-----\n" * 9000
        assert refused(endless, GOOD.key_pem)[0] == "certificate_unreadable"


class TestWarned:
    def test_of_one_that_may_sign_others_and_of_one_that_ends_soon(self) -> None:
        now = datetime.now(UTC)
        alone = self_signed(ca=True, days=20)
        said = certificate_checks.warnings(alone.certificate, alone.certificate.not_valid_after_utc, now)
        assert [word in sentence for sentence, word in zip(said, ("CA:TRUE", "20 days left"), strict=True)] == [
            True,
            True,
        ]
        alone = self_signed(ca=False, days=20)
        for left, words in ((timedelta(days=1, hours=1), "1 day left"), (timedelta(days=19, hours=13), "20 days left")):
            then = alone.certificate.not_valid_after_utc - left
            (sentence,) = certificate_checks.warnings(alone.certificate, alone.certificate.not_valid_after_utc, then)
            assert f"The certificate has {words};" in sentence
            assert left < timedelta(days=2) or distance(then + left, then) == "in 20 days"
        good = GOOD.certificate
        assert certificate_checks.warnings(good, good.not_valid_after_utc, now) == []


class Below(Authority):
    """A CA that another one signed."""

    def __init__(self, holder: Holder) -> None:
        Holder.__init__(self, holder.certificate, holder.key)


def self_signed(*, ca: bool, days: int = 100) -> Holder:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gate.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - DAY, now + days * DAY
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("gate.example")]), critical=False)
    return Holder(builder.sign(key, SHA256()), key)


def weak(algorithm: int) -> str:
    """A certificate as nobody signs them any more, but for the signature: 4 is MD5 with RSA, 5 is SHA-1 with it."""
    issued = for_server(Authority("old CA", key=rsa.generate_private_key(65537, 2048))).certificate
    oid = bytes.fromhex("2a864886f70d0101")
    der = issued.public_bytes(Encoding.DER).replace(oid + b"\x0b", oid + bytes([algorithm]))
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
