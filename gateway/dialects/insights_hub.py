"""What all faces of Insights Hub share: the shape of a no, its words, and addresses that lead nowhere."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers

from gateway.dialects import insights_errors, refusing
from portal import errors, request_id
from portal.access import NotAuthenticated
from portal.refusal import NotFound, Refusal
from portal.rest import Endpoint
from tokens.authentication import InvalidToken

TAG = "Insights Hub"


# What an app is told that came with no token or with one that is not good: it buys its tokens.
SENTENCES: Mapping[type[Refusal], str] = {
    NotAuthenticated: "Send an access token as 'Authorization: Bearer …'; the token endpoint gives one for a secret.",
    InvalidToken: "This token is malformed, unknown, expired or revoked; ask the token endpoint for another.",
}


class InsightsRefusal(Refusal):
    """A no of which the dialect says more than its status; `code` is the word."""


class InvalidParameter(InsightsRefusal):
    """A parameter of the query is wrong."""

    status, code = 400, insights_errors.INVALID_PARAMETER


class MissingParameter(InsightsRefusal):
    """A parameter of the query is missing."""

    status, code = 400, insights_errors.MISSING_PARAMETER


class InvalidProperty(InsightsRefusal):
    """A member of the body is wrong, or the body itself."""

    status, code = 400, insights_errors.INVALID_PROPERTY


class MissingProperty(InsightsRefusal):
    """A member of the body is missing."""

    status, code = 400, insights_errors.MISSING_PROPERTY


class InsightsOneErrorSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="`mdsp.core.generic.` and one word for a program.")
    logref = serializers.CharField(help_text="The same as in the header X-Request-Id.")
    message = serializers.CharField(help_text="One sentence for a person: what is wrong and what would help.")


class InsightsErrorSerializer(serializers.Serializer[Any]):
    """The body of every answer that is not a success."""

    errors: Any = InsightsOneErrorSerializer(many=True)


class InsightsEndpoint(Endpoint):
    """The base of all: what a query holds beside the documented parameters is ignored."""

    reads = None
    error_serializer = InsightsErrorSerializer

    def get_exception_handler(self) -> Any:
        return refuse


def body(refusal: Refusal) -> dict[str, Any]:
    """The refusal as `{"errors": [{"code", "logref", "message"}]}`."""
    known = insights_errors.WORDS.get(refusal.status, insights_errors.WORDS[500 if refusal.status >= 500 else 400])
    word = refusal.code if isinstance(refusal, InsightsRefusal) else known
    return insights_errors.body(word, SENTENCES.get(type(refusal), str(refusal)), request_id.current())


refuse = refusing.handler(body)
errors.speaks(insights_errors.PREFIXES, body)


@csrf_exempt
@login_not_required
def nowhere(request: HttpRequest) -> HttpResponse:
    """Any other address below those of Insights Hub: none of ours."""
    refusal = NotFound("There is nothing at this address; check its spelling and its case.")
    return JsonResponse(body(refusal), status=refusal.status)
