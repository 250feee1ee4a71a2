"""The device door under clients that mean no good or speak oddly: bytes on the wire, sessions, certificates, floods."""

import http.client
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from tests.pki import Authority, new_key
from tests.served.installation import ANSWERED_WITHIN, Served, settled, until_closed, wait_for
from tests.served.test_device_door import Line, knock

HALL_NAME = "attacked hall CA"
HALL = Authority(HALL_NAME)
NUMBERS = count(1)
# Of a certificate that is to end: long enough for some handshakes on a machine that is slow and busy.
LASTS = timedelta(seconds=15)
GET = b"GET /device HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /events HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
LAST = b"GET /device HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module", autouse=True)
def trusted(portal: Served, rest: Callable[..., Any], files: Path) -> None:
    """The hall's CA, from the moment on when Envoy knows it."""
    rest("POST", "/device-cas", {"name": "hall", "certificate": HALL.pem}, status=201)
    probe = HALL.issue("probe")
    wait_for(settled(lambda: knock(portal, probe, files) == "answered device_pending"))


@pytest.fixture(scope="module")
def served(portal: Served, rest: Callable[..., Any], files: Path) -> Callable[[], Line]:
    """Makes a device of a name of its own, accepted, on its open connection."""

    def make() -> Line:
        name = f"press-{next(NUMBERS)}"
        line = Line(portal, HALL.issue(name), files, name=name)
        assert line.code() == "device_pending"
        rest("POST", f"/devices/{name}/accept")
        assert line.code() == "served"
        return line

    return make


@pytest.fixture(scope="module")
def known(served: Callable[[], Line]) -> Line:
    """One device for all tests that change nothing of it."""
    return served()


def connect(portal: Served, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    plain = socket.create_connection(("localhost", portal.device_port), ANSWERED_WITHIN)
    return context.wrap_socket(plain, server_hostname="localhost", session=session)


def said(portal: Served, line: Line, sent: bytes) -> tuple[list[int], list[str]]:
    """The statuses and the codes of all answers to these bytes on a connection of their own."""
    with connect(portal, line.context) as tls:
        tls.sendall(sent)
        heard = until_closed(tls)
    statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)
    return [int(status) for status in statuses], re.findall(r'"code": ?"(\w+)"', heard.decode("latin-1"))


