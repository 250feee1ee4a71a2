"""Far pages of a list by id: the database counts stretches of ids, so that a page skips whole stretches at once."""

from collections.abc import Collection
from functools import reduce
from operator import add

from django.db.models import BigIntegerField, F, Sum, Window
from django.db.models.functions import Cast

from devices.models import DeviceQuerySet, DeviceShelf

NEAR = 2048


def cut(devices: DeviceQuerySet, tabs: Collection[str], start: int, stop: int) -> DeviceQuerySet:
    """`devices` by id from the place `start`, counted from 0, to before `stop`; they are all the devices of `tabs`."""
    skipped = 0
    if start > NEAR:
        first, skipped = _shelf(tabs, start)
        devices = devices.filter(pk__gte=first)
    found: DeviceQuerySet = devices.order_by("pk")[start - skipped : stop - skipped]
    return found


def _shelf(tabs: Collection[str], start: int) -> tuple[str, int]:
    """Where the shelf begins on which a place is, and how many devices of these tabs are before it."""
    number = reduce(add, (F(tab) for tab in tabs))
    before = Cast(Window(Sum(number), order_by="first") - number, BigIntegerField())
    shelves = DeviceShelf.objects.annotate(before=before).filter(before__lte=start).order_by("-first")
    return next(iter(shelves.values_list("first", "before")[:1]), ("", 0))
