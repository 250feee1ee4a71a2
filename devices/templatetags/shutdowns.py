"""How shutdowns read on pages: the hour of a moment, and the codes of what did not go off in words."""

from collections.abc import Mapping
from datetime import UTC, datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

CODES: Mapping[str, str] = {
    "requested": "it was cancelled before it had the order",
    "device_denied": "it was denied",
    "device_not_accepted": "it was not accepted",
    "requester_inactive": "whoever ordered or approved it is not active any more",
    "open_job": "another shutdown of it was still open",
}


@register.filter
def hour(at: datetime) -> SafeString:
    """A moment of today as its hour and minute, any other with its date; in UTC."""
    at = at.astimezone(UTC)
    words = f"{at:%H:%M}" if at.date() == timezone.now().date() else f"{at:%Y-%m-%d %H:%M}"
    return format_html('<time datetime="{}">{} UTC</time>', f"{at:%Y-%m-%dT%H:%M:%SZ}", words)


@register.filter
def in_words(code: str) -> str:
    """Why a device was left out; a code that a device made up stays as it is."""
    return CODES.get(code, code)