class TestWire:
    @pytest.mark.parametrize(
        ("sent", "statuses"),
        [
            (GET + b"\r\n", [200]),
            ((GET + b"\r\n") * 19, [200] * 19),
            (POST + b"Content-Length: 2\r\n\r\n[]", [200]),
            (CHUNKED + b"\r\n1;a=b\r\n[\r\n0001\r\n]\r\n0\r\n\r\n", [200]),
            (CHUNKED + b"\r\n2\r\n[]\r\n0\r\nX-Forwarded-Client-Cert: x\r\nX-Gatehouse-Door: main\r\n\r\n", [200]),
            (POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n[]", [100, 200]),
            (b"HEAD /device HTTP/1.1\r\nHost: localhost\r\n\r\n", [200]),
            (b"GET http://elsewhere.example/device HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", [200]),
            (GET + b"Connection: keep-alive, X-Forwarded-Client-Cert\r\n\r\n", [200]),
        ],
        ids=[
            "one",
            "twenty at once",
            "a length",
            "odd chunks",
            "trailers",
            "continue",
            "HEAD",
            "absolute",
            "names the certificate as hop-by-hop",
        ],
    )
    def test_what_is_odd_and_allowed_is_served_and_so_is_what_follows(
        self, portal: Served, known: Line, sent: bytes, statuses: list[int]
    ) -> None:
        assert said(portal, known, sent + LAST) == ([*statuses, 200], [])

    @pytest.mark.parametrize(
        "sent",
        [
            POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
            POST + b"Content-Length: +2\r\n\r\n[]",
            CHUNKED + b"Content-Length: 2\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
            CHUNKED + b"\r\n2\n[]\n0\n\n",
            GET + b"x-ats-target: a\0b\r\n\r\n",
            GET + b"x_ats_target: a\r\n\r\n",
        ],
        ids=[
            "two lengths",
            "plus",
            "length and chunks",
            "LF alone",
            "NUL",
            "underscore",
        ],
    )
    def test_what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(
        self, portal: Served, known: Line, sent: bytes
    ) -> None:
        assert said(portal, known, sent + LAST) == ([400], ["bad_request"])

    def test_a_header_sent_twice_is_one_of_both(self, portal: Served, served: Callable[[], Line]) -> None:
        line = served()
        assert said(portal, line, GET + b"x-ats-tags: a\r\nX-ATS-Tags: b\r\n\r\n" + LAST)[0] == [200, 200]
        assert line.ask()[2]["tag"] == "a,b"


def test_a_large_certificate_gets_its_answer(portal: Served, files: Path) -> None:
    """One of about 40 kB: a session ticket that carried it would break the connection after the handshake."""
    holder = HALL.issue("large", dns_names=[f"name-{number:05}.example.org" for number in range(1700)])
    assert 32_000 < len(holder.certificate.public_bytes(Encoding.DER)) < 65_000
    assert knock(portal, holder, files, newest=ssl.TLSVersion.TLSv1_3) == "answered device_pending"


class TestSessions:
    """A client that resumes a TLS session shows its certificate no second time; it is judged all the same."""

    @pytest.mark.parametrize("newest", VERSIONS)
    def test_outlive_neither_the_certificate_nor_its_ca(
        self, portal: Served, rest: Callable[..., Any], files: Path, newest: ssl.TLSVersion
    ) -> None:
        name = f"resumed-{newest.value}"
        authority = Authority(name)
        rest("POST", "/device-cas", {"name": name, "certificate": authority.pem}, status=201)
        holder = authority.issue(f"{name}-2")
        wait_for(settled(lambda: knock(portal, holder, files, newest=newest) == "answered device_pending"))
        lasting = Line(portal, holder, files, newest=newest)
        short = Line(portal, authority.issue(f"{name}-1", ends=LASTS), files, newest=newest)
        over = time.monotonic() + LASTS.total_seconds() + 1
        sessions = [(line, self._session(portal, line)) for line in (short, lasting)]
        # Under TLS 1.3 there is no ticket to resume with, and so a whole handshake.
        resumes = newest == ssl.TLSVersion.TLSv1_2
        for line, session in sessions:
            assert self._resumed(portal, line, session) == (resumes, "device_pending")
        time.sleep(max(0.0, over - time.monotonic()))
        ended = (True, "certificate_not_accepted") if resumes else (False, "closed")
        assert self._resumed(portal, *sessions[0]) == ended
        rest("DELETE", f"/device-cas/{name}", status=204)
        wait_for(lambda: self._resumed(portal, *sessions[1])[1] in ("certificate_not_accepted", "closed"))

    def _session(self, portal: Served, line: Line) -> ssl.SSLSession | None:
        with connect(portal, line.context) as tls:
            tls.sendall(LAST)
            until_closed(tls)
            return tls.session

    def _resumed(self, portal: Served, line: Line, session: ssl.SSLSession | None) -> tuple[bool, str]:
        try:
            with connect(portal, line.context, session) as tls:
                tls.sendall(LAST)
                code = re.search(rb'"code": ?"(\w+)"', until_closed(tls))
                return bool(tls.session_reused), code[1].decode() if code else "closed"
        except (ssl.SSLError, ConnectionError):
            return False, "closed"


class TestCertificates:
    @pytest.mark.parametrize("kind", ["UTF8String", "PrintableString", "IA5String", "T61String", "BMPString"])
    def test_a_name_is_the_same_in_every_alphabet(self, portal: Served, files: Path, kind: str) -> None:
        name = x509.NameAttribute(NameOID.COMMON_NAME, f"alphabet-{kind}", _type=_ASN1Type[kind])
        assert knock(portal, HALL.issue(subject=x509.Name([name])), files) == "answered device_pending"

    @pytest.mark.parametrize("name", ["\uff41bc", "abc\n", "press-1 ", "caf\xe9", "a;b"])
    def test_what_looks_like_a_name_is_none(self, portal: Served, files: Path, name: str) -> None:
        assert knock(portal, HALL.issue(name, key=HALL.key), files) == "answered certificate_not_accepted"

    def test_further_certificates_beside_it_are_no_matter(self, portal: Served, files: Path) -> None:
        holder = HALL.issue("with-others")
        certificate, key = holder.files(files)
        Path(certificate).write_text(holder.pem + HALL.pem + Authority("other").pem * 20)
        line = Line(portal, None, files)
        line.context.load_cert_chain(certificate, key)
        assert line.code() == "device_pending"

    @pytest.mark.parametrize("newest", VERSIONS)
    def test_one_with_hundreds_of_units_is_read(self, portal: Served, files: Path, newest: ssl.TLSVersion) -> None:
        units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "unit" * 16)] * 250
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"long-{newest.value}"), *units])
        assert knock(portal, HALL.issue(subject=subject), files, newest=newest) == "answered device_pending"

    def test_of_two_cas_with_one_key_one_may_go(self, portal: Served, files: Path, rest: Callable[..., Any]) -> None:
        key = new_key()
        old, new = Authority("rolled over", days=50, key=key), Authority("rolled over", key=key)
        for name, ca in (("old", old), ("new", new)):
            rest("POST", "/device-cas", {"name": name, "certificate": ca.pem}, status=201)
        holder = old.issue("rolled-1")
        wait_for(settled(lambda: knock(portal, holder, files) == "answered device_pending"))
        held = self._bundle(rest)
        rest("DELETE", "/device-cas/old", status=204)
        wait_for(lambda: self._bundle(rest) != held)
        assert settled(lambda: knock(portal, holder, files) == "answered device_pending")()

    def _bundle(self, rest: Callable[..., Any]) -> str:
        """The version of the CAs that Envoy has taken."""
        known = rest("GET", "/nodes/local")["subscriptions"]
        return next(str(each["accepted"]["version"]) for each in known if each["name"] == "secrets/device_cas")

    def test_of_two_cas_with_one_name_that_no_door_could_tell_apart_the_second_is_refused(
        self, rest: Callable[..., Any]
    ) -> None:
        rest("POST", "/device-cas", {"name": "twin", "certificate": Authority(HALL_NAME).pem}, status=409)


