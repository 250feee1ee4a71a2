"""The page on which a request is tried without being sent: what the gateway would say to it, step by step."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget

from gateway import route_verdict
from gateway.route_forms import TryForm
from portal import parameters
from portal.access import requires
from portal.pages import PageRequest
from portal.refusal import Invalid
from portal.scopes import Scope

PATH = parameters.Line(name="path", description="", most=route_verdict.LONGEST_PATH)


@require_safe
@requires(Scope.GATEWAY_READ)
def index(request: PageRequest) -> HttpResponse:
    """The form; `path` fills it in."""
    path = PATH.read(parameters.once(request.GET, "path") or "") or ""
    return render(request, "gateway/route_try.html", {"trying": TryForm(path=path)})


@require_POST
@requires(Scope.GATEWAY_READ)
def judge(request: PageRequest) -> HttpResponse:
    """The verdict beneath the form, in which the token does not stand again."""
    form, status, verdict = TryForm(request.POST), 200, None
    if form.is_valid():
        try:
            verdict = route_verdict.judge(**form.cleaned_data)
        except Invalid as unfit:
            form.add_error(next(iter(unfit.invalid or {"path": ()})), str(unfit))
    if verdict is None:
        status = 400
    template = "gateway/_route_try.html" if request.htmx else "gateway/route_try.html"
    answer = render(request, template, {"trying": form, "verdict": verdict}, status=status)
    return reswap(retarget(answer, "#route-try"), "outerHTML") if request.htmx else answer
