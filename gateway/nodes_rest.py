"""The native REST endpoints about gateway nodes. One is made where its files are written: `envoy_bootstrap`."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import nodes_examples, remote_nodes
from gateway.models import GatewayNode
from gateway.nodes_serializers import ListedNodeSerializer, NodeSerializer, shape
from gateway.rest import ByName
from portal.openapi import answered
from portal.rest import Endpoint, NoMembers
from portal.scopes import Scope


class NodeViewSet(mixins.ListModelMixin, Endpoint, viewsets.GenericViewSet[GatewayNode]):
    """The Envoys that ask here for their configuration."""

    queryset = GatewayNode.objects.all()
    serializer_class = ListedNodeSerializer
    pagination_class = ByName
    lookup_field = "name"
    lookup_value_regex = remote_nodes.NAME
    scopes: ClassVar = {
        "list": Scope.GATEWAY_READ,
        "retrieve": Scope.GATEWAY_READ,
        "destroy": Scope.GATEWAY_MANAGE,
    }

    def get_object(self) -> GatewayNode:
        return remote_nodes.find(self.kwargs["name"])

    @extend_schema(responses={200: NodeSerializer(many=True)}, examples=[answered(nodes_examples.NODE)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the nodes by name: what each holds, what it refused and why, and how late it hears of a change."""
        return super().list(request, *args, **kwargs)

    @extend_schema(responses={200: NodeSerializer}, examples=[answered(nodes_examples.NODE)])
    def retrieve(self, request: Request, name: str) -> Response:
        """One node."""
        return Response(shape(self.get_object()))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, name: str) -> Response:
        """Remove a node: its token opens nothing from now on, and its certificates are destroyed here.

        Its Envoy goes on with what it holds until it is stopped, and hears of no revocation any more.
        """
        NoMembers(data=request.data).is_valid(raise_exception=True)
        remote_nodes.delete(self.get_object(), by=self.actor)
        return Response(status=204)
