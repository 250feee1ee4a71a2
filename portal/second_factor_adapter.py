"""What allauth asks about second factors: how their secrets are kept, and under which names devices know us."""

from typing import Any
from urllib.parse import urlsplit

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest

from portal import sealing
from portal.models import User

NAME = "Gatehouse"


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets lie sealed under the master key; a passkey belongs to one host, an entry of an app names it."""

    def encrypt(self, text: str) -> str:
        return sealing.seal(text.encode())

    def decrypt(self, encrypted_text: str) -> str:
        return sealing.unseal(encrypted_text).decode()

    def get_totp_issuer(self) -> str:
        return f"{NAME} {urlsplit(settings.PUBLIC_URL).hostname}" if settings.PUBLIC_URL_SET else NAME

    def get_totp_label(self, user: Any) -> str:
        return str(user.username)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": host_of(context.request), "name": NAME}

    def get_public_key_credential_user_entity(self, user: Any) -> dict[str, Any]:
        return {"id": _handle(user), "name": user.username, "display_name": user.get_full_name() or user.username}


def host_of(request: HttpRequest) -> str:
    """The host that passkeys are bound to: that of GATEHOUSE_PUBLIC_URL if it is set, else the one asked for."""
    if settings.PUBLIC_URL_SET:
        return urlsplit(settings.PUBLIC_URL).hostname or ""
    return asked_host(request)


def asked_host(request: HttpRequest) -> str:
    """The host in the address that the browser shows, without the port; empty where that is none."""
    try:
        return urlsplit(f"//{request.get_host()}").hostname or ""
    except ValueError:  # Django lets more between brackets pass than an IPv6 address.
        return ""


def _handle(user: User) -> bytes:
    """What an authenticator keeps of the person; it says nothing to anybody else."""
    return user.pk.bytes
