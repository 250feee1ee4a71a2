"""The native REST endpoint that decides on many devices."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from devices import bulk, examples
from devices.serializers import DecisionsSerializer, OutcomeSerializer, OutcomesSerializer
from portal.openapi import answered, asked
from portal.rest import Endpoint
from portal.scopes import Scope


class DeviceDecisionsView(Endpoint):
    """One decision on many devices."""

    scopes: ClassVar = {"post": Scope.DEVICES_ADMIT}

    @extend_schema(
        request=DecisionsSerializer,
        responses={200: OutcomesSerializer},
        examples=[
            asked(examples.DECISION, "By id"),
            asked(examples.DECISION_BY_FILTER, "By filter"),
            answered(examples.OUTCOMES),
        ],
    )
    def post(self, request: Request) -> Response:
        """Accept or reject up to 10,000 devices; one that is refused voids no other.

        What a filter finds is frozen when it is asked. To deny devices needs the scope `devices:delete` as well.
        """
        sent = DecisionsSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        wanted = sent.validated_data
        decision = bulk.DECISIONS[wanted["decision"]]
        ids = wanted["ids"] if "ids" in wanted else bulk.matching(wanted["filter"])
        outcomes: Any = bulk.decide(ids, decision, by=self.actor, reason=wanted["reason"])
        return Response({"outcomes": OutcomeSerializer(outcomes, many=True).data})
