"""The native REST endpoint about what passes through a route, and whether its service is well."""

from datetime import timedelta
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import route_traffic, routes, upstream_health
from gateway.upstream_health import Health
from portal.openapi import answered
from portal.rest import Endpoint
from portal.scopes import Scope

DAY = timedelta(hours=24)
EXAMPLE: dict[str, Any] = {
    "health": "healthy",
    "requests": 1204,
    "client_errors": 3,
    "server_errors": 1,
    "median_ms": 4.2,
    "p95_ms": 18.0,
    "results": [
        {
            "began_at": "2026-11-25T08:00:00Z",
            "requests": 1204,
            "client_errors": 3,
            "server_errors": 1,
            "median_ms": 4.2,
            "p95_ms": 18.0,
        }
    ],
}


class CountsSerializer(serializers.Serializer[Any]):
    """How many requests reached the service, and how it answered."""

    requests = serializers.IntegerField()
    client_errors = serializers.IntegerField(help_text="Answers of 400 to 499.")
    server_errors = serializers.IntegerField(help_text="Answers of 500 and more, and none where one was due.")
    median_ms = serializers.FloatField(allow_null=True, help_text="Half of the answers came within; null without any.")
    p95_ms = serializers.FloatField(allow_null=True, help_text="95 of 100 answers came within.")


class PeriodSerializer(CountsSerializer):
    """Five minutes, of all nodes together."""

    began_at = serializers.DateTimeField()


class TrafficSerializer(CountsSerializer):
    """The last 24 hours."""

    health = serializers.ChoiceField(
        choices=Health.choices, help_text="As the local node sees the service now; unknown without a health path."
    )
    results = PeriodSerializer(many=True, help_text="Those five minutes in which any came, the oldest first.")


class TrafficView(Endpoint):
    """What passes through a route."""

    scopes: ClassVar = {"get": Scope.GATEWAY_READ}

    @extend_schema(operation_id="routes_traffic", responses={200: TrafficSerializer}, examples=[answered(EXAMPLE)])
    def get(self, request: Request, id: str) -> Response:
        """What passed through a route in the last 24 hours, as the node on the portal's host counted each minute."""
        route = routes.find(int(id))
        after, health = timezone.now() - DAY, upstream_health.of([route])[route.pk]
        traffic = route_traffic.over(route, after) | {"health": health, "results": route_traffic.periods(route, after)}
        return Response(TrafficSerializer(traffic).data)
