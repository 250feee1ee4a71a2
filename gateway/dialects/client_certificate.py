"""Mender's device dialect at the device door: a client certificate is not needed there, but must fit if it is shown."""

from rest_framework.request import Request

from gateway import device_identity


def fits(request: Request, fingerprint: str) -> bool:
    """Whether the request came without a certificate, or with one of the key with this fingerprint.

    Only Envoy reaches the portal. It sets X-Forwarded-Client-Cert itself at the device door and deletes it elsewhere.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_CLIENT_CERT", "")
    return not forwarded or device_identity.key_fingerprint(forwarded) == fingerprint
