"""The CAs whose certificates open the device door: those made here, which sign, and those of others.

Every change is live at the doors within two seconds; what a withdrawn CA signed is refused from then on.
"""

import re

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from gateway import ca_certificates, device_identity, trial
from gateway.ca_certificates import CACertificate
from gateway.models import DeviceCA
from portal import audit, sealing, text
from portal.actor import Actor
from portal.models import AuditEvent
from portal.refusal import Invalid, NotFound, Refusal

FIRST = "gatehouse"
NAME = r"[a-z0-9][a-z0-9-]{0,62}"


class Unknown(NotFound):
    code = "device_ca_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no device CA named {name}; look at the list again.")


class Exists(Refusal):
    """The name, the certificate, or its subject with another key is in the bundle already."""

    code = "device_ca_exists"


class NameTaken(Exists):
    def __init__(self, name: str) -> None:
        super().__init__(f"There is a device CA named {name} already; choose another name.")


class NoSigningCA(Refusal):
    """Nothing can be signed here."""

    code = "no_signing_ca"

    def __init__(self) -> None:
        super().__init__("No device CA with its key here is valid now; make one on the page of the device CAs.")


class KeyUnusable(Refusal):
    """The stored key is not the one of the certificate."""

    status, code = 503, "device_ca_unusable"

    def __init__(self, ca: DeviceCA) -> None:
        super().__init__(f"The key of the device CA {ca} does not fit its certificate; restore it from your backup.")


def bundle() -> QuerySet[DeviceCA]:
    """All of them by name, those that have ended too."""
    return DeviceCA.objects.order_by("name")


def find(name: str) -> DeviceCA:
    """The CA with this name."""
    ca = DeviceCA.objects.filter(name=name).first()
    if ca is None:
        raise Unknown(name)
    return ca


def newest_signing(*, besides: DeviceCA | None = None) -> DeviceCA | None:
    """The newest one that is valid now and whose key is here, which is the one that signs; None if there is none.

    With `besides` the one that would sign if that one were withdrawn.
    """
    now = timezone.now()
    keyed = DeviceCA.objects.exclude(sealed_key="").filter(not_before__lte=now, not_after__gt=now)
    others = keyed.exclude(pk=besides.pk) if besides else keyed
    return others.order_by("-pk").first()


def signing_ca() -> DeviceCA:
    """The one that signs; refused if there is none."""
    ca = newest_signing()
    if ca is None:
        raise NoSigningCA
    return ca


def key_of(ca: DeviceCA) -> ec.EllipticCurvePrivateKey:
    """The private key of a CA that signs here."""
    plain = sealing.unseal(ca.sealed_key)
    try:
        private = load_der_private_key(plain, password=None)
        fits = private.public_key() == x509.load_pem_x509_certificate(ca.certificate.encode()).public_key()
    except (ValueError, TypeError):
        raise KeyUnusable(ca) from None
    if not fits or not isinstance(private, ec.EllipticCurvePrivateKey):
        raise KeyUnusable(ca)
    return private


def ensure_first(*, by: Actor) -> None:
    """Make one at the first start, and never again once it was made; of two replicas at first start one makes it."""
    if DeviceCA.objects.exists() or AuditEvent.objects.filter(verb="device_ca.made").exists():
        return
    try:
        make(FIRST, by=by)
    except Exists:
        return  # Another replica was first.


def make(name: str, *, by: Actor) -> DeviceCA:
    """A further CA whose key is made here and stays here; from now on it is the one that signs."""
    _judge_name(name)
    private = ec.generate_private_key(ec.SECP256R1())
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = ca_certificates.of(ca_certificates.self_signed(private, timezone.now()))
    return _put(name, certificate, sealing.seal(plain), "device_ca.made", by)


def add(name: str, pem: str, *, by: Actor) -> DeviceCA:
    """Trust a CA whose key is elsewhere, if the doors take it beside the others; it signs nothing here."""
    return trust(name, judge(name, pem), by=by)


