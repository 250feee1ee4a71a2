"""What every REST endpoint shares: the order of checks, and how its query and its body are read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal import paging, parameters
from portal.access import NotAuthenticated
from portal.actor import Actor
from portal.parameters import Parameter
from portal.refusal import Refusal
from portal.rfc3339 import written


class MethodNotAllowed(Refusal):
    """The method is not served here; `instead` says what would help."""

    status, code = 405, "method_not_allowed"

    def __init__(self, request: HttpRequest | Request, instead: str) -> None:
        named = request.META["REQUEST_METHOD"]
        why = "" if named == named.upper() else " Methods are written in capitals."
        super().__init__(f"{named} is not served here; {instead}.{why}")


class Endpoint(APIView):
    """The base of every REST view: a method that is not served is a 405 before anything else is asked.

    An operation whose scope is None is open to everybody, or to `any_token` that is live if it is named there.
    `reads` names the query parameters of each operation, as `scopes` does its scope, and `paged` the operations that
    answer a page and so read `cursor` and `limit` too. A foreign system's endpoint says `reads = None`: it reads its
    query itself, and ignores what that system ignores.
    """

    http_method_names: Sequence[str] = ["get", "head", "post", "put", "patch", "delete"]
    any_token: ClassVar[Sequence[str]] = ()
    reads: ClassVar[Mapping[str, Sequence[Parameter]] | None] = {}
    paged: ClassVar[Sequence[str]] = ("list",)
    # What the query says, by the name of the parameter; filled in before a handler runs.
    wanted: Mapping[str, Any] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        method = (request.method or "").lower()
        # Only names of methods are looked up: a client may call its method INITIAL or DISPATCH.
        if method not in self.http_method_names or getattr(self, method, None) is None:
            self.http_method_not_allowed(request, *args, **kwargs)
        super().initial(request, *args, **kwargs)
        if request.auth is None and self.operation in self.any_token:
            raise NotAuthenticated
        if request.META.get("QUERY_STRING") and (known := self.parameters()) is not None:
            self.wanted = parameters.read(request, known)

    @property
    def operation(self) -> str:
        """What is asked of it: the action of a view set, else the method."""
        asked: str = getattr(self, "action", None) or (self.request.method or "").lower()
        return "get" if asked == "head" else asked

    def parameters(self) -> Sequence[Parameter] | None:
        """The query parameters that this operation reads; None if nobody judges them here."""
        if self.reads is None:
            return None
        own = self.reads.get(self.operation, ())
        return (*own, *paging.PAGE) if self.operation in self.paged else own

    @property
    def actor(self) -> Actor:
        """Whoever asks; an endpoint that names a scope has one."""
        auth: Any = self.request.auth
        actor: Actor = auth
        return actor

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        raise MethodNotAllowed(request, f"use {', '.join(self.allowed_methods)}")


class WholeNumber(serializers.IntegerField):
    """A JSON integer; neither `"30"` nor `30.0` nor `true` is one."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """`true` or `false`; neither `"true"` nor `1` is one."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return data


class When(serializers.DateTimeField):
    """A moment with its offset from UTC."""

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            self.fail("invalid", format="2026-11-25T12:00:00Z")
        moment: datetime = parameters.Moment(name=self.field_name or "", description="", hint="").read(value)
        return moment


class Milliseconds(serializers.DateTimeField):
    """A moment in an answer that the contract gives as RFC 3339 in UTC with milliseconds, `Z`."""

    def to_representation(self, value: datetime) -> str:
        return written(value, "milliseconds")


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


class NoMembers(StrictSerializer):
    """The body of a call that takes none: nothing, or an object without members."""


class ReasonSerializer(StrictSerializer):
    """Why, in words that the history keeps."""

    reason = Text(max_length=500, required=False, allow_blank=True, default="")
