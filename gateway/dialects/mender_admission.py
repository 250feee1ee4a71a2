"""Mender's admission API for management clients (seed 002): its paths, words and statuses over our rules."""

import re
from typing import ClassVar

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from devices import admission, denial, identity, keys, submission
from devices.identity import Identity
from devices.models import ID, Device, Status
from gateway.dialects import mender_listing
from gateway.dialects.mender import BadRequest, MenderEndpoint, MenderErrorSerializer, members
from gateway.dialects.mender_shapes import (
    DEVICE_EXAMPLE,
    NEW_DEVICE_EXAMPLE,
    STATUS_EXAMPLE,
    MenderDeviceSerializer,
    MenderNewDeviceSerializer,
    MenderStatusSerializer,
)
from portal.actor import Actor
from portal.bodies import NotJson, body_of, is_json
from portal.refusal import Invalid
from portal.scopes import Scope

MAX_BODY = 65_536
TAG = "Mender admission"

DECISIONS = ("accepted", "rejected")
NOT_DECODED = "failed to decode request body"
STATUS_NOT_DECODED = "failed to decode status data"

DEVICE_ID = OpenApiParameter("id", str, OpenApiParameter.PATH, description="The device's id, opaque.")
LINK = OpenApiParameter("Link", str, OpenApiParameter.HEADER, response=[200], description="prev, next and first.")
WRONG = OpenApiResponse(MenderErrorSerializer, "A parameter or the body is wrong; `error` says how.")


