"""What a device that runs mender-client 3.4 calls: it proves its key, buys a token with it, and reports."""

import base64
import re
from typing import Any, ClassVar, NoReturn

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from devices import identity, introduction, keys, records
from devices.models import Device
from gateway.dialects import client_certificate
from gateway.dialects.mender import BadRequest, MenderEndpoint, members
from portal import strict_json
from portal.access import REALM
from portal.bodies import body_of
from portal.refusal import Invalid, Refusal
from tokens import device_tokens

MAX_AUTH_REQUEST = 65_536
MAX_REPORT = 100_000
MAX_LOG = 1024 * 1024
LONGEST_NAME = 256

NOT_DECODED = "failed to decode request body"
NOT_VALID = "invalid auth request"

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


class Unauthorized(Refusal):
    """The device is not let in; it learns no more than that."""

    status, code = 401, "unauthorized"

    def __init__(self, words: str = "unauthorized") -> None:
        super().__init__(words)

    def challenge(self) -> str:
        return REALM


class DeviceAuthentication(BaseAuthentication):
    """Accept a device's own token, while the device is accepted; the user of the request becomes the device."""

    def authenticate(self, request: Request) -> tuple[Device, str]:
        bearer = _BEARER.fullmatch(request.META.get("HTTP_AUTHORIZATION", "").strip())
        device = device_tokens.holder(bearer[1]) if bearer else None
        if bearer is None or device is None or not client_certificate.fits(request, device.fingerprint):
            raise Unauthorized
        return device, bearer[1]


@extend_schema(exclude=True)
class AuthRequests(MenderEndpoint):
    """A device proves its key by signing the body, and says who it is."""

    authentication_classes = ()
    scopes: ClassVar = {"post": None}

    def post(self, request: Request) -> HttpResponse:
        raw = body_of(request, MAX_AUTH_REQUEST)
        claimed, key = auth_request(raw)
        check_signature(request, key, raw)
        if not client_certificate.fits(request, key.fingerprint):
            raise Unauthorized("dev auth: unauthorized")
        outcome = introduction.introduce(claimed, key, address=request.META.get("REMOTE_ADDR", ""))
        if not outcome.is_admitted:
            raise Unauthorized("dev auth: unauthorized")
        return HttpResponse(device_tokens.issue(outcome.device), content_type="application/jwt")


@extend_schema(exclude=True)
class DeviceCall(MenderEndpoint):
    """A call of an accepted device with its token; its body is read, within bounds, also where nothing is kept."""

    authentication_classes = (DeviceAuthentication,)
    scopes: ClassVar = {"get": None, "post": None, "put": None, "patch": None}
    most = MAX_REPORT

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method != "OPTIONS":
            self.raw = body_of(request, self.most)


class InventoryCall(DeviceCall):
    """The device reports its attributes: all of them, or some."""

    def put(self, request: Request) -> Response:
        return self.report(request, replace=True)

    def patch(self, request: Request) -> Response:
        return self.report(request, replace=False)

    def report(self, request: Request, *, replace: bool) -> Response:
        device: Any = request.user
        try:
            records.report_inventory(device, attributes(self.raw), replace=replace)
        except Invalid as invalid:
            _not_decoded(str(invalid))
        except records.NotAdmitted as ended:
            raise Unauthorized from ended
        return Response()  # 200: a 204 is an error to the client.


class NextDeployment(DeviceCall):
    """There is nothing to install: Gatehouse deploys no updates."""

    def post(self, request: Request) -> Response:
        return Response(status=204)


class NextDeploymentV1(NextDeployment):
    """The older form, which was a query."""

    def get(self, request: Request) -> Response:
        return Response(status=204)


class DeploymentStatus(DeviceCall):
    """A deployment that began under another server comes to its end; nothing is kept of it."""

    def put(self, request: Request, deployment: str) -> Response:
        return Response(status=204)


class DeploymentLog(DeploymentStatus):
    """The log of such a deployment."""

    most = MAX_LOG


def auth_request(raw: bytes) -> tuple[identity.Identity, keys.Key]:
    """The identity that is claimed and the key that is to be proved."""
    failed = "failed to decode auth request"
    if not raw:
        raise BadRequest(f"{failed}: unexpected end of JSON input")
    sent = members(raw, failed)
    for name in ("id_data", "pubkey"):
        if not isinstance(sent.get(name), str) or not sent[name]:
            raise BadRequest(f"{NOT_VALID}: {name} must be provided")
    try:
        key = keys.read(sent["pubkey"])
    except keys.Unusable as unusable:
        raise BadRequest(f"{NOT_VALID}: cannot decode public key") from unusable
    try:
        return identity.read(sent["id_data"], lists=True), key
    except identity.Malformed as malformed:
        raise BadRequest(f"{NOT_VALID}: {malformed}") from malformed


def check_signature(request: Request, key: keys.Key, raw: bytes) -> None:
    """Refuse a request that is not signed, byte for byte as received, with the key that it names."""
    header = request.META.get("HTTP_X_MEN_SIGNATURE")
    if header is None:  # One that is not ASCII is empty here.
        raise BadRequest("missing request signature header")
    try:
        signature = base64.b64decode(header, validate=True)
    except ValueError as not_base64:
        raise Unauthorized("signature verification failed") from not_base64
    if base64.b64encode(signature).decode() != header:
        # Python reads on behind the padding, and takes bits that are in no byte.
        raise Unauthorized("signature verification failed")
    if not keys.verifies(key, signature, raw):
        raise Unauthorized("signature verification failed")


def attributes(raw: bytes) -> dict[str, object]:
    """The attributes in a report: a list of objects with `name` and `value`; of a repeated name the last counts."""
    if not raw:
        _not_decoded("JSON payload is empty")
    try:
        sent = strict_json.loads(raw, repeated_members=True)
    except strict_json.Unreadable as unreadable:
        _not_decoded(str(unreadable))
    if not isinstance(sent, list):
        _not_decoded("it is not a JSON array")
    found: dict[str, object] = {}
    for item in sent:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
            _not_decoded(f"an attribute needs a 'name' of 1 to {LONGEST_NAME} characters")
        if not _is_value(item.get("value")):
            _not_decoded(f"the value of {name!r} is neither text, number, boolean nor a list of texts or numbers")
        found[name] = item["value"]
    return found


def _is_value(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in value)
    return isinstance(value, str | int | float)


def _not_decoded(why: str) -> NoReturn:
    raise BadRequest(f"{NOT_DECODED}: {why}")
