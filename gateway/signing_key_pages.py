"""The page about signing keys: which signs, which verifies until when, what comes next; and the peppers likewise."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from portal.access import requires
from portal.pages import PageRequest
from portal.scopes import Scope
from tokens import key_rotation, pepper_rotation, signing
from tokens.models import KeyState, SigningKey

RETIRED = 5


@require_safe
@requires(Scope.GATEWAY_READ)
def index(request: PageRequest) -> HttpResponse:
    return render(request, "gateway/signing_keys.html", _facts())


@require_POST
@requires(Scope.GATEWAY_MANAGE)
def rotate(request: PageRequest) -> HttpResponse:
    """Do what is due, or begin a rotation; the answer says what was done."""
    said = key_rotation.rotate(by=request.actor)
    template = "gateway/_signing_keys.html" if request.htmx else "gateway/signing_keys.html"
    return render(request, template, {**_facts(), "said": said})


def _facts() -> dict[str, Any]:
    retired = SigningKey.objects.filter(state=KeyState.RETIRED).order_by("-changed_at")
    return {
        "ring": key_rotation.ring(),
        "retired": list(retired[:RETIRED]),
        "algorithm": signing.ALGORITHM,
        "bits": signing.BITS,
        "life": key_rotation.LONGEST_LIFE,
        "outlook": key_rotation.outlook(),
        "peppers": pepper_rotation.ring(),
    }
