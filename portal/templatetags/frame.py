"""What every template may ask: whether the person may do something, how a moment reads, and the way back."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal import expiry
from portal.way_back import own_page, page_of

register = template.Library()

UNITS = ((86_400, "day"), (3600, "h"), (60, "min"), (1, "s"))


@register.filter
def may(actor: Any, scope: str) -> bool:
    """Whether the actor holds the scope; nobody, before anyone is named, holds none."""
    return bool(actor) and actor.may(scope)


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """A moment to the second, in UTC."""
    if at is None:
        return "never"
    return format_html('<time datetime="{}">{} UTC</time>', _machine(at), f"{at:%Y-%m-%d %H:%M:%S}")


@register.filter
def ago(at: datetime | None) -> SafeString | str:
    """How long since or until a moment; the page keeps counting where it can."""
    if at is None:
        return "never"
    return format_html(
        '<time datetime="{}" title="{} UTC" data-ago>{}</time>',
        _machine(at),
        f"{at:%Y-%m-%d %H:%M:%S}",
        distance(at, timezone.now()),
    )


@register.filter
def spoken(verb: str) -> str:
    """The verb of an audit row in words: `device.accepted` is `accepted`, `token.issued` is `token issued`."""
    return verb.removeprefix("device.").replace(".", " ").replace("_", " ")


@register.simple_tag
def ends_soon(actor: Any) -> int:
    """How much of what concerns the actor ends within 7 days."""
    return expiry.pressing(actor)


@register.simple_tag
def whose_concern(actor: Any) -> str:
    """The filter under which the page of what expires shows what concerns the actor."""
    return "" if expiry.concerns_all(actor) else "own"


@register.simple_tag(takes_context=True)
def way_back(context: template.Context) -> str:
    """The page from which the person asked for what was refused."""
    request = context["request"]
    htmx = getattr(request, "htmx", None)
    return own_page((page_of(htmx) if htmx else None) or request.POST.get("next"))


def distance(at: datetime, now: datetime) -> str:
    """The distance in its largest unit: `just now`, `5 min ago`, `in 90 days`."""
    seconds = int(abs(now - at) / timedelta(seconds=1))
    if seconds < UNITS[2][0]:
        return "just now" if at <= now else "in a moment"
    size, unit = next((size, unit) for size, unit in UNITS if seconds >= size)
    number = seconds // size if at <= now else round(seconds / size)
    words = f"{number} {unit}{'s' if unit == 'day' and number > 1 else ''}"
    return f"{words} ago" if at <= now else f"in {words}"


def _machine(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
