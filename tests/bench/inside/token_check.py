"""What our check of an API token adds to a view that answers {}, against what the token check of DRF adds to it."""

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from django.core.management import call_command
from django.db import connection
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from portal.actor import Actor
from portal.models import User
from portal.roles import Role
from portal.scopes import Scope
from tests.bench.figures import Figure
from tests.bench.inside.timing import microseconds
from tokens import issuing
from tokens.authentication import BearerAuthentication

ROUNDS, EACH = 31, 200


class Small(APIView):
    """The smallest view; it asks for nobody."""

    authentication_classes: Any = []
    permission_classes: Any = []

    def get(self, request: Request) -> Response:
        return Response({})


class Ours(Small):
    authentication_classes: Any = [BearerAuthentication]


class Peer(Small):
    authentication_classes: Any = [TokenAuthentication]


def measure() -> Iterator[Figure]:
    call_command("migrate", verbosity=0)
    owner = User.objects.create(username="ada", role=Role.ADMINISTRATOR)
    _, ours = issuing.issue("bench", [Scope.DEVICES_READ], owner=owner, days=1, by=Actor.command("bench"))
    calls = {
        "nobody": asking(Small, ""),
        "ours": asking(Ours, f"Bearer {ours}"),
        "peer": asking(Peer, f"Token {Token.objects.create(user=owner).key}"),
    }
    yield from added(calls, "of the processor", by_clock=False)
    if connection.vendor != "sqlite":  # A server works in a process of its own, whose time the clock alone shows.
        yield from added(calls, "by the clock", by_clock=True)


def added(calls: dict[str, Callable[[], object]], time: str, *, by_clock: bool) -> Iterator[Figure]:
    rounds = microseconds(calls, rounds=ROUNDS, each=EACH, by_clock=by_clock)
    adds = {name: median(round_[name] - round_["nobody"] for round_ in rounds) for name in ("ours", "peer")}
    yield Figure(f"token check, time {time} that ours adds", round(adds["ours"]), "µs")
    yield Figure(f"token check, time {time} that DRF's TokenAuthentication adds", round(adds["peer"]), "µs")
    yield Figure(f"token check, time {time}, ours to DRF's", round(adds["ours"] / adds["peer"], 2), below=0.3)


def asking(view: Any, authorization: str) -> Callable[[], object]:
    called = view.as_view()
    request = APIRequestFactory().get("/", **({"HTTP_AUTHORIZATION": authorization} if authorization else {}))

    def call() -> object:
        answer = called(request)
        assert answer.status_code == 200, answer.data
        return answer

    return call
