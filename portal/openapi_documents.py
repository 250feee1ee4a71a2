"""The OpenAPI documents as they are served: each is made once in a process.

To make one takes half a second, and anybody may ask for it.
"""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.request import Request

_made: dict[tuple[str, str], tuple[bytes, dict[str, str]]] = {}


class DocumentView(SpectacularJSONAPIView):
    """The document of a map of URLs, in the media type that was asked for."""

    def _get_schema_response(self, request: Request) -> HttpResponse:
        renderer: Any = request.accepted_renderer
        asked = (str(self.urlconf), renderer.media_type)
        if asked not in _made:
            made = super()._get_schema_response(request)  # type: ignore[no-untyped-call]
            kept = {"Content-Disposition": made["Content-Disposition"]}
            _made[asked] = (renderer.render(made.data, renderer.media_type, {}), kept)
        text, headers = _made[asked]
        return HttpResponse(text, content_type=renderer.media_type, headers=headers)
