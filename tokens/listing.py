"""Which API tokens somebody sees, and the page of them that was asked for, the newest first."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.http import urlencode

from portal import text
from portal.access import ScopeMissing
from portal.actor import Actor
from portal.keyset import Order, Place
from portal.models import User
from portal.parameters import once
from portal.refusal import Invalid
from portal.scopes import Scope
from tokens import ending, issuing, secret
from tokens.models import ApiToken, Stated, TokenState

EVERYBODY = "all"
PAGE = 50
FILTERS = ("owner", "state", "q")
OF_OTHERS = Scope.USERS_READ
_SHOWN = re.compile(rf"{issuing.KIND}_([a-z0-9]{{12}})_", re.ASCII)
LATEST_FIRST = Order("created_at", descending=True)


@dataclass(frozen=True)
class Listing:
    """At most 50 tokens. `wanted` holds the filters without empty ones; `older` is where the next page begins.

    `owners` are those who have tokens, for somebody who sees them; without an `owner` the tokens are one's own. Of a
    secret in `q`, whole or in part, only its id goes on, and the listing `is_shortened`.
    """

    wanted: Mapping[str, str]
    tokens: list[ApiToken]
    owners: list[str]
    is_first: bool
    older: str
    is_shortened: bool
    states = TokenState

    @property
    def is_filtered(self) -> bool:
        """Whether more than the list of an owner was asked for."""
        return bool({name for name, value in self.wanted.items() if (name, value) != ("owner", EVERYBODY)})

    @property
    def query(self) -> str:
        return urlencode(self.wanted)


def seen_by(actor: Actor) -> Stated:
    """One's own tokens; those of everybody for who may see people."""
    tokens: Stated = ApiToken.objects.select_related("owner", "replaced_by")
    return tokens if actor.may(OF_OTHERS) else tokens.filter(owner=actor.owner)


def one(token_id: str, *, by: Actor) -> ApiToken:
    """A token that the actor sees, or may revoke without seeing the others."""
    token: ApiToken | None = ApiToken.objects.select_related("owner", "replaced_by").filter(pk=token_id).first()
    if token is None or not (by.may(OF_OTHERS) or by.owner == token.owner_id or ending.may_change(token, by)):
        raise issuing.Unknown(f"You see no token {token_id}; the list shows those that you do.")
    return token


def find(*, by: Actor, owner: str = "", state: str = "", q: str = "") -> Stated:
    """Those that the actor sees, of one owner, in one state, and whose id or name begins with `q`; empty is all."""
    text.check("owner", owner, most=150)
    text.check("q", q, most=100)
    if secret.found_in(issuing.KIND, q):
        raise Invalid("q", "Send the id alone, and revoke this token: it stands in URLs and logs now.")
    tokens = seen_by(by)
    if owner:
        if not by.may(OF_OTHERS) and not User.objects.filter(pk=by.owner, username=owner).exists():
            raise ScopeMissing(OF_OTHERS)
        tokens = tokens.filter(owner__username=owner)
    if state:
        tokens = tokens.in_state(state, timezone.now())
    if q:
        tokens = tokens.filter(Q(pk__startswith=_identifier(q)) | Q(name__istartswith=q))
    return tokens


def read(query: QueryDict, *, by: Actor) -> Listing:
    """The page that a query asks for: `owner`, `state`, `q` and `after`. What is no such query is refused."""
    wanted = {name: value for name in FILTERS if (value := (once(query, name) or "").strip())}
    if wanted.get("state", TokenState.LIVE) not in TokenState.values:
        raise Invalid("state", f"'state' is one of {', '.join(TokenState.values)}.")
    owner, after = wanted.get("owner"), once(query, "after")
    if owner == EVERYBODY and not by.may(OF_OTHERS):
        raise ScopeMissing(OF_OTHERS)
    shown = _SHOWN.search(wanted.get("q", ""))
    if shown:
        wanted["q"] = shown[1]
    tokens = find(by=by, **{**wanted, "owner": "" if owner == EVERYBODY else owner or ""})
    if not owner:
        tokens = tokens.filter(owner=by.owner)
    found = LATEST_FIRST.rows(tokens, _place(after) if after else None, PAGE + 1)
    older = found[PAGE - 1].pk if len(found) > PAGE else ""
    return Listing(wanted, found[:PAGE], _owners(by) if owner else [], not after, older, shown is not None)


def _place(after: str) -> Place:
    last = ApiToken.objects.filter(pk=after).first() if secret.is_identifier(after) else None
    if last is None:
        raise Invalid("after", "This is no place in the list; begin at its top.")
    return LATEST_FIRST.place(last)


def _owners(by: Actor) -> list[str]:
    people = User.objects.filter(pk__in=seen_by(by).values("owner"))
    return list(people.order_by("username").values_list("username", flat=True))


def _identifier(wanted: str) -> str:
    """People copy `gate_pat_<id>_…` out of a list; its id is what is looked for."""
    return wanted.removeprefix(f"{issuing.KIND}_").partition("_")[0]