class DeviceList(MenderEndpoint):
    """The devices in admission."""

    scopes: ClassVar = {"get": Scope.DEVICES_READ, "post": Scope.DEVICES_ADMIT}

    @extend_schema(
        tags=[TAG],
        parameters=[
            OpenApiParameter("page", int, description="Which page, from 1; 1 unless told."),
            OpenApiParameter("per_page", int, description="How many on a page, from 1 to 500; 10 unless told."),
            OpenApiParameter("status", enum=Status.values, description="Only devices of this status."),
            LINK,
        ],
        responses={200: MenderDeviceSerializer(many=True), 400: WRONG},
        examples=[DEVICE_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        """List pending, accepted and rejected devices by id; preauthorized ones only if asked for."""
        page = mender_listing.read(request.query_params)
        devices = mender_listing.devices_on(page)
        shape = MenderDeviceSerializer()
        shown = [shape.to_representation(device) for device in devices[: page.size]]
        return Response(shown, headers={"Link": page.links(more=len(devices) > page.size)})

    @extend_schema(
        tags=[TAG], request=MenderNewDeviceSerializer, responses={201: None, 400: WRONG}, examples=[NEW_DEVICE_EXAMPLE]
    )
    def post(self, request: Request) -> Response:
        """Preauthorize a device: it is accepted when it proves this key."""
        raw = json_of(request)
        if not raw:
            raise BadRequest("EOF")
        claimed, key = new_device(raw, "{}: non zero value required")
        try:
            device = submission.preauthorize(claimed, key, by=self.actor)
        except Invalid as unusable:
            raise BadRequest("cannot decode public key") from unusable
        return Response(status=201, headers={"Location": f"devices/{device.pk}"})


@extend_schema(tags=[TAG], parameters=[DEVICE_ID])
class OneDevice(MenderEndpoint):
    """One device in admission."""

    scopes: ClassVar = {"get": Scope.DEVICES_READ, "put": Scope.DEVICES_ADMIT, "delete": Scope.DEVICES_DELETE}

    @extend_schema(responses={200: MenderDeviceSerializer}, examples=[DEVICE_EXAMPLE])
    def get(self, request: Request, id: str) -> Response:
        """Show a device."""
        return Response(MenderDeviceSerializer(present(id)).data)

    @extend_schema(request=MenderNewDeviceSerializer, responses={204: None, 400: WRONG}, examples=[NEW_DEVICE_EXAMPLE])
    def put(self, request: Request, id: str) -> Response:
        """Submit a device: it is created or replaced, and pending."""
        raw = json_of(request)
        if not re.fullmatch(ID, id):
            raise BadRequest("'id' must be 1 to 128 of A-Z a-z 0-9 _ : -")
        if not raw:
            raise BadRequest(f"{NOT_DECODED}: JSON payload is empty")
        claimed, key = new_device(raw, "'{}' field required")
        submission.submit(id, claimed, key, by=self.actor)
        return Response(status=204)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: str) -> Response:
        """Deny a device, if there is one; what it stored is destroyed, and it is refused until it is restored."""
        if re.fullmatch(ID, id):
            denial.deny_by_id(id, by=self.actor)
        return Response(status=204)


@extend_schema(tags=[TAG], parameters=[DEVICE_ID])
class DeviceStatus(MenderEndpoint):
    """The status of one device."""

    scopes: ClassVar = {"get": Scope.DEVICES_READ, "put": Scope.DEVICES_ADMIT}

    @extend_schema(responses={200: MenderStatusSerializer}, examples=[STATUS_EXAMPLE])
    def get(self, request: Request, id: str) -> Response:
        """Show the status of a device."""
        return Response({"status": present(id).status})

    @extend_schema(
        request=MenderStatusSerializer,
        responses={200: MenderStatusSerializer, 400: WRONG},
        examples=[STATUS_EXAMPLE],
    )
    def put(self, request: Request, id: str) -> Response:
        """Accept or reject a device; the status that it has already is no mistake."""
        raw = json_of(request)
        if not raw:
            raise BadRequest(f"{STATUS_NOT_DECODED}: JSON payload is empty")
        decision = members(raw, STATUS_NOT_DECODED).get("status")
        if decision not in DECISIONS:
            raise BadRequest("incorrect device status")
        device = find(id)
        if device.is_denied:
            raise admission.Denied(device)
        decide(device, Status(decision), self.actor)
        return Response({"status": decision})


def decide(device: Device, decision: Status, by: Actor) -> None:
    """Decide, where that changes something; somebody who decided the same in this moment is agreed with."""
    if device.status == decision:
        return
    if decision not in admission.decisions(device):
        raise BadRequest(f"cannot change status from {device.status} to {decision}")
    try:
        admission.decide(device, decision, by=by)
    except admission.NotPossible:
        if device.status != decision:
            raise


def find(device_id: str) -> Device:
    """The device, denied or not; an id of another spelling is nobody's."""
    if not re.fullmatch(ID, device_id):
        raise admission.Unknown(device_id)
    return admission.find(device_id, Device.objects.select_related("introduction"))


def present(device_id: str) -> Device:
    """The device, if it is part of admission; a denied one is not."""
    device = find(device_id)
    if device.is_denied:
        raise admission.Unknown(device_id)
    return device


def json_of(request: Request) -> bytes:
    """The raw body; one that is not empty must say that it is JSON."""
    if request.META.get("CONTENT_LENGTH") not in (None, "", "0") and not is_json(request.META.get("CONTENT_TYPE", "")):
        raise NotJson("")
    return body_of(request, MAX_BODY)


def new_device(raw: bytes, required: str) -> tuple[Identity, str]:
    """The identity and the key that a body names; `required` is how a missing one is told."""
    sent = members(raw, NOT_DECODED)
    for name in ("device_identity", "key"):
        if not isinstance(sent.get(name, ""), str | None):
            raise BadRequest(f"{NOT_DECODED}: the value of '{name}' is not text")
    for name in ("device_identity", "key"):
        if not sent.get(name):
            raise BadRequest(required.format(name))
    try:
        claimed = identity.read(sent["device_identity"])
    except identity.TooLong as long:
        raise BadRequest("'device_identity' is too long") from long
    except identity.Empty as empty:
        raise BadRequest("no attributes provided") from empty
    except identity.Malformed as malformed:
        raise BadRequest(f"failed to decode attributes data: {malformed}") from malformed
    if len(sent["key"].encode()) > keys.MAX_BYTES:
        raise BadRequest("'key' is too long")
    if keys.is_private(sent["key"]):
        raise BadRequest("'key' must be a public key")
    return claimed, sent["key"]
