"""Turn the Authorization header of a REST request into an Actor."""

import re
from datetime import datetime
from functools import partial
from typing import Any

from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.models import TokenUser

from portal import throttle
from portal.access import REALM
from portal.actor import Actor
from portal.models import User
from portal.refusal import Refusal
from portal.scopes import within
from tokens import access_tokens, addresses, issuing, lookup, peppers, secret
from tokens.access_tokens import AccessToken
from tokens.models import ApiToken, TokenState

BEARER = re.compile(r"bearer +([^\s,]+)", re.IGNORECASE)
_API = re.compile("gate_")


class InvalidToken(Refusal):
    """One sentence for a token that is malformed, unknown, expired or revoked, so that it tells nothing."""

    status, code = 401, "invalid_token"

    def __init__(self) -> None:
        super().__init__(
            "This token is malformed, unknown, expired or revoked; issue another on the portal's token page."
        )

    def challenge(self) -> str:
        return f'{REALM}, error="invalid_token"'


class BearerAuthentication(JWTAuthentication):
    """Accept `Authorization: Bearer` with an API token or an access token; request.auth becomes its Actor.

    A valid token is never throttled; failures are counted by address and by address on the token id. What an access
    token is good for is judged at each request by the state of the credentials that bought it.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        # One that is not ASCII comes from the app server as an empty one: it was sent, and is malformed.
        bearer = BEARER.fullmatch(header.strip())
        if bearer is None:
            raise InvalidToken
        address = request.META.get("REMOTE_ADDR", "")
        return self.by_api_token(bearer[1], address) if _API.match(bearer[1]) else self.by_jwt(bearer[1], address)

    def by_jwt(self, text: str, address: str) -> tuple[TokenUser, Actor]:
        token = self.get_validated_token(text)
        client = access_tokens.client_of(token.payload)
        if client is None:
            raise InvalidToken
        credential = f"credential {client.credential}"
        actor = Actor.app(client.client_id, client.scopes, credential=credential, tenant=client.tenant, address=address)
        return TokenUser(token), actor

    def get_validated_token(self, raw_token: Any) -> AccessToken:
        try:
            return AccessToken(raw_token)
        except TokenError as untrusted:
            raise InvalidToken from untrusted

    def by_api_token(self, text: str, address: str) -> tuple[User, Actor]:
        identifier = secret.parse(issuing.KIND, text)
        if identifier is None:
            raise InvalidToken  # Not one of ours by its checksum; it costs no look into the database.
        token = lookup.find(identifier)
        now = timezone.now()
        if token is None or not self.is_honoured(token, text, address, now):
            throttle.missed(address, f"token {identifier}")
            raise InvalidToken
        issuing.note_use(token, address, now)
        peppers.renew(ApiToken, token.pk, text, token.digest, token.pepper)
        scopes = within(token.scopes, issuing.held(token.owner_role, is_active=token.owner_is_active))
        actor = Actor.token(
            token.name,
            scopes,
            owner=token.owner_id,
            credential=issuing.credential(identifier),
            address=address,
            addresses=token.addresses,
        )
        # Few endpoints ask for more of the owner than the actor says, and those that do pay for it.
        owner: Any = SimpleLazyObject(partial(User.objects.get, pk=token.owner_id))
        return owner, actor

    def is_honoured(self, token: lookup.Known, text: str, address: str, now: datetime) -> bool:
        genuine = secret.matches(text, token.digest, token.pepper)
        return (
            genuine
            and token.state(now) == TokenState.LIVE
            and token.owner_is_active
            and addresses.may_come_from(token.addresses, address)
        )

    def authenticate_header(self, request: Request) -> str:
        return REALM
