"""The help page: the first steps, the words, and where to ask a program's questions."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.access import requires
from portal.pages import PageRequest
from portal.roles import SCOPES, Role
from portal.scopes import Scope


@require_safe
@requires(None)
def help_page(request: PageRequest) -> HttpResponse:
    roles = [(role.label, len(SCOPES[role])) for role in Role]
    scopes = [(scope, scope.label, [role.label for role in Role if scope in SCOPES[role]]) for scope in Scope]
    return render(request, "portal/help.html", {"url": settings.PUBLIC_URL, "roles": roles, "scopes": scopes})
