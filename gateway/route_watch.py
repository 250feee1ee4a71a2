"""Where the targets of routes lead is judged again and again: a name that turned bad takes its route with it."""

import logging
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event

from django.conf import settings
from django.db import Error, connection

from gateway import route_fields, routes
from gateway.models import Route
from portal import targets
from portal.actor import Actor
from portal.refusal import Refusal

EVERY = 60
# So many names are looked up beside one another; each has `route_fields.LOOK_UP_SECONDS`, whatever the others take.
AT_ONCE = 8

log = logging.getLogger("gatehouse.worker")


def run(stopping: Event) -> None:
    """Judge all of them about once a minute, beside the worker's other jobs: a name server may be slow."""
    while not stopping.wait(EVERY):
        try:
            judge_again(stopping)
        except Error as trouble:
            log.warning("The targets of routes were not judged: %s", type(trouble).__name__)
        finally:
            connection.close_if_unusable_or_obsolete()


def judge_again(stopping: Event) -> None:
    """Disable the routes whose target is not open any more, by the settings or by where its name leads now."""
    allowed = targets.Allowed.read(settings.ROUTE_TARGETS)
    leading: dict[str, list[Route]] = defaultdict(list)
    for route in Route.objects.filter(is_enabled=True).order_by("pk"):
        leading[route.target].append(route)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="targets") as looking:
        asked = {looking.submit(_reason_against, target, allowed): target for target in leading}
        for answered in as_completed(asked):
            if stopping.is_set():
                return looking.shutdown(wait=False, cancel_futures=True)
            if reason := answered.result():
                for route in leading[asked[answered]]:
                    _disable(route, reason)


def _reason_against(target: str, allowed: targets.Allowed) -> str:
    """Why a target is not open any more, else empty. Nothing here asks the database."""
    try:
        route_fields.judge(targets.read(target, allowed), allowed)
    except targets.TargetNotAllowed as no:
        return str(no)[:500]
    return ""


def _disable(route: Route, reason: str) -> None:
    try:
        routes.disable(route, by=Actor.worker(), reason=reason)
    except Refusal:
        return  # Somebody changed it at this moment; it is judged anew in a minute.
