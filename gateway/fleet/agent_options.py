"""What `simulate_fleet` takes of numbers, and the options of agents."""

import argparse
import math
from collections.abc import Mapping
from typing import Any

from gateway.fleet.agents import Plan
from gateway.fleet.shutdown_jobs import Manner

AGENT = ("apps", "ack_delay", "mute", "fail", "offline", "crash", "off_for", "poll")


def whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1000000")
    return int(text)


def seconds(text: str) -> float:
    if not 0.1 <= (value := _number(text)) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 1000000")
    return value


def share(text: str) -> float:
    if not 0 <= (value := _number(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1")
    return value


def delay(text: str) -> tuple[float, float]:
    first, dash, last = text.partition("-")
    least, most = _number(first), _number(last if dash else first)
    if not 0 <= least <= most <= 600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 600, or two such as 0-3")
    return least, most


def add_agent_options(options: argparse._ArgumentGroup) -> None:
    """Those that make the devices agents; none of them has a value unless it is given."""
    options.add_argument(
        "--apps", type=int, choices=range(9), metavar="A", help="Apps on each device, 0 to 8; the first may ask for a "
        "shutdown, the second not, and so on (2)."
    )  # fmt: skip
    options.add_argument(
        "--ack-delay", type=delay, metavar="S", help="After how many seconds an app acknowledges, such as 0-3 (0-3)."
    )
    for name, what in (
        ("--mute", "whose apps acknowledge nothing (0.05)"),
        ("--fail", "that report that they cannot shut down (0.02)"),
        ("--offline", "that are silent once they have been let in (0.05)"),
        ("--crash", "that die between claim and report, so that they do not shut down (0)"),
    ):
        options.add_argument(name, type=share, metavar="SHARE", help=f"The share of devices {what}.")
    options.add_argument(
        "--off-for", type=seconds, metavar="S", help="For how many seconds a device is off after a shutdown (60)."
    )
    options.add_argument(
        "--poll",
        type=share,
        metavar="SHARE",
        help="Wait only this share of what the door tells between two polls, and between two questions of apps (1).",
    )


def plan(given: Mapping[str, Any]) -> Plan | None:
    """What the agents are to be like; None if no option says that the devices are agents."""
    told = {name: given[name] for name in AGENT if given[name] is not None}
    if not told:
        return None
    manner = Manner(**{name: told[name] for name in ("off_for", "poll") if name in told})
    names = {"apps": "apps", "ack_delay": "ack_delay", "mute": "mute", "fail": "failing", "offline": "offline"}
    facts = {field: told[name] for name, field in {**names, "crash": "crashing"}.items() if name in told}
    made = Plan(manner=manner, every=given["every"], seed=given["seed"], **facts)
    if made.mute + made.failing + made.offline + made.crashing > 1 + 1e-9:
        raise ValueError(
            "--mute, --fail, --offline and --crash are shares of all devices; together they are 1 at most."
        )
    return made


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return -1.0
    return value if math.isfinite(value) else -1.0
