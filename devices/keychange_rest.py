"""The native REST endpoints about key changes: both fingerprints, when and from where, and the decision."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices import examples, keychange
from devices.keychange import Verb
from devices.models import KeyChange, KeyChangeRequest
from devices.serializers import KeyChangeSerializer
from portal import parameters
from portal.openapi import answered, asked
from portal.paging import LatestFirst
from portal.parameters import Line, Word
from portal.rest import Endpoint, ReasonSerializer
from portal.scopes import Scope

STATE = Word(name="state", description="Only those in this state.", words=KeyChange.values, lookup="state")
DEVICE = Line(name="device", description="Only those of the device with this id.", lookup="device_id", most=128)


class KeyChangeViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[KeyChangeRequest]
):
    """Known devices that came with another key."""

    queryset = KeyChangeRequest.objects.select_related("device")
    serializer_class = KeyChangeSerializer
    pagination_class = LatestFirst
    lookup_value_regex = "[0-9]{1,18}"
    scopes: ClassVar = {
        "list": Scope.DEVICES_READ,
        "retrieve": Scope.DEVICES_READ,
        "accept": Scope.DEVICES_ADMIT,
        "refuse": Scope.DEVICES_ADMIT,
    }
    reads: ClassVar = {"list": (STATE, DEVICE)}

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(**parameters.conditions((STATE, DEVICE), self.wanted))

    def get_object(self) -> KeyChangeRequest:
        return keychange.find(int(self.kwargs["pk"]))

    def decide(self, request: Request, verb: Verb) -> Response:
        wanted = ReasonSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        change = self.get_object()
        verb(change, by=self.actor, **wanted.validated_data)
        return Response(KeyChangeSerializer(change).data)

    @extend_schema(examples=[answered(examples.KEY_CHANGE)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the key changes, the latest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(examples=[answered(examples.KEY_CHANGE)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One key change."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        request=ReasonSerializer,
        responses={200: KeyChangeSerializer},
        examples=[asked(examples.REASON), answered(examples.KEY_ACCEPTED)],
    )
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: str) -> Response:
        """Make the new key the device's key; what was granted to the old one ends."""
        return self.decide(request, keychange.accept)

    @extend_schema(
        request=ReasonSerializer,
        responses={200: KeyChangeSerializer},
        examples=[asked(examples.REASON), answered(examples.KEY_REFUSED)],
    )
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: str) -> Response:
        """Turn the new key down for good; the present one goes on."""
        return self.decide(request, keychange.refuse)
