"""What all calls of apps on devices share (seed 000): the shape of a no, its words, and whose access token is shown."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import TokenError

from gateway.dialects import industrial_edge_errors as words
from gateway.dialects import refusing
from portal import request_id
from portal.access import REALM
from portal.refusal import Refusal
from portal.rest import Endpoint
from tokens import access_tokens, shown_secrets
from tokens.access_tokens import EdgeApp, EdgeToken
from tokens.authentication import BEARER

TAG = "Industrial Edge"
PERMIT = "/device/edge/a.service/api/v3/token/permit"
SHUTDOWN = "/device/edge/api/v2/shutdown"

INVALID_TOKEN, DEVICE_REFUSED = "auth.invalidToken", "auth.deviceRefused"
# Our refusals of an app token in the dialect's words.
TOLD: Mapping[type[Refusal], str] = {
    shown_secrets.Wrong: INVALID_TOKEN,
    shown_secrets.Expired: "auth.expiredToken",
    shown_secrets.Ended: "auth.revokedToken",
    shown_secrets.Revoked: "auth.revokedToken",
    shown_secrets.Disabled: "auth.disabledToken",
    shown_secrets.DeviceRefused: DEVICE_REFUSED,
}
# What is often taken for one another, by its form.
JWT = r"eyJ[\w-]*\.[\w-]+\.[\w-]*"
KINDS: Mapping[str, str] = {
    r"gate_app_.*": "an app token",
    r"gate_pat_.*": "an API token, which opens /api/v1",
    r"gate_node_.*": "the token of a gateway node",
    r"gatecs[0-9A-Za-z]{49}": "a client secret, which buys technical tokens",
    JWT: "an access token (JWT)",
}


class EdgeRefusal(Refusal):
    """A no of which the dialect says more than its status; `code` is the word."""


class NoToken(EdgeRefusal):
    """No access token, or none that is good."""

    status, code = 401, INVALID_TOKEN


class NotSent(NoToken):
    def challenge(self) -> str:
        return REALM


class DeviceRefused(EdgeRefusal):
    """The app's device is not served now."""

    status, code = 403, DEVICE_REFUSED


class EdgeOneErrorSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="`edge.` and one or two words for a program.")
    message = serializers.CharField(help_text="One sentence for a person: what is wrong and what would help.")
    logref = serializers.CharField(help_text="The same as in the header X-Request-Id.")


class EdgeErrorSerializer(serializers.Serializer[Any]):
    """The body of every answer that is not a success."""

    errors: Any = EdgeOneErrorSerializer(many=True)


class EdgeEndpoint(Endpoint):
    """The base of all; a query is ignored."""

    reads = None
    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    error_serializer = EdgeErrorSerializer

    def get_exception_handler(self) -> Any:
        return refuse


def body(refusal: Refusal) -> dict[str, Any]:
    """The refusal as `{"errors": [{"code", "message", "logref"}]}`."""
    known = words.WORDS.get(refusal.status, words.WORDS[500 if refusal.status >= 500 else 400])
    word = refusal.code if isinstance(refusal, EdgeRefusal) else TOLD.get(type(refusal), known)
    return words.body(word, str(refusal), request_id.current())


_refuse = refusing.handler(body)


def refuse(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer a refusal in the dialect's shape; whoever sent a token that is not good is told so in a header, too."""
    response = _refuse(exc, context)
    if response is not None and response.status_code == 401:
        response.headers.setdefault("WWW-Authenticate", f'{REALM}, error="invalid_token"')
    return response


def kind_of(text: str) -> str:
    """What a secret is by its form, in words; empty for what has no form that we know."""
    return next((kind for form, kind in KINDS.items() if re.fullmatch(form, text, re.ASCII)), "")


def edge_app(request: Request) -> EdgeApp:
    """The app on a device whose access token the request shows, on a device that is served."""
    header = request.META.get("HTTP_AUTHORIZATION")
    how = f"ask for an access token with POST {PERMIT}"
    if header is None:
        raise NotSent(f"Send an access token as 'Authorization: Bearer'; {how}.")
    bearer = BEARER.fullmatch(header.strip())  # Empty where it was not ASCII.
    text = bearer[1] if bearer else ""
    try:
        app = access_tokens.edge_app_of(EdgeToken(text).payload)
    except TokenError:
        app = None
    if app is None:
        kind = kind_of(text)
        said = "no access token of an app that is good now" if kind.startswith("an access token") or not kind else kind
        raise NoToken(f"This is {said}; {how}.")
    if app.device_refused:
        raise DeviceRefused(f"The device {app.device} is {app.device_refused}; it must be accepted first.")
    return app
