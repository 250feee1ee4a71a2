"""What a device calls at its own door, with its certificate (contracts: satellite, B)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.http import JsonResponse
from django.utils import timezone
from django.utils.http import http_date
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from devices import app_states, check_in, configs, contact, records, system_info, update_events
from devices.contact import Contact, NotServed
from devices.keys import Key
from devices.models import Device
from gateway import device_certificates, device_identity, serializers
from gateway.dialects.satellite_device_shapes import (
    CERTIFICATE_EXAMPLE,
    CONFIG_EXAMPLE,
    CONFIG_FILES,
    EVENT_EXAMPLE,
    STATES_EXAMPLE,
    AppsStatesSerializer,
    CertificateRequestSerializer,
    DeviceSchema,
    EventSerializer,
    NetworkSerializer,
    SelfSerializer,
)
from gateway.serializers import SignedSerializer
from portal import errors, etags, strict_json
from portal.actor import Actor
from portal.bodies import body_of
from portal.refusal import Invalid
from portal.rest import Endpoint

MOST = 100_000
WITH_BODY = ("POST", "PUT")
TAG = "Device"

_HTTP_DATE = re.compile(r"([A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2}) (?:GMT|UTC)")

STORED = OpenApiResponse(description="It is kept; the answer is empty.")
NO_CONFIG = OpenApiResponse(description="There is no configuration for this device.")
IF_MODIFIED_SINCE = OpenApiParameter(
    "If-Modified-Since", str, OpenApiParameter.HEADER, description="The `Date` of an earlier answer."
)


class CertificateAuthentication(BaseAuthentication):
    """Serve the device that the certificate names, if it is let in; the user of the request becomes the Contact."""

    def authenticate(self, request: Request) -> tuple[Contact, Actor]:
        forwarded, address = request.META.get("HTTP_X_FORWARDED_CLIENT_CERT", ""), request.META.get("REMOTE_ADDR", "")
        presented, ca = device_identity.read(forwarded, timezone.now())
        met = contact.meet(presented.id, presented.key, ca=ca, address=address)
        return met, Actor.device(presented.id, address)


@extend_schema(tags=[TAG])
class DeviceEndpoint(Endpoint):
    """The base of all: each call is a check-in too; its body is read within bounds, whatever its media type says."""

    authentication_classes = (CertificateAuthentication,)
    scopes: ClassVar = {"get": None, "post": None, "put": None}
    schema = DeviceSchema()
    reads = None
    raw = b""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        met: Any = request.user
        if request.method in WITH_BODY:
            self.raw = body_of(request, MOST)
        said = check_in.read(request.headers)
        check_in.note(met.device, met.said, said, timezone.now())
        self.device: Device = met.device
        self.key: Key = met.key
        self.said = {**(met.said or {}), **said}

    def handle_exception(self, exc: Exception) -> Any:
        """Tell a device that it waits, past the renderers of the REST framework: a whole fleet asks every minute."""
        return errors.answer(self.request, exc) if isinstance(exc, NotServed) else super().handle_exception(exc)

    def carry_out(self, rule: Callable[..., Any], sent: Any, **facts: Any) -> Any:
        """Let a rule do what was asked; a device that has lost its admission in this moment is told so."""
        try:
            return rule(self.device, sent, **facts)
        except records.NotAdmitted:
            CertificateAuthentication().authenticate(self.request)
            raise  # It has come back in this moment too.

    def store(self, keep: Callable[..., None], sent: Any) -> Response:
        self.carry_out(keep, sent)
        return Response()

    def text(self) -> str:
        try:
            return self.raw.decode()
        except UnicodeDecodeError as other:
            raise Invalid("body", "The body is not UTF-8; send it in UTF-8.") from other

    def json(self) -> Any:
        """The body decoded; of a member named twice the last counts."""
        try:
            return strict_json.loads(self.raw, repeated_members=True)
        except strict_json.Unreadable as unreadable:
            raise Invalid("body", f"The body cannot be read: {unreadable}.") from unreadable


class Self(DeviceEndpoint):
    """The device itself."""

    @extend_schema(operation_id="device", responses=SelfSerializer)
    def get(self, request: Request) -> JsonResponse:
        """What is known of the device that asks."""
        seen = self.device.last_seen
        return JsonResponse(
            {
                "uuid": self.device.pk,
                "docker_apps": self.said.get("apps", ""),
                "group_name": "",
                "last_seen": int(seen.timestamp()) if seen else 0,
                "ostree_hash": self.said.get("ostree_hash", ""),
                "pubkey": self.key.pem,
                "target_name": self.said.get("target", ""),
                "tag": self.said.get("tag", ""),
                "update_name": "",
            }
        )


class Configuration(DeviceEndpoint):
    """The files that an administrator has put down for the device."""

    @extend_schema(
        operation_id="device_config",
        parameters=[etags.IF_NONE_MATCH, IF_MODIFIED_SINCE, etags.ETAG],
        responses={(200, "application/json"): CONFIG_FILES, 204: NO_CONFIG},
        examples=[CONFIG_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        """The configuration, if there is one and the device does not hold it already."""
        # From before it is read, so that a change in this moment is met at the next poll.
        date = {"Date": http_date(timezone.now().timestamp())}
        head = configs.head(self.device)
        if head and _is_held(request, *head):
            return Response(status=304, headers={"ETag": f'"{head[0]}"', **date})
        config = configs.current(self.device) if head else None
        if config is None:
            return Response(status=204, headers=date)
        return Response(config.files, headers={"ETag": f'"{config.version}"', **date})


class Events(DeviceEndpoint):
    """How updates go on the device."""

    @extend_schema(
        operation_id="device_events",
        request=EventSerializer(many=True),
        responses={200: STORED},
        examples=[EVENT_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """Report steps of updates; one that cannot be read is skipped, one that is known already is not kept twice."""
        sent = self.json()
        if not isinstance(sent, list):
            raise Invalid("body", "Send a JSON array of events.")
        return self.store(update_events.report, sent)


class AppsStates(DeviceEndpoint):
    """How the apps on the device are."""

    @extend_schema(
        operation_id="device_apps_states",
        request=AppsStatesSerializer,
        responses={200: STORED},
        examples=[STATES_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """Report the state of all apps at a time; the newest ten reports are kept."""
        return self.store(app_states.report, self.json())


class Hardware(DeviceEndpoint):
    """What the device is made of."""

    @extend_schema(operation_id="device_system_info", request={"application/json": {}}, responses={200: STORED})
    def put(self, request: Request) -> Response:
        """Report the hardware, as any JSON."""
        return self.store(system_info.put_hardware, self.text())


class Network(DeviceEndpoint):
    """Where the device is in its network."""

    @extend_schema(operation_id="device_system_info_network", request=NetworkSerializer, responses={200: STORED})
    def put(self, request: Request) -> Response:
        """Report host name and addresses."""
        return self.store(system_info.put_network, self.text())


class UpdaterConfig(DeviceEndpoint):
    """How the updater on the device is set up."""

    @extend_schema(
        operation_id="device_system_info_config", request={"text/plain": {"type": "string"}}, responses={200: STORED}
    )
    def put(self, request: Request) -> Response:
        """Report the configuration of the updater; the text is kept as it is."""
        return self.store(system_info.put_config, self.text())


class Certificate(DeviceEndpoint):
    """A new certificate for the one that is about to end."""

    @extend_schema(
        operation_id="device_certificate",
        request=CertificateRequestSerializer,
        responses={201: SignedSerializer},
        examples=[CERTIFICATE_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """Have a request signed. With another key a key change is opened, and the present one goes on meanwhile."""
        sent = self.json()
        csr = sent.get("csr") if isinstance(sent, dict) else None
        if not isinstance(csr, str):
            raise Invalid("csr", "Send the certificate request as text, as PEM.")
        signed = self.carry_out(device_certificates.renew, csr, by=self.actor)
        return Response(serializers.signed(signed), 201)


def _is_held(request: Request, version: str, changed_at: datetime) -> bool:
    """Whether the device holds this version: by its ETag, else by the time of an answer that came later."""
    if (held := request.headers.get("If-None-Match")) is not None:
        return etags.names(held, version)
    found = _HTTP_DATE.fullmatch(request.headers.get("If-Modified-Since", "").strip())
    try:
        since = datetime.strptime(found[1], "%a, %d %b %Y %H:%M:%S").replace(tzinfo=UTC) if found else None
    except ValueError:
        return False
    # A time of whole seconds says nothing about what happened within its own, nor one ahead of a clock that was set
    # back about what happened since.
    return since is not None and changed_at.replace(microsecond=0) < since <= timezone.now()
