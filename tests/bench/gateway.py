"""What a verdict costs: a route of the gateway against a plain proxy, against verdict services, and with all off."""

import http.client
import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import data_planes
from tests.bench.figures import CannotRun, Figure, bench
from tests.bench.installation import Installation, answers, free_ports, scratch
from tests.bench.load import Rate, measured

ROUNDS, SECONDS, CONNECTIONS = 5, 3, 32
MANY_ROUTES, MANY_REVOCATIONS = 1000, 50_000
POLLS = 300
# An Envoy lists its extensions in every poll.
ENVOY_SAYS = 77_000
JUDGING = ("access_token", "revocations", "scope")
FILL = """
from datetime import timedelta
from django.utils import timezone
from gateway.models import Route
from tokens.models import Named, Revocation
Route.objects.bulk_create(
    Route(prefix=f"many{{n}}", target="http://127.0.0.1:{service}", scope=f"gateway:many{{n}}", methods=["GET"],
        created_by="bench")
    for n in range({routes})
)
until = timezone.now() + timedelta(hours=1)
Revocation.objects.bulk_create(
    (Revocation(kind=Named.TOKEN, value=f"{{n:032x}}", until=until) for n in range({revocations})), batch_size=5000
)
"""


@bench
def gateway_verdicts() -> Iterator[Figure]:
    """Every way turn by turn, in front of the same service of 1 KB answers."""
    with gateway() as (portal, folder, service):
        token = portal.manage("get_token", "bench", "--raw").strip()
        headers = {"Authorization": f"Bearer {token}"}
        keys, [verdict] = fetched(f"{portal.url}/.well-known/jwks.json"), free_ports(1)
        issuer = json.loads(fetched(f"{portal.url}/.well-known/oauth-authorization-server"))["issuer"]
        with (
            data_planes.nginx(folder, service=service, verdict=verdict) as nginx,
            data_planes.verdict_service(folder, verdict, keys, issuer, portal.data / "gatehouse.sqlite3"),
        ):
            wait_for_route(portal, headers)
            resources, [port] = unjudged(portal), free_ports(1)
            envoy = Path(os.readlink(f"/proc/{envoy_of(portal)}/exe"))
            listener = resources["static_resources"]["listeners"][0]
            listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
            with data_planes.unjudged(envoy, folder, resources, port) as bare:
                urls = {
                    "gateway": f"{portal.url}/line/x",
                    "unjudged": f"{bare}/line/x",
                    "plain nginx": f"{nginx}/plain/x",
                    "nginx and a verdict service": f"{nginx}/judged/x",
                    "nginx and a verdict kept for 5 s": f"{nginx}/cached/x",
                }
                asks: dict[str, Callable[..., Rate]] = {
                    name: partial(measured, url, headers, connections=CONNECTIONS) for name, url in urls.items()
                }
                for ask in asks.values():
                    ask(seconds=1)
                rounds = [{name: ask(seconds=SECONDS) for name, ask in asks.items()} for _ in range(ROUNDS)]
            tls = f"https://127.0.0.1:{portal.tls_port}/line/x"
            over_tls = [measured(tls, headers, connections=CONNECTIONS, seconds=SECONDS) for _ in range(ROUNDS)]
            revoked = until_a_revocation_acts(portal)
    for name in asks:
        yield Figure(f"{name}, requests per second", round(median(one[name].per_second for one in rounds)))
        yield Figure(f"{name}, p99", round(median(one[name].p99 for one in rounds), 2), "ms")
    yield Figure("gateway over TLS 1.3, requests per second", round(median(one.per_second for one in over_tls)))
    yield Figure("gateway over TLS 1.3, p99", round(median(one.p99 for one in over_tls), 2), "ms")
    for other, least in (
        ("unjudged", 0.9),
        ("plain nginx", 0.5),
        ("nginx and a verdict service", 8),
        ("nginx and a verdict kept for 5 s", 1),
    ):
        ratio = median(one["gateway"].per_second / one[other].per_second for one in rounds)
        yield Figure(f"gateway to {other}", round(ratio, 2), at_least=least)
    yield Figure("a revocation acts after", round(revoked, 2), "s", below=1.1)


