"""The shapes of device CAs and of certificates for devices in JSON."""

from typing import Any, ClassVar

from rest_framework import serializers

from gateway import device_certificates
from gateway.device_certificates import Signed
from gateway.models import DeviceCA, IssuedCertificate
from portal.rest import StrictSerializer, Text, WholeNumber


class DeviceCASerializer(serializers.ModelSerializer[DeviceCA]):
    """A CA whose certificates open the device door, without its key."""

    fingerprint = serializers.CharField(help_text="SHA-256 of the certificate, 64 hex digits.")
    signs_here = serializers.BooleanField(help_text="Whether its key is here, so that it can sign.")

    class Meta:
        model = DeviceCA
        fields: ClassVar = [
            "name", "fingerprint", "subject", "signs_here", "not_before", "not_after", "certificate", "created_at",
            "created_by",
        ]  # fmt: skip
        read_only_fields = fields


class NewDeviceCASerializer(StrictSerializer):
    """A CA of others with its `certificate`; without one, a CA is made whose key stays here."""

    name = Text(max_length=63, help_text="1 to 63 of a-z, 0-9 and -.")
    certificate = Text(required=False, help_text="One PEM CERTIFICATE of at most 16,384 bytes, without its key.")


class NewCertificateSerializer(StrictSerializer):
    """A request, and how many days the certificate is to live."""

    csr = Text(help_text="One PEM CERTIFICATE REQUEST of at most 16,384 bytes; its CN is the id of the device.")
    days = WholeNumber(
        min_value=1,
        max_value=device_certificates.MOST_DAYS,
        required=False,
        default=device_certificates.USUAL_DAYS,
        help_text="It never lives longer than the CA.",
    )


class SignedSerializer(serializers.Serializer[Signed]):
    """A certificate that was signed now, with the CA that signed it."""

    certificate = serializers.CharField(help_text="PEM.")
    ca = serializers.CharField(help_text="The certificate of the CA, PEM.")
    serial = serializers.CharField(help_text="32 hex digits.")
    fingerprint = serializers.CharField(help_text="SHA-256 of the certificate, 64 hex digits.")
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField()


class IssuedCertificateSerializer(serializers.ModelSerializer[IssuedCertificate]):
    """A certificate that was signed here once; itself it is not kept."""

    device = serializers.CharField(source="device_id", help_text="The CN: the id of the device, known or not.")
    ca_fingerprint = serializers.CharField(help_text="Of the CA that signed it, which may be withdrawn since.")
    key_fingerprint = serializers.CharField(help_text="SHA-256 of the public key, as the device has it.")

    class Meta:
        model = IssuedCertificate
        fields: ClassVar = [
            "device", "ca_fingerprint", "serial", "fingerprint", "key_fingerprint", "not_before", "not_after",
            "issued_at", "issued_by",
        ]  # fmt: skip
        read_only_fields = fields


def signed(certificate: Signed) -> dict[str, Any]:
    """The body that every face answers for a certificate that was just signed."""
    shape: dict[str, Any] = SignedSerializer(certificate).data
    return shape
