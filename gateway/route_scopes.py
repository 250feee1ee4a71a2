"""The scopes of the routes that there are, for the forms in which a person gives scopes."""

from collections import defaultdict
from collections.abc import Mapping

from gateway.models import Route
from portal import scope_choices
from portal.scopes import Scope

MOST, SHOWN = 200, 3


@scope_choices.of_routes
def of_routes() -> Mapping[str, str]:
    """Of the routes that are served, the first 200 by scope; more of them can be typed over REST alone."""
    prefixes: dict[str, list[str]] = defaultdict(list)
    served = Route.objects.filter(is_enabled=True).exclude(scope=Scope.GATEWAY_ALL)
    for scope, prefix in served.order_by("scope", "prefix").values_list("scope", "prefix"):
        prefixes[scope].append(f"/{prefix}")
    return {scope: _words(found) for scope, found in list(prefixes.items())[:MOST]}


def _words(prefixes: list[str]) -> str:
    more = f" and {len(prefixes) - SHOWN} more" if len(prefixes) > SHOWN else ""
    return f"Call {', '.join(prefixes[:SHOWN])}{more}"
