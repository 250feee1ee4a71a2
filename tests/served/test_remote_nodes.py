"""Envoys on other hosts, started from the files of envoy_bootstrap; two addresses of this machine stand for those."""

import contextlib
import hashlib
import http.client
import json
import shlex
import socket
import sqlite3
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from gateway import trial
from tests.pki import SERVER, Authority
from tests.receiver import Receiver, receiving, say
from tests.served.installation import ANSWERED_WITHIN, PATIENCE, Served, folder, free_ports, serving, wait_for
from tests.served.test_key_rotation import age

pytestmark = pytest.mark.long

SERVED = say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
SCOPES = ("gateway:read", "gateway:manage", "gateway:*", "tokens:manage")
JSON = {"Content-Type": "application/json"}


class Portal:
    """The installation, its route `line`, and an operator's API token."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.api_token = self.issue("nodes", *SCOPES)

    def issue(self, name: str, *scopes: str) -> str:
        named = [f"--scope={scope}" for scope in scopes]
        return self.served.manage("issue_token", name, "--owner=admin", "--days=1", *named).strip()

    def rest(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {self.api_token}", **JSON}
        answered, _, content = self.served.ask(method, f"/api/v1{path}", json.dumps(body) if body else None, headers)
        assert answered == status, content
        return json.loads(content) if content else None

    def access_token(self, api_token: str) -> str:
        headers = {"Authorization": f"Bearer {api_token}", **JSON}
        status, _, content = self.served.ask("POST", "/api/v1/access-tokens", None, headers)
        assert status == 200, content
        return str(json.loads(content)["access_token"])

    def told(self, node: str, subscription: str) -> dict[str, Any]:
        """How far a node is with what it asks for."""
        known = self.rest("GET", f"/nodes/{node}")["subscriptions"]
        return next((each for each in known if each["name"] == subscription), {})

    def change(self, statement: str, *facts: Any) -> None:
        with sqlite3.connect(self.served.data_dir / "gatehouse.sqlite3", timeout=60) as database:
            assert database.execute(statement, facts).rowcount == 1


class Remote:
    """An Envoy that was started as envoy_bootstrap said."""

    def __init__(self, portal: Portal, out: Path, name: str, bind: str, *words: str) -> None:
        self.portal, self.out, self.name, self.bind, [self.port] = portal, out, name, bind, free_ports(1)
        place = ("--bind", bind, "--port", str(self.port))
        told = json.loads(self.bootstrap(*place, *words))
        assert told["node"] == name
        self.start_command = shlex.split(told["start"])
        assert self.start_command[0] == "envoy"

    def bootstrap(self, *words: str) -> str:
        portal = f"https://localhost:{self.portal.served.tls_port}"
        shown = self.portal.served.manage(
            "envoy_bootstrap", self.name, "--portal", portal, "--out", str(self.out), *words
        )
        assert "gate_node_" not in shown
        return shown

    def start(self) -> subprocess.Popen[bytes]:
        with (self.out.parent / f"{self.name}.log").open("ab") as log:
            words = [str(trial.binary()), *self.start_command[1:], "--concurrency", "1"]
            return subprocess.Popen(words, stdout=log, stderr=log, env={})

    @property
    def log(self) -> str:
        return (self.out.parent / f"{self.name}.log").read_text()[-2000:]

    def is_open(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.bind, self.port), 2):
            return True
        return False

    def wait_open(self) -> None:
        wait_for(lambda: self.is_open() and self.call("/")[0] == 404, otherwise=lambda: self.log)

    def call(self, path: str, token: str = "", method: str = "GET") -> tuple[int, Any]:
        """Status and body of an answer of its door, which must show its own certificate."""
        context = ssl.create_default_context(cadata=self.certificate())
        connection = http.client.HTTPSConnection(self.bind, self.port, timeout=ANSWERED_WITHIN, context=context)
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, content if content == b"ok" else json.loads(content)
        finally:
            connection.close()

    def certificate(self) -> str:
        """Its own, asked for once."""
        if not hasattr(self, "_certificate"):
            known = self.portal.rest("GET", "/certificates")["results"]
            self._certificate = str(next(each["certificate"] for each in known if each["node"] == self.name))
        return self._certificate

    def code(self, path: str, token: str = "") -> tuple[int, str]:
        status, body = self.call(path, token)
        return status, "ok" if body == b"ok" else body["code"]


@contextmanager
def running(remote: Remote) -> Iterator[Remote]:
    process = remote.start()
    try:
        yield remote
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with serving(GATEHOUSE_ROUTE_TARGETS="private loopback") as served:
        yield Portal(served)


@pytest.fixture(scope="module")
def service() -> Iterator[Receiver]:
    with receiving(answer=SERVED) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with folder() as path:
        yield path


@pytest.fixture(scope="module")
def halls(portal: Portal, service: Receiver, place: Path) -> Iterator[list[Remote]]:
    """Two of them; the second one asks seldom for what seldom changes."""
    line = {"prefix": "line", "target": f"http://127.0.0.1:{service.port}", "scope": "gateway:line"}
    portal.rest("POST", "/routes", line, status=201)
    first = Remote(portal, place / "hall-3", "hall-3", "127.0.0.2", "--name", "hall-3.example")
    second = Remote(portal, place / "hall-4", "hall-4", "127.0.0.3", "--poll", "3s")
    with running(first), running(second):
        for hall in (first, second):
            hall.wait_open()
        yield [first, second]


@pytest.fixture(scope="module")
def hall(halls: list[Remote]) -> Remote:
    return halls[0]


@pytest.fixture(scope="module")
def token(portal: Portal) -> str:
    return portal.access_token(portal.issue("line", "gateway:line"))


def test_they_serve_a_route_to_a_token_alone(halls: list[Remote], service: Receiver, token: str) -> None:
    for hall in halls:
        assert hall.code("/line/x", token) == (200, "ok")
        assert service.heard[-1].headers["x-forwarded-host"] == f"{hall.bind}:{hall.port}"
        assert hall.code("/line/x") == (401, "token_missing")
        assert hall.code("/line/x", "a.b.c") == (401, "token_invalid")


@pytest.mark.parametrize(
    "path",
    ["/", "/portal/", "/portal/login/", "/api/v1/me", "/healthz", "/metrics", "/v3/discovery:secrets", "/device",
     "/api/management/v1/admission/devices", "/api/technicaltokenmanager/v3/oauth/token_keys",
     "/vault/v1/auth/userpass/login/ann", "/a.service/api/v3/token/permit", "/static/gatehouse.css"],
)  # fmt: skip
def test_they_have_nothing_of_the_portal(hall: Remote, path: str) -> None:
    status, body = hall.call(path)
    assert (status, body["code"], set(body)) == (404, "route_not_found", {"code", "error", "request_id"})


def test_each_shows_a_certificate_of_its_own(halls: list[Remote], portal: Portal) -> None:
    shown = [ssl.get_server_certificate((hall.bind, hall.port)) for hall in halls]
    shown.append(ssl.get_server_certificate(("127.0.0.1", portal.served.tls_port)))
    assert len(set(shown)) == 3
    names = next(each["names"] for each in portal.rest("GET", "/certificates")["results"] if each["node"] == "hall-3")
    assert {"hall-3", "hall-3.example", "127.0.0.2"} <= set(names)
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode, old.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection((halls[0].bind, halls[0].port), ANSWERED_WITHIN) as plain,
        pytest.raises(ssl.SSLError),
    ):
        old.wrap_socket(plain)


def test_a_revocation_acts_there_as_fast_as_beside_the_portal(halls: list[Remote], portal: Portal) -> None:
    shown = portal.issue("leaking", "gateway:line")
    bought = portal.access_token(shown)
    assert [hall.code("/line", bought) for hall in halls] == [(200, "ok")] * 2
    portal.rest("POST", f"/tokens/{shown.removeprefix('gate_pat_')[:12]}/revoke", {})
    wait_for(lambda: all(hall.call("/line", bought)[0] == 401 for hall in halls))
    assert [hall.code("/line", bought) for hall in halls] == [(401, "token_revoked")] * 2


def test_the_portal_knows_them_and_what_they_hold(halls: list[Remote], portal: Portal) -> None:
    wanted = {"listeners", "clusters", "routes/doors", "secrets/door", "extension_configs/access_token",
              "extension_configs/revocations"}  # fmt: skip

    def held(node: str) -> set[str]:
        return {each["name"] for each in portal.rest("GET", f"/nodes/{node}")["subscriptions"] if each["accepted"]}

    for hall in halls:
        wait_for(lambda name=hall.name: held(name) == wanted, otherwise=lambda: str(held("hall-3")))  # type: ignore[misc]
        known = portal.rest("GET", f"/nodes/{hall.name}")
        assert (known["kind"], known["away"], known["bind"]) == ("remote", False, hall.bind)
        assert known["envoy_version"].startswith("1.")
        assert all(each["takes_offered"] and not each["refused"] for each in known["subscriptions"])


@pytest.mark.parametrize(
    ("shown", "node", "status", "code"),
    [("gate_node_x", "hall-3", 401, "node_token_refused"), ("hall-3", "hall-4", 403, "node_mismatch"),
     ("hall-3", "local", 403, "node_mismatch")],
)  # fmt: skip
def test_one_with_a_token_that_is_not_its_own_is_told_nothing(
    hall: Remote, portal: Portal, shown: str, node: str, status: int, code: str
) -> None:
    kept = json.loads((hall.out / "node-token.json").read_text())
    authorization = kept["resources"][0]["generic_secret"]["secret"]["inline_string"]
    connection = http.client.HTTPSConnection("localhost", portal.served.tls_port, context=portal.served.trusted())
    sent = authorization if shown == hall.name else f"Bearer {shown}"
    connection.request("POST", "/v3/discovery:secrets", json.dumps({"node": {"id": node}}), {"Authorization": sent})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (status, code)
    assert (answer.getheader("WWW-Authenticate") == 'Bearer realm="gatehouse"') is (status == 401)
    connection.close()


def test_a_door_opens_only_to_a_token_and_another_one_is_taken_up_without_a_restart(
    portal: Portal, place: Path, halls: list[Remote], token: str
) -> None:
    late = Remote(portal, place / "late", "late", "127.0.0.2")
    path = late.out / "node-token.json"
    path.write_text(path.read_text().replace("Bearer gate_node_", "Bearer gate_nobody_"))
    with running(late):
        wait_for(
            lambda: late.log.count("REST update for /v3/discovery:clusters failed") > 2, otherwise=lambda: late.log
        )
        assert not late.is_open()
        late.bootstrap("--rotate")
        late.wait_open()
        former = path.read_text()
        late.bootstrap("--rotate")
        assert path.read_text() != former
        portal.rest(
            "POST", "/routes", {"prefix": "after", "target": "http://127.0.0.1:9", "scope": "gateway:line"}, status=201
        )
        wait_for(lambda: late.code("/after", token)[0] == 502, otherwise=lambda: late.log)
        portal.rest("DELETE", "/nodes/late", status=204)
        assert late.code("/line", token) == (200, "ok")
    portal.rest("GET", "/nodes/late", status=404)


def test_an_installed_certificate_is_live_at_its_node_alone(portal: Portal, halls: list[Remote], place: Path) -> None:
    pair = Authority("plant CA").issue("hall-3", purposes=(SERVER,), dns_names=("hall-3.example",))
    portal.served.shown.add(pair.key_pem.splitlines()[1].encode())
    certificate, key = pair.files(place)
    before = [ssl.get_server_certificate((each.bind, each.port)) for each in halls[1:]]
    told = json.loads(
        portal.served.manage("install_certificate", "--cert", certificate, "--key", key, "--node", "hall-3")
    )
    assert told["live"] is True
    assert ssl.get_server_certificate((halls[0].bind, halls[0].port)).strip() == pair.pem.strip()
    assert [ssl.get_server_certificate((each.bind, each.port)) for each in halls[1:]] == before
    number = next(each["id"] for each in portal.rest("GET", "/certificates")["results"] if each["installed"])
    portal.rest("DELETE", f"/certificates/{number}", status=204)
    own = hashlib.sha256(ssl.PEM_cert_to_DER_cert(halls[0].certificate())).digest()

    def is_back() -> bool:
        shown = ssl.get_server_certificate((halls[0].bind, halls[0].port))
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).digest() == own

    wait_for(is_back)


def test_a_refused_configuration_never_takes_down_the_last_good_one(portal: Portal, hall: Remote, token: str) -> None:
    """Nobody can save such a route; a hand in the database can."""
    made = portal.rest(
        "POST", "/routes", {"prefix": "spoilt", "target": "https://10.0.0.5", "scope": "gateway:line"}, status=201
    )
    wait_for(lambda: hall.code("/spoilt", token)[0] != 404)
    portal.change("UPDATE gateway_route SET target_ca = 'none', revision = revision + 1 WHERE id = ?", made["id"])
    wait_for(lambda: not portal.told("hall-3", "clusters").get("takes_offered", True))
    assert "CA" in portal.told("hall-3", "clusters")["reason"]
    assert hall.code("/line", token) == (200, "ok")
    portal.rest("PATCH", f"/routes/{made['id']}", {"enabled": False})
    wait_for(lambda: portal.told("hall-3", "clusters")["takes_offered"])
    wait_for(lambda: hall.code("/spoilt", token) == (404, "route_not_found"))


def test_no_token_is_refused_at_one_that_asks_seldom_while_the_signing_key_rotates(
    portal: Portal, halls: list[Remote]
) -> None:
    seldom, shown = halls[1], portal.issue("rotating", "gateway:line")

    def held() -> str:
        return str(portal.told(seldom.name, "extension_configs/access_token")["accepted"]["version"])

    def signed_by(bought: str) -> str:
        return str(jwt.get_unverified_header(bought)["kid"])

    def buy_and_show() -> str:
        bought = portal.access_token(shown)
        assert seldom.code("/line", bought) == (200, "ok")
        return signed_by(bought)

    before, oldest = held(), portal.access_token(shown)
    portal.served.manage("rotate_signing_key")
    # The ten minutes that the next key is known before it signs are many polls of any node.
    wait_for(lambda: held() != before)
    age(portal.served, "tokens_signingkey", "next", timedelta(minutes=11))
    wait_for(lambda: buy_and_show() != signed_by(oldest))
    for _ in range(20):
        buy_and_show()
        assert seldom.code("/line", oldest) == (200, "ok")


def test_the_portal_is_still_known_when_its_own_certificate_was_renewed(
    portal: Portal, halls: list[Remote], place: Path
) -> None:
    made_before, door = Remote(portal, place / "before", "before", "127.0.0.2"), ("127.0.0.1", portal.served.tls_port)
    former = ssl.get_server_certificate(door)
    soon = "UPDATE gateway_tlscertificate SET not_after = datetime('now', '+20 days') WHERE node_id IS NULL"
    portal.change(soon)
    renew = "certificates.renew_due(by=Actor.worker()); certificates.publish()"
    code = f"from gateway import certificates; from portal.actor import Actor; {renew}"
    portal.served.manage("shell", "-v", "0", "-c", code)
    wait_for(lambda: ssl.get_server_certificate(door) != former)
    with running(made_before):
        made_before.wait_open()
    portal.rest("DELETE", "/nodes/before", status=204)


def test_they_go_on_while_the_portal_is_down_and_hear_of_it_when_it_is_back(
    portal: Portal, halls: list[Remote], token: str
) -> None:
    shown = portal.issue("later", "gateway:line")
    bought = portal.access_token(shown)
    portal.served.stop()
    for _ in range(5):
        assert [hall.code("/line", bought) for hall in halls] == [(200, "ok")] * 2
        assert [hall.code("/line") for hall in halls] == [(401, "token_missing")] * 2
        time.sleep(0.3)
    portal.served.start()
    portal.served.wait_ready()
    portal.rest("POST", f"/tokens/{shown.removeprefix('gate_pat_')[:12]}/revoke", {})
    wait_for(lambda: all(hall.call("/line", bought)[0] == 401 for hall in halls))
    assert [hall.code("/line", token) for hall in halls] == [(200, "ok")] * 2