class TestData:
    @pytest.mark.parametrize(
        "body",
        [
            b"[1e400]",
            b'[{"id": "\\u0000"}]',
            b'[{"id": "\\ud800"}]',
            b"[" * 33 + b"]" * 33,
            b"[" * 50_000 + b"]" * 50_000,
            b"[NaN]",
            b"[]\xff",
            b"\xef\xbb\xbf[]",
            b"[" + b"9" * 5000 + b"]",
        ],
        ids=["1e400", "NUL", "surrogate", "33 deep", "50,000 deep", "NaN", "no UTF-8", "BOM", "5,000 digits"],
    )
    def test_what_is_no_json_of_ours_is_refused(self, known: Line, body: bytes) -> None:
        assert known.code("POST", "/events", body) == "invalid"

    def test_many_events_in_one_body_are_kept_up_to_the_bound(
        self, served: Callable[[], Line], rest: Callable[..., Any]
    ) -> None:
        line = served()
        sent = [{"id": str(number), "event": {"correlationId": "c"}} for number in range(1800)]
        assert line.code("POST", "/events", json.dumps(sent, separators=(",", ":")).encode()) == "served"
        assert line.code("POST", "/events", b"[" + b",".join([b"{}"] * 33_000) + b"]") == "served"
        assert rest("GET", f"/devices/{line.name}/events?limit=1")["results"]

    def test_the_greatest_configuration_is_polled_and_then_only_named(
        self, served: Callable[[], Line], rest: Callable[..., Any]
    ) -> None:
        line = served()
        sent = {f"{number}.conf": {"Value": "x" * 65_450} for number in range(4)}
        rest("PUT", f"/devices/{line.name}/config", {"files": sent, "reason": "all"})
        status, headers, config = line.ask("GET", "/config")
        assert (status, config) == (200, sent)
        tag = headers["ETag"]
        for held in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            assert line.ask("GET", "/config", None, If_None_Match=held)[0] == 304
        for other in (tag.strip('"'), tag.upper(), "", '"', ","):
            assert line.ask("GET", "/config", None, If_None_Match=other)[0] == 200
        for unreadable in ("soon", "Sun, 31 Feb 2027 00:00:00 GMT", "Sun, 01 Jan 0000 00:00:00 GMT"):
            assert line.ask("GET", "/config", None, If_Modified_Since=unreadable)[0] == 200

    def test_a_denial_amid_eight_senders_leaves_nothing_behind(
        self, portal: Served, files: Path, served: Callable[[], Line], rest: Callable[..., Any]
    ) -> None:
        line = served()
        ended, heard = threading.Event(), list[str]()
        stored = json.dumps([{"id": str(number), "event": {"correlationId": "c"}} for number in range(50)]).encode()
        states = json.dumps({"deviceTime": "2026-11-25T10:00:00Z", "ostree": "o", "apps": {}}).encode()

        def send() -> None:
            own = http.client.HTTPSConnection(
                "localhost", portal.device_port, timeout=ANSWERED_WITHIN, context=line.context
            )
            calls = [("POST", "/events", stored), ("POST", "/apps-states", states), ("PUT", "/system_info", b"{}")]
            while not ended.is_set():
                for call in calls:
                    own.request(*call)
                    answer = own.getresponse()
                    content = answer.read()
                    heard.append(json.loads(content)["code"] if content else str(answer.status))

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_for(lambda: heard.count("200") > 100)
        rest("POST", f"/devices/{line.name}/deny", {"reason": "amid"})
        wait_for(lambda: heard.count("device_denied") > 100)
        ended.set()
        for thread in threads:
            thread.join()
        assert set(heard) == {"200", "device_denied"}
        rest("POST", f"/denied-devices/{line.name}/restore")
        for kept in ("events", "apps-states"):
            assert rest("GET", f"/devices/{line.name}/{kept}")["results"] == []
        assert rest("GET", f"/devices/{line.name}/system-info") == {"hardware": "", "network": "", "config": ""}


