"""What a call at the device door takes within the portal, and whether 100,000 denied devices make it slower."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BytesIO
from statistics import median

from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import admission
from devices.models import Device, Status
from gateway import device_cas, device_identity
from portal.actor import Actor
from portal.wsgi import application
from tests.bench.figures import CannotRun, Figure
from tests.bench.inside import fleet
from tests.bench.inside.timing import microseconds
from tests.pki import Authority, Holder

DENIED, ROUNDS, EACH = 100_000, 31, 100
BY = Actor.command("bench")
BOUNDS = ("BEGIN", "COMMIT")
# Then it is written again, as it is a minute after the last time.
FORGET = "UPDATE devices_device SET last_seen = NULL WHERE id = '{id}'"

Call = Callable[[], object]


def measure() -> Iterator[Figure]:
    authority = Authority("bench CA")
    served, waits = authority.issue("press-1"), authority.issue("press-2")
    with ExitStack() as place:
        names = [database(denied, authority, served, waits, place) for denied in (0, DENIED)]
        few, many = names
        ratios = [turn[many] / turn[few] for turn in turns(names, asking(served, "200 OK"))]
        yield Figure(f"check-in, with {DENIED:,} denied devices to none", round(median(ratios), 2), below=1.1)
        fleet.use(few)
        calls = {"check-in": asking(served, "200 OK"), "a waiting device's ask": asking(waits, "403 Forbidden")}
        took = microseconds(calls, rounds=ROUNDS, each=EACH, by_clock=False)
        for name in calls:
            yield Figure(f"{name}, the processor's time", round(median(one[name] for one in took)), "µs")
        for name, holder in (("check-in", served), ("a waiting device's ask", waits)):
            calls[name]()
            yield Figure(f"{name}, SQL statements", statements(calls[name]))
            fleet.run([FORGET.format(id=cn(holder))])
            yield Figure(f"{name}, SQL statements once a minute", statements(calls[name]))


def database(denied: int, authority: Authority, served: Holder, waits: Holder, place: ExitStack) -> str:
    """One with so many denied devices, one that is served and one that waits; its name."""
    place.enter_context(fleet.database(f"denied_{denied}"))
    if denied:
        fleet.fill(denied)
        fleet.run(["UPDATE devices_device SET denied_at = request_time, denied_by = 'ada' WHERE denied_at IS NULL"])
        if connection.vendor == "postgresql":
            fleet.run(["VACUUM ANALYZE devices_device"])
    device_cas.add("bench", authority.pem, by=BY)
    device_identity.forget_bundle()
    for holder in (served, waits):
        asking(holder, "403 Forbidden")()
    admission.decide(Device.objects.get(pk=cn(served)), Status.ACCEPTED, by=BY)
    if Device.objects.filter(denied_at=None).count() != 2:
        raise CannotRun("there are other devices than those that were made")
    return str(connection.settings_dict["NAME"])


def turns(names: list[str], call: Call) -> Iterator[dict[str, float]]:
    """What the quickest tenth of many calls takes at most in each database: what else the machine does is not in it."""
    for turn in range(ROUNDS):
        took = {}
        for name in names[:: -1 if turn % 2 else 1]:  # By turns either comes first.
            fleet.use(name)
            for _ in range(20):
                call()
            took[name] = sorted(clocked(call) for _ in range(EACH))[EACH // 10]
        yield took


def clocked(call: Call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def statements(call: Call) -> int:
    """How many a call needs beside those that begin and end a transaction; what is held for a second is held."""
    with CaptureQueriesContext(connection) as asked:
        call()
    return sum(not query["sql"].startswith(BOUNDS) for query in asked.captured_queries)


def asking(holder: Holder, expected: str) -> Call:
    """A call of the portal as the app server makes it for `GET /device`, up to the last byte of the answer."""
    forwarded = holder.forwarded

    def call() -> object:
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": "/device", "QUERY_STRING": "", "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": "localhost", "SERVER_PORT": "8444", "HTTP_HOST": "localhost:8444", "wsgi.input": BytesIO(),
            "HTTP_X_FORWARDED_FOR": "192.0.2.1", "HTTP_X_FORWARDED_PROTO": "https",
            "HTTP_X_GATEHOUSE_DOOR": "device", "HTTP_X_FORWARDED_CLIENT_CERT": forwarded,
        }  # fmt: skip
        said: list[str] = []
        answer = application(environ, lambda status, headers: said.append(status))
        content = b"".join(answer)
        answer.close()  # type: ignore[attr-defined]
        if said != [expected]:
            raise CannotRun(f"GET /device was answered {said} {content.decode()}")
        return content

    return call


def cn(holder: Holder) -> str:
    return str(holder.certificate.subject.rfc4514_string().removeprefix("CN="))
