"""What happens to the second factors of a person: added and removed by themselves, or all removed for them."""

import json
import time
from dataclasses import dataclass
from typing import Any

import qrcode
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.db import transaction

from portal import audit, outbox, sealing, second_factor, sessions, standing, text
from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid, NotFound, Refusal
from portal.second_factor import Kind, OnceOnly
from portal.topics import Topic

OFFER_LASTS = 15 * 60
MOST_PASSKEYS = 20


class HasApp(Refusal):
    code = "has_authenticator_app"

    def __init__(self) -> None:
        super().__init__("You have an authenticator app already; remove it first to use another.")


class OfferEnded(Refusal):
    code = "offer_ended"

    def __init__(self) -> None:
        super().__init__("The secret on this page is too old; begin again, and take the new one into your app.")


class Demanded(Refusal):
    """Whose role demands a second factor keeps one."""

    code = "second_factor_demanded"


class Unknown(NotFound):
    code = "second_factor_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such second factor any more; the page shows those that there are.")


@dataclass(frozen=True)
class Offer:
    """A secret for an app that is not kept until a code of it comes back; `sealed` brings it back here."""

    secret: str
    address: str
    path: str
    size: int
    sealed: str

    @property
    def groups(self) -> list[str]:
        return [self.secret[start : start + 4] for start in range(0, len(self.secret), 4)]


def offer(person: User) -> Offer:
    """A new secret for the person's app; refused to who has one."""
    if second_factor.held(person).app:
        raise HasApp
    return _offer(person, generate_totp_secret(), int(time.time()))


def offered(person: User, sealed: str) -> Offer:
    """The offer that comes back with the form; refused if it is another person's, or older than 15 minutes."""
    try:
        told: dict[str, Any] = json.loads(sealing.unseal(sealed))
    except (sealing.Broken, ValueError) as foreign:
        raise OfferEnded from foreign
    if told["person"] != str(person.pk) or abs(time.time() - told["at"]) > OFFER_LASTS:
        raise OfferEnded
    return _offer(person, told["secret"], told["at"])


def add_app(person: User, offer: Offer, typed: str, *, by: Actor, session: str | None = None) -> list[str]:
    """Keep the app that shows this code; a wrong one is refused. The recovery codes are returned if they are new.

    With a first factor the person's sessions end, which needed the password alone, except the one kept under `session`.
    """
    others = sessions.keys_of(person, but=session)
    with transaction.atomic():
        _lock(person, by)
        before = second_factor.held(person)
        if before.app:
            raise HasApp
        app = OnceOnly.activate(person, offer.secret)
        if not app.validate_code(typed):
            raise second_factor.WrongCode
        return _added(person, app.instance, by, [] if before.factors else others)


def add_passkey(
    person: User, name: str, credential: dict[str, Any], *, by: Actor, session: str | None = None
) -> list[str]:
    """Keep a passkey that the browser made. The recovery codes are returned if they are new; sessions as above."""
    text.check("name", name, least=1, most=64)
    others = sessions.keys_of(person, but=session)
    with transaction.atomic():
        _lock(person, by)
        before = second_factor.held(person)
        if len(before.passkeys) >= MOST_PASSKEYS:
            raise Invalid("name", f"You have {MOST_PASSKEYS} passkeys; remove one that you no longer use.")
        added = WebAuthn.add(person, name, credential).instance
        return _added(person, added, by, [] if before.factors else others)


@transaction.atomic
def rename_passkey(person: User, key: int, name: str, *, by: Actor) -> None:
    """Call a passkey something else; no change, no trace."""
    text.check("name", name, least=1, most=64)
    _lock(person, by)
    passkey = _find(person, key, Kind.WEBAUTHN)
    before = passkey.data["name"]
    if before == name:
        return
    passkey.data["name"] = name
    passkey.save(update_fields=["data"])
    subject = ("person", person.username)
    audit.record(by, "person.passkey_renamed", subject, before={"passkey": before}, after={"passkey": name})


def remove(person: User, key: int, *, by: Actor, session: str | None = None) -> None:
    """Remove the app or a passkey; with the last of them go the recovery codes. Whose role demands one keeps one.

    Who held it may be who lost it, so the person's sessions end, except the one kept under `session`.
    """
    others = sessions.keys_of(person, but=session)
    with transaction.atomic():
        _lock(person, by)
        gone = _find(person, key, Kind.TOTP, Kind.WEBAUTHN)
        is_last = len(second_factor.held(person).factors) == 1
        if is_last and second_factor.is_demanded(person):
            raise Demanded("Your role demands a second factor and this is your only one; add another before.")
        facts, who = _told(gone), person.username
        gone.delete()
        if is_last:
            Authenticator.objects.filter(user=person).delete()
        after = _ended(others)
        second_factor.tell(person, "A second factor was removed", f"{_sentence(facts, person)} was removed.")
        audit.record(by, "person.second_factor_removed", ("person", who), before=facts, after=after or None)
        outbox.put(Topic.PERSON_SECOND_FACTOR_REMOVED, {"person": who, "kind": facts["kind"], "by": str(by)})


