"""What keeps a browser safe: cookies bound to their door, a strict content security policy, and quiet headers."""

import secrets
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]

HOST_PREFIX = "__Host-"


class CookieMiddleware:
    """Over TLS our cookies bear the prefix `__Host-` and Secure; one set over clear text is not believed there."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "HTTP_AUTHORIZATION" in request.META:
            # Who shows a credential of their own comes with that alone, and never with a session beside it.
            for name in (self.names[0], HOST_PREFIX + self.names[0]):
                request.COOKIES.pop(name, None)
        if not request.is_secure():
            return self.get_response(request)
        for name in self.names:
            request.COOKIES.pop(name, None)
            if (value := request.COOKIES.get(HOST_PREFIX + name)) is not None:
                request.COOKIES[name] = value
        response = self.get_response(request)
        for name in self.names:
            if (morsel := response.cookies.pop(name, None)) is not None:
                morsel.set(HOST_PREFIX + name, morsel.value, morsel.coded_value)
                morsel["secure"], morsel["path"], morsel["domain"] = True, "/", ""
                response.cookies[HOST_PREFIX + name] = morsel
        return response


class ContentSecurityMiddleware:
    """Scripts and styles come from our own files or carry this answer's nonce; nothing frames us, nothing is cached.

    Django 6 brings such a middleware; with 5.2 LTS these lines stand in for it.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        nonce = secrets.token_urlsafe(16)
        request.csp_nonce = nonce  # type: ignore[attr-defined]
        response = self.get_response(request)
        if not response.has_header("Content-Security-Policy"):
            response["Content-Security-Policy"] = (
                "default-src 'none'; "
                f"script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
                "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
                "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            )
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
        return response
