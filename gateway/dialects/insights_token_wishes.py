"""What a token request asks for: four names in a JSON body or in the query, never some here and some there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from gateway.dialects.insights_hub import (
    InsightsRefusal,
    InvalidParameter,
    InvalidProperty,
    MissingParameter,
    MissingProperty,
)
from portal import strict_json, tenants
from portal import text as readable
from tokens import tenant_grants
from tokens.access_tokens import CLIENT_CREDENTIALS
from tokens.models import Stage
from tokens.shown_secrets import Buyer

NAMES = ("appName", "appVersion", "hostTenant", "userTenant")
GRANT_TYPE = "grant_type"
# Who sends these wants a token that does less than a technical one, so they are not simply ignored.
IMPERSONATION = ("caller_context", "caller_context_type")


class NotForThese(InsightsRefusal):
    """The credentials are not for what is asked."""

    status, code = 403, "forbidden"


@dataclass(frozen=True, slots=True)
class Wishes:
    """Which app in which version asks, who hosts it, and whose data it wants to open."""

    app: str
    version: str
    host_tenant: str
    user_tenant: str


def read(raw: bytes, query: str) -> Wishes:
    """The wishes of a request with this body and this query; all that is missing is named at once."""
    asked = _query(query)
    if not raw.strip():
        return _wishes({name: asked.get(name, "") for name in NAMES}, MissingParameter)
    body = members(raw)
    _judge_members(body)
    in_query = [name for name in NAMES if name in asked]
    if not in_query:
        return _wishes({name: body.get(name, "") for name in NAMES}, MissingProperty)
    if any(name in body for name in NAMES):
        raise InvalidParameter(f"{in_query[0]} stands in the query beside a body; send all four in one of the two.")
    return _wishes({name: asked.get(name, "") for name in NAMES}, MissingParameter)


def members(raw: bytes) -> dict[str, Any]:
    """The members of a body that is a JSON object."""
    try:
        body = strict_json.loads(raw)
    except strict_json.Unreadable as unreadable:
        raise InvalidProperty(f"The body cannot be read: {unreadable}.") from unreadable
    if not isinstance(body, dict):
        raise InvalidProperty("The body is JSON, but not an object; send the parameters as its members.")
    return body


def refuse_elsewhere(form: Mapping[str, str], query: str) -> None:
    """Refuse a form that leaves to the query what belongs into it, or that asks for what is not served."""
    asked = QueryDict(query) if query else {}
    if misplaced := next((name for name in (*NAMES, GRANT_TYPE, "scope") if name in asked), None):
        raise InvalidParameter(f"{misplaced} stands in the query beside a form; send it in the form.")
    if refused := _fault(form) or _fault(asked):
        raise InvalidParameter(refused)


def judge(wishes: Wishes, buyer: Buyer) -> None:
    """Refuse what these credentials are not for; what differs first is named, for their holder may know."""
    wanted = (wishes.app, wishes.version, wishes.host_tenant)
    for name, want, own in zip(NAMES, wanted, (buyer.app, buyer.version, buyer.host_tenant), strict=False):
        if want != own:
            raise NotForThese(f"These credentials belong to {name} {own}, not {_shown(want)}.")
    if wishes.user_tenant == buyer.host_tenant:
        return
    if buyer.stage != Stage.OPS:
        raise NotForThese(
            f"These credentials are for development, so userTenant can only be their host tenant, {buyer.host_tenant}."
        )
    named = re.fullmatch(tenants.NAME, wishes.user_tenant, re.ASCII)
    if not named or not tenant_grants.stands(buyer.version_id, wishes.user_tenant):
        raise NotForThese(
            f"{buyer.app} {buyer.version} may not open the data of userTenant {_shown(wishes.user_tenant)}: there is "
            "no such tenant, or no tenant grant for it."
        )


def _query(sent: str) -> Mapping[str, str]:
    if not sent:
        return {}
    asked = QueryDict(sent)
    for name in (*NAMES, GRANT_TYPE, *IMPERSONATION):
        if name in asked and len(asked.getlist(name)) > 1:
            raise InvalidParameter(f"{name} is in the query more than once; send it once.")
    if refused := _fault(asked):
        raise InvalidParameter(refused)
    return asked


def _judge_members(body: Mapping[str, Any]) -> None:
    for name in (*NAMES, GRANT_TYPE):
        if name in body and not isinstance(body[name], str):
            raise InvalidProperty(f"{name} must be a text in double quotes.")
    if refused := _fault(body):
        raise InvalidProperty(refused)


def _fault(sent: Mapping[str, Any]) -> str | None:
    if sent.get(GRANT_TYPE, CLIENT_CREDENTIALS) != CLIENT_CREDENTIALS:
        return f"{GRANT_TYPE} can only be {CLIENT_CREDENTIALS} here; leave it out or send that."
    if present := next((name for name in IMPERSONATION if name in sent), None):
        return f"{present} is not served: a token never stands for a person here. Leave it out for a technical token."
    return None


def _wishes(found: Mapping[str, str], missing: type[InsightsRefusal]) -> Wishes:
    if absent := [name for name in NAMES if not found[name]]:
        raise missing(f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} missing; all four are required.")
    return Wishes(*(found[name] for name in NAMES))


def _shown(sent: str) -> str:
    return "what was sent" if readable.fault(sent, most=60) else sent
