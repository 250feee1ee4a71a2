"""Pages of Mender's device list: its query, the devices on a page, and the links to other pages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.http import QueryDict

from devices import shelves
from devices.models import Device, Status
from gateway.dialects.mender import BadRequest

TOO_LARGE = 2**32
USUAL = (Status.PENDING, Status.ACCEPTED, Status.REJECTED)


@dataclass(frozen=True)
class Page:
    """What was asked for: the page by its number from 1, how many devices it holds, and their status or ""."""

    number: int
    size: int
    status: str

    def links(self, *, more: bool) -> str:
        """The header `Link`, with `next` if there is more."""
        links = [("prev", self.number - 1)] if self.number > 1 else []
        links += [("next", self.number + 1)] if more else []
        return ", ".join(
            f'<{replace(self, number=number).reference()}>; rel="{name}"' for name, number in [*links, ("first", 1)]
        )

    def reference(self) -> str:
        """Where this page is, relative to the list."""
        query = {"page": self.number, "per_page": self.size, **({"status": self.status} if self.status else {})}
        return f"devices?{urlencode(query)}"


def read(query: QueryDict) -> Page:
    """Judge the query; of a repeated key the first counts, an empty value counts as none."""
    number = _number(query, "page", otherwise=1, most=TOO_LARGE - 1)
    size = _number(query, "per_page", otherwise=10, most=500)
    status = _first(query, "status")
    if status and status not in Status.values:
        raise BadRequest("Param status must be one of [pending rejected accepted]")
    return Page(number, size, status)


def devices_on(page: Page) -> Sequence[Device]:
    """The devices on the page by id, and one more if a page follows; nothing is counted."""
    present = Device.objects.present()
    # What is left out and not the three that stay, so that the ids are walked in order and nothing is sorted.
    wanted = present.filter(status=page.status) if page.status else present.exclude(status=Status.PREAUTHORIZED)
    start = (page.number - 1) * page.size
    # Found by id alone, so that what a far page skips costs no look into what devices say of themselves.
    ids = shelves.cut(wanted, [page.status] if page.status else USUAL, start, start + page.size + 1).values("pk")
    return list(Device.objects.filter(pk__in=ids).select_related("introduction").order_by("pk"))


def _first(query: QueryDict, name: str) -> str:
    return next(iter(query.getlist(name)), "")


def _number(query: QueryDict, name: str, *, otherwise: int, most: int) -> int:
    sent = _first(query, name)
    if not sent:
        return otherwise
    digits = sent.lstrip("0") or "0"
    if not (sent.isascii() and sent.isdigit() and len(digits) <= 10 and int(digits) < TOO_LARGE):
        raise BadRequest(f"Can't parse param {name}")
    if not 1 <= int(digits) <= most:
        raise BadRequest(f"Param {name} is out of bounds")
    return int(digits)
