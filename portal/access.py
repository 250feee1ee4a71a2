"""Ask the same question of a REST call and of a page: does the actor hold the scope?"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from portal.actor import Actor
from portal.refusal import Refusal
from portal.scopes import Scope

Page = Callable[..., HttpResponse]

REALM = 'Bearer realm="gatehouse"'


class ScopeMissing(Refusal):
    """The actor is known and may not do this."""

    status, code = 403, "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs the scope {scope}; ask an administrator for it or use a token that holds it.")
        self.scope = scope

    def challenge(self) -> str:
        return f'{REALM}, error="insufficient_scope", scope="{self.scope}"'


class NotAuthenticated(Refusal):
    """Nobody has been named."""

    status, code = 401, "not_authenticated"

    def __init__(self) -> None:
        super().__init__("Send an API token as 'Authorization: Bearer gate_pat_…'; the portal's token page issues one.")

    def challenge(self) -> str:
        return REALM


def scope_of(view: Any) -> Scope | None:
    """The scope that a REST view asks for; None is said aloud, saying nothing is a mistake.

    A view set names one per action, a plain view one per method.
    """
    scopes: Mapping[str, Scope | None] = getattr(view, "scopes", {})
    asked = getattr(view, "action", None) or view.request.method.lower()
    asked = "get" if asked == "head" else asked
    if asked not in scopes:
        raise ImproperlyConfigured(f"{type(view).__name__} names no scope for {asked!r}.")
    return scopes[asked]


class HasScope(BasePermission):
    """The caller holds the scope that the view asks for."""

    def has_permission(self, request: Request, view: Any) -> bool:
        scope = scope_of(view)
        if scope is None:
            return True
        if not isinstance(request.auth, Actor):
            raise NotAuthenticated
        if not request.auth.may(scope):
            raise ScopeMissing(scope)
        return True


def requires(scope: Scope | None) -> Callable[[Page], Page]:
    """Open a page only to a person who holds the scope; None is for every person who is logged in."""

    def guard(page: Page) -> Page:
        @wraps(page)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
            if scope is not None and not request.actor.may(scope):
                raise ScopeMissing(scope)
            return page(request, *args, **kwargs)

        guarded.scope = scope  # type: ignore[attr-defined]
        return guarded

    return guard
