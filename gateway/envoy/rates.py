"""How often one caller may come to a gateway route; each Envoy counts by itself."""

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


def unlimited() -> dict[str, Any]:
    """The filter as it stands at the doors: a route that limits nobody changes nothing."""
    return typed(LIMIT, stat_prefix=FILTER)


def limit(route: Route) -> dict[str, Any]:
    """A bucket for each `sub`, which the token's filter has written into a header. It holds what may come at once."""
    if not route.rate_per_minute:
        return {}
    bucket = {"max_tokens": route.burst, "tokens_per_fill": route.rate_per_minute, "fill_interval": f"{MINUTE}s"}
    caller = {"request_headers": {"header_name": "x-gatehouse-subject", "descriptor_key": "caller"}}
    return {
        FILTER: typed(
            LIMIT,
            stat_prefix=FILTER,
            token_bucket=bucket,  # For those who name no subject, together.
            filter_enabled=ALWAYS,
            filter_enforced=ALWAYS,
            rate_limits=[{"actions": [caller]}],
            # An entry without a value stands for each value by itself.
            descriptors=[{"entries": [{"key": "caller"}], "token_bucket": bucket}],
            max_dynamic_descriptors=CALLERS,
            always_consume_default_token_bucket=False,
        )
    }


def again_after(route: Route) -> int:
    """Seconds until an empty bucket holds one again."""
    return ceil(MINUTE / route.rate_per_minute) if route.rate_per_minute else 0
