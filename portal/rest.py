"""What every REST endpoint shares: the order of checks, and how its body is read."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.actor import Actor
from portal.refusal import Refusal


class MethodNotAllowed(Refusal):
    status, code = 405, "method_not_allowed"


class Endpoint(APIView):
    """The base of every REST view: a method that is not served is a 405 before anything else is asked."""

    http_method_names: Sequence[str] = ["get", "head", "post", "put", "patch", "delete"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        method = (request.method or "").lower()
        # Only names of methods are looked up: a client may call its method INITIAL or DISPATCH.
        if method not in self.http_method_names or getattr(self, method, None) is None:
            self.http_method_not_allowed(request, *args, **kwargs)
        super().initial(request, *args, **kwargs)

    @property
    def actor(self) -> Actor:
        """Whoever asks; an endpoint that names a scope has one."""
        auth: Any = self.request.auth
        actor: Actor = auth
        return actor

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        raise MethodNotAllowed(f"{request.method} is not served here; use {', '.join(self.allowed_methods)}.")


class WholeNumber(serializers.IntegerField):
    """A JSON integer; neither `"30"` nor `30.0` nor `true` is one."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A JSON string, exactly as sent; a number or `true` is none."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(trim_whitespace=False, **facts)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictSerializer(serializers.Serializer[Any]):
    """Input of a native endpoint: a member that nobody reads is a mistake of the sender, so it is named."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError({str(name): ["This member is unknown here."] for name in unknown})
        return super().to_internal_value(data)
