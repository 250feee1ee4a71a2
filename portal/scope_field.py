"""Scopes in a JSON body: each is one of those that are declared, or that of a route of the gateway."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.refusal import Invalid
from portal.rest import Text
from portal.scopes import MOST, ROUTE, Scope, is_known, refuse_too_many


@extend_schema_field({"type": "string", "anyOf": [{"enum": list(Scope.values)}, {"pattern": f"^{ROUTE}$"}]})
class ScopeField(Text):
    """A scope as it is sent."""

    def to_internal_value(self, data: Any) -> str:
        scope = super().to_internal_value(data)
        if not is_known(scope):
            raise serializers.ValidationError(f"There is no scope {scope[:40]!r}; the API page lists them all.")
        return scope


class ScopesField(serializers.ListField):
    """A list of them, whose number and length are judged before any one of them is."""

    child = ScopeField()

    def __init__(self, **facts: Any) -> None:
        super().__init__(max_length=MOST, **facts)

    def to_internal_value(self, data: Any) -> list[str]:
        if isinstance(data, list):
            try:
                refuse_too_many([str(one) for one in data[: MOST + 1]])
            except Invalid as too_many:
                raise serializers.ValidationError(str(too_many)) from too_many
        scopes: list[str] = super().to_internal_value(data)
        return scopes
