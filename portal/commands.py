"""What every management command shares: a refusal is one sentence on stderr and exit 1."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.management.base import CommandError
from django.db import OperationalError

from portal.refusal import Refusal


def refusals_exit_1(handle: Callable[..., None]) -> Callable[..., None]:
    """Wrap `handle` so that what a rule refuses ends the command with its sentence; misuse stays exit 2."""

    @wraps(handle)
    def handled(*args: Any, **options: Any) -> None:
        try:
            handle(*args, **options)
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        except OperationalError as down:
            raise CommandError(f"The database does not answer: {down}") from down

    return handled
