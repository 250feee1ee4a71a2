"""Gateway users (seed 004): accounts with a generated password. They have no portal login and no REST API.

What a login with the password gives, and the access tokens that buys, stands in `gateway_logins`; a new password ends
both, and so does the end of the account.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from portal import audit, outbox, text
from portal.actor import Actor
from portal.refusal import Invalid
from portal.scopes import Scope, opens_routes, refuse_too_many
from portal.topics import Topic
from tokens import revocation, secret
from tokens.access_tokens import EDGE, PORTAL
from tokens.models import Named, UserPassAccount

SHORTEST, LONGEST = timedelta(seconds=60), timedelta(hours=24)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Added:
    """A gateway user and the password, which is nowhere kept."""

    account: UserPassAccount
    password: str = field(repr=False)


def add(
    name: str,
    *,
    by: Actor,
    token_ttl: timedelta | None = None,
    jwt_ttl: timedelta | None = None,
    audience: str | None = None,
    scopes: Collection[str] | None = None,
) -> Added:
    """Make a gateway user; one of this name gets a new password, and what the old one bought is refused.

    A login lasts `token_ttl` and an access token `jwt_ttl`, 60 s to 24 h each; `scopes` are those of routes. What is
    not said is the usual, or stays as it was.
    """
    username = named(name)
    wanted = _judged(token_ttl, jwt_ttl, audience, scopes)
    made = secret.password(username)
    with transaction.atomic():
        kept = {"digest": made.digest, "pepper": made.pepper}
        first = {"scopes": [str(Scope.GATEWAY_ALL)], **wanted, **kept}
        accounts = UserPassAccount.objects.select_for_update()
        account, is_new = accounts.get_or_create(username=username, defaults=first)
        before = None if is_new else _facts(account)
        if not is_new:
            revocation.refuse(Named.GRANT, [grant(account)], good_for=_longest(account))
            account.logins.all().delete()
            for fact, value in {**wanted, **kept, "generation": account.generation + 1}.items():
                setattr(account, fact, value)
            account.changed_at = timezone.now()
            account.save()
        topic = Topic.GATEWAY_USER_MADE if is_new else Topic.GATEWAY_USER_RENEWED
        audit.record(by, topic, ("gateway_user", username), before=before, after=_facts(account))
        outbox.put(topic, {"gateway_user": username, "by": str(by)})
    return Added(account, made.text)


@transaction.atomic
def delete(name: str, *, by: Actor) -> int | None:
    """End an account and all that it bought; how many client tokens were live, None where nobody has the name."""
    account = UserPassAccount.objects.select_for_update().filter(username=named(name)).first()
    if account is None:
        return None
    live = account.logins.filter(generation=account.generation, expires_at__gt=timezone.now()).count()
    revocation.refuse(Named.SUBJECT, [str(account.subject)], good_for=_longest(account))
    before = _facts(account)
    account.delete()
    after = {"client_tokens_ended": live}
    audit.record(by, Topic.GATEWAY_USER_DELETED, ("gateway_user", account.username), before=before, after=after)
    outbox.put(Topic.GATEWAY_USER_DELETED, {"gateway_user": account.username, "by": str(by)})
    return live


def named(name: str) -> str:
    """The name as it is kept: in lower case, in whatever case it is written."""
    if not known(name):
        raise Invalid("name", "User names are letters, digits, _ and -.")
    return known(name)


def known(name: str) -> str:
    """The same, empty for what can be nobody's name."""
    return name.lower() if _NAME.fullmatch(name) else ""


def grant(account: UserPassAccount) -> str:
    """What an access token names that the present password buys."""
    return f"{account.subject}.{account.generation}"


def _longest(account: UserPassAccount) -> timedelta:
    """How long what the present password bought may be good; what an older one bought was refused for as long."""
    return timedelta(seconds=account.jwt_ttl_s) + revocation.SLACK


def _facts(account: UserPassAccount) -> dict[str, Any]:
    facts = ("generation", "token_ttl_s", "jwt_ttl_s", "audience", "scopes")
    return {fact: getattr(account, fact) for fact in facts}


def _judged(
    token_ttl: timedelta | None, jwt_ttl: timedelta | None, audience: str | None, scopes: Collection[str] | None
) -> dict[str, Any]:
    """The facts that were said, by the names of the columns."""
    facts: dict[str, Any] = {}
    for name, length, what in (("token_ttl_s", token_ttl, "A login"), ("jwt_ttl_s", jwt_ttl, "An access token")):
        if length is not None:
            if not SHORTEST <= length <= LONGEST:
                raise Invalid(name, f"{what} lives 60 s to 24 h.")
            facts[name] = int(length.total_seconds())
    if audience is not None:
        text.check("audience", audience, least=1, most=200)
        if audience in (PORTAL, EDGE):
            raise Invalid("audience", f"The audience {audience} is of Gatehouse itself; routes take edgex or gateway.")
        facts["audience"] = audience
    if scopes is not None:
        refuse_too_many(scopes)
        strange = [scope for scope in scopes if not opens_routes(scope)]
        if strange or not scopes:
            which = f"{strange[0][:60]!r} is none" if strange else "name at least one"
            raise Invalid("scopes", f"A gateway user holds gateway:* or scopes of routes; {which}.")
        facts["scopes"] = sorted({str(scope) for scope in scopes})
    return facts
