"""What our check of an access token adds to a view that answers {}, against simplejwt's with its look at the person."""

from collections.abc import Iterator
from datetime import timedelta
from statistics import median
from typing import Any

from django.core.management import call_command
from django.db import connection
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import Token

from portal.actor import Actor
from portal.models import User
from portal.roles import Role
from tests.bench.figures import Figure
from tests.bench.inside.timing import microseconds
from tests.bench.inside.token_check import EACH, ROUNDS, Ours, Small, asking
from tokens import access_tokens, credentials, registration, revocation, shown_secrets
from tokens.models import Named

REVOKED = 5_000


class Simple(Token):
    """simplejwt's own token, in RS256 as ours."""

    token_type, lifetime = "access", timedelta(minutes=30)


class SimpleAuthentication(JWTAuthentication):
    def get_validated_token(self, raw_token: Any) -> Token:
        return Simple(raw_token)


class Peer(Small):
    authentication_classes: Any = [SimpleAuthentication]


def measure() -> Iterator[Figure]:
    call_command("migrate", verbosity=0)
    owner = User.objects.create(username="ada", role=Role.ADMINISTRATOR)
    by = Actor.command("bench")
    version = registration.add_version(registration.register("app1", by=by), "v1.0.0", scopes=["users:read"], by=by)
    issued = credentials.issue(version, by=by, owner=owner)
    buyer = shown_secrets.of_client(issued.holder.client_id, issued.text, address="192.0.2.1")
    revocation.refuse(Named.GRANT, [f"another{number}.1" for number in range(REVOKED)])
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # As it does by itself within a minute.
    theirs = Simple()
    theirs["sub"] = str(owner.pk)
    calls = {
        "nobody": asking(Small, ""),
        "ours": asking(Ours, f"Bearer {access_tokens.technical(buyer, 'main')}"),
        "peer": asking(Peer, f"Bearer {theirs}"),
    }
    rounds = microseconds(calls, rounds=ROUNDS, each=EACH, by_clock=connection.vendor != "sqlite")
    adds = {name: median(round_[name] - round_["nobody"] for round_ in rounds) for name in ("ours", "peer")}
    yield Figure("access token check, state and 5,000 revocations included, adds", round(adds["ours"]), "µs")
    yield Figure("access token check, simplejwt's with its user query adds", round(adds["peer"]), "µs")
    yield Figure("access token check, ours to simplejwt's", round(adds["ours"] / adds["peer"], 2), below=0.6)
