"""The page about the audit trail: who changed what, whether the chain holds, and the rows as a file."""

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from portal import audit, audit_export, audit_listing, subjects
from portal.access import requires
from portal.csv_file import csv_file
from portal.downloads import download, turn
from portal.pages import PageRequest
from portal.scopes import Scope

# So many rows are walked in some seconds, and a thread of two is busy for as long.
MOST = 200_000


@require_safe
@requires(Scope.AUDIT_READ)
def index(request: PageRequest) -> HttpResponse:
    """The list; with `verify=1` also whether the chain holds, which is all that htmx then gets."""
    verdict = None
    if request.GET.get("verify") == "1":
        with turn():
            verdict = audit.verify(most=MOST)
    if verdict and request.htmx:
        return render(request, "portal/_chain.html", {"verdict": verdict})
    page = audit_listing.read(request.GET)
    about = subjects.of([event for event, _ in page.rows], by=request.actor)
    rows = [(*row, subject) for row, subject in zip(page.rows, about, strict=True)]
    context = {"page": page, "rows": rows, "query": urlencode(page.wanted), "verdict": verdict}
    return render(request, "portal/audit.html", context)


@require_safe
@requires(Scope.AUDIT_READ)  # type: ignore[arg-type]  # An answer that streams is no HttpResponse.
def export_csv(request: PageRequest) -> StreamingHttpResponse:
    wanted = audit_listing.wanted_in(request.GET)
    return csv_file(audit_export.rows(audit_listing.walk(wanted)), "gatehouse-audit.csv")


@require_safe
@requires(Scope.AUDIT_READ)  # type: ignore[arg-type]  # An answer that streams is no HttpResponse.
def export_json_lines(request: PageRequest) -> StreamingHttpResponse:
    wanted = audit_listing.wanted_in(request.GET)
    lines = audit_export.as_json_lines(audit_listing.walk(wanted))
    return download(lines, "gatehouse-audit.jsonl", "application/jsonl")
