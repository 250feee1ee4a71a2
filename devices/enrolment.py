"""Enrolment: whether a device that proves its key for the first time is let in without a person's decision."""

from django.conf import settings


def lets_in() -> bool:
    """Whether GATEHOUSE_ENROLMENT is `auto`: every device that proves its key is accepted."""
    return bool(settings.ENROLMENT == "auto")
