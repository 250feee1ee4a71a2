"""Lengths of time as operators write them: `90s`, `119m`, `2h`, `14d`; 14 of what, is for them to say."""

import re
from argparse import ArgumentTypeError
from datetime import timedelta

_FORM = re.compile(r"(\d{1,7})([smhd])", re.ASCII)
# A hundred years: no date that we reckon with is further away.
MOST = timedelta(days=36_500)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class TooLong(ArgumentTypeError):
    """It is a length of time, beyond any that we reckon with."""


def read(text: str) -> timedelta:
    """A length of time; for `argparse`, which turns the error into a line of its own."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise ArgumentTypeError(f"{text!r} is no length of time; write 90s, 15m, 2h or 14d")
    length = timedelta(seconds=int(form[1]) * _SECONDS[form[2]])
    if length > MOST:
        raise TooLong(f"{text!r} is too long; write at most {MOST.days}d")
    return length
