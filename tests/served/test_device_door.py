"""The device door as devices meet it: real TLS with real certificates, through Envoy to the portal."""

import http.client
import json
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.pki import SERVER, Authority, Holder, new_key, request_for
from tests.served.installation import ANSWERED_WITHIN, Served, settled, wait_for

pytestmark = pytest.mark.long

HALL = Authority("hall CA")
HANDSHAKE = new_key()
NUMBERS = count(1)

Answer = tuple[int, http.client.HTTPMessage, Any]


@pytest.fixture(scope="module", autouse=True)
def trusted(portal: Served, rest: Callable[..., Any], files: Path) -> None:
    """The hall's CA, from the moment on when Envoy knows it."""
    rest("POST", "/device-cas", {"name": "hall", "certificate": HALL.pem}, status=201)
    probe = HALL.issue("probe")
    wait_for(settled(lambda: "answered" in knock(portal, probe, files)))


class Line:
    """One connection of a device that stays open."""

    def __init__(
        self,
        portal: Served,
        holder: Holder | None,
        files: Path,
        *,
        name: str = "",
        newest: ssl.TLSVersion | None = None,
    ) -> None:
        self.name = name
        self.context = context = portal.trusted()
        if holder:
            context.load_cert_chain(*holder.files(files))
        if newest:
            context.maximum_version = newest
        self.connection = http.client.HTTPSConnection(
            "localhost", portal.device_port, timeout=ANSWERED_WITHIN, context=context
        )

    def ask(self, method: str = "GET", path: str = "/device", body: Any = None, **headers: str) -> Answer:
        self.connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        answer = self.connection.getresponse()
        content = answer.read()
        return answer.status, answer.msg, json.loads(content) if content else None

    def code(self, *asked: Any, **headers: str) -> str:
        """The code of a refusal, or `served`."""
        status, _, said = self.ask(*asked, **headers)
        return "served" if status < 300 else str(said["code"])


def knock(portal: Served, holder: Holder | None, files: Path, **facts: Any) -> str:
    """What a new connection comes to: `answered CODE`, or that it was closed without an answer."""
    return outcome_of(Line(portal, holder, files, **facts))


def outcome_of(line: Line) -> str:
    try:
        return f"answered {line.code()}"
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return "closed"
    finally:
        line.connection.close()


@pytest.fixture
def device(portal: Served, rest: Callable[..., Any], files: Path) -> Line:
    """A device of a name of its own, accepted, on its open connection."""
    name = f"press-{next(NUMBERS)}"
    line = Line(portal, HALL.issue(name), files, name=name)
    assert line.code() == "device_pending"
    rest("POST", f"/devices/{name}/accept")
    assert line.code() == "served"
    return line


class TestHandshake:
    @pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize(
        ("oddity", "outcome"),
        [
            ({}, "answered device_pending"),
            ({"purposes": [SERVER]}, "closed"),
            ({"ends": timedelta(seconds=-5), "starts": timedelta(days=-1)}, "closed"),
            ({"starts": timedelta(days=1)}, "closed"),
            ({"purposes": None}, "answered certificate_not_accepted"),
            ({"is_ca": True}, "answered certificate_not_accepted"),
            ({"cn": "a/../b"}, "answered certificate_not_accepted"),
            ({"cn": "x\0y"}, "answered certificate_not_accepted"),
            ({"cn": "x" * 2000}, "answered certificate_not_accepted"),
            ({"cn": []}, "answered certificate_not_accepted"),
            ({"cn": ["a", "b"]}, "answered certificate_not_accepted"),
        ],
        ids=[
            "good",
            "for servers",
            "expired",
            "not yet valid",
            "no purpose",
            "CA",
            "slash",
            "NUL",
            "2 kB",
            "none",
            "two",
        ],
    )
    def test_each_kind(
        self, portal: Served, files: Path, newest: ssl.TLSVersion, oddity: dict[str, Any], outcome: str
    ) -> None:
        assert (
            knock(portal, HALL.issue(**{"cn": "handshake", **oddity}, key=HANDSHAKE), files, newest=newest) == outcome
        )

    def test_a_foreign_ca(self, portal: Served, files: Path) -> None:
        assert knock(portal, Authority("foreign").issue(), files) == "closed"
        assert knock(portal, Authority("hall CA").issue(), files) == "closed"

    def test_an_intermediate_is_no_ca_of_the_bundle(self, portal: Served, files: Path) -> None:
        between = HALL.issue("between", is_ca=True, purposes=None)
        authority = Authority.__new__(Authority)
        Holder.__init__(authority, between.certificate, between.key)
        leaf = authority.issue("behind")
        certificate, key = leaf.files(files)
        Path(certificate).write_text(leaf.pem + between.pem)
        line = Line(portal, None, files)
        line.context.load_cert_chain(certificate, key)
        assert outcome_of(line) == "closed"

    def test_none_is_answered_in_words(self, portal: Served, files: Path) -> None:
        assert knock(portal, None, files) == "answered no_certificate"

    def test_both_protocols_are_offered(self, portal: Served) -> None:
        for offered in (["h2", "http/1.1"], ["http/1.1"]):
            context = portal.trusted()
            context.set_alpn_protocols(offered)
            plain = socket.create_connection(("localhost", portal.device_port), 10)
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                assert tls.selected_alpn_protocol() == offered[0]


