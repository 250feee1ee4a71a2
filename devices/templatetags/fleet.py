"""What the templates about devices ask: what may be decided, and how keys and identities read."""

import json
from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from devices import counts, shutdown_approval
from devices.admission import decisions
from devices.listing import Wanted
from devices.models import Device, Status
from portal.actor import Actor

register = template.Library()
register.filter("decisions", decisions)

GROUP = 4
VERBS = {Status.ACCEPTED: "accept", Status.REJECTED: "reject"}
LATELY = {"": "Any time", "1h": "In the last hour", "24h": "In the last 24 h", "7d": "In the last 7 days"}
CHOICES: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("asked", "First seen", LATELY),
    ("seen", "Last seen", {**LATELY, "not-24h": "Not for 24 h", "not-7d": "Not for 7 days", "never": "Never"}),
    (
        "sort",
        "Sort by",
        {
            "newest": "Newest first",
            "oldest": "Oldest first",
            "seen": "Last seen first",
            "silent": "Longest silent first",
            "id": "Id",
        },
    ),
)


@register.simple_tag
def how_many_wait() -> int:
    """How many devices wait for a decision."""
    return counts.in_tab(Status.PENDING)


@register.simple_tag
def how_many_await(actor: Actor) -> int:
    """How many shutdowns await the approval of this person."""
    return shutdown_approval.how_many_await(by=actor)


@register.filter
def choices(wanted: Wanted) -> list[tuple[str, str, list[tuple[str, str, bool]]]]:
    """What the list may be narrowed to and sorted by: a name, a label, and its words with whether each is chosen."""
    return [
        (name, label, [(word, text, word == getattr(wanted, name)) for word, text in words.items()])
        for name, label, words in CHOICES
    ]


@register.filter
def verb(decision: Status) -> str:
    """The word on the button that makes this decision."""
    return VERBS[decision]


@register.filter
def grouped(fingerprint: str) -> SafeString:
    """A fingerprint in groups of four for the eye; what is copied has no gaps."""
    groups = ((fingerprint[at : at + GROUP],) for at in range(0, len(fingerprint), GROUP))
    return format_html_join("", "<span>{}</span><wbr>", groups)


@register.filter
def members(device: Device) -> list[tuple[str, str]]:
    """The identity as names and values, in the order in which the device wrote them."""
    introduction = getattr(device, "introduction", None)
    said: Mapping[str, Any] = introduction.named() if introduction else {}
    return [(name, plain(value)) for name, value in said.items()]


@register.filter
def plain(value: Any) -> str:
    """A text as it is, a list with commas, anything else as JSON."""
    if isinstance(value, list) and not any(isinstance(item, list) for item in value):
        return ", ".join(plain(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
