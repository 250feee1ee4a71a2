"""The shapes of the doors' certificates in JSON; no key is in any of them but the one that comes in."""

from rest_framework import serializers

from gateway import certificate_installation
from gateway.certificate_listing import ListedCertificate
from gateway.models import TlsCertificate
from portal.rest import Flag, StrictSerializer, Text


class DoorCertificateSerializer(serializers.Serializer[ListedCertificate]):
    """A certificate that the TLS door of a node shows, or would show without the installed one."""

    id = serializers.IntegerField(source="certificate.pk")
    node = serializers.CharField(source="door", help_text="The node of the door; local is the one beside the portal.")
    installed = serializers.BooleanField(source="certificate.installed", help_text="Else Gatehouse made it.")
    shown = serializers.BooleanField(source="is_shown")
    live = serializers.BooleanField(source="is_live", help_text="Whether the node has said that it holds it.")
    fingerprint = serializers.CharField(source="certificate.fingerprint", help_text="SHA-256, 64 hex digits.")
    subject = serializers.CharField(source="certificate.subject")
    names = serializers.ListField(child=serializers.CharField(), source="certificate.names")
    not_before = serializers.DateTimeField(source="certificate.not_before")
    not_after = serializers.DateTimeField(source="certificate.not_after", help_text="The first end in the chain.")
    warnings = serializers.ListField(child=serializers.CharField())
    certificate = serializers.CharField(source="certificate.chain", help_text="The chain as PEM.")
    created_at = serializers.DateTimeField(source="certificate.created_at")
    created_by = serializers.CharField(source="certificate.created_by")


class NewDoorCertificateSerializer(StrictSerializer):
    """A chain and its private key, and the door that is to show it."""

    # Of an empty text and of one that is too long, too, the rule says why it is none.
    certificate = Text(allow_blank=True, help_text="1 to 10 certificates as PEM, the server's first; 256 KiB at most.")
    key = Text(allow_blank=True, help_text="Its private key as PEM, without a password; 256 KiB at most.")
    node = Text(max_length=64, required=False, help_text="The node of the door; the local one, unless told otherwise.")
    any_name = Flag(required=False, help_text="Whether it need not cover the host of GATEHOUSE_PUBLIC_URL.")


class InstalledSerializer(serializers.ModelSerializer[TlsCertificate]):
    """What the door shows from now on."""

    names = serializers.ListField(child=serializers.CharField())
    live = serializers.SerializerMethodField()

    class Meta:
        model = TlsCertificate
        fields = ("fingerprint", "subject", "names", "not_after", "live")
        read_only_fields = fields

    def get_live(self, installed: TlsCertificate) -> bool:
        return certificate_installation.is_live(installed)
