"""A creation that is sent again with the same `Idempotency-Key` is answered as the first time and done only once.

The answer is kept for a day in the transaction of the creation, sealed, because it may show a secret. Refusals are not
kept: a request that was refused may be corrected and sent again under the same key.
"""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from portal import idempotency_turn, sealing
from portal.bodies import body_of
from portal.models import KeptAnswer
from portal.refusal import Invalid, Refusal

KEPT_FOR = timedelta(days=1)
HEADERS = ("Location", "ETag")
# The second by the contract of shutdowns, whose clients know no other.
REPLAYED = {"Idempotency-Replayed": "true", "Idempotent-Replay": "true"}

_FORM = re.compile(r"[!-~]{1,255}")

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", location=OpenApiParameter.HEADER, description="Sent again with the same key, it is done once."
)

Handler = Callable[..., Response]
# What is judged before the transaction, given the view and the request; it returns more arguments for the handler.
First = Callable[[Any, Request], dict[str, Any]]


class KeyReused(Refusal):
    """The key stands for another request."""

    status, code = 422, "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request; use a new key for a new request.")


def idempotent(handler: Handler) -> Handler:
    """Let a creating handler of an Endpoint honour `Idempotency-Key`."""
    return idempotent_after(lambda view, request: {})(handler)


def idempotent_for_owner(handler: Handler) -> Handler:
    """The same for a handler whose answers show no secret: the key is one for all tokens of an owner."""
    return _idempotent(handler, lambda view, request: {}, by_owner=True)


def idempotent_after(first: First) -> Callable[[Handler], Handler]:
    """The same for a handler that others outside are asked for first, which no transaction may wait for."""
    return lambda handler: _idempotent(handler, first)


def _idempotent(handler: Handler, first: First, *, by_owner: bool = False) -> Handler:
    @wraps(handler)
    def handled(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        sent = request.headers.get("Idempotency-Key")
        if sent is None:
            return handler(view, request, *args, **kwargs, **first(view, request))
        if not _FORM.fullmatch(sent):
            raise Invalid(
                "Idempotency-Key", "An Idempotency-Key is 1 to 255 printable ASCII characters without blanks."
            )
        # Another token of the same owner has keys of its own: the answer may show a secret that may more than it.
        is_theirs = by_owner and view.actor.owner is not None
        asker = (str(view.actor.owner), "" if is_theirs else view.actor.credential)
        name = _digest(*asker, request.method or "", request.path, sent)
        asked = _digest(request.META.get("QUERY_STRING", ""), body_of(request).decode("utf-8", "replace"))
        if kept := _kept(name, asked):
            return kept
        with idempotency_turn.alone(name):
            return once(name, asked, view, request, args, kwargs)

    def once(name: str, asked: str, view: Any, request: Request, args: Any, kwargs: Any) -> Response:
        if kept := _kept(name, asked):
            return kept
        try:
            judged = first(view, request)
        except Refusal:
            # What is in the way may be what the first of two at once, on another host, has made meanwhile.
            if kept := _kept(name, asked):
                return kept
            raise
        try:
            with transaction.atomic():
                idempotency_turn.take_in_transaction(name)
                # The row comes first: what was kept a moment ago is found here, and replayed.
                KeptAnswer.objects.filter(name=name, created_at__lt=timezone.now() - KEPT_FOR).delete()
                row = KeptAnswer.objects.create(name=name, request=asked)
                response = handler(view, request, *args, **kwargs, **judged)
                row.sealed = sealing.seal(json.dumps(_shape(response), cls=JSONEncoder).encode())
                row.save(update_fields=["sealed"])
        except IntegrityError:
            if kept := _kept(name, asked):
                return kept
            raise
        return response

    return handled


def forget() -> None:
    """Remove answers that were kept long enough."""
    KeptAnswer.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()


def _kept(name: str, asked: str) -> Response | None:
    row = KeptAnswer.objects.filter(name=name, created_at__gte=timezone.now() - KEPT_FOR).first()
    if row is None:
        return None
    if row.request != asked:
        raise KeyReused
    shape = json.loads(sealing.unseal(row.sealed))
    return Response(shape["body"], shape["status"], headers={**shape["headers"], **REPLAYED})


def _shape(response: Response) -> dict[str, Any]:
    headers = {name: response[name] for name in HEADERS if name in response}
    return {"status": response.status_code, "headers": headers, "body": response.data}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
