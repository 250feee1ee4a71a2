"""Objects have an `ETag`; a change with `If-Match` happens only to what the caller has seen (RFC 9110)."""

import re
from typing import Any, Final, TypeVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from portal.refusal import Refusal, Stale

HEADER: Final = OpenApiParameter.HEADER
LOCATION = OpenApiParameter("Location", str, HEADER, response=[201], description="Where it is from now on.")
ETAG = OpenApiParameter("ETag", str, HEADER, response=[200, 201], description="Its revision, for `If-Match`.")
IF_MATCH = OpenApiParameter(
    "If-Match", str, HEADER, description="The `ETag` that you saw: if the object has changed since, nothing is done."
)
IF_NONE_MATCH = OpenApiParameter("If-None-Match", str, HEADER, description="The `ETag` of what you hold already.")
_QUOTED = re.compile(r'"[^"]*"')

Revision = TypeVar("Revision", int, str)


class Changed(Refusal):
    """The object is another than the caller has seen."""

    status, code = 412, "precondition_failed"

    def __init__(self) -> None:
        super().__init__("It has changed since you read it; read it again, then decide anew.")


def of(revision: int | str) -> str:
    """The ETag of a revision: its number, or what else names it."""
    return f'"{revision}"'


def names(sent: str, revision: int | str) -> bool:
    """Whether a list of ETags names this revision, as `*` does any.

    The weak comparison of RFC 9110: a tag that was weakened on its way, as by compression, is still of this revision.
    """
    return sent.strip() == "*" or of(revision) in _QUOTED.findall(sent)


def seen(request: Request, revision: Revision) -> Revision | None:
    """The revision that `If-Match` names, if the caller sent one; refused if the object is at another."""
    sent = _sent(request)
    if sent is None:
        return None
    if not names(sent, revision):
        raise Changed
    return revision


def judged(refusal: Refusal, request: Request) -> Refusal:
    """Whoever sent `If-Match` and lost a race hears what they would have heard a moment later."""
    if not isinstance(refusal, Stale) or _sent(request) is None:
        return refusal
    changed = Changed()
    changed.afterwards = refusal.afterwards
    return changed


def answer(request: Request, data: Any, revision: int | str) -> Response:
    """The object with its ETag; 304 without it if the caller holds it already."""
    tag, held = of(revision), request.headers.get("If-None-Match")
    if request.method in ("GET", "HEAD") and held is not None and names(held, revision):
        return Response(status=304, headers={"ETag": tag})
    return Response(data, headers={"ETag": tag})


def _sent(request: Request) -> str | None:
    """What `If-Match` names; None if it was not sent or names whatever there is."""
    sent = request.headers.get("If-Match")
    return None if sent is None or sent.strip() == "*" else sent
