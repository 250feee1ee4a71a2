"""Turn the Authorization header of a REST request into an Actor."""

import re
from datetime import datetime
from functools import partial
from typing import Any

from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from portal import throttle
from portal.access import REALM
from portal.actor import Actor
from portal.models import User
from portal.refusal import Refusal
from tokens import addresses, issuing, lookup, secret
from tokens.models import TokenState

_BEARER = re.compile(r"bearer +([^\s,]+)", re.IGNORECASE)


class InvalidToken(Refusal):
    """One sentence for a token that is malformed, unknown, expired or revoked, so that it tells nothing."""

    status, code = 401, "invalid_token"

    def __init__(self) -> None:
        super().__init__(
            "This token is malformed, unknown, expired or revoked; issue another on the portal's token page."
        )

    def challenge(self) -> str:
        return f'{REALM}, error="invalid_token"'


class BearerAuthentication(BaseAuthentication):
    """Accept `Authorization: Bearer gate_pat_…`, the scheme in any case; request.auth becomes the token's Actor.

    A valid token is never throttled; failures are counted by address and by address on the token id.
    """

    def authenticate(self, request: Request) -> tuple[User, Actor] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "").strip()
        if not header:
            return None
        bearer = _BEARER.fullmatch(header)
        identifier = secret.parse(issuing.KIND, bearer[1]) if bearer else None
        if bearer is None or identifier is None:
            raise InvalidToken  # Not one of ours by its checksum; it costs no look into the database.
        address = request.META.get("REMOTE_ADDR", "")
        token = lookup.find(identifier)
        now = timezone.now()
        if token is None or not self.is_honoured(token, bearer[1], address, now):
            throttle.failed(address, f"token {identifier}")
            raise InvalidToken
        issuing.note_use(token, address, now)
        scopes = issuing.held(token.owner_role, is_active=token.owner_is_active).intersection(token.scopes)
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
