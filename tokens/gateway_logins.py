"""What gateway users get (seed 004): a client token for their password, and for that access tokens.

Nothing is renewed: when the lease of the client token has ended they log in again.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import InternalError, OperationalError, transaction
from django.utils import timezone

from portal import audit, outbox, throttle, windows
from portal.actor import Actor
from portal.refusal import NotFound, Refusal
from portal.topics import Topic
from tokens import gateway_users, peppers, secret
from tokens.access_tokens import AccessToken
from tokens.models import UserPassAccount, UserPassLogin
from tokens.shown_secrets import DUMMY

KIND = "gate_usr"
USE_NOTED_EVERY = timedelta(minutes=1)
# Client tokens of one account that live at once: enough for a fleet that shares it, and no way to fill the database.
MOST_LOGINS = 200
ENDED_TOLD_EVERY = 3600


class Unknown(NotFound):
    code = "gateway_user_not_found"


class WrongPassword(Refusal):
    """One answer for a user that is unknown and a password that is wrong."""

    status, code = 400, "wrong_password"


class NotLoggedIn(Refusal):
    """One answer for a client token that is missing, unknown, at its end or another user's."""

    status, code = 403, "not_logged_in"


@dataclass(frozen=True)
class LoggedIn:
    """A login and its client token, which is nowhere kept."""

    login: UserPassLogin
    client_token: str = field(repr=False)

    @property
    def account(self) -> UserPassAccount:
        account: UserPassAccount = self.login.account
        return account


@dataclass(frozen=True)
class Sold:
    """An access token, when it expires and how many seconds that are."""

    account: UserPassAccount
    text: str = field(repr=False)
    seconds: int
    expires_at: datetime


def login(name: str, password: str, *, address: str) -> LoggedIn:
    """A client token for the password. Who failed too often from this address waits, and no password is looked at.

    An account keeps its latest 200; one more ends the oldest.
    """
    username, counted = gateway_users.known(name), f"gateway user {name.lower()[:64]}"
    throttle.check(address, counted)
    account = UserPassAccount.objects.filter(username=username).first()
    shown = f"{username}:{password}"
    wrong = WrongPassword("The user is unknown or the password is wrong; adduser makes a new one.")
    if not _matches(shown, account) or account is None:
        throttle.failed(address, counted)
        raise wrong
    made, now = secret.generate(KIND), timezone.now()
    with transaction.atomic():
        # A new password, or the end of the account, may have come in between.
        same = UserPassAccount.objects.select_for_update().filter(pk=account.pk, generation=account.generation)
        if not same:
            raise wrong
        throttle.succeeded_for_all(address, counted)
        begun = UserPassLogin.objects.create(
            id=made.id,
            account=account,
            generation=account.generation,
            digest=made.digest,
            pepper=made.pepper,
            address=address,
            created_at=now,
            expires_at=now + timedelta(seconds=account.token_ttl_s),
        )
        _end_oldest(account, address, now)
    peppers.renew(UserPassAccount, account.pk, shown, account.digest, account.pepper)
    _note_use(account, address, now)
    return LoggedIn(begun, made.text)


def token_for(client_token: str, name: str, *, address: str) -> Sold:
    """An access token for a client token of this user, as often as wanted until the lease of that ends."""
    refused = NotLoggedIn("This client token is unknown, at its end or another user's; log in again.")
    identifier = secret.parse(KIND, client_token)
    if identifier is None:
        raise refused
    found = UserPassLogin.objects.select_related("account").filter(pk=identifier).first()
    now = timezone.now()
    if not _matches(client_token, found) or found is None or found.expires_at <= now:
        raise refused
    account = found.account
    if found.generation != account.generation or account.username != gateway_users.known(name):
        raise refused
    peppers.renew(UserPassLogin, found.pk, client_token, found.digest, found.pepper)
    _note_use(account, address, now)
    return _sold(account)


def log_out(client_token: str) -> None:
    """End the login whose client token this is, as its holder wants; one that is unknown is left as it is."""
    found = UserPassLogin.objects.filter(pk=secret.parse(KIND, client_token)).first()
    if _matches(client_token, found) and found is not None:
        found.delete()


@transaction.atomic
def issue(name: str, *, by: Actor) -> Sold:
    """An access token of this user for an operator, who needs no password and changes none."""
    username = gateway_users.named(name)
    account = UserPassAccount.objects.filter(username=username).first()
    if account is None:
        raise Unknown(f"There is no gateway user {username}; adduser makes one.")
    sold = _sold(account)
    audit.record(
        by, "gateway_user.token_issued", ("gateway_user", username), after={"expires_at": sold.expires_at}
    )  # fmt: skip
    return sold


def forget() -> int:
    """Remove the logins whose lease has ended; how many there were."""
    gone, _ = UserPassLogin.objects.filter(expires_at__lt=timezone.now()).delete()
    return gone


def _end_oldest(account: UserPassAccount, address: str, now: datetime) -> None:
    """End what the account has beyond its 200 logins; that live ones are ended is told once an hour."""
    beyond = dict(account.logins.order_by("-created_at", "-pk").values_list("pk", "expires_at")[MOST_LOGINS:])
    if not beyond:
        return
    UserPassLogin.objects.filter(pk__in=beyond).delete()
    lived = any(expires_at > now for expires_at in beyond.values())
    if lived and windows.number(f"logins {account.subject}", ENDED_TOLD_EVERY, now, most=1) == 1:
        name = account.username
        facts = {"most": MOST_LOGINS, "address": address}
        audit.record(Actor.worker(), Topic.GATEWAY_USER_LOGINS_ENDED, ("gateway_user", name), after=facts)
        outbox.put(Topic.GATEWAY_USER_LOGINS_ENDED, {"gateway_user": name, **facts})


def _matches(shown: str, row: UserPassAccount | UserPassLogin | None) -> bool:
    """Whether this is the secret of the row, in constant time; where there is no row, the same work is done."""
    kept, pepper = (row.digest, row.pepper) if row else (DUMMY, peppers.active())
    return secret.matches(shown, kept, pepper) and row is not None


def _sold(account: UserPassAccount) -> Sold:
    now, subject = int(time.time()), str(account.subject)
    claims = {
        "aud": account.audience,
        "iat": now,
        "exp": now + account.jwt_ttl_s,
        "grant": gateway_users.grant(account),
        "name": account.username,
        "scope": " ".join(account.scopes),
    }
    expires_at = datetime.fromtimestamp(now + account.jwt_ttl_s, UTC)
    return Sold(account, str(AccessToken.sold(subject, claims)), account.jwt_ttl_s, expires_at)


def _note_use(account: UserPassAccount, address: str, now: datetime) -> None:
    """Remember when and from where it was used, at most once a minute; a read-only database goes without."""
    if account.last_used_at is None or not timedelta() <= now - account.last_used_at < USE_NOTED_EVERY:
        with suppress(OperationalError, InternalError):
            UserPassAccount.objects.filter(pk=account.pk, last_used_at=account.last_used_at).update(
                last_used_at=now, last_used_from=address
            )
