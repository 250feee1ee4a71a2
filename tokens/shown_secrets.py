"""Judging a secret that is shown to buy an access token: always the same work, whatever is wrong with it.

First its form and checksum, which costs no look into the database; then the holder's standing secrets in one look, one
HMAC per pepper and always two comparisons. Only who shows the right secret is told what else is wrong.
"""

import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from devices.models import Status
from portal import rows, throttle
from portal.actor import Actor
from portal.refusal import Refusal
from tokens import held, kinds, peppers, secret, secret_uses
from tokens.models import AppCredential, HeldSecret, InstalledApp, texts

# Compared where there is no secret, so that two are compared always.
DUMMY = "0" * 64

log = logging.getLogger("gatehouse.secrets")

_HOW = {held.EXPIRED: "expired", held.REVOKED: "was revoked", held.DELETED: "was deleted"}

_SECRET = "s.id, s.digest, s.pepper, s.generation, s.created_at, s.expires_at, s.ends_at, s.last_used_at"  # noqa: S105
OF_CLIENT = f"""
    SELECT {_SECRET}, h.id, h.disabled_at, h.scopes, h.client_id, v.id, a.name, v.version, v.host_tenant_id, v.stage
    FROM tokens_appcredential h
    JOIN tokens_credentialsecret s ON s.holder_id = h.id AND s.slot IS NOT NULL
    JOIN tokens_appversion v ON v.id = h.version_id JOIN tokens_app a ON a.id = v.app_id
    WHERE h.client_id = %s AND h.revoked_at IS NULL
"""  # noqa: S608
OF_INSTALLATION = f"""
    SELECT {_SECRET}, h.id, h.disabled_at, v.scopes, h.id, v.id, a.name, v.version, v.host_tenant_id, v.stage,
        h."on", d.status, d.denied_at, d.epoch, d.denials - h.denials
    FROM tokens_installedapp h
    JOIN tokens_apptokensecret s ON s.holder_id = h.id AND s.slot IS NOT NULL
    JOIN tokens_appversion v ON v.id = h.version_id JOIN tokens_app a ON a.id = h.app_id
    LEFT JOIN devices_device d ON d.id = h.device_id
    WHERE h.id = %s AND h.revoked_at IS NULL
"""  # noqa: S608


class Refused(Refusal):
    """The secret opens nothing."""

    status, code = 401, "unauthorized"


class Wrong(Refused):
    """One answer for a secret that is malformed, unknown or another's."""


class Expired(Refused):
    """The right secret, too old."""


class Ended(Refused):
    """The right secret, ended by a rotation or by somebody."""


class Revoked(Ended):
    """The right secret of what was revoked or deleted."""


class Disabled(Refused):
    """The right secret of what is switched off."""


class DeviceRefused(Refusal):
    """The app's device is not served now."""

    status, code = 403, "device_refused"


@dataclass(slots=True)
class Buyer:
    """Who showed a live secret: the secret, its holder, and the version of the app that it stands for."""

    secret_id: str
    digest: str
    pepper: str
    generation: int
    created_at: datetime
    expires_at: datetime
    ends_at: datetime | None
    last_used_at: datetime | None
    holder_id: str
    disabled_at: datetime | None
    scopes_text: str
    name: str
    version_id: int
    app: str
    version: str
    host_tenant: str
    stage: str
    device: str = ""
    device_status: str = ""
    device_denied_at: datetime | None = None
    epoch: int = 0
    denials: int | None = 0

    @property
    def scopes(self) -> list[str]:
        return texts(json.loads(self.scopes_text))

    @property
    def grant(self) -> str:
        """What the access token names that it buys."""
        return f"{self.secret_id}.{self.generation + self.epoch}"

    @property
    def end(self) -> datetime:
        return min(self.expires_at, self.ends_at) if self.ends_at else self.expires_at


def of_client(client_id: str, text: str, *, address: str) -> Buyer:
    """The credentials whose client id and secret these are, both live."""
    kind = kinds.KINDS[AppCredential]
    wrong = Wrong("Unknown client id or wrong client secret.")
    if not secret.is_client_secret(text) or not is_readable(client_id):
        raise wrong
    standing = _read(OF_CLIENT, client_id)
    found = _proven(kind, standing, f"{client_id}:{text}", f"client {client_id}", address, wrong)
    _refuse_ended(found, "These credentials are", "this client secret", timezone.now())
    secret_uses.note(kind, _user(kind, found, address), found.secret_id, found.last_used_at)
    return found


