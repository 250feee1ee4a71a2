"""The exception handler of a dialect: every no, and every fault of our own, becomes the dialect's own body."""

import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import SuspiciousOperation
from rest_framework.response import Response
from rest_framework.views import set_rollback

from portal import errors, failures
from portal.refusal import Refusal

Handler = Callable[[Exception, dict[str, Any]], Response | None]

log = logging.getLogger("gatehouse.errors")


def handler(body: Callable[[Refusal], Any]) -> Handler:
    """Answer refusals with these bodies; a fault of our own is logged, and the client learns no more than that.

    Nothing of the request is logged but its path: its headers and its body hold secrets.
    """

    def refuse(exc: Exception, context: dict[str, Any]) -> Response | None:
        refusal = failures.refusal_behind(exc)
        if isinstance(exc, SuspiciousOperation):
            log.warning("A call of %s cannot be read: %s", context["view"].request.path, exc)
            refusal = errors.unreadable(exc)
        elif refusal is None:
            log.error("A call of %s failed.", context["view"].request.path, exc_info=exc)
            refusal = failures.InternalError(errors.FAULT)
        set_rollback()
        return failures.answer(refusal, body(refusal), context["view"])

    return refuse