@bench
def many_routes() -> Iterator[Figure]:
    """1,000 routes and 50,000 revocations: what they cost each request, each edit and each poll."""
    with gateway() as (portal, folder, service):
        token = portal.manage("get_token", "bench", "--raw").strip()
        headers = {"Authorization": f"Bearer {token}"}
        with data_planes.nginx(folder, service=service, verdict=free_ports(1)[0]):
            wait_for_route(portal, headers)
            ask = partial(measured, f"{portal.url}/line/x", headers, connections=CONNECTIONS)
            ask(seconds=1)
            few = [ask(seconds=SECONDS).per_second for _ in range(ROUNDS)]
            yield Figure("a poll with nothing new, few routes", round(poll_cost(portal), 2), "ms", below=2)
            code = FILL.format(service=service, routes=MANY_ROUTES, revocations=MANY_REVOCATIONS)
            portal.manage("shell", "-v0", "-c", code)
            last = f"{portal.url}/many{MANY_ROUTES - 1}"
            wait(lambda: answers(last, headers), "the last of many routes is not served")
            time.sleep(3)  # The revocations have arrived by then.
            ask(seconds=1)
            many = [ask(seconds=SECONDS).per_second for _ in range(ROUNDS)]
            live = seconds_until(
                lambda: make_route(portal, "fresh", f"http://127.0.0.1:{service}"),
                lambda: answers(f"{portal.url}/fresh", headers),
            )
            yield Figure("a poll with nothing new, many routes", round(poll_cost(portal), 2), "ms", below=2)
    yield Figure("requests per second, few routes", round(median(few)))
    yield Figure("requests per second, many routes and revocations", round(median(many)))
    yield Figure("requests per second, many routes to few", round(median(many) / median(few), 3), at_least=0.9)
    yield Figure("a new route among many is live after", round(live, 2), "s", below=4)


@contextmanager
def gateway() -> Iterator[tuple[Installation, Path, int]]:
    """An installation with a gateway user `bench` and a route `line` to the port of a service that is not there yet."""
    with scratch() as folder:
        portal = Installation(folder / "data")
        portal.environment["GATEHOUSE_ROUTE_TARGETS"] = "private loopback"
        with portal:
            [service] = free_ports(1)
            portal.manage("adduser", "bench")
            make_route(portal, "line", f"http://127.0.0.1:{service}")
            yield portal, folder, service


def wait_for_route(portal: Installation, headers: dict[str, str]) -> None:
    wait(lambda: answers(f"{portal.url}/line/x", headers), "the route is not served")


def unjudged(portal: Installation) -> dict[str, Any]:
    """What the running Envoy holds for its clear-text door, as a file for another one, without what judges a token."""
    with over(portal.data / "run" / "envoy-admin.sock") as admin:
        admin.request("GET", "/config_dump")
        said = json.loads(admin.getresponse().read())
    by_kind: dict[str, Any] = {part["@type"].rpartition(".")[2]: part for part in said["configs"]}
    tables = [each["route_config"] for each in by_kind["RoutesConfigDump"]["dynamic_route_configs"]]
    clusters = [each["cluster"] for each in by_kind["ClustersConfigDump"]["dynamic_active_clusters"]]
    listeners = [each["active_state"]["listener"] for each in by_kind["ListenersConfigDump"]["dynamic_listeners"]]
    [listener] = [each for each in listeners if each["name"] == "http"]
    listener = deepcopy(listener)
    listener.pop("additional_addresses", None)
    for network in listener["filter_chains"][0]["filters"]:
        manager = network["typed_config"]
        if wanted := manager.pop("rds", None):
            [table] = [each for each in tables if each["name"] == wanted["route_config_name"]]
            manager["route_config"] = without_judges({name: part for name, part in table.items() if name != "@type"})
            manager["http_filters"] = [each for each in manager["http_filters"] if each["name"] not in JUDGING]
    layers = by_kind["BootstrapConfigDump"]["bootstrap"]["layered_runtime"]
    for resource in (listener, *clusters):
        resource.pop("@type", None)
    return {"layered_runtime": layers, "static_resources": {"listeners": [listener], "clusters": clusters}}


