"""Refusals of the verbs about apps and their credentials, which stand in the history as well."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

from django.db import Error, transaction

from portal import audit
from portal.actor import Actor
from portal.refusal import Refusal

Verb = TypeVar("Verb", bound=Callable[..., Any])
Subject = tuple[str, str]

TOLD = (403, 409)


def told(verb: str, subject_of: Callable[[Any], Subject]) -> Callable[[Verb], Verb]:
    """Make what a rule refuses stand in the history as `<verb>_refused`, once the transaction that it broke off is
    over; `subject_of` names what the rule's first argument is. Wrong input, which changes with every try, is not told.
    """

    def decorate(rule: Verb) -> Verb:
        name = next(iter(signature(rule).parameters))

        @wraps(rule)
        def judged(*args: Any, by: Actor, **how: Any) -> Any:
            try:
                return rule(*args, by=by, **how)
            except Refusal as no:
                if no.status in TOLD and no.afterwards is None:
                    subject, code, reason = subject_of(args[0] if args else how[name]), no.code, str(no)[:500]
                    no.afterwards = lambda: _record(by, f"{verb}_refused", subject, code, reason)
                raise

        return judged  # type: ignore[return-value]

    return decorate


def _record(by: Actor, verb: str, subject: Subject, code: str, reason: str) -> None:
    try:
        with transaction.atomic():
            audit.record(by, verb, subject, after={"code": code}, reason=reason)
    except Error:
        return  # The answer is a no with or without the row; a database that is gone takes none.
