"""The certificate of the TLS door as a file, for programs that are to trust it."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from gateway.models import Role, TlsCertificate
from portal.access import requires
from portal.pages import PageRequest
from portal.refusal import NotFound
from tokens.example_calls import CA_FILE


class NoCertificate(NotFound):
    code = "certificate_not_found"


@require_safe
@requires(None)
def certificate(request: PageRequest) -> HttpResponse:
    """The chain that the door shows, leaf first; it is no secret."""
    shown = TlsCertificate.objects.shown(Role.DOOR)
    if shown is None:
        raise NoCertificate("The TLS door has no certificate yet; it gets one when the doors open.")
    answer = HttpResponse(shown.chain, content_type="application/x-pem-file")
    answer["Content-Disposition"] = f'attachment; filename="{CA_FILE}"'
    return answer
