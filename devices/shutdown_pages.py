"""The pages about shutdowns: which there are, how one goes, and what may be done with it."""

import re
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget, trigger_client_event

from devices import shutdown, shutdown_approval, shutdown_cancel, shutdown_listing, shutdown_retries
from devices.models import ID, ShutdownJob, Via
from devices.shutdown_forms import CancelForm, ConfirmForm, ReasonForm, RetryForm
from devices.shutdown_listing import Shown
from devices.shutdown_states import NOT_CLAIMED, RETRIED
from portal import sessions
from portal.access import requires
from portal.models import AuditEvent
from portal.pages import PageRequest, fragment, onward
from portal.refusal import Invalid
from portal.scopes import Scope

HISTORY = 20


@require_safe
@requires(Scope.SHUTDOWNS_READ)
def index(request: PageRequest) -> HttpResponse:
    """Those under way first, then those that have ended, the latest first."""
    return render(request, "devices/shutdowns.html", {"page": shutdown_listing.read(request.GET)})


@require_safe
@requires(Scope.SHUTDOWNS_APPROVE)
def awaiting(request: PageRequest) -> HttpResponse:
    """How many await the person, beside the way to them on every page; nothing while that is what the page shows."""
    number = shutdown_approval.how_many_await(by=request.actor)
    if request.GET.get("known") == str(number):
        return HttpResponse(status=204)
    return fragment(request, "devices/_awaiting.html", {"awaiting": number}, otherwise="shutdowns:list")


@require_safe
@requires(Scope.SHUTDOWNS_READ)
def detail(request: PageRequest, job_id: UUID) -> HttpResponse:
    return render(request, "devices/shutdown.html", _whole(request, shutdown.find(job_id)))


@require_safe
@requires(Scope.SHUTDOWNS_READ)
def standing(request: PageRequest, job_id: UUID) -> HttpResponse:
    """Who asked for what, how it stands, and the buttons; a page fetches it anew when these have changed."""
    job = shutdown.find(job_id)
    return fragment(request, "devices/_shutdown_standing.html", _standing(request, _shown(job)), otherwise=job)


@require_safe
@requires(Scope.SHUTDOWNS_READ)
def progress(request: PageRequest, job_id: UUID) -> HttpResponse:
    """How far each device is. `known` is what the page knows of the whole; it is told if that has changed."""
    job = shutdown.find(job_id)
    facts = _progress(request, _shown(job))
    answer = fragment(request, "devices/_shutdown_progress.html", facts, otherwise=job)
    return answer if request.GET.get("known") == facts["mark"] else trigger_client_event(answer, "shutdown-changed")


@require_POST
@requires(Scope.SHUTDOWNS_REQUEST)
def cancel(request: PageRequest, job_id: UUID) -> HttpResponse:
    """Cancel what is not claimed: all of it, or the devices that were ticked."""
    job, form = shutdown.find(job_id), CancelForm(request.POST)
    if not form.is_valid():
        return _again(request, job, cancel=form)
    devices = None if form.cleaned_data["which"] == "all" else _ticked(request)
    shutdown_cancel.cancel(job, by=request.actor, reason=form.cleaned_data["reason"], devices=devices)
    return _done(request, job)


@require_POST
@requires(Scope.SHUTDOWNS_APPROVE)
def approve(request: PageRequest, job_id: UUID) -> HttpResponse:
    job = shutdown.find(job_id)
    form = _approval(request, job, request.POST)
    if not form.is_valid():
        return _again(request, job, approve=form)
    said = form.cleaned_data
    shutdown.confirm(form.number, said["confirm_count"])
    if form.is_bulk:
        sessions.confirm(request, said["password"])
    return _done(request, shutdown_approval.approve(job, by=request.actor, confirm_count=said["confirm_count"]))


@require_POST
@requires(Scope.SHUTDOWNS_APPROVE)
def refuse(request: PageRequest, job_id: UUID) -> HttpResponse:
    job, form = shutdown.find(job_id), ReasonForm(request.POST)
    if not form.is_valid():
        return _again(request, job, refuse=form)
    return _done(request, shutdown_approval.refuse(job, by=request.actor, reason=form.cleaned_data["reason"]))


