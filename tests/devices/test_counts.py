"""The counts that the database keeps are right whoever changes a device, and so a far page is the right page."""

import random
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from django.db import transaction
from django.db.models import Sum

from devices import counts, shelves
from devices.models import Device, DeviceCount, DeviceShelf

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
STATUSES = ("pending", "accepted", "rejected", "preauthorized")
TABS = (*STATUSES, "denied")
DENIED = {"denied_at": NOON, "denied_by": "ada"}
RESTORED = {"denied_at": None, "denied_by": ""}


def appear(*ids: str, draw: random.Random) -> None:
    """Devices of any status come; one in ten is denied."""
    Device.objects.bulk_create(
        Device(id=device_id, status=draw.choice(STATUSES), **(DENIED if draw.random() < 0.1 else {}))
        for device_id in ids
    )


def counted() -> dict[str, int]:
    of_status = {status: Device.objects.filter(denied_at=None, status=status).count() for status in STATUSES}
    return {**of_status, "denied": Device.objects.exclude(denied_at=None).count()}


def all_kept_counts_are_right() -> None:
    assert dict(DeviceCount.objects.values_list("tab", "number")) == counted()
    assert DeviceShelf.objects.aggregate(**{tab: Sum(tab) for tab in TABS}) == counted()
    firsts = [*DeviceShelf.objects.order_by("first").values_list("first", flat=True), "~"]
    assert firsts[0] == ""
    for first, following in pairwise(firsts):
        here = list(Device.objects.filter(pk__gte=first, pk__lt=following).values_list("status", "denied_at"))
        tabs = ["denied" if denied_at else status for status, denied_at in here]
        assert DeviceShelf.objects.filter(pk=first).values(*TABS).get() == {tab: tabs.count(tab) for tab in TABS}
        assert len(here) <= 2048


# Ids as identities make them, ids of one maker that count up, and ids that count down; `Z` sorts before `a` and `_`.
MAKERS = {
    "digests": lambda number, draw: f"{draw.getrandbits(256):064x}",
    "rising": lambda number, draw: f"urn:dev:ops:{number:09}",
    "falling": lambda number, draw: f"urn:dev:ops:{10**9 - number:09}",
    "of any letters": lambda number, draw: "".join(draw.choices("09:AZ_az-", k=9)) + f"{number:06}",
}
every_maker = pytest.mark.parametrize("maker", MAKERS)


@every_maker
def test_kept_counts_are_right_after_any_changes(db: None, maker: str) -> None:
    draw = random.Random(maker)
    ids = [MAKERS[maker](number, draw) for number in range(7400)]
    appear(*ids[:7000], draw=draw)
    all_kept_counts_are_right()
    assert DeviceShelf.objects.count() >= 4
    for device_id in ids[7000:]:
        if draw.random() < 0.2:
            appear(device_id, draw=draw)
        changed = Device.objects.filter(pk__in=draw.choices(ids, k=draw.choice([1, 1, 1, 40])))
        change = draw.randrange(6)
        if change < 3:
            changed.update(status=draw.choice(STATUSES))
        elif change == 3:
            changed.filter(denied_at=None).update(**DENIED)
        elif change == 4:
            changed.update(last_seen=NOON, **RESTORED)
        elif draw.random() < 0.3:
            changed.delete()
    all_kept_counts_are_right()
    Device.objects.filter(pk__gte=ids[0]).delete()
    all_kept_counts_are_right()


def test_what_is_rolled_back_is_not_counted(db: None) -> None:
    draw = random.Random(1)
    appear(*(f"press-{number:05}" for number in range(2000)), draw=draw)
    before = counts.by_tab()
    with transaction.atomic():
        appear(*(f"press-{number:05}" for number in range(2000, 6000)), draw=draw)
        transaction.set_rollback(True)
    assert counts.by_tab() == before
    all_kept_counts_are_right()


@every_maker
def test_a_far_page_is_what_walking_to_it_finds(db: None, maker: str) -> None:
    draw = random.Random(maker)
    appear(*(MAKERS[maker](number, draw) for number in range(9000)), draw=draw)
    lists = {
        tabs: Device.objects.present().filter(status__in=tabs)
        for tabs in [("accepted",), ("pending", "accepted", "rejected"), STATUSES]
    }
    for tabs, devices in {**lists, ("denied",): Device.objects.denied()}.items():
        walked = sorted(devices.values_list("pk", flat=True))
        for start in [0, 1, 2047, 2048, 2049, 2050, *draw.sample(range(9000), 20), len(walked), 2**40]:
            found = shelves.cut(devices, tabs, start, start + 21)
            assert [device.pk for device in found] == walked[start : start + 21], (tabs, start)


def test_a_far_page_skips_whole_shelves(db: None) -> None:
    """Else a page at the end of a million devices would walk past all of them."""
    appear(*(f"press-{number:05}" for number in range(9000)), draw=random.Random(1))
    far = shelves.cut(Device.objects.present(), STATUSES, 5000, 5021)
    assert far.query.low_mark <= 2048


@pytest.mark.django_db(transaction=True)
def test_counts_are_right_after_many_changed_devices_at_once(at_once) -> None:  # type: ignore[no-untyped-def]
    """Eight at once, in one transaction each and in opposite orders: nobody waits for ever and nothing is lost."""
    DeviceShelf.objects.get_or_create(first="")
    draw = random.Random(1)
    appear(*(f"press-{number:05}" for number in range(4000)), draw=draw)

    def change(worker: int) -> None:
        mine = random.Random(worker)
        for round_ in range(5):
            with transaction.atomic():
                appear(*(f"press-{mine.randrange(4000):05}-{worker}-{round_}-{n}" for n in range(40)), draw=mine)
                for device_id in sorted(mine.sample(range(4000), 5), reverse=bool(worker % 2)):
                    Device.objects.filter(pk=f"press-{device_id:05}").update(status=mine.choice(STATUSES), **RESTORED)

    if errors := [outcome for outcome in at_once(*(lambda worker=w: change(worker) for w in range(8))) if outcome]:
        raise AssertionError(errors)
    all_kept_counts_are_right()
