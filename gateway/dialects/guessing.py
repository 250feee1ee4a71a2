"""Whoever guessed at client secrets too often this minute is answered before everything else that an answer costs."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from gateway.dialects import insights_token_header
from gateway.dialects.oauth import FORM, MAX_BODY
from portal import errors, throttle
from portal.bodies import fits
from portal.refusal import Refusal, TooMany
from tokens import shown_secrets
from tokens.example_calls import TOKEN_PATH


class GuessingMiddleware:
    """A flood of wrong secrets from one address leaves the machine to others; a right secret goes on as always."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == TOKEN_PATH and throttle.is_over(request.META.get("REMOTE_ADDR", "")):
            refusal = self.guessed(request)
            if refusal is not None:
                response = errors.answer(request, refusal)
                response["Cache-Control"] = "no-store"
                return response
        return self.get_response(request)

    def guessed(self, request: HttpRequest) -> TooMany | None:
        """The refusal of one guess more; None if this is anything else, which is judged in its order as always."""
        meta = request.META
        ordinary = request.method == "POST" and fits(meta.get("CONTENT_LENGTH") or "0", MAX_BODY)
        if not ordinary or meta.get("CONTENT_TYPE", "").startswith(FORM):
            return None
        try:
            insights_token_header.refuse_repeated(meta)
            client_id, secret = insights_token_header.credentials(meta)
            shown_secrets.of_client(client_id, secret, address=meta.get("REMOTE_ADDR", ""))
        except TooMany as no:
            return no
        except Refusal:
            return None
        return None
