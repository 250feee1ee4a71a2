"""The second page of the login, for who has a second factor: a code, or a passkey."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from portal import second_factor, second_factor_passkeys, second_factor_proof, sessions
from portal.login import refused
from portal.pages import PageRequest
from portal.refusal import Refusal
from portal.second_factor_forms import ProofForm
from portal.way_back import own_page


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def prove(request: PageRequest) -> HttpResponse:
    """Log in who has given the password and now gives a second factor; a wrong one says so on the same page."""
    wanted = own_page(request.POST.get("next") or request.GET.get("next"))
    try:
        person = second_factor_proof.waited_for(request)
    except second_factor_proof.NobodyWaits as refusal:
        return refused(request, refusal, wanted) if request.method == "POST" else redirect("login")
    if request.method != "POST":
        return render(request, "portal/second_factor_login.html", _facts(request, person, wanted))
    form = ProofForm(request.POST)
    try:
        if not form.is_valid():
            raise second_factor.WrongCode
        if form.cleaned_data["answer"]:
            sessions.go_on_by_passkey(request, form.cleaned_data["answer"])
        else:
            sessions.go_on_by_code(request, form.cleaned_data["typed"])
    except Refusal as refusal:
        context = {**_facts(request, person, wanted), "refusal": refusal}
        response = render(request, "portal/second_factor_login.html", context, status=refusal.status)
        if refusal.retry_after is not None:
            response["Retry-After"] = str(refusal.retry_after)
        return response
    return redirect(wanted)


def _facts(request: PageRequest, person: Any, wanted: str) -> dict[str, Any]:
    """What the person may prove it with. The passkeys are asked for anew each time the page is shown."""
    held = second_factor.held(person)
    context = {"next": wanted, "person": person, "held": held}
    if not held.passkeys:
        return context
    why_not = second_factor_passkeys.why_not(request)
    return {**context, "why_not": why_not, "asked": "" if why_not else second_factor_passkeys.ask(request, person)}