@require_POST
@requires(Scope.SHUTDOWNS_REQUEST)
def retry(request: PageRequest, job_id: UUID) -> HttpResponse:
    """Order it anew for those ticked of what failed; the page of the new shutdown follows."""
    shown = _shown(shutdown.find(job_id))
    form = _retrial(request, shown, request.POST)
    if not form.is_valid():
        return _again(request, shown.job, retry=form)
    said = form.cleaned_data
    if form.is_bulk:
        shutdown.confirm(form.number, said["confirm_count"])
        sessions.confirm(request, said["password"])
    made = shutdown.retry(
        shown.job,
        by=request.actor,
        via=Via.PAGE,
        reason=said["reason"],
        confirm_count=said["confirm_count"],
        devices=list(dict.fromkeys(said["chosen"])) or None,
        key=said["key"],
    )
    return onward(request, made)


def _shown(job: ShutdownJob) -> Shown:
    return shutdown_listing.shown([job])[0]


def _ticked(request: PageRequest) -> list[str]:
    ids = request.POST.getlist("chosen")
    if not ids or not all(re.fullmatch(ID, each, re.ASCII) for each in ids):
        raise Invalid("chosen", "Tick the devices that are to stay on, or cancel all that are left.")
    return ids


def _done(request: PageRequest, job: ShutdownJob) -> HttpResponse:
    """The whole shutdown as it is now."""
    job.refresh_from_db()
    return fragment(request, "devices/_shutdown.html", _whole(request, job) | {"decided": True}, otherwise=job)


def _again(request: PageRequest, job: ShutdownJob, **sent: Any) -> HttpResponse:
    """The buttons as they were filled in, with what is wrong beside each field."""
    if not request.htmx:
        return render(request, "devices/shutdown.html", _whole(request, job) | sent, status=400)
    facts = _standing(request, _shown(job)) | sent
    answer = render(request, "devices/_shutdown_standing.html", facts, status=400)
    return reswap(retarget(answer, "#shutdown-standing"), "outerHTML")


def _whole(request: PageRequest, job: ShutdownJob) -> dict[str, Any]:
    shown = _shown(job)
    events = AuditEvent.objects.filter(subject_kind="shutdown", subject_id=str(job.pk)).order_by("-number")
    history = list(events[:HISTORY]) if request.actor.may(Scope.AUDIT_READ) else None
    return {**_standing(request, shown), **_progress(request, shown), "history": history, "most": HISTORY}


def _standing(request: PageRequest, shown: Shown) -> dict[str, Any]:
    return {
        "shown": shown,
        "job": shown.job,
        "verbs": shutdown_listing.verbs(shown.job, shown.counts, by=request.actor),
        "is_own": shown.job.is_of(request.actor.owner),
        "left": sum(shown.counts[state] for state in NOT_CLAIMED),
        "cancel": CancelForm(),
        "approve": _approval(request, shown.job),
        "refuse": ReasonForm(),
        "retry": _retrial(request, shown),
        "key": uuid4(),
    }


def _progress(request: PageRequest, shown: Shown) -> dict[str, Any]:
    targets = shutdown_listing.targets_in(shown.job, request.GET)
    verbs = shutdown_listing.verbs(shown.job, shown.counts, by=request.actor)
    place = {name: value for name, value in (("state", targets.state), ("after", targets.after)) if value}
    return {
        "shown": shown,
        "job": shown.job,
        "targets": targets,
        "place": urlencode(place),
        "cancels": "cancel" in verbs,
        "mark": "-".join([shown.job.state, *verbs]),
    }


def _approval(request: PageRequest, job: ShutdownJob, sent: Any = None) -> ConfirmForm:
    return ConfirmForm(sent, number=job.device_count, fresh=sessions.is_fresh(request))


def _retrial(request: PageRequest, shown: Shown, sent: Any = None) -> RetryForm:
    failed = shutdown_retries.retriable(shown.job) if any(shown.counts[state] for state in RETRIED) else []
    # Of what was ordered anew since the page was shown, the rule says where.
    known = failed if sent is None else shutdown_retries.failed(shown.job)
    return RetryForm(sent, failed=failed, known=known, fresh=sessions.is_fresh(request))