class TestForgedHeaders:
    @pytest.mark.parametrize("name", ["X-Forwarded-Client-Cert", "X-Gatehouse-Door", "X-Forwarded-For"])
    def test_are_not_believed_at_the_device_door(self, portal: Served, files: Path, name: str) -> None:
        forged = {"X-Forwarded-Client-Cert": HALL.issue("forged").forwarded, "X-Gatehouse-Door": "main"}
        line = Line(portal, None, files)
        assert line.code("GET", "/device", None, **{name: forged.get(name, "203.0.113.9")}) == "no_certificate"

    def test_or_at_the_others(self, portal: Served) -> None:
        forged = {"X-Gatehouse-Door": "device", "X-Forwarded-Client-Cert": HALL.issue("forged").forwarded}
        for path in ("/device", "/config", "/events"):
            status, _, body = portal.ask("GET", path, headers=forged)
            assert (status, json.loads(body)["code"]) in [(404, "route_not_found"), (404, "not_found")]

    def test_a_certificate_beside_the_own_one_changes_nothing(self, device: Line) -> None:
        _, _, said = device.ask("GET", "/device", None, X_Forwarded_Client_Cert=HALL.issue("forged").forwarded)
        assert said["uuid"] == device.name


class TestOpenConnection:
    def test_denied_and_restored(self, device: Line, rest: Callable[..., Any]) -> None:
        name = device.name
        rest("POST", f"/devices/{name}/deny", {"reason": "It was stolen."})
        status, headers, said = device.ask()
        assert (status, said["code"], said["retry_after"], headers["Retry-After"]) == (
            403,
            "device_denied",
            3600,
            "3600",
        )
        rest("POST", f"/denied-devices/{name}/restore")
        assert device.code() == "served"
        rest("POST", f"/devices/{name}/reject")
        assert device.code() == "device_rejected"
        rest("POST", f"/devices/{name}/purge", status=204)
        assert device.code() == "device_pending"

    def test_a_ca_comes_and_goes_at_once_and_no_listener_is_drained(
        self, portal: Served, files: Path, device: Line, rest: Callable[..., Any]
    ) -> None:
        late = Authority("late CA")
        holder = late.issue("late-1")
        assert knock(portal, holder, files) == "closed"
        rest("POST", "/device-cas", {"name": "late", "certificate": late.pem}, status=201)
        wait_for(settled(lambda: knock(portal, holder, files) == "answered device_pending"))
        opened = Line(portal, holder, files)
        assert opened.code() == "device_pending"
        rest("DELETE", "/device-cas/late", status=204)
        wait_for(lambda: opened.code() == "certificate_not_accepted")
        wait_for(lambda: knock(portal, holder, files) == "closed")
        before = device.connection.sock
        assert device.code() == "served"
        assert device.connection.sock is before

    @pytest.mark.parametrize("cut", [0.3, 0.9, 0.99])
    def test_a_ca_that_is_half_written_is_refused_and_the_others_stay(
        self, device: Line, rest: Callable[..., Any], cut: float
    ) -> None:
        pem = Authority("half CA").pem
        refused = rest("POST", "/device-cas", {"name": "half", "certificate": pem[: int(len(pem) * cut)]}, status=400)
        assert list(refused["invalid"]) == ["certificate"]
        assert "half" not in [ca["name"] for ca in rest("GET", "/device-cas")["results"]]
        assert device.code() == "served"


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "outcome"),
        [
            (b"[]", "served"),
            (b"[" + b" " * 99_998 + b"]", "served"),
            (b"[" + b" " * 99_999 + b"]", "too_large"),
            (b" " * 3_000_000, "too_large"),
            (b"{}", "invalid"),
            (b"[", "invalid"),
        ],
        ids=["empty", "100,000", "100,001", "3 MB", "object", "broken"],
    )
    def test_with_and_without_a_length(self, device: Line, body: bytes, outcome: str) -> None:
        assert device.code("POST", "/events", body) == outcome
        device.connection.close()
        assert device.code("POST", "/events", iter([body[:1], body[1:]] if len(body) > 1 else [body])) == outcome

    def test_a_header_that_is_not_ascii_is_named(self, portal: Served, files: Path, device: Line) -> None:
        status, _, said = device.ask("GET", "/device", None, x_ats_target="\xe9")
        assert (status, said["code"], list(said["invalid"])) == (400, "invalid", ["x-ats-target"])
        # After whatever else is wrong, as with one that is too long.
        stranger = Line(portal, None, files)
        assert stranger.code("GET", "/device", None, x_ats_target="\xe9") == "no_certificate"
        assert device.code("GET", "/nothing", None, x_ats_target="\xe9") == "not_found"
        assert device.code("DELETE", "/device", None, x_ats_target="\xe9") == "method_not_allowed"

    def test_a_path_that_can_be_read_in_two_ways(self, device: Line) -> None:
        assert device.code("GET", "/device/../config") == "path_refused"
        assert device.code("GET", "/portal/") == "not_found"

    def test_what_only_the_other_doors_serve_is_refused_as_everything_here(self, device: Line) -> None:
        for path, code in (
            ("/api/management/v1/admission/devices", "not_found"),
            ("/api/management/x;", "path_refused"),
        ):
            _, headers, said = device.ask("GET", path)
            assert (set(said), said["code"]) == ({"error", "code", "request_id"}, code)
            assert said["request_id"] == headers["X-Request-Id"]
        assert set(device.ask("GET", "/api/devices/x")[2]) == {"error", "request_id"}


