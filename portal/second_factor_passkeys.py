"""Passkeys (WebAuthn): what a browser is asked for, and whether its answer is right. The rest allauth and fido2 do."""

import json
from typing import Any

from allauth.core.context import request_context
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth
from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from fido2.utils import websafe_encode
from fido2.webauthn import RegistrationResponse

from portal import strict_json
from portal.addresses import is_address
from portal.models import User
from portal.refusal import Refusal
from portal.second_factor_adapter import asked_host, host_of

# What parsers of a browser's answer raise at garbage; a wrong challenge, signature or origin is among these too.
GARBAGE = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, RecursionError, TypeError,
    UnsupportedAlgorithm, ValidationError, ValueError,
)  # fmt: skip
LONGEST = 16_384


class Unfit(Refusal):
    """The browser's answer is none to what it was last asked, or comes of another passkey."""

    status, code = 403, "passkey_unfit"

    def __init__(self) -> None:
        super().__init__("The passkey was not accepted. Try again on this page; an older one counts no more.")


class NotHere(Refusal):
    """At this address browsers use no passkeys."""

    code = "passkeys_not_here"


def why_not(request: HttpRequest) -> str | None:
    """Why no passkey can be used at the address by which this page was opened; None if one can."""
    host, asked = host_of(request), asked_host(request)
    if host != asked:
        return f"Passkeys belong to {host}; open {settings.PUBLIC_URL} to use them."
    if is_address(host):
        return "Passkeys belong to a name, and this page was opened by an IP address; open it by its name."
    if not request.is_secure() and host != "localhost":
        return "Browsers use passkeys over https alone; open this page so."
    return None


def ask_for_new(request: HttpRequest, person: User) -> str:
    """What the browser is to make a passkey from, as JSON; one that the person has already it does not make again."""
    return _asked(request, lambda: auth.begin_registration(person, passwordless=False))


def ask(request: HttpRequest, person: User) -> str:
    """What the browser is to answer with one of the person's passkeys, as JSON."""
    return _asked(request, lambda: auth.begin_authentication(person))


def read_new(request: HttpRequest, person: User, answer: str) -> dict[str, Any]:
    """The passkey that the browser made when it was asked last, as it is kept; refused if it is not one."""
    told = _read(answer)
    try:
        with request_context(request):
            kept = _kept(auth.parse_registration_response(told))
            made = auth.complete_registration(kept)
            known = made.credential_data is None or auth.get_authenticator_by_credential_id(
                person, made.credential_data.credential_id
            )
    except GARBAGE as garbage:
        raise Unfit from garbage
    if known:
        raise Unfit
    return kept


def accept(request: HttpRequest, person: User, answer: str) -> Authenticator | None:
    """The person's passkey that this answers with; None if it answers not what was asked last, or with another."""
    try:
        told = _read(answer)
        with request_context(request):
            auth.parse_authentication_response(told)
            passkey: Authenticator = auth.complete_authentication(person, told)
    except (Unfit, *GARBAGE):
        return None
    passkey.record_usage()
    return passkey


def _asked(request: HttpRequest, begin: Any) -> str:
    if reason := why_not(request):
        raise NotHere(reason)
    with request_context(request):
        return json.dumps(begin())


def _kept(made: RegistrationResponse) -> dict[str, Any]:
    """What of an answer is needed later, written anew, so that nothing else of it is kept."""
    parts = {
        "clientDataJSON": websafe_encode(made.response.client_data),
        "attestationObject": websafe_encode(made.response.attestation_object),
    }
    return {"id": made.id, "rawId": made.id, "type": "public-key", "clientExtensionResults": {}, "response": parts}


def _read(answer: str) -> dict[str, Any]:
    """A JSON object of a size and depth that parsers bear."""
    if len(answer) > LONGEST:
        raise Unfit
    try:
        told = strict_json.loads_text(answer)
    except strict_json.Unreadable as garbage:
        raise Unfit from garbage
    if not isinstance(told, dict):
        raise Unfit
    return told
