"""How often one caller may come to a gateway route; each Envoy counts by itself.

All routes of a table are counted by one filter, so that a caller has one bucket for all entries of a route.
"""

from collections.abc import Iterable
from math import ceil
from typing import Any

from gateway.envoy.plan import Route
from gateway.envoy.sources import typed

FILTER = "rate"
LIMIT = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
MINUTE = 60
# Of so many callers of one route each has a bucket of its own; who was silent for the longest time is forgotten first.
CALLERS = 10_000
ALWAYS = {"runtime_key": "unset", "default_value": {"numerator": 100, "denominator": "HUNDRED"}}
DETAILS = "local_rate_limited"
SUBJECT = "x-gatehouse-subject"
# Envoy demands a bucket for what no descriptor counts: requests at routes that limit nobody.
WITHOUT_END = {"max_tokens": 2**32 - 1, "tokens_per_fill": 2**32 - 1, "fill_interval": "1s"}


def unlimited() -> dict[str, Any]:
    """The filter as it stands at the doors: it counts nobody."""
    return typed(LIMIT, stat_prefix=FILTER)


def limits(routes: Iterable[Route]) -> dict[str, Any]:
    """The filter of a table, with what each of its routes lets through that limits its callers; none if none does."""
    buckets = [each for route in routes if route.rate_per_minute for each in _buckets(route)]
    if not buckets:
        return {}
    return {
        FILTER: typed(
            LIMIT,
            stat_prefix=FILTER,
            token_bucket=WITHOUT_END,
            filter_enabled=ALWAYS,
            filter_enforced=ALWAYS,
            descriptors=buckets,
            max_dynamic_descriptors=CALLERS,
            always_consume_default_token_bucket=False,
        )
    }


def _buckets(route: Route) -> list[dict[str, Any]]:
    """One for each caller, and one for all who name no subject. It holds what may come at once."""
    bucket = {"max_tokens": route.burst, "tokens_per_fill": route.rate_per_minute, "fill_interval": f"{MINUTE}s"}
    # An entry without a value stands for each value by itself.
    named = [{"key": "route", "value": route.name}, {"key": "caller"}]
    return [
        {"entries": entries, "token_bucket": bucket} for entries in (named, [{"key": "nobody", "value": route.name}])
    ]


def counted(route: Route) -> dict[str, Any]:
    """By what the entry's action has its requests counted: the `sub`, which the token's filter wrote into a header."""
    if not route.rate_per_minute:
        return {}
    of_route = {"generic_key": {"descriptor_key": "route", "descriptor_value": route.name}}
    caller = {"request_headers": {"header_name": SUBJECT, "descriptor_key": "caller"}}
    nobody = {
        "header_value_match": {
            "descriptor_key": "nobody",
            "descriptor_value": route.name,
            "expect_match": False,
            "headers": [{"name": SUBJECT, "present_match": True}],
        }
    }
    return {"rate_limits": [{"actions": [of_route, caller]}, {"actions": [nobody]}]}


def again_after(route: Route) -> int:
    """Seconds until an empty bucket holds one again."""
    return ceil(MINUTE / route.rate_per_minute) if route.rate_per_minute else 0