class TestCertificateOfItsOwn:
    def test_is_got_waits_sends_data_and_renews(self, portal: Served, rest: Callable[..., Any], files: Path) -> None:
        key = HANDSHAKE
        csr = files / "kiln-1.csr"
        csr.write_text(request_for("kiln-1", key))
        got = portal.manage("enrol_device", "kiln-1", f"--csr={csr}")
        line = Line(portal, _holder(got, key), files)
        assert line.code() == "device_pending"
        rest("POST", "/devices/kiln-1/accept")
        assert line.code("PUT", "/system_info/network", b'{"hostname": "kiln-1"}') == "served"
        rest("PUT", "/devices/kiln-1/config", {"files": {"a.conf": {"Value": "1"}}, "reason": "first"})
        _, headers, config = line.ask("GET", "/config")
        assert config == {"a.conf": {"Value": "1"}}
        assert line.ask("GET", "/config", None, If_None_Match=headers["ETag"])[0] == 304
        assert line.ask("GET", "/config", None, If_Modified_Since=headers["Date"])[0] in (200, 304)
        status, _, renewed = line.ask(
            "POST", "/device/certificate", json.dumps({"csr": request_for("kiln-1", key)}).encode()
        )
        assert status == 201
        assert knock(portal, _holder(renewed["certificate"], key), files) == "answered served"


def _holder(pem: str, key: Any) -> Holder:
    return Holder(x509.load_pem_x509_certificate(pem.encode()), key)


def test_devices_go_on_after_envoy_was_killed_under_load(portal: Served, rest: Callable[..., Any], files: Path) -> None:
    """Whoever is cut off comes again; nobody is answered anything but what they are due."""
    lines = [Line(portal, HALL.issue(f"load-{number}"), files) for number in range(6)]
    for number, line in enumerate(lines):
        line.code()
        rest("POST", f"/devices/load-{number}/accept")
    ended, heard, cut = threading.Event(), [], []

    def check_in(line: Line) -> None:
        while not ended.is_set():
            try:
                heard.append(line.code())
            except (OSError, http.client.HTTPException):
                cut.append(time.monotonic())
                line.connection.close()
                time.sleep(0.05)

    threads = [threading.Thread(target=check_in, args=[line]) for line in lines]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(1)
        [envoy] = portal.children("_bin/envoy")
        os.kill(envoy, signal.SIGKILL)
        wait_for(lambda: bool(portal.children("_bin/envoy")))
        wait_for(portal.is_ready)
    served = heard.count("served")
    wait_for(lambda: heard.count("served") > served + 100)
    ended.set()
    for thread in threads:
        thread.join()
    assert cut
    assert set(heard) <= {"served", "portal_unavailable"}


def test_a_bundle_that_envoy_refuses_leaves_the_last_good_one_in_place_and_is_told(portal: Served, files: Path) -> None:
    """Only somebody who writes into the database can do this; our own rules refuse what is half-written."""
    pem = Authority("cut CA").pem
    put = (
        "from gateway.models import *; from django.utils import timezone as t; from datetime import timedelta as d; "
        f"DeviceCA.objects.create(name='cut', certificate={pem[: len(pem) // 2]!r}, fingerprint='0', subject='x', "
        "not_before=t.now(), not_after=t.now() + d(days=1), created_by='x')"
    )
    portal.manage("shell", "-v", "0", "-c", put)

    def complaint() -> str:
        return next((line for line in portal.try_to_manage("doctor").stdout.splitlines() if "device_cas" in line), "")

    try:
        wait_for(lambda: "does not take secrets/device_cas" in complaint(), otherwise=lambda: portal.log[-2000:])
        assert "BEGIN" not in complaint()
        assert knock(portal, HALL.issue("after"), files) == "answered device_pending"
    finally:
        portal.manage(
            "shell", "-v", "0", "-c", "from gateway.models import *; DeviceCA.objects.filter(name='cut').delete()"
        )
    wait_for(lambda: not complaint())