def without_judges(part: Any) -> Any:
    """A routing table in which no route asks for a token."""
    if isinstance(part, list):
        return [without_judges(each) for each in part]
    if not isinstance(part, dict):
        return part
    kept = {name: without_judges(each) for name, each in part.items()}
    for name in JUDGING:
        kept.get("typed_per_filter_config", {}).pop(name, None)
    return kept


def envoy_of(portal: Installation) -> int:
    for pid in portal.processes():
        if os.readlink(f"/proc/{pid}/exe").endswith("/envoy"):
            return pid
    raise CannotRun("the installation runs no Envoy")


def poll_cost(portal: Installation) -> float:
    """Milliseconds of the portal's processor time for a poll by a node that holds all there is."""
    said = json.loads((portal.data / "run" / "node-token.json").read_text())
    authorization = said["resources"][0]["generic_secret"]["secret"]["inline_string"]
    asked: dict[str, Any] = {"node": {"id": "local", "extensions": [{"name": "x" * 100}] * (ENVOY_SAYS // 115)}}
    held = {kind: version for kind in ("routes", "clusters") if (version := polled(portal, authorization, kind, asked))}
    workers = [pid for pid in portal.processes() if "granian" in Path(f"/proc/{pid}/cmdline").read_text()]
    began = spent(workers)
    for number in range(POLLS):
        kind = list(held)[number % len(held)]
        if polled(portal, authorization, kind, {**asked, "version_info": held[kind]}):
            raise CannotRun(f"the poll for {kind} brought something new")
    return (spent(workers) - began) * 1000 / POLLS


def polled(portal: Installation, authorization: str, kind: str, asked: dict[str, Any]) -> str:
    """The version that this poll brings, over the portal's own socket; none where nothing is new."""
    names = {"routes": ["doors"]}.get(kind, [])
    with over(portal.data / "run" / "portal.sock") as control_plane:
        body = json.dumps({**asked, "resource_names": names})
        control_plane.request("POST", f"/v3/discovery:{kind}", body, {"Authorization": authorization})
        answer = control_plane.getresponse()
        content = answer.read()
    if answer.status not in (200, 304):
        raise CannotRun(f"a poll for {kind} is answered with {answer.status}")
    return json.loads(content)["version_info"] if answer.status == 200 else ""


@contextmanager
def over(path: Path) -> Iterator[http.client.HTTPConnection]:
    """HTTP over a unix socket."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(path))
        yield connection
    finally:
        connection.close()


def spent(pids: list[int]) -> float:
    """Seconds of processor time that these processes have had."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def until_a_revocation_acts(portal: Installation) -> float:
    """An API token buys an access token and is revoked; when what it bought opens the route no more."""
    issued = json.loads(
        portal.manage("issue_token", "line", "--owner=admin", "--scope=gateway:*", "--days=1", "--json")
    )
    bought = called(f"{portal.url}/api/v1/access-tokens", issued["token"])["access_token"]
    wait(lambda: status(portal, bought) == 200, "a token that was just bought opens nothing")
    manager = portal.manage("issue_token", "manager", "--owner=admin", "--scope=tokens:manage", "--days=1").strip()
    revocation = f"{portal.url}/api/v1/tokens/{issued['id']}/revoke"
    return seconds_until(lambda: called(revocation, manager), lambda: status(portal, bought) == 401)


def make_route(portal: Installation, prefix: str, target: str) -> None:
    name = f"routes-{time.monotonic()}"
    token = portal.manage("issue_token", name, "--owner=admin", "--scope=gateway:manage", "--days=1").strip()
    called(f"{portal.url}/api/v1/routes", token, prefix=prefix, target=target)


def called(url: str, token: str, **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as answer:
        return json.loads(answer.read() or b"null")


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def status(portal: Installation, token: str) -> int:
    asked = urllib.request.Request(f"{portal.url}/line/x", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as no:
        return no.code


def seconds_until(act: Callable[[], Any], done: Callable[[], bool]) -> float:
    """From the end of the act, which has committed by then, to its effect."""
    act()
    began = time.monotonic()
    wait(done, "what was done has no effect")
    return time.monotonic() - began


def wait(done: Callable[[], bool], otherwise: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise CannotRun(otherwise)
        time.sleep(0.02)
