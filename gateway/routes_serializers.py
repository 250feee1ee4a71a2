"""The shapes of routes in JSON."""

from typing import Any, ClassVar

from rest_framework import serializers

from gateway import route_fields, route_origins, route_verdict, target_cas
from gateway.models import HostHeader, Origin, Route
from portal.rest import Flag, StrictSerializer, Text, WholeNumber

PREFIX_HELP = "1 to 4 segments joined by /; compared byte by byte, and unique in any case."
TARGET_HELP = "http or https, at an address that is open to routes, with a base path if you like."
SCOPE_HELP = "A token opens the route with this scope or with gateway:*; usually gateway: and the prefix."

HEALTH_HELP = (
    "Where the service is asked every 10 s how it is, from its own root; while it is not well, nobody else is let "
    "through. Empty: it is not asked."
)
CA_HELP = "PEM certificates of the CAs that an https target is judged by. Empty: those of the system."


class RouteSerializer(serializers.ModelSerializer[Route]):
    """A route of the gateway; times are RFC 3339 in UTC."""

    enabled = serializers.BooleanField(source="is_enabled")
    methods = serializers.ListField(child=serializers.CharField())
    cors_origins = serializers.ListField(child=serializers.CharField())
    origin = serializers.ChoiceField(choices=Origin.choices, help_text="Where the route came from.")
    edited = serializers.BooleanField(
        source="is_edited", help_text="Whether it was changed by hand since; then no list of entries changes it."
    )
    host_header = serializers.ChoiceField(choices=HostHeader.choices)

    class Meta:
        model = Route
        fields: ClassVar = [
            "id", "prefix", "target", "scope", "enabled", "methods", *route_fields.BOUNDS, "health_path", "websocket",
            "cors_origins", "cors_credentials", "host_header", "forward_token", "target_ca", "origin", "edited",
            "revision", "created_at", "created_by", "changed_at",
        ]  # fmt: skip
        read_only_fields = fields


class NewRouteSerializer(StrictSerializer):
    """A route to be made, or what to change of one."""

    prefix = Text(max_length=257, help_text=PREFIX_HELP)
    target = Text(max_length=500, help_text=TARGET_HELP)
    scope = Text(max_length=263, required=False, help_text=SCOPE_HELP)
    enabled = Flag(source="is_enabled", required=False, help_text="Whether it is served; a new route is at once.")
    methods = serializers.ListField(
        child=serializers.ChoiceField(choices=route_fields.METHODS),
        min_length=1,
        required=False,
        help_text="Which methods reach the service; all, unless told otherwise.",
    )
    health_path = Text(max_length=500, required=False, allow_blank=True, help_text=HEALTH_HELP)
    websocket = Flag(required=False, help_text="Whether a connection may become a WebSocket.")
    cors_origins = serializers.ListField(
        child=Text(),  # How many there may be, and how long, the rule says once it has dropped what is there twice.
        required=False,
        help_text=(
            f"Up to {route_origins.MOST} origins whose pages may call it from a browser, such as https://app.example; "
            "none, unless told."
        ),
    )
    cors_credentials = Flag(required=False, help_text="Whether such a page may send credentials of the browser.")
    target_ca = Text(max_length=target_cas.MAX_BYTES, required=False, allow_blank=True, help_text=CA_HELP)
    host_header = serializers.ChoiceField(choices=HostHeader.choices, required=False)
    forward_token = Flag(required=False, help_text="Whether the service is shown the access token.")
    reason = Text(max_length=500, required=False, allow_blank=True)

    def get_fields(self) -> dict[str, Any]:
        numbers = {
            name: WholeNumber(min_value=least, max_value=most, required=False, help_text=f"In {unit}.")
            for name, (least, most, unit) in route_fields.BOUNDS.items()
        }
        return {**super().get_fields(), **numbers}


class TrySerializer(StrictSerializer):
    """A request that is judged and not sent; nothing of it is kept."""

    method = Text(max_length=route_verdict.LONGEST_METHOD, help_text="Such as GET; capital and small letters differ.")
    path = Text(max_length=route_verdict.LONGEST_PATH, help_text="The path with its query, without the host.")
    token = Text(
        max_length=route_verdict.LONGEST_TOKEN,
        required=False,
        allow_blank=True,
        help_text="The access token that is shown as `Authorization: Bearer`; it is judged, and then forgotten.",
    )


class StepSerializer(serializers.Serializer[Any]):
    """One step of the judgement, in their order; the last one said no, if the request is refused."""

    name = serializers.ChoiceField(choices=list(route_verdict.STEPS))
    passed = serializers.BooleanField(source="is_passed")
    code = serializers.CharField(allow_null=True)
    said = serializers.CharField()


class VerdictSerializer(serializers.Serializer[Any]):
    """What the door would answer; `status`, `code` and `error` are those of a refusal."""

    outcome = serializers.ChoiceField(choices=["allowed", "refused", "portal"])
    status = serializers.IntegerField(allow_null=True)
    code = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    hint = serializers.CharField(allow_null=True, help_text="What else would help, where something is known.")


class UpstreamSerializer(serializers.Serializer[Any]):
    """What the service would be asked, and what it would be told beside the client's own headers."""

    method = serializers.CharField()
    url = serializers.CharField()
    host = serializers.CharField()
    headers = serializers.DictField(child=serializers.CharField())
    authorization = serializers.BooleanField(source="shows_token", help_text="Whether it is shown the access token.")


class TriedSerializer(serializers.Serializer[Any]):
    """The verdict on a request, how it came about, and what would become of it."""

    route = RouteSerializer(allow_null=True)
    verdict = VerdictSerializer(source="*")
    upstream = UpstreamSerializer(allow_null=True)
    steps = StepSerializer(many=True)
