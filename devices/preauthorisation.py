"""Devices of a list are preauthorized: every line is judged before any is written, and a bad one voids no other."""

import json
import time
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, IntegrityError, transaction
from django.utils.crypto import constant_time_compare

from devices import arrival, device_lists, expecting, identity
from devices.device_lists import Line
from devices.expecting import AlreadyKnown, Expected
from devices.models import Status
from portal import sealing
from portal.actor import Actor
from portal.failures import Unavailable, is_outage
from portal.refusal import Invalid, Refusal

READY, REFUSED = "ready", "refused"
# What a batch holds locked, others wait for; between two of them they get their turn.
BATCH = 100
PAUSE = 0.003
ATTEMPTS = 5
SEAL = 64  # Hex digits.


@dataclass(frozen=True)
class Outcome:
    """What becomes of a line: `ready`, `refused` and why, or `preauthorized`."""

    line: int
    id: str
    status: str
    code: str = ""
    error: str = ""


def judge(lines: Sequence[Line]) -> list[Outcome]:
    """What would become of each line now; nothing is written."""
    outcomes = []
    for batch in _batches(lines):
        taken = _in_the_way(batch)
        outcomes += [_outcome(line, line.refusal or taken.get(line.id), READY) for line in batch]
    return outcomes


def carry_out(lines: Sequence[Line], *, by: Actor, again: bool = False) -> list[Outcome]:
    """Preauthorize the device of each line that nothing is in the way of, batch by batch.

    A list that may have been sent before, and is sent `again`, comes to the same.

    If the database goes away meanwhile, what is done stays done, and the outcomes say which lines it did not reach.
    """
    outcomes = list[Outcome]()
    for batch in _batches(lines):
        time.sleep(PAUSE if outcomes else 0)
        try:
            outcomes += _carry_out(batch, by, again)
        except DatabaseError as gone:
            if not is_outage(gone):
                raise
            lost = Unavailable("The database did not answer; send this line again.")
            return outcomes + [_outcome(line, line.refusal or lost, REFUSED) for line in lines[len(outcomes) :]]
    return outcomes


def pack(lines: Sequence[Line], outcomes: Sequence[Outcome]) -> str:
    """The lines that somebody has seen to be ready, as a text that only `unpack` opens, unchanged."""
    seen = {outcome.line for outcome in outcomes if outcome.status == READY}
    kept = [_kept(line.number, line.expected) for line in lines if line.expected and line.number in seen]
    packed = urlsafe_b64encode(zlib.compress(json.dumps(kept).encode())).decode()
    return f"{_seal(packed)}{packed}"


def unpack(sent: str) -> list[Line]:
    """The lines of `pack`; a text that was changed on its way is refused."""
    seal, packed = sent[:SEAL], sent[SEAL:]
    if not constant_time_compare(seal, _seal(packed)):
        raise Invalid("judged", "These are not the lines that were judged; judge the list again.")
    return [_line(*facts) for facts in json.loads(zlib.decompress(urlsafe_b64decode(packed)))]


def _kept(number: int, expected: Expected) -> tuple[int, str, str, str]:
    said = expected.identity.text if expected.identity else ""
    return number, expected.id, said, expected.key.pem


def _line(number: int, device_id: str, said: str, key: str) -> Line:
    if not said:
        return Line(number, device_id, expecting.expect_id(device_id, key))
    claimed = identity.read(said)
    return Line(number, device_id, expecting.expect(claimed, key), said=device_lists.first(claimed.members))


def _seal(packed: str) -> str:
    return sealing.mac("preauthorisation", packed.encode())


def _carry_out(batch: Sequence[Line], by: Actor, again: bool) -> list[Outcome]:
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                taken = _in_the_way(batch)
                free = [line.expected for line in batch if line.expected and line.id not in taken]
                if free:
                    expecting.preauthorize_all(free, by=by)
        except IntegrityError:
            continue  # Somebody else has created one of them in this moment; now it is in the way.
        if again:
            taken = {
                device_id: refusal for device_id, refusal in taken.items() if not _is_met(device_id, refusal, batch)
            }
        return [_outcome(line, line.refusal or taken.get(line.id), Status.PREAUTHORIZED) for line in batch]
    return [_outcome(line, line.refusal or arrival.Contended(line.id), REFUSED) for line in batch]


def _is_met(device_id: str, refusal: Refusal, batch: Sequence[Line]) -> bool:
    """Whether a device is in the way that is just what a line asked for."""
    asked = (line.expected for line in batch if line.expected and line.id == device_id)
    return isinstance(refusal, AlreadyKnown) and any(map(refusal.is_met, asked))


def _in_the_way(batch: Sequence[Line]) -> Mapping[str, Refusal]:
    ids = [line.id for line in batch if line.expected]
    return expecting.in_the_way(ids) if ids else {}


def _outcome(line: Line, refusal: Refusal | None, status: str) -> Outcome:
    if refusal:
        return Outcome(line.number, line.id, REFUSED, refusal.code, str(refusal))
    return Outcome(line.number, line.id, status)


def _batches(lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
    return (lines[start : start + BATCH] for start in range(0, len(lines), BATCH))
