"""The options of the commands about gateway users, with the spellings that EdgeX has for them (seed 004)."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from portal import durations
from portal.commands import misuse


def add_name(parser: ArgumentParser) -> None:
    """`NAME` or `--user NAME`, for `named` to read."""
    parser.add_argument("name", nargs="?", help="letters, digits, _ and -, in any case")
    parser.add_argument("--user", metavar="NAME", help="the same")
    parser.add_argument("--useRootToken", action="store_true", help="ignored; scripts for EdgeX send it")


def named(name: str | None, user: str | None) -> str:
    """The name, which stands in one of the two places."""
    said = {each for each in (name, user) if each is not None}
    if not said:
        raise misuse("Say which gateway user, as NAME or as --user NAME.")
    if len(said) > 1:
        raise misuse("NAME and --user NAME differ; say it once.")
    return said.pop()


def length(text: str) -> timedelta:
    """A length of time; a number alone is seconds."""
    try:
        return durations.read(f"{text}s" if text.isascii() and text.isdigit() else text)
    except ArgumentTypeError as wrong:
        raise ArgumentTypeError(f"{text!r} is no length of time; write 90, 90s, 119m, 2h or 1d") from wrong


def line(facts: Mapping[str, Any]) -> str:
    """The result as one line."""
    return json.dumps(facts, separators=(",", ":"))
