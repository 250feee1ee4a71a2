"""The control plane's face: Envoy polls it for its configuration (REST xDS, version 3)."""

import json
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from gateway import discovery, nodes, trial
from gateway.models import NodeKind
from portal import errors
from portal.failures import Unavailable, is_outage
from portal.refusal import Refusal
from portal.rest import MethodNotAllowed


class Unreadable(Refusal):
    status, code = 400, "discovery_request_unreadable"


@csrf_exempt
@login_not_required
def discover(request: HttpRequest, kind: str) -> HttpResponse:
    """200 with resources that are new to the node, 304 if it holds them; 401, 403, 404, and 503 without a database."""
    try:
        return _answer(request, kind)
    except Refusal as refusal:
        return _refuse(request, refusal)
    except (DatabaseError, InterfaceError) as fault:
        if not is_outage(fault):
            raise
        return _refuse(request, Unavailable("The database does not answer; keep what you hold and ask again."))


def _answer(request: HttpRequest, kind: str) -> HttpResponse:
    if request.method != "POST":
        raise MethodNotAllowed(request, "use POST")
    node = nodes.known(request.headers.get("Authorization", ""))
    asked = _asked(request.body)
    nodes.speaks_as(node, _at(asked, "node", "id"))
    asked_names = _at(asked, "resource_names")
    names = [str(name) for name in asked_names] if isinstance(asked_names, list) else []
    offer = discovery.offer(kind, names, node)
    poll = nodes.Poll(
        # Of what was asked for, that which there is: nothing is remembered for names that are nobody's.
        discovery.subscription(kind, [each["name"] for each in offer.resources] if names else []),
        str(_at(asked, "version_info") or ""),
        envoy_version=_envoy_version(asked),
        address=request.META.get("REMOTE_ADDR", ""),
    )
    version = nodes.judge(
        node,
        poll,
        offer.content,
        objected=lambda since: trial.objection(kind, since) if node.kind == NodeKind.LOCAL else None,
        why=lambda: trial.reason(kind, node),
    )
    if version is None:
        return HttpResponse(status=304)
    return HttpResponse(offer.answer(version), content_type="application/json")


def _asked(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as wrong:
        raise Unreadable("Send a DiscoveryRequest as JSON.") from wrong


def _at(value: Any, *path: str) -> Any:
    """The member at the end of the path; None where the request has another shape."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _envoy_version(asked: Any) -> str:
    number = _at(asked, "node", "user_agent_build_version", "version")
    return ".".join(str(_at(number, part) or 0) for part in ("major_number", "minor_number", "patch"))[:32]


def _refuse(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    response = errors.answer(request, refusal)
    if challenge := refusal.challenge():
        response["WWW-Authenticate"] = challenge
    if refusal.status == 405:
        response["Allow"] = "POST"
    return response
