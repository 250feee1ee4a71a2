"""Certificates of the TLS door, live: installed under load, refused, spoiled in the database, and taken away again."""

import hashlib
import http.client
import json
import socket
import sqlite3
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.pki import SERVER, Authority, Holder
from tests.served.installation import ANSWERED_WITHIN, Served, settled, wait_for

CA = Authority("plant CA")


def issued(**facts: Any) -> Holder:
    return CA.issue("localhost", **{"purposes": (SERVER,), "dns_names": ("localhost",), **facts})


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def shown_by(host: str, port: int) -> str:
    """The SHA-256 of the certificate that a new connection is shown."""
    with (
        socket.create_connection((host, port), ANSWERED_WITHIN) as plain,
        unverified().wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest()


def fingerprint(pair: Holder) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair.pem)).hexdigest()


@pytest.fixture
def shown(portal: Served) -> Callable[[], str]:
    return lambda: shown_by("127.0.0.1", portal.tls_port)


@pytest.fixture
def until_shown(shown: Callable[[], str]) -> Callable[[Holder], float]:
    return lambda pair: wait_for(settled(lambda: shown() == fingerprint(pair)))


@pytest.fixture
def install(portal: Served, rest: Callable[..., Any]) -> Callable[[Holder], Any]:
    """Install a pair over REST; its key is looked for in everything that is kept, in the end."""

    def put(pair: Holder) -> Any:
        portal.shown.add(pair.key_pem.splitlines()[1].encode())
        return rest("POST", "/certificates", {"certificate": pair.pem, "key": pair.key_pem}, status=201)

    return put


@contextmanager
def load(portal: Served) -> Iterator[list[int]]:
    """Requests all the while: each on a new connection, and others on one that stays open. Their statuses."""
    over, statuses, faults = threading.Event(), [], []

    def ask(connection: http.client.HTTPSConnection) -> None:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)

    def repeat(*, stays: bool) -> None:
        kept = http.client.HTTPSConnection("127.0.0.1", portal.tls_port, timeout=ANSWERED_WITHIN, context=unverified())
        kept.auto_open = 1
        kept.connect()
        began = kept.sock.getsockname()
        try:
            while not over.wait(0.02):
                if stays:
                    ask(kept)
                    assert kept.sock.getsockname() == began
                else:
                    another = http.client.HTTPSConnection(
                        "127.0.0.1", portal.tls_port, timeout=ANSWERED_WITHIN, context=unverified()
                    )
                    ask(another)
                    another.close()
        except (OSError, http.client.HTTPException, AssertionError, AttributeError) as fault:
            faults.append(repr(fault))
        finally:
            kept.close()

    threads = [threading.Thread(target=repeat, kwargs={"stays": stays}) for stays in (True, False)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join(2 * ANSWERED_WITHIN)
    assert faults == []


def test_another_is_live_soon_and_no_request_or_connection_ends_for_it(
    portal: Served, install: Callable[[Holder], Any], until_shown: Callable[[Holder], float]
) -> None:
    with load(portal) as statuses:
        for pair in (issued(), issued()):
            told = install(pair)
            assert told["fingerprint"] == fingerprint(pair)
            until_shown(pair)
    assert set(statuses) == {200}
    assert len(statuses) > 50


def test_its_client_needs_only_the_ca_that_issued_it(
    portal: Served, install: Callable[[Holder], Any], until_shown: Callable[[Holder], float]
) -> None:
    pair = issued()
    install(pair)
    until_shown(pair)
    context = ssl.create_default_context(cadata=CA.pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    connection = http.client.HTTPSConnection("localhost", portal.tls_port, timeout=ANSWERED_WITHIN, context=context)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
    assert (portal.data_dir / "run" / "door.pem").read_text() == pair.pem


def test_the_command_says_that_it_is_live_and_warns(portal: Served, files: Path, shown: Callable[[], str]) -> None:
    pair = issued(ends=timedelta(days=9))
    certificate, key = pair.files(files)
    done = portal.try_to_manage("install_certificate", "--cert", certificate, "--key", key)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"fingerprint", "subject", "not_after", "names", "live"}
    assert (told["live"], told["fingerprint"]) == (True, fingerprint(pair))
    assert "Warning: The certificate has 9 days left" in done.stderr
    assert shown() == told["fingerprint"]


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [({"starts": timedelta(days=-9), "ends": timedelta(days=-1)}, "The certificate expired on"),
     ({"dns_names": ()}, "The certificate has no subjectAltName")],
)  # fmt: skip
def test_one_that_is_refused_leaves_the_door_as_it_was(
    portal: Served, files: Path, shown: Callable[[], str], facts: dict[str, Any], sentence: str
) -> None:
    before = shown()
    certificate, key = issued(**facts).files(files)
    done = portal.try_to_manage("install_certificate", "--cert", certificate, "--key", key)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert shown() == before


@pytest.mark.parametrize("spoiled", ["the key of another", "half a certificate"])
def test_what_is_spoiled_in_the_database_keeps_the_last_good_one_and_the_next_good_one_is_taken(
    portal: Served,
    rest: Callable[..., Any],
    install: Callable[[Holder], Any],
    shown: Callable[[], str],
    until_shown: Callable[[Holder], float],
    spoiled: str,
) -> None:
    good, other = issued(), issued()
    for pair in (other, good):
        install(pair)
    until_shown(good)
    change = "chain = ?" if spoiled == "the key of another" else "chain = substr(?, 1, 300)"
    with sqlite3.connect(portal.data_dir / "gatehouse.sqlite3", timeout=60) as database:
        database.execute(f"UPDATE gateway_tlscertificate SET {change} WHERE installed", [other.pem])

    def refusal() -> str:
        [told] = [each for each in rest("GET", "/nodes/local")["subscriptions"] if each["name"] == "secrets/door"]
        return "" if told["takes_offered"] else str(told["reason"])

    wait_for(lambda: bool(refusal()))
    assert "PRIVATE" not in refusal()
    assert shown() == fingerprint(good)
    assert any("does not take secrets/door" in line for line in portal.try_to_manage("doctor").stdout.splitlines())
    install(good)
    wait_for(lambda: not refusal())
    assert shown() == fingerprint(good)
    following = issued()
    install(following)
    until_shown(following)


def test_when_it_is_taken_away_the_door_shows_the_one_that_gatehouse_made(
    portal: Served, rest: Callable[..., Any], install: Callable[[Holder], Any], shown: Callable[[], str]
) -> None:
    install(issued())
    listed = rest("GET", "/certificates")["results"]
    [own] = [each for each in listed if not each["installed"]]
    [installed] = [each for each in listed if each["installed"]]
    rest("DELETE", f"/certificates/{installed['id']}", status=204)
    wait_for(settled(lambda: shown() == own["fingerprint"]))
    wait_for(lambda: rest("GET", f"/certificates/{own['id']}")["live"])
