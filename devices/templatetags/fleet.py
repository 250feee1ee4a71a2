"""What the templates about devices ask: what may be decided, and how keys and identities read."""

import json
from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from devices.admission import decisions
from devices.models import Device, Status

register = template.Library()
register.filter("decisions", decisions)

GROUP = 4
VERBS = {Status.ACCEPTED: "accept", Status.REJECTED: "reject"}


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
    said: Mapping[str, Any] = introduction.members if introduction else {}
    return [(name, plain(value)) for name, value in said.items()]


@register.filter
def plain(value: Any) -> str:
    """A text as it is, a list with commas, anything else as JSON."""
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@register.filter
def standing(device: Device) -> str:
    """The status that a person cares for: denied outweighs the rest."""
    return "denied" if device.is_denied else device.status
