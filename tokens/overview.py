"""What the tokens have to say on the overview: which of them expire soon and have no successor."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from portal.actor import Actor
from portal.overview import panel
from portal.scopes import Scope
from tokens import rotation

SOON = timedelta(days=14)
SHOWN = 5


@panel("tokens/_overview.html", Scope.TOKENS_READ)
def expiring(actor: Actor) -> dict[str, Any]:
    """One's own; for who manages people those of everybody, since programs of the whole fleet stop with them."""
    tokens = rotation.expiring(SOON, timezone.now())
    of_all = actor.may(Scope.USERS_MANAGE)
    if not of_all:
        tokens = tokens.filter(owner=actor.owner)
    found = list(tokens[: SHOWN + 1])
    mark = "-".join(f"{token.pk}{token.revision}" for token in found)
    return {
        "tokens": [(token, token.owner_id == actor.owner) for token in found[:SHOWN]],
        "of_all": of_all,
        "more": len(found) > SHOWN,
        "days": SOON.days,
        "mark": mark,
    }
