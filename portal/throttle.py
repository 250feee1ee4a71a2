"""Slow down whoever fails: by address, and by address on one account, never by account alone.

After the free failures in a row, each costs a wait of 1, 2, 4 … 60 seconds. A success clears the pair. Because nothing
is counted by account alone, a stranger can't lock a known user out; who has logged in from an address lately does not
wait for the failures of others behind it. Who guesses at generated secrets, which nobody mistypes, is
counted in fixed minutes by `missed`; there a success clears nothing.
"""

import hashlib
import ipaddress
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import transaction
from django.utils import timezone

from portal import windows
from portal.models import FailedAttempts
from portal.refusal import TooMany

FREE_ON_ACCOUNT = 5
FREE_ON_ADDRESS = 20
LONGEST_WAIT = 60
FORGOTTEN_AFTER = timedelta(minutes=15)
KNOWN_FOR = timedelta(days=30)
MISSES_ON_ACCOUNT = 10
MISSES_ON_ADDRESS = 30
MINUTE = 60


def check(address: str, account: str) -> None:
    """Refuse while this address has to wait; ask before a slow look at a password."""
    now = timezone.now()
    # A wait that lasts longer than any was written before the clock was set back; it is over.
    latest = now + timedelta(seconds=LONGEST_WAIT)
    rows = _that_count(FailedAttempts.objects.filter(key__in=_keys(address, account)), address, account, now)
    if waits := [row.wait_until for row in rows if row.wait_until and now < row.wait_until <= latest]:
        raise _too_many(max(waits), now)


def failed(address: str, account: str) -> None:
    """Count a failure; refuse if it was one too many, so that the caller says 429 in place of its own no."""
    now = timezone.now()
    rows = []
    with transaction.atomic():
        for key, free in zip(_keys(address, account), (FREE_ON_ADDRESS, FREE_ON_ACCOUNT), strict=True):
            row, _ = FailedAttempts.objects.select_for_update().get_or_create(key=key, defaults={"last_at": now})
            row.failures = 1 if row.last_at < now - FORGOTTEN_AFTER else row.failures + 1
            row.last_at = now
            over = row.failures - free
            row.wait_until = now + timedelta(seconds=min(2 ** min(over, 6), LONGEST_WAIT)) if over >= 0 else None
            row.save()
            rows.append((row, over))
    known = _that_count([row for row, _ in rows], address, account, now)
    if waits := [row.wait_until for row, over in rows if row in known and over > 0 and row.wait_until]:
        raise _too_many(max(waits), now)


def missed(address: str, account: str) -> None:
    """Count a wrong secret; refuse the 11th of a minute from this address on this account, or the 31st from it."""
    now = timezone.now()
    pairs = zip(_keys(address, account), (MISSES_ON_ADDRESS, MISSES_ON_ACCOUNT), strict=True)
    over = [windows.number(key, MINUTE, now, most=most) > most for key, most in pairs]
    if any(over):
        raise _too_many(now + timedelta(seconds=windows.left(MINUTE, now)), now)


def is_over(address: str) -> bool:
    """Whether this process knows that the address has missed too often this minute."""
    return windows.is_full(_keys(address, "")[0], MINUTE, timezone.now())


def succeeded(address: str, account: str) -> None:
    """Forget the failures of this address on this account, and know the two together for a while."""
    now = timezone.now()
    facts = {"failures": 0, "last_at": now, "wait_until": None, "succeeded_at": now}
    FailedAttempts.objects.update_or_create(key=_keys(address, account)[1], defaults=facts)


def succeeded_for_all(address: str, account: str) -> None:
    """Forget the failures of this address, for which all behind it wait together; where no password can be guessed."""
    FailedAttempts.objects.filter(key__in=_keys(address, account)).delete()


def forget() -> None:
    """Remove what no longer counts."""
    now = timezone.now()
    old = FailedAttempts.objects.filter(last_at__lt=now - FORGOTTEN_AFTER)
    old.exclude(succeeded_at__gte=now - KNOWN_FOR).delete()


def _that_count(rows: Iterable[FailedAttempts], address: str, account: str, now: datetime) -> list[FailedAttempts]:
    """Those for which this address waits on this account: its own alone if the two are known together."""
    found = {row.key: row for row in rows}
    pair = found.get(_keys(address, account)[1])
    is_known = pair is not None and pair.succeeded_at is not None and pair.succeeded_at >= now - KNOWN_FOR
    return [pair] if pair and is_known else list(found.values())


def _keys(address: str, account: str) -> tuple[str, str]:
    place = _place(address)
    return _key(place), _key(place, account)


@lru_cache(maxsize=4096)
def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=4096)
def _place(address: str) -> str:
    """An IPv6 address counts as its /64: one subscriber has all of that. An IPv4 address stays one in an IPv6 coat."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((parsed.packed, 64), strict=False))


def _too_many(until: datetime, now: datetime) -> TooMany:
    seconds = max(1, int((until - now).total_seconds() + 0.999))
    return TooMany(f"Too many failed attempts from this address; try again in {seconds} s.", seconds)
