"""How the bodies of apps on devices are read: a JSON object within bounds, in which no member is repeated."""

import re
from collections.abc import Collection
from typing import Any

from rest_framework.request import Request

from gateway.dialects.industrial_edge import EdgeRefusal
from portal import strict_json
from portal.bodies import NotJson, body_of, is_json

MAX_BODY = 8192

# A name that is repeated in a message; what is longer could be a token in the wrong place.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}", re.ASCII)
_MOST_NAMES = 10


class MalformedBody(EdgeRefusal):
    status, code = 400, "auth.malformedBody"


class InvalidField(EdgeRefusal):
    status, code = 400, "auth.invalidField"


def members(request: Request, wanted: str) -> dict[str, Any]:
    """The members of the body; `wanted` says which body is."""
    content_type = request.META.get("CONTENT_TYPE") or ""
    if content_type.strip() and not is_json(content_type):
        raise NotJson("Send Content-Type: application/json.")
    raw = body_of(request, MAX_BODY)
    if not raw.strip():
        raise MalformedBody(f"The body is empty; send {wanted}.")
    try:
        found = strict_json.loads(raw)
    except strict_json.Unreadable as unreadable:
        raise MalformedBody(f"The body cannot be read: {unreadable}; send {wanted}.") from unreadable
    if not isinstance(found, dict):
        raise MalformedBody(f"The body is no JSON object; send {wanted}.")
    return found


def members_if_any(request: Request, wanted: str) -> dict[str, Any]:
    """The same where no body is one without members, whatever its media type says."""
    return members(request, wanted) if body_of(request, MAX_BODY).strip() else {}


def names_of(sent: Collection[str]) -> str:
    """The names of members as a message repeats them."""
    names = [name if _NAME.fullmatch(name) else "one that is not repeated here" for name in sent]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) or "no member") + more
