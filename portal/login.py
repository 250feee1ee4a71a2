"""Logging in and out."""

from urllib.parse import urlencode

from django import forms
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from portal import sessions
from portal.access import requires
from portal.pages import PageRequest, before_second_factor
from portal.refusal import Refusal
from portal.way_back import own_page


class LoginForm(forms.Form):
    username = forms.CharField(max_length=150)
    password = forms.CharField(max_length=4096, strip=False)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def log_in(request: PageRequest) -> HttpResponse:
    """Ask for name and password, then go on to the page that was wanted; a wrong try says so on the same page."""
    wanted = own_page(request.POST.get("next") or request.GET.get("next"))
    if request.method != "POST":
        return render(request, "portal/login.html", {"next": wanted})
    form = LoginForm(request.POST)
    try:
        if not form.is_valid():
            raise sessions.WrongPassword
        is_in = sessions.begin(request, form.cleaned_data["username"], form.cleaned_data["password"])
    except Refusal as refusal:
        return refused(request, refusal, wanted, form.cleaned_data.get("username", ""))
    return redirect(wanted) if is_in else redirect(f"{reverse('second_factor_login')}?{urlencode({'next': wanted})}")


def refused(request: PageRequest, refusal: Refusal, wanted: str, username: str = "") -> HttpResponse:
    """The login again, and why."""
    context = {"next": wanted, "refusal": refusal, "username": username}
    response = render(request, "portal/login.html", context, status=refusal.status)
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


@require_POST
@before_second_factor
@requires(None)
def log_out(request: PageRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("login")
