"""The ring of peppers, under which digests are made: their keys from the settings, their states from the database.

Where GATEHOUSE_PEPPERS is not set, the keys stand in a file of the data folder, and are read anew when that changes.
"""

import hashlib
import hmac
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, InternalError, OperationalError, models, transaction

from portal import audit, rows, secret_files
from portal.actor import Actor
from portal.refusal import Refusal
from tokens.models import KeyState, Pepper

RING_TTL = 2.0
# A pepper that is unknown here lets the ring be read anew, at most so often.
REREAD_EVERY = 1.0
TOLD_EVERY = 60.0

log = logging.getLogger("gatehouse.tokens")


class Missing(Refusal):
    """A pepper that is in use is not in GATEHOUSE_PEPPERS."""

    status, code = 503, "pepper_missing"

    def __init__(self, pepper: str) -> None:
        super().__init__(f"GATEHOUSE_PEPPERS does not hold {pepper}, under which secrets are kept; put it back.")


@dataclass(frozen=True)
class _Ring:
    """The active pepper, if that is settled, those that give way to it, and the keys of all that verify."""

    active: str | None
    retiring: frozenset[str]
    keys: Mapping[str, bytes]


def active() -> str:
    """The pepper under which digests are made now; the first of the settings where none has been."""
    ring = _ring()
    if ring.active is None:
        ensure_active(by=Actor.worker())
        ring = _read_ring()
    if ring.active is None or ring.active not in ring.keys:
        raise Missing(ring.active or "any pepper")
    return ring.active


def keys() -> Mapping[str, bytes]:
    """The keys of the peppers that verify, by their ids: all but the retired ones."""
    return _ring().keys


def key(pepper: str) -> bytes | None:
    """The key of a pepper that verifies. None for another one, which the log tells of: every secret under it fails."""
    global _reread_at
    found = keys().get(pepper)
    if found is None and not 0 <= time.monotonic() - _reread_at < REREAD_EVERY:
        _reread_at = time.monotonic()
        found = _read_ring().keys.get(pepper)
    if found is None:
        _tell(pepper, "Secrets under the pepper %s are refused: GATEHOUSE_PEPPERS does not hold it, or it has retired.")
    return found


def digest(text: str, pepper: str) -> str:
    """The digest of a secret under a pepper that verifies."""
    secret = key(pepper)
    if secret is None:
        raise Missing(pepper)
    return under(secret, text)


def under(secret: bytes, text: str) -> str:
    """HMAC-SHA-256 under the key of a pepper, 64 hex digits."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def renew(model: type[models.Model], pk: object, text: str, kept: str, pepper: str) -> None:
    """Digest a secret anew that has just proved itself, if its pepper is a retiring one.

    Of several at once, one does it; a read-only database goes without, and the next use tries again. A process that
    has not read yet which pepper is active now takes the newer one for the next, and does not undo the others' work.
    """
    ring = _ring()
    now_active = ring.active
    if pepper not in ring.retiring or now_active is None or now_active not in ring.keys:
        return
    statement = f"UPDATE {model._meta.db_table} SET digest = %s, pepper = %s WHERE id = %s AND digest = %s"  # noqa: S608
    with suppress(OperationalError, InternalError):
        rows.note(statement, [digest(text, now_active), now_active, pk, kept])


def ensure_active(*, by: Actor) -> None:
    """Make the first pepper of the settings the active one, if none is; those behind it are older, and retire."""
    known = dict(Pepper.objects.values_list("id", "state"))  # Read at once: another process may be at the same.
    if KeyState.ACTIVE in known.values():
        return
    new = [pepper for pepper in held() if pepper not in known]
    if not new:
        raise Missing("any new pepper")
    first, *others = new
    try:
        with transaction.atomic():
            Pepper.objects.create(id=first, state=KeyState.ACTIVE)
            Pepper.objects.bulk_create(Pepper(id=other, state=KeyState.RETIRING) for other in others)
            audit.record(by, "pepper.made", ("pepper", first), after={"state": KeyState.ACTIVE})
    except IntegrityError:
        pass  # Another process was first.
    forget()


def refuse_missing() -> None:
    """Refuse a ring without its active pepper, before anybody is turned away; older ones that miss are told."""
    for pepper in Pepper.objects.exclude(state=KeyState.RETIRED).exclude(pk__in=list(held())):
        if pepper.state == KeyState.ACTIVE:
            raise Missing(pepper.pk)
        log.error("GATEHOUSE_PEPPERS does not hold %s, which is %s; put it back.", pepper.pk, pepper.state)


def held() -> Mapping[str, bytes]:
    """Every pepper that this process has the key of, whatever its state."""
    global _file
    if settings.PEPPERS_FILE is None:
        peppers: Mapping[str, bytes] = settings.PEPPERS
        return peppers
    try:
        facts = settings.PEPPERS_FILE.stat()
        mark = (settings.PEPPERS_FILE, facts.st_mtime_ns, facts.st_ino, facts.st_size)
        if mark != _file[0]:
            _file = mark, secret_files.pepper_ring(secret_files.contents(settings.PEPPERS_FILE))
    except (OSError, ImproperlyConfigured) as damaged:
        _tell(str(settings.PEPPERS_FILE), "The peppers in %s cannot be read; those that were known go on.", damaged)
    return _file[1] or settings.PEPPERS


_cached: tuple[float, _Ring | None] = (0.0, None)
_reread_at = 0.0
_file: tuple[tuple[object, ...], Mapping[str, bytes]] = ((), {})
_told: dict[str, float] = {}


def forget() -> None:
    """Read the ring anew at the next use."""
    global _cached, _reread_at
    _cached, _reread_at = (0.0, None), 0.0


def _ring() -> _Ring:
    read_at, ring = _cached
    return ring if ring and 0 <= time.monotonic() - read_at <= RING_TTL else _read_ring()


def _read_ring() -> _Ring:
    global _cached
    began = time.monotonic()
    states = dict(Pepper.objects.values_list("id", "state"))
    verifying = {pepper: key for pepper, key in held().items() if states.get(pepper) != KeyState.RETIRED}
    active, retiring = ([name for name in states if states[name] == at] for at in (KeyState.ACTIVE, KeyState.RETIRING))
    ring = _Ring(active[0] if active else None, frozenset(retiring), verifying)
    _cached = (began, ring)
    return ring


def _tell(name: str, sentence: str, damaged: Exception | None = None) -> None:
    """Say it in the log, loudly, at most once a minute about each."""
    now = time.monotonic()
    if name not in _told or not 0 <= now - _told[name] < TOLD_EVERY:
        _told[name] = now
        log.error(sentence, name, exc_info=damaged)