class TestFloods:
    def test_idle_and_halting_clients_keep_nobody_waiting(self, portal: Served, known: Line) -> None:
        with ExitStack() as held:
            for _ in range(200):
                held.enter_context(connect(portal, known.context))
                half = held.enter_context(socket.create_connection(("localhost", portal.device_port), ANSWERED_WITHIN))
                half.sendall(b"\x16\x03\x01\x02\x00\x01")
            took = []
            for _ in range(100):
                began = time.monotonic()
                assert known.code() == "served"
                took.append(time.monotonic() - began)
        assert median(took) < 2  # Whoever waited for one of them would wait for the ten seconds that it may take.

    def test_nobody_fills_the_log_without_a_certificate_of_ours(self, portal: Served, files: Path) -> None:
        before = portal.log.count("\n")
        foreign, none = Line(portal, Authority("foreign").issue(), files), Line(portal, None, files)
        for _ in range(50):
            try:
                with connect(portal, foreign.context) as tls:
                    tls.sendall(LAST)
                    assert until_closed(tls) == b""
            except (ssl.SSLError, ConnectionError):
                pass  # It was turned away earlier; either is right.
            assert none.code() == "no_certificate"
            with socket.create_connection(("localhost", portal.device_port), ANSWERED_WITHIN) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        time.sleep(1)
        assert portal.log.count("\n") - before < 10  # A line about what was done before may come late.
