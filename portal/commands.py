"""What every management command shares: a refusal is one sentence on stderr and exit 1."""

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from portal.refusal import Refusal


def refusals_exit_1(handle: Callable[..., None]) -> Callable[..., None]:
    """Wrap `handle` so that what a rule refuses ends the command with its sentence; misuse stays exit 2."""

    @wraps(handle)
    def handled(*args: Any, **options: Any) -> None:
        try:
            handle(*args, **options)
        except Refusal as refusal:
            if refusal.afterwards:
                refusal.afterwards()
            raise CommandError(str(refusal)) from refusal
        except OperationalError as down:
            raise CommandError(f"The database does not answer: {down}") from down
        except BrokenPipeError as unread:
            _print_no_more()
            raise CommandError("Nobody reads what is printed any more.") from unread

    return handled


class LinesCommand(BaseCommand):
    """A command that prints facts on a line each: under `--json` as an object, else the bare values."""

    as_json = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")

    def say(self, facts: Mapping[str, Any]) -> None:
        """Print a line, and not later than now: whoever says it may have to know that nobody took it."""
        self.stdout.write(json.dumps(facts) if self.as_json else " ".join(str(fact) for fact in facts.values()))
        self.stdout.flush()


def one_after_the_other(command: BaseCommand, things: Sequence[Any], do: Callable[[Any], object]) -> None:
    """Do it to each. A refusal is a sentence on stderr and the rest goes on; in the end it makes exit 1.

    What can no longer be printed ends the run: a secret that nobody sees must not come to count.
    """
    if sys.stdout is None:
        raise CommandError("There is no stdout, so nobody would see what is printed; nothing was changed.")
    refused = 0
    for thing in things:
        try:
            do(thing)
        except Refusal as refusal:
            if refusal.afterwards:
                refusal.afterwards()
            command.stderr.write(str(refusal))
            refused += 1
        except OSError as unprinted:
            _print_no_more()
            why = unprinted.strerror or type(unprinted).__name__
            raise CommandError(f"Nobody takes what is printed ({why}); the last one was left as it was.") from unprinted
    if refused:
        raise CommandError(f"{refused} of {len(things)} were refused; the others are done.")


def misuse(sentence: str) -> CommandError:
    """An option that makes no sense, which ends the command with exit 2."""
    return CommandError(sentence, returncode=2)


def _print_no_more() -> None:
    """Let go of what is still in the buffer, which would be tried again at the end, and fail again."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
