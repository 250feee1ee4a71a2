"""The lists of 1,000,000 devices against those of 10,000, and against the usual ways to page and to search."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from django.http import QueryDict
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from devices import counts, listing, search
from devices.models import Device, Introduction
from devices.rest import DeviceViewSet
from gateway.dialects import mender_listing
from portal.actor import Actor
from portal.models import User
from portal.roles import Role
from portal.scopes import Scope
from tests.bench.figures import Figure
from tests.bench.inside import fleet
from tests.bench.inside.timing import milliseconds
from tokens import issuing

MANY, FEW = 1_000_000, 10_000
ROUNDS = 40
PATH = "/api/v1/devices"
NOWHERE = "zzzzq"

Call = Callable[[], object]


class Usual(PageNumberPagination):
    page_size = 50


class UsualList(DeviceViewSet):
    """The same list with the paging that most projects have."""

    pagination_class = Usual
    reads = None

    def get_queryset(self) -> Any:
        return super().get_queryset().order_by("pk")


class Fleet:
    """A database with so many devices, and a token for its REST API."""

    def __init__(self, count: int, place: ExitStack) -> None:
        began = time.monotonic()
        place.enter_context(fleet.database(f"devices_{count}"))
        self.name = fleet.connection.settings_dict["NAME"]
        fleet.fill(count)
        self.filled_after = time.monotonic() - began
        owner = User.objects.create(username="ada", role=Role.ADMINISTRATOR)
        _, self.token = issuing.issue("bench", [Scope.DEVICES_READ], owner=owner, days=1, by=Actor.command("bench"))
        self.middle = Device.objects.present().order_by("pk").values_list("pk", flat=True)[count // 2]

    def view(self, query: str = "", view: Any = DeviceViewSet) -> Call:
        """A call of the view with the token, up to the rendered bytes."""
        called, factory = view.as_view({"get": "list"}), APIRequestFactory()

        def call() -> object:
            answer = called(factory.get(f"{PATH}{query}", HTTP_AUTHORIZATION=f"Bearer {self.token}"))
            assert answer.status_code == 200, answer.data
            return answer.render()

        return call

    def lists(self) -> dict[str, Call]:
        paging, view = DeviceViewSet.pagination_class(), DeviceViewSet(action="list", wanted={})
        beyond = Device.objects.present().filter(pk__gte=self.middle)
        paging.paginate_queryset(beyond, Request(APIRequestFactory().get(PATH)), view)
        deep = "?" + urlsplit(paging.get_paginated_response([]).data["next"]).query
        return {
            "first page": self.view(),
            "filtered page": self.view("?status=pending"),
            "deep cursor page": self.view(deep),
            "page of the list in the browser": lambda: listing.read(QueryDict("tab=accepted")),
        }

    def times(self, calls: dict[str, Call], rounds: int = ROUNDS) -> dict[str, float]:
        if fleet.connection.settings_dict["NAME"] != self.name:
            fleet.use(self.name)
        return milliseconds(calls, rounds=rounds)


def measure() -> Iterator[Figure]:
    with ExitStack() as place:
        few, many = Fleet(FEW, place), Fleet(MANY, place)
        yield Figure("lists, 1,000,000 devices made in", round(many.filled_after), "s", below=180)
        yield from sizes(few, many)
        yield from pages(many)
        yield from searches(many)


def sizes(few: Fleet, many: Fleet) -> Iterator[Figure]:
    """Turn by turn, so that a busy moment of the machine meets both."""
    turns = [(few.times(few.lists(), 15), many.times(many.lists(), 15)) for _ in range(5)]
    for name in many.lists():
        small, large = (sorted(turn[side][name] for turn in turns)[2] for side in (0, 1))
        yield Figure(f"lists, {name} of 1,000,000", round(large, 2), "ms")
        yield Figure(f"lists, {name} of 1,000,000 to 10,000", round(large / small, 2), below=1.3)


def pages(many: Fleet) -> Iterator[Figure]:
    ours = many.times(many.lists())
    usual = {"first page": many.view(view=UsualList), "deep cursor page": many.view("?page=10000", UsualList)}
    for name, took in many.times(usual, 5).items():
        yield Figure(f"lists, {name} by page number", round(took), "ms")
        yield Figure(f"lists, {name} by page number to ours", round(took / ours[name]), at_least=40)
    mender = {
        f"Mender's page {page.number:,}{' of ' + page.status if page.status else ''}": on(page)
        for page in (mender_listing.Page(48_999, 20, ""), mender_listing.Page(44_000, 20, "accepted"))
    }
    for name, took in many.times(mender).items():
        yield Figure(f"lists, {name}", round(took, 1), "ms", below=20)
    yield Figure("lists, counts of all tabs", round(many.times({"": counts.by_tab})[""], 2), "ms", below=1)


def on(page: mender_listing.Page) -> Call:
    def call() -> object:
        found = mender_listing.devices_on(page)
        assert len(found) == page.size + 1
        return found

    return call


def searches(many: Fleet) -> Iterator[Figure]:
    sample = Introduction.objects.select_related("device").get(device=many.middle)
    serial = sample.members["serial"]
    beginnings = {
        "the beginning of an id": sample.device_id[:10],
        "the beginning of a fingerprint": sample.device.fingerprint[:10],
    }
    for name, took in many.times({name: searching(text) for name, text in beginnings.items()}).items():
        yield Figure(f"lists, search by {name}", round(took, 2), "ms", below=5)
    # For a text that no or one device holds, LIKE reads all of them; of a common one it comes upon enough on its way.
    parts = {
        "a text that is nowhere": (NOWHERE, 20),
        "a serial number": (serial, 20),
        "four digits": (serial[-4:], None),
        "three digits": (serial[-3:], None),
        "what all hold": ("serial", None),
    }
    for name, (part, goal) in parts.items():
        ours, scanned = many.times({"": searching(part)}, 10)[""], many.times({"": scanning(part)}, 2)[""]
        yield Figure(f"lists, search by {name}", round(ours, 2), "ms")
        yield Figure(f"lists, search by {name} with LIKE", round(scanned), "ms")
        yield Figure(f"lists, search by {name}, LIKE to ours", round(scanned / ours, 1), at_least=goal)
    for name, part in {"an attribute": "10.7.16", "two letters of an id": many.middle[:2]}.items():
        yield Figure(f"lists, search by {name}", round(many.times({"": searching(part)}, 10)[""], 2), "ms")


def searching(wanted: str) -> Call:
    """A page of what the text finds."""

    def call() -> object:
        found = list(search.find(Device.objects.present(), wanted).order_by("pk")[:51])
        assert bool(found) == (wanted != NOWHERE)
        return found

    return call


def scanning(wanted: str) -> Call:
    """The same page by LIKE alone."""
    said = Device.objects.present().filter(introduction__text__icontains=wanted)
    return lambda: list(said.order_by("pk")[:51])
