"""Whether the portal lives, is ready, and what it counts."""

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from portal import errors
from portal.refusal import Refusal

_migrated = False


class NotReady(Refusal):
    """The portal cannot serve yet, or not now."""

    status, code = 503, "not_ready"
    retry_after = 2


@csrf_exempt
@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers at all; asks nobody."""
    return JsonResponse({"status": "alive"})


@csrf_exempt
@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if the database answers and is migrated, else 503 with the reason."""
    if reason := why_not_ready():
        return errors.answer(request, NotReady(reason))
    return JsonResponse({"status": "ready"})


def why_not_ready() -> str | None:
    global _migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _migrated:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "The database is not migrated; run manage.py migrate."
            _migrated = True
    except (DatabaseError, InterfaceError):
        return "The database does not answer."
    return None
