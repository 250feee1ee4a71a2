"""The rotation of signing keys: next → active → retiring → retired, without a token that is refused meanwhile."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from portal import audit
from portal.actor import Actor
from portal.refusal import Refusal
from tokens import signing
from tokens.models import KeyState, SigningKey

# So long a key is published before it signs, so that nobody who keeps the list meets a token of a key it has not seen.
LISTED = timedelta(minutes=10)
# So long a key is published after it has signed: the longest life of a token, of a gateway's user, and some slack.
LONGEST_LIFE = timedelta(hours=24)
RETIRING = LONGEST_LIFE + timedelta(seconds=60)

_FOLLOWS = {KeyState.NEXT: (KeyState.ACTIVE, LISTED), KeyState.RETIRING: (KeyState.RETIRED, RETIRING)}


class UnderWay(Refusal):
    """One rotation at a time."""

    code = "rotation_under_way"


@dataclass(frozen=True)
class Standing:
    """Where a key stands and since when, and what follows when, if time alone leads on."""

    kid: str
    state: str
    since: datetime
    follows: str | None
    follows_at: datetime | None


def ring() -> list[Standing]:
    """The keys that are not retired, in the order in which they are published."""
    kids = [key["kid"] for key in signing.jwks()["keys"]]
    found = SigningKey.objects.in_bulk(kids)
    return [_standing(found[kid]) for kid in kids if kid in found]


def begin(*, by: Actor) -> SigningKey:
    """Make the next key. It is published at once and signs once it has been for ten minutes.

    Refused while another waits for that; of two at once one is refused.
    """
    signing.ensure_active(by=by)
    _refuse_second()
    key = signing.new_key(KeyState.NEXT)
    try:
        with transaction.atomic():
            key.save(force_insert=True)
            audit.record(by, "signing_key.made", ("signing_key", key.kid), after={"state": KeyState.NEXT})
    except IntegrityError:
        _refuse_second()
        raise
    signing.forget_ring()
    return key


def go_on(*, by: Actor, now: datetime | None = None) -> list[SigningKey]:
    """Do what is due: the next key signs, and a retiring one retires. The keys that went on, none if nothing was due.

    Of several at once, one does it.
    """
    now = now or timezone.now()
    # Retiring ones first: a next one that cannot sign breaks off.
    due = [key for key in SigningKey.objects.filter(state__in=_FOLLOWS).order_by("-state") if _at(key) <= now]
    done = [key for key in due if (_activate if key.state == KeyState.NEXT else _retire)(key, now, by)]
    if done:
        signing.forget_ring()
    return done


def replace(*, by: Actor) -> int:
    """Retire all keys at once and let a new one sign: what was signed until now is refused. How many retired.

    A portal that runs meanwhile signs under the former key for two seconds more, in vain.
    """
    key, now = signing.new_key(KeyState.ACTIVE), timezone.now()
    try:
        with transaction.atomic():
            living = SigningKey.objects.exclude(state=KeyState.RETIRED)
            former = dict(living.select_for_update().values_list("kid", "state"))
            living.filter(pk__in=former).update(state=KeyState.RETIRED, changed_at=now, sealed_private="")
            for kid, state in former.items():
                _note(by, "signing_key.retired", kid, KeyState(state), KeyState.RETIRED)
            key.save(force_insert=True)
            audit.record(by, "signing_key.made", ("signing_key", key.kid), after={"state": KeyState.ACTIVE})
    except IntegrityError as other:
        raise UnderWay("Another key was made in this moment; look at the ring, and run this again.") from other
    transaction.on_commit(signing.forget_ring)
    return len(former)


def rotate(*, by: Actor, now: datetime | None = None) -> str:
    """Do what is due; if nothing is, begin, unless a rotation is under way. What was done, in one sentence."""
    if done := go_on(by=by, now=now):
        return " ".join(f"The signing key {key.kid} is {key.state} from now on." for key in done)
    try:
        key = begin(by=by)
    except UnderWay as waits:
        return f"{waits} Nothing was changed."
    return f"The signing key {key.kid} is published from now on; it signs from {_at(key):%Y-%m-%dT%H:%M:%SZ} on."


def outlook(now: datetime | None = None) -> str:
    """What `rotate` would do, in one sentence."""
    now = now or timezone.now()
    if due := [each for each in ring() if each.follows_at and each.follows_at <= now]:
        return " ".join(f"The signing key {each.kid} would be {each.follows}." for each in due)
    try:
        _refuse_second()
    except UnderWay as waits:
        return f"{waits} Nothing would be changed."
    return f"Another signing key would be made; it would sign {LISTED.total_seconds() / 60:.0f} minutes later."


@transaction.atomic
def _activate(key: SigningKey, now: datetime, by: Actor) -> bool:
    """Let the next key sign and the active one retire. The lock on the row tells a second worker that it is done."""
    if not SigningKey.objects.select_for_update().filter(pk=key.pk, state=KeyState.NEXT):
        return False
    signing.refuse_unusable(key.pk)
    former = list(SigningKey.objects.filter(state=KeyState.ACTIVE).values_list("pk", flat=True))
    SigningKey.objects.filter(state=KeyState.ACTIVE).update(state=KeyState.RETIRING, changed_at=now)
    SigningKey.objects.filter(pk=key.pk).update(state=KeyState.ACTIVE, changed_at=now)
    for kid in former:
        _note(by, "signing_key.retiring", kid, KeyState.ACTIVE, KeyState.RETIRING)
    _note(by, "signing_key.activated", key.pk, KeyState.NEXT, KeyState.ACTIVE)
    key.state = KeyState.ACTIVE
    return True


@transaction.atomic
def _retire(key: SigningKey, now: datetime, by: Actor) -> bool:
    """Believe the key no more, and destroy its private half, which can never sign again."""
    retired = SigningKey.objects.filter(pk=key.pk, state=KeyState.RETIRING).update(
        state=KeyState.RETIRED, changed_at=now, sealed_private=""
    )
    if retired:
        _note(by, "signing_key.retired", key.pk, KeyState.RETIRING, KeyState.RETIRED)
        key.state = KeyState.RETIRED
    return bool(retired)


def _refuse_second() -> None:
    waiting = SigningKey.objects.filter(state=KeyState.NEXT).first()
    if waiting is not None:
        raise UnderWay(
            f"A rotation is under way: the signing key {waiting.kid} is published already and signs from "
            f"{_at(waiting):%Y-%m-%dT%H:%M:%SZ} on."
        )


def _standing(key: SigningKey) -> Standing:
    follows, _ = _FOLLOWS.get(KeyState(key.state), (None, None))
    return Standing(key.kid, key.state, key.changed_at, follows, _at(key) if follows else None)


def _at(key: SigningKey) -> datetime:
    """When it goes on."""
    _, wait = _FOLLOWS[KeyState(key.state)]
    return key.changed_at + wait


def _note(by: Actor, verb: str, kid: str, before: KeyState, after: KeyState) -> None:
    audit.record(by, verb, ("signing_key", kid), before={"state": before}, after={"state": after})
