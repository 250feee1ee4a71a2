"""The native REST endpoints about enrolment rules."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from devices import rules, rules_examples, rules_preview
from devices.models import EnrolmentRule
from devices.rules_serializers import ConditionsSerializer, NewRuleSerializer, PreviewSerializer, RuleSerializer
from portal import etags
from portal.idempotency import IDEMPOTENCY_KEY, idempotent
from portal.openapi import answered, asked
from portal.rest import Endpoint, NoMembers
from portal.scopes import Scope


class EnrolmentRuleViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, Endpoint, viewsets.GenericViewSet[EnrolmentRule]
):
    """Rules that decide on devices which prove their key before anybody has decided about them."""

    queryset = EnrolmentRule.objects.all()
    serializer_class = RuleSerializer
    lookup_value_regex = "[0-9]{1,18}"
    scopes: ClassVar = {
        "list": Scope.DEVICES_READ,
        "retrieve": Scope.DEVICES_READ,
        "create": Scope.DEVICES_ADMIT,
        "partial_update": Scope.DEVICES_ADMIT,
        "destroy": Scope.DEVICES_ADMIT,
        "preview": Scope.DEVICES_READ,
        "preview_one": Scope.DEVICES_READ,
    }

    def get_object(self) -> EnrolmentRule:
        return rules.find(int(self.kwargs["pk"]))

    @extend_schema(examples=[answered(rules_examples.RULE)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the rules, the oldest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[etags.ETAG], examples=[answered(rules_examples.RULE)])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One rule, with an ETag for `If-Match`; that it decided on a device changes `used` and not the ETag."""
        return _show(self.get_object())

    @extend_schema(
        request=NewRuleSerializer,
        responses={201: RuleSerializer},
        parameters=[IDEMPOTENCY_KEY, etags.LOCATION, etags.ETAG],
        examples=[asked(rules_examples.NEW), answered(rules_examples.RULE)],
    )
    @idempotent
    def create(self, request: Request) -> Response:
        """Make a rule. Of those that fit a device a rejecting one goes before an accepting one, then the oldest.

        A rule without any condition fits every device and is refused unless `fits_every_device` is true.
        """
        wanted = NewRuleSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        rule = rules.make(by=self.actor, **wanted.validated_data)
        headers = {"Location": f"/api/v1/enrolment-rules/{rule.pk}", "ETag": etags.of(rule.revision)}
        return Response(RuleSerializer(rule).data, 201, headers=headers)

    @extend_schema(
        request=NewRuleSerializer,
        responses={200: RuleSerializer},
        parameters=[etags.IF_MATCH, etags.ETAG],
        examples=[asked(rules_examples.CHANGE), answered(rules_examples.CHANGED)],
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the members that are sent; what the rule has decided stays."""
        wanted = NewRuleSerializer(data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        rule = self.get_object()
        rules.change(rule, by=self.actor, seen=etags.seen(request, rule.revision), **wanted.validated_data)
        return _show(rule)

    @extend_schema(responses={204: None}, parameters=[etags.IF_MATCH])
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a rule; what it has decided stays."""
        NoMembers(data=request.data).is_valid(raise_exception=True)
        rule = self.get_object()
        rules.delete(rule, by=self.actor, seen=etags.seen(request, rule.revision))
        return Response(status=204)

    @extend_schema(
        operation_id="enrolment_rules_preview_new",
        request=ConditionsSerializer,
        responses={200: PreviewSerializer},
        examples=[asked(rules_examples.CONDITIONS), answered(rules_examples.PREVIEW)],
    )
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """What a rule with these conditions would have matched; nothing is changed."""
        wanted = ConditionsSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return _preview(EnrolmentRule(**wanted.validated_data))

    @extend_schema(responses={200: PreviewSerializer}, examples=[answered(rules_examples.PREVIEW)])
    @action(detail=True, url_path="preview")
    def preview_one(self, request: Request, pk: str) -> Response:
        """What this rule would have matched."""
        return _preview(self.get_object())


def _show(rule: EnrolmentRule) -> Response:
    return Response(RuleSerializer(rule).data, headers={"ETag": etags.of(rule.revision)})


def _preview(rule: EnrolmentRule) -> Response:
    return Response(PreviewSerializer(rules_preview.preview(rule)).data)
