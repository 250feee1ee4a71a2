"""What may be said in an order to shut down, field by field."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal import text
from portal.refusal import Invalid

MOST_DEVICES = 1000
REASON = (3, 200)
LONGEST_WAIT = 600
TTL = (120, 86_400)
USUAL_WAIT, USUAL_TTL = 30, 900
FARTHEST_START = timedelta(days=30)


@dataclass(frozen=True)
class Order:
    """Which devices, why, how many seconds their apps have, from when on, and for how many seconds it is valid."""

    devices: Sequence[str]
    reason: str
    max_ack_seconds: int = USUAL_WAIT
    execute_now: bool = False
    start_at: datetime | None = None
    ttl_seconds: int = USUAL_TTL


def judge(order: Order, now: datetime) -> None:
    """Refuse what no order may say."""
    devices(order.devices)
    reason(order.reason)
    if not 0 <= order.max_ack_seconds <= LONGEST_WAIT:
        raise Invalid("max_ack_seconds", f"Apps have 0 to {LONGEST_WAIT} seconds.")
    ttl(order.ttl_seconds)
    if order.start_at is not None and not now < order.start_at <= now + FARTHEST_START:
        raise Invalid("start_at", f"A shutdown starts now or at most {FARTHEST_START.days} days ahead.")


def devices(ids: Collection[str]) -> None:
    if not 1 <= len(ids) <= MOST_DEVICES:
        raise Invalid("devices", f"Name 1 to {MOST_DEVICES:,} devices.")
    if len(set(ids)) != len(ids):
        raise Invalid("devices", "A device stands here twice; name each once.")


def reason(words: str) -> None:
    text.check("reason", words.strip(), least=REASON[0], most=REASON[1])


def ttl(seconds: int) -> None:
    if not TTL[0] <= seconds <= TTL[1]:
        raise Invalid("ttl_seconds", f"An order is valid for {TTL[0]} to {TTL[1]:,} seconds.")