@transaction.atomic
def make_codes(person: User, *, by: Actor, seen: str) -> list[str]:
    """Make recovery codes in place of those before, which count no more; `seen` tells what the person looked at."""
    _lock(person, by)
    held = second_factor.held(person)
    if not held.factors:
        raise Demanded("Recovery codes stand in for a second factor; add an authenticator app or a passkey first.")
    if seen != held.seen:
        raise standing.Changed("Your second factors have changed since you looked; look again, then decide.")
    Authenticator.objects.filter(user=person, type=Kind.RECOVERY_CODES).delete()
    made: list[str] = RecoveryCodes.activate(person).generate_codes()
    second_factor.tell(person, "Recovery codes were made", f"{person.username} has new recovery codes.")
    _record_codes(person, len(made), by)
    return made


def reset(person: User, *, by: Actor, typed: str, reason: str = "", seen: str | None = None) -> int:
    """Remove every second factor of a person who lost them, and end their sessions; how many there were.

    `typed` is the person's name as a confirmation, `seen` what was looked at. Nothing to remove is refused, and so are
    oneself and a person whose role holds what `by` does not.
    """
    text.check("reason", reason, most=500)
    if typed != person.username:
        raise Invalid("typed", f"Type the name {person.username} to confirm this.")
    if by.owner == person.pk:
        raise standing.NotYourself("Your own second factors are on your account page, where you can remove them.")
    keys = sessions.keys_of(person)
    with transaction.atomic():
        now, by = _lock(person, by)
        standing.refuse_too_broad(now.role, by)
        held = second_factor.held(person)
        if seen not in (None, held.seen):
            raise standing.Changed(f"The second factors of {now.username} have changed since you looked; look again.")
        if not held.factors:
            raise Unknown
        Authenticator.objects.filter(user=person).delete()
        before = {"second_factors": [_told(one) for one in held.factors]}
        after = {"sessions_ended": sessions.forget(keys)}
        second_factor.tell(now, "Your second factors were removed", f"{by} removed the second factors of {now}.")
        audit.record(
            by, "person.second_factors_reset", ("person", now.username), before=before, after=after, reason=reason
        )
        outbox.put(Topic.PERSON_SECOND_FACTORS_RESET, {"person": now.username, "by": str(by)})
    return len(held.factors)


def _lock(person: User, by: Actor) -> tuple[User, Actor]:
    """Of two who change the factors of one person at once the second finds what the first has made of them."""
    found, by = standing.locked(by, person.pk)
    if person.pk not in found:
        raise standing.Unknown
    return found[person.pk], by


def _find(person: User, key: int, *kinds: str) -> Authenticator:
    found = Authenticator.objects.filter(user=person, pk=key, type__in=kinds).first()
    if found is None:
        raise Unknown
    return found


def _added(person: User, factor: Authenticator, by: Actor, ending: list[str]) -> list[str]:
    """Record it and end these sessions; who has no recovery codes yet gets some."""
    facts, made = _told(factor), []
    after = {**facts, **_ended(ending)}
    if second_factor.held(person).codes is None:
        made = RecoveryCodes.activate(person).generate_codes()
    second_factor.tell(person, "A second factor was added", f"{_sentence(facts, person)} was added.")
    audit.record(by, "person.second_factor_added", ("person", person.username), after=after)
    outbox.put(Topic.PERSON_SECOND_FACTOR_ADDED, {"person": person.username, "kind": facts["kind"], "by": str(by)})
    if made:
        _record_codes(person, len(made), by)
    return made


def _ended(keys: list[str]) -> dict[str, int]:
    """End these sessions; what the history holds of it."""
    return {"sessions_ended": ended} if (ended := sessions.forget(keys)) else {}


def _record_codes(person: User, number: int, by: Actor) -> None:
    audit.record(by, "person.recovery_codes_made", ("person", person.username), after={"recovery_codes": number})
    outbox.put(Topic.PERSON_RECOVERY_CODES_MADE, {"person": person.username, "number": number, "by": str(by)})


def _told(factor: Authenticator) -> dict[str, str]:
    """What the history holds of a factor."""
    kind = second_factor.WORDS[Kind(factor.type)]
    return {"kind": kind, "name": factor.data["name"]} if factor.type == Kind.WEBAUTHN else {"kind": kind}


def _sentence(facts: dict[str, str], person: User) -> str:
    named = f" “{facts['name']}”" if "name" in facts else ""
    return f"The {facts['kind']}{named} of {person.username}"


def _offer(person: User, secret: str, at: int) -> Offer:
    address = get_adapter().build_totp_url(person, secret)
    told = {"person": str(person.pk), "secret": secret, "at": at}
    path, size = _drawn(address)
    return Offer(secret, address, path, size, sealing.seal(json.dumps(told).encode()))


def _drawn(address: str) -> tuple[str, int]:
    """The QR code of an address: the path of its dark squares, and how many squares it is wide with its margin."""
    code = qrcode.QRCode()
    code.add_data(address)
    code.make()
    matrix = code.get_matrix()
    dark = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(matrix) for x, is_dark in enumerate(row) if is_dark)
    return "".join(dark), len(matrix)
