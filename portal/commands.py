"""What every management command shares: what a rule refuses, and what nobody reads, is one sentence and exit 1."""

import json
import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import OperationalError, transaction

from portal.refusal import Refusal

Style = Callable[[str], str] | None


class Unprinted(Exception):
    """Nobody takes what is printed; its text says why."""


class Results(OutputWrapper):
    """The stdout of a command. Its failure has a name of its own, for other files fail in the same ways."""

    def write(self, msg: str = "", style_func: Style = None, ending: str | None = None) -> None:  # type: ignore[override]
        try:
            super().write(msg, style_func, ending)
        except OSError as why:
            self._untaken(why)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as why:
            self._untaken(why)

    def _untaken(self, why: OSError) -> None:
        """Let go of what is still in the buffer, which would be tried again at the end, and fail again."""
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        self._tell(why)

    def _tell(self, why: OSError) -> None:
        raise Unprinted(why.strerror or type(why).__name__) from why


class Remarks(Results):
    """The stderr of a command; what the command does counts, whether or not anybody takes what it remarks."""

    def _tell(self, why: OSError) -> None:
        pass


def refusals_exit_1(handle: Callable[..., None]) -> Callable[..., None]:
    """Wrap `handle` so that what a rule refuses ends the command with its sentence; misuse stays exit 2.

    A command without a stdout does nothing. One that nobody listens to on stderr does all the same.
    """

    @wraps(handle)
    def handled(command: BaseCommand, *args: Any, **options: Any) -> None:
        results: Any = command.stdout
        if results._out is None:
            raise CommandError("There is no stdout, so nobody would see what is printed; nothing was changed.")
        command.stdout, command.stderr = Results(results._out), _remarks(command.stderr)
        try:
            handle(command, *args, **options)
            command.stdout.flush()
        except Refusal as refusal:
            if refusal.afterwards:
                refusal.afterwards()
            raise CommandError(str(refusal)) from refusal
        except OperationalError as down:
            raise CommandError(f"The database does not answer: {down}") from down
        except Unprinted as unprinted:
            raise CommandError(
                f"Nobody takes what is printed ({unprinted}); what was changed stays changed."
            ) from unprinted
        finally:
            with suppress(Unprinted):
                command.stdout.flush()
            command.stderr.flush()

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


@contextmanager
def counts_once_shown(command: BaseCommand) -> Iterator[None]:
    """Around what makes a secret and prints it: if nobody takes it, all that was written meanwhile is undone."""
    try:
        with transaction.atomic():
            yield
            command.stdout.flush()
    except Unprinted as unprinted:
        raise CommandError(f"Nobody takes what is printed ({unprinted}); nothing was changed.") from unprinted


def one_after_the_other(command: BaseCommand, things: Sequence[Any], do: Callable[[Any], object]) -> None:
    """Do it to each. A refusal is a sentence on stderr and the rest goes on; in the end it makes exit 1.

    What can no longer be printed ends the run: a secret that nobody sees must not come to count.
    """
    refused = 0
    for thing in things:
        try:
            do(thing)
        except Refusal as refusal:
            if refusal.afterwards:
                refusal.afterwards()
            command.stderr.write(str(refusal))
            refused += 1
        except Unprinted as unprinted:
            raise CommandError(
                f"Nobody takes what is printed ({unprinted}); the last one was left as it was."
            ) from unprinted
    if refused:
        raise CommandError(f"{refused} of {len(things)} were refused; the others are done.")


def folder_named(text: str) -> Path:
    """The folder that an option names; for `argparse`. An empty one, such as a variable that is not set, is none."""
    if not text:
        raise ArgumentTypeError("it is empty; name a folder")
    return Path(text)


def misuse(sentence: str) -> CommandError:
    """An option that makes no sense, which ends the command with exit 2."""
    return CommandError(sentence, returncode=2)


def _remarks(stderr: Any) -> Remarks:
    remarks = Remarks(stderr._out)
    remarks.style_func = stderr.style_func
    return remarks
