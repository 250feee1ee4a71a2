"""The native REST endpoints about the gateway's routes."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import route_verdict, routes, routes_examples
from gateway.models import Route
from gateway.routes_serializers import NewRouteSerializer, RouteSerializer, TriedSerializer, TrySerializer
from portal import etags
from portal.idempotency import IDEMPOTENCY_KEY, idempotent_after
from portal.openapi import answered, asked
from portal.rest import Endpoint, NoMembers
from portal.scopes import Scope


def _planned(view: Endpoint, request: Request) -> dict[str, Any]:
    """What `create` is to open, which DNS and Envoy have been asked about."""
    wanted = NewRouteSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    facts = wanted.validated_data
    return {"route": routes.plan(**facts, by=view.actor), "reason": facts.get("reason", "")}


class RouteViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[Route]):
    """The paths that the gateway opens to access tokens, and the services behind them."""

    queryset = Route.objects.all()
    serializer_class = RouteSerializer
    lookup_value_regex = "[0-9]{1,18}"
    scopes: ClassVar = {
        "list": Scope.GATEWAY_READ,
        "retrieve": Scope.GATEWAY_READ,
        "create": Scope.GATEWAY_MANAGE,
        "partial_update": Scope.GATEWAY_MANAGE,
        "destroy": Scope.GATEWAY_MANAGE,
        "attempt": Scope.GATEWAY_READ,
    }

    def get_object(self) -> Route:
        return routes.find(int(self.kwargs["pk"]))

    @extend_schema(examples=[answered(routes_examples.ROUTE)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the routes, the oldest first, those that are disabled too."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[etags.IF_NONE_MATCH, etags.ETAG], examples=[answered(routes_examples.ROUTE)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One route, with an ETag for `If-Match`."""
        return _show(request, self.get_object())

    @extend_schema(
        request=NewRouteSerializer,
        responses={201: RouteSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[asked(routes_examples.NEW), answered(routes_examples.ROUTE)],
    )
    @idempotent_after(_planned)
    def create(self, request: Request, route: Route, reason: str) -> Response:
        """Open a path of the gateway; it is live within 2.5 s. Envoy is asked first whether it would take it."""
        routes.open_(route, by=self.actor, reason=reason)
        headers = {"Location": f"/api/v1/routes/{route.pk}", "ETag": etags.of(route.revision)}
        return Response(RouteSerializer(route).data, 201, headers=headers)

    @extend_schema(
        request=NewRouteSerializer,
        responses={200: RouteSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(routes_examples.CHANGE), answered(routes_examples.CHANGED)],
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the members that are sent; a route that is disabled is answered as a path that nobody knows."""
        wanted = NewRouteSerializer(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        route = self.get_object()
        routes.change(route, by=self.actor, seen=etags.seen(request, route.revision), **wanted.validated_data)
        return _show(request, route)

    @extend_schema(responses={204: None}, parameters=[etags.IF_MATCH])
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a route."""
        NoMembers(data=request.data).is_valid(raise_exception=True)
        route = self.get_object()
        routes.delete(route, by=self.actor, seen=etags.seen(request, route.revision))
        return Response(status=204)

    @extend_schema(
        request=TrySerializer,
        responses=TriedSerializer,
        examples=[asked(routes_examples.TRY), answered(routes_examples.TRIED)],
    )
    @action(detail=False, methods=["post"], url_path="try")
    def attempt(self, request: Request) -> Response:
        """Judge a request without sending it: which route, which verdict, step by step, and what the service would get.

        The sentences and codes are those of the door. What only time and the service decide, such as rates, bodies and
        whether the service answers, is not judged.
        """
        wanted = TrySerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response(TriedSerializer(route_verdict.judge(**wanted.validated_data)).data)


def _show(request: Request, route: Route) -> Response:
    return etags.answer(request, RouteSerializer(route).data, route.revision)