def of_installation(text: str, *, address: str) -> Buyer:
    """The installation whose app token this is, live, on a device that is served."""
    kind = kinds.KINDS[InstalledApp]
    wrong = Wrong("This app token is malformed or unknown; read it anew from its file, or have it rotated.")
    identifier = secret.parse(kinds.APP_TOKEN, text)
    if identifier is None:
        raise wrong
    standing = _read(OF_INSTALLATION, identifier)
    found = _proven(kind, standing, text, f"installation {identifier}", address, wrong)
    _refuse_ended(found, "This app token is", "this app token", timezone.now())
    if found.denials != 0:
        at = f" at {found.device_denied_at:%Y-%m-%d %H:%M:%S} UTC" if found.device_denied_at else ""
        raise Revoked(f"This app token ended when its device was denied or removed{at}; install the app anew.")
    if found.device_status != Status.ACCEPTED or found.device_denied_at:
        raise DeviceRefused(f"The device {found.device} is {found.device_status}; it must be accepted first.")
    secret_uses.note(kind, _user(kind, found, address), found.secret_id, found.last_used_at)
    return found


def _user(kind: kinds.Kind, found: Buyer, address: str) -> Actor:
    return Actor.app(found.name, (), credential=f"{kind.noun} {found.holder_id}", address=address)


def is_readable(client_id: str) -> bool:
    """Whether it can be a client id at all; the database takes no NUL."""
    return 0 < len(client_id) <= 100 and client_id.isascii() and client_id.isprintable()


def _read(statement: str, key: str) -> list[Buyer]:
    return [Buyer(*map(rows.aware, row)) for row in rows.read(statement, [key])]


def _proven(
    kind: kinds.Kind, standing: Sequence[Buyer], keyed: str, account: str, address: str, wrong: Refusal
) -> Buyer:
    """The one of the standing secrets that was shown; exactly two digests are compared in constant time."""
    for each in standing:
        peppers.key(each.pepper)  # One that is not known here is read anew, and if it is lost, the log says so.
    digests = secret.digests(keyed)
    found = None
    for at in range(2):
        row = standing[at] if at < len(standing) else None
        kept = row.digest if row else DUMMY
        shown = digests.get(row.pepper, "") if row else next(iter(digests.values()), "")
        if hmac.compare_digest(shown.encode(), kept.encode()) and row:
            found = row
    if found is not None:
        peppers.renew(kind.secret, found.secret_id, keyed, found.digest, found.pepper)
        return found
    throttle.missed(address, account)
    if (ended := _ended(kind, digests)) is not None:
        raise ended_refusal(kind, ended, address)
    raise wrong


def _ended(kind: kinds.Kind, digests: Mapping[str, str]) -> HeldSecret | None:
    """The secret, if it is one that has ended, of whichever holder; a miss, which anybody can have, stays cheap."""
    if not digests:
        return None  # Every pepper that is known here has retired.
    model: Any = kind.secret  # Its subclasses have the holder.
    marks = ", ".join(["%s"] * len(digests))
    statement = f"SELECT id FROM {model._meta.db_table} WHERE digest IN ({marks}) AND slot IS NULL"  # noqa: S608
    ids = rows.read(statement, list(digests.values()))
    found: HeldSecret | None = model.objects.select_related("holder").filter(pk=ids[0][0]).first() if ids else None
    return found


def ended_refusal(kind: kinds.Kind, ended: HeldSecret, address: str) -> Refusal:
    """What its holder is told; that it was shown is told to others, once an hour for each secret and address."""
    now = timezone.now()
    secret_uses.tell_misuse(kind, ended, address, now)
    how = _HOW.get(ended.ended_why) or f"was ended by {ended.ended_why}"
    told = f"This {kind.word} {how} at {ended.end:%Y-%m-%d %H:%M:%S} UTC"
    holder = ended.holder
    if ended.ended_why in (held.REVOKED, held.DELETED):
        return Revoked(f"{told}; ask for another.")
    if holder is None or holder.revoked_at:
        later = "deleted" if holder is None else "revoked"
        return Revoked(f"{told}, and its {kind.noun} was {later} later; ask for another.")
    if ended.ended_why == held.EXPIRED:
        return Expired(f"{told}; have it rotated, and put the new one in place.")
    other = "older" if ended.ended_why == held.CANCELLED else "newer"
    return Ended(f"{told}; put the {other} one in place.")


def _refuse_ended(found: Buyer, subject: str, word: str, now: datetime) -> None:
    """Refuse what the right secret opens no more: switched off first, then ended, then too old."""
    if found.disabled_at:
        when = f"{found.disabled_at:%Y-%m-%d %H:%M:%S} UTC"
        raise Disabled(f"{subject} disabled since {when}; ask whoever manages them to enable them.")
    if found.end <= now:
        when = f"{found.end:%Y-%m-%d %H:%M:%S} UTC"
        if found.ends_at and found.ends_at < found.expires_at:
            raise Ended(f"{word.capitalize()} was ended by a rotation at {when}; put the newer one in place.")
        raise Expired(f"{word.capitalize()} expired at {when}; have it rotated, and put the new one in place.")