def judge(name: str, pem: str) -> CACertificate:
    """The certificate of a CA that may be trusted; the doors are asked, for which no transaction may wait."""
    _judge_name(name)
    try:
        certificate = ca_certificates.read(pem, timezone.now())
    except ca_certificates.Unusable as unusable:
        raise Invalid("certificate", str(unusable)) from unusable
    _refuse_twin(certificate)
    pems = [*bundle().values_list("certificate", flat=True), certificate.pem]
    if reason := trial.reason_against_bundle(pems):
        raise Invalid("certificate", f"The doors would not take it: {reason}")
    return certificate


def trust(name: str, certificate: CACertificate, *, by: Actor) -> DeviceCA:
    """Trust what was judged under this name."""
    return _put(name, certificate, "", "device_ca.added", by)


@transaction.atomic
def withdraw(ca: DeviceCA, *, by: Actor, reason: str = "") -> None:
    """Remove a CA and, if it signs here, its key for good. Whatever it signed is refused at the door from now on."""
    text.check("reason", reason, most=500)
    transaction.on_commit(device_identity.forget_bundle)  # At once here; other processes look within a second.
    removed, _ = DeviceCA.objects.filter(pk=ca.pk).delete()
    if not removed:
        raise Unknown(ca.name)
    audit.record(by, "device_ca.withdrawn", ("device_ca", ca.name), before=_facts(ca), reason=reason)


def _judge_name(name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise Invalid("name", "A name is 1 to 63 of a-z, 0-9 and -, and does not begin with -.")
    if DeviceCA.objects.filter(name=name).exists():
        raise NameTaken(name)


def _as_envoy_reads(subject: str) -> str:
    """A name as TLS libraries compare names: without regard to case and to the number of blanks (RFC 5280, 7.1)."""
    return re.sub(r"(^|(?<=[=,+])) +| +(?=$|[,+])", "", re.sub(r"(\\ | )+", " ", subject)).casefold()


def _refuse_twin(new: CACertificate) -> None:
    """Refuse a certificate that is there already, and one that the doors would take for another.

    Of two CAs with one subject, Envoy knows which one signed only by the ids of their keys; without them it would take
    the first, and turn away the devices of the second.
    """
    for ca in bundle():
        if ca.fingerprint == new.fingerprint:
            raise Exists(f"This certificate is in the bundle already, as {ca}.")
        if _as_envoy_reads(ca.subject) != _as_envoy_reads(new.subject):
            continue
        there = ca_certificates.of(x509.load_pem_x509_certificate(ca.certificate.encode()))
        told_apart = there.key_id and new.key_id and there.key_id != new.key_id
        if there.key_fingerprint != new.key_fingerprint and not told_apart:
            raise Exists(
                f"The device CA {ca} has the same subject and another key, and the two have no subject key identifiers "
                "that differ, so no door could tell their certificates apart; withdraw it first."
            )


def _put(name: str, certificate: CACertificate, sealed_key: str, verb: str, by: Actor) -> DeviceCA:
    try:
        with transaction.atomic():
            ca = DeviceCA.objects.create(
                name=name,
                certificate=certificate.pem,
                sealed_key=sealed_key,
                fingerprint=certificate.fingerprint,
                subject=certificate.subject,
                not_before=certificate.not_before,
                not_after=certificate.not_after,
                created_by=str(by),
            )
            audit.record(by, verb, ("device_ca", name), after=_facts(ca))
    except IntegrityError as taken:
        raise Exists(f"A device CA named {name} or with this certificate was added in this moment.") from taken
    return ca


def _facts(ca: DeviceCA) -> dict[str, object]:
    return {
        "fingerprint": ca.fingerprint,
        "subject": ca.subject,
        "not_after": ca.not_after,
        "signs_here": ca.signs_here,
    }
