"""Revoking what was presented: an access token by the client that bought it, and any token of ours by its holder."""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from portal import audit, outbox, throttle
from portal.actor import Actor
from portal.refusal import NotFound
from portal.scopes import Scope
from portal.topics import Topic
from tokens import ending, gateway_logins, issuing, kinds, lookup, revocation, secret, shown_secrets, switching
from tokens.models import ApiToken, InstalledApp, TokenState

GIVEN_UP = "presented for revocation by its holder"


@transaction.atomic
def revoke(claims: dict[str, Any], *, by: Actor) -> None:
    """Refuse one access token, whose claims the ring has judged; one that is refused already stays so."""
    identifier, client = claims["jti"], claims["sub"]
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    if revocation.refuse_token(identifier, expires_at):
        facts = {"client_id": client, "expires_at": expires_at}
        audit.record(by, "access_token.revoked", ("access_token", identifier), after=facts)
        outbox.put(Topic.ACCESS_TOKEN_REVOKED, {"access_token": identifier, "client_id": client, "by": str(by)})


def give_up(text: str, *, address: str) -> None:
    """End the API, app or client token that was presented; one that is unknown or dead is left as it is."""
    if secret.parse(issuing.KIND, text) is not None:
        _give_up_api_token(text, address)
    elif secret.parse(kinds.APP_TOKEN, text) is not None:
        _give_up_app_token(text, address)
    else:
        gateway_logins.log_out(text)


def _give_up_api_token(text: str, address: str) -> None:
    identifier = secret.parse(issuing.KIND, text) or ""
    known = lookup.find(identifier)
    if known is None or not secret.matches(text, known.digest, known.pepper):
        throttle.missed(address, f"token {identifier}")
        return
    token = ApiToken.objects.filter(pk=identifier).first()
    if token is None or token.state() not in (TokenState.LIVE, TokenState.DISABLED):
        return
    # Whoever holds it may end it, whatever it opens and from wherever.
    holder = Actor.token(
        token.name,
        {Scope.TOKENS_MANAGE},
        owner=token.owner_id,
        credential=issuing.credential(identifier),
        address=address,
    )
    try:
        ending.revoke(token, by=holder, reason=GIVEN_UP)
    except ending.AlreadyRevoked:
        return


def _give_up_app_token(text: str, address: str) -> None:
    try:
        shown_secrets.of_installation(text, address=address)
    except (shown_secrets.Disabled, shown_secrets.DeviceRefused):
        pass  # The right secret, which would be good again some day.
    except shown_secrets.Refused:
        return
    identifier = secret.parse(kinds.APP_TOKEN, text) or ""
    installed = InstalledApp.objects.filter(pk=identifier, revoked_at=None, expires_at__gt=timezone.now()).first()
    if installed is None:
        return
    noun, name = kinds.subject(installed)
    holder = Actor.app(f"{noun} {name}", (), credential=f"{noun} {name}", address=address)
    try:
        switching.revoke(installed, by=holder, reason=GIVEN_UP)
    except NotFound:
        return
