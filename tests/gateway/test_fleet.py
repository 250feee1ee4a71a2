"""Simulated devices: who they are, how they ask, and what a run of them comes to."""

import base64
import json
import ssl
import threading
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from devices import app_states, check_in, denial, identity, system_info, update_events
from devices import keys as device_keys
from devices.models import AppState, Device, UpdateEvent
from gateway import device_cas, device_certificates, device_identity, run_folder
from gateway.fleet import keys, reports
from gateway.fleet.by_certificate import ByCertificate
from gateway.fleet.by_identity import AUTHENTICATION, DEPLOYMENT, INVENTORY, ByIdentity
from gateway.fleet.conversation import Answer, Outcome, Until, Verdict
from gateway.fleet.devices import Mix, SimulatedDevice, device, fleet, kind_of, way_of
from gateway.fleet.tally import Tally
from gateway.models import IssuedCertificate
from portal.actor import Actor

PENDING = Answer(401, "application/json", b'{"error": "dev auth: unauthorized", "request_id": "1"}')
ACCEPTED = Answer(200, "application/jwt", b"head.body.signature")


def simulated(kind: keys.Kind = "ed25519") -> SimulatedDevice:
    return device(3, seed="test", mix=kind)


class TestDevices:
    def test_the_same_seed_gives_the_same_devices_with_the_same_keys(self) -> None:
        def known(seed: str) -> list[tuple[Any, str]]:
            return [(one.members, keys.public_pem(one.private)) for one in fleet(8, seed=seed)]

        assert known("a") == known("a")
        assert not [one for one in known("a") if one in known("b")]

    def test_a_larger_fleet_begins_with_the_devices_of_a_smaller_one(self) -> None:
        assert [one.members for one in fleet(8, seed="a")][:3] == [one.members for one in fleet(3, seed="a")]

    def test_no_two_devices_share_an_identity_or_a_key(self) -> None:
        devices = list(fleet(300, seed="a", mix="ed25519"))
        assert len({one.members["serial_number"] for one in devices}) == 300
        assert len({keys.public_pem(one.private) for one in devices}) == 300

    def test_a_mixed_fleet_has_all_three_kinds_of_keys_and_few_of_rsa(self) -> None:
        kinds = [kind_of(number, "mixed") for number in range(400)]
        assert set(kinds) == {"ed25519", "ec", "rsa"}
        assert kinds.count("rsa") == 2
        assert set(kinds[:20]) == {"ed25519", "ec", "rsa"}

    @pytest.mark.parametrize("kind", ["ed25519", "ec", "rsa"])
    def test_the_portal_takes_the_key_the_signature_and_the_identity(self, kind: keys.Kind) -> None:
        body, headers = simulated(kind).auth_request()
        request = json.loads(body)
        key = device_keys.read(request["pubkey"])
        assert body.endswith(b"}\n")
        assert device_keys.verifies(key, base64.b64decode(headers["X-MEN-Signature"]), body)
        assert identity.read(request["id_data"]).members == simulated(kind).members

    def test_an_rsa_key_of_a_seed_has_3072_bits_and_comes_again(self) -> None:
        first, again = keys.derive("rsa", "test"), keys.derive("rsa", "test")
        assert first.private_numbers() == again.private_numbers()  # type: ignore[union-attr]
        assert first.key_size == 3072  # type: ignore[union-attr]

    def test_of_both_half_come_by_certificate_and_the_others_have_every_kind_of_key(self) -> None:
        ways = [way_of(number, "both") for number in range(400)]
        assert [ways[:count].count("certificate") for count in (2, 6, 50, 400)] == [1, 3, 25, 200]
        by_identity = [number for number in range(400) if ways[number] == "identity"]
        assert {kind_of(number, "mixed") for number in by_identity} == {"ed25519", "ec", "rsa"}

    @pytest.mark.parametrize("mix", ["mixed", "ed25519", "rsa"])
    def test_by_certificate_the_key_is_on_p_256_and_another_than_by_identity(self, mix: Mix) -> None:
        certified = device(3, seed="test", mix=mix, by="certificate")
        assert isinstance(certified.private, ec.EllipticCurvePrivateKey)
        assert isinstance(certified.private.curve, ec.SECP256R1)
        assert keys.public_pem(certified.private) != keys.public_pem(simulated("ec").private)
        assert certified.members == simulated().members

    @given(seeds=st.lists(st.text(max_size=80), min_size=2, max_size=2, unique=True))
    def test_whatever_the_seed_the_name_fits_a_certificate_and_is_no_other_fleets(self, seeds: list[str]) -> None:
        names = [device(999_999, seed=seed, mix="ec", by="certificate").name for seed in seeds]
        assert all(device_identity.CN.fullmatch(name) for name in names)
        assert len(set(names)) == 2


class TestByIdentity:
    def test_a_device_that_is_let_in_reports_its_inventory_then_asks_for_updates(self) -> None:
        talk = ByIdentity(simulated(), every=7)
        assert (talk.call().path, talk.call().chunked) == (AUTHENTICATION, False)
        assert talk.hear(ACCEPTED) == Verdict(Outcome.ACCEPTED, 0)
        assert (talk.call().path, talk.call().chunked) == (INVENTORY, True)
        assert talk.call().headers["Authorization"] == "Bearer head.body.signature"
        assert talk.hear(Answer(200)) == Verdict(Outcome.SERVED, 0)
        assert (talk.call().path, talk.call().chunked) == (DEPLOYMENT, True)
        assert talk.hear(Answer(204)) == Verdict(Outcome.SERVED, None)

    @pytest.mark.parametrize(
        ("until", "pending", "served"), [(Until.ASKED, None, None), (Until.SERVED, 7, None), (Until.STOPPED, 7, 7)]
    )
    def test_how_long_a_device_goes_on(self, until: Until, pending: float | None, served: float | None) -> None:
        talk = ByIdentity(simulated(), until=until, every=7)
        assert talk.hear(PENDING) == Verdict(Outcome.PENDING, pending)
        talk.hear(ACCEPTED)
        talk.hear(Answer(200))
        assert talk.hear(Answer(204)) == Verdict(Outcome.SERVED, served)

    def test_a_device_whose_token_died_asks_again_and_repeats_the_call(self) -> None:
        talk = ByIdentity(simulated())
        talk.hear(ACCEPTED)
        assert talk.hear(Answer(401)) == Verdict(Outcome.REFUSED, 0)
        assert talk.call().path == AUTHENTICATION
        talk.hear(ACCEPTED)
        assert talk.call().path == INVENTORY

    def test_a_device_turned_away_for_a_while_waits_as_long_as_it_is_told(self) -> None:
        assert ByIdentity(simulated()).hear(Answer(429, retry_after=300)) == Verdict(Outcome.REFUSED, 300)

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (Answer(200, "application/jwt", b"head.body.signature\n"), "auth request answered 200 unusable"),
            (Answer(200, "application/json", b"head.body.signature"), "auth request answered 200 unusable"),
            (Answer(401, "application/json", b'{"error": "no"}'), "auth request answered 401 unusable"),
            (Answer(500), "auth request answered 500"),
        ],
    )
    def test_an_answer_that_a_mender_client_cannot_use_is_an_error(self, answer: Answer, kind: str) -> None:
        assert ByIdentity(simulated(), every=7).hear(answer) == Verdict(Outcome.ERROR, 7, kind)

    def test_an_inventory_answered_204_is_an_error_to_the_client(self) -> None:
        talk = ByIdentity(simulated())
        talk.hear(ACCEPTED)
        assert talk.hear(Answer(204)).kind == "inventory answered 204"


def certified(number: int = 3) -> SimulatedDevice:
    return device(number, seed="test", by="certificate")


def said(code: str, status: int = 403, retry_after: float | None = 71) -> Answer:
    return Answer(status, "application/json", json.dumps({"error": "No.", "code": code}).encode(), retry_after)


KNOWN = Answer(200, "application/json", b'{"uuid": "sim-test-0004", "last_seen": 0}')
STORED = Answer(200)
CONFIGURED = Answer(200, "application/json", b'{"a": {"Value": "1"}}', etag='"v1"')


def served_once(talk: ByCertificate, config: Answer = CONFIGURED) -> list[tuple[str, str]]:
    """Let the device in and answer all that it says; what it said."""
    calls: list[tuple[str, str]] = []
    again: float | None = 0
    while again == 0:
        call = talk.call()
        calls.append((call.method, call.path))
        answer = KNOWN if call.path == "/device" else config if call.path == "/config" else STORED
        again = talk.hear(answer).again
    return calls


class TestByCertificate:
    def test_a_device_that_is_served_reports_all_once_then_checks_in_and_looks_for_a_new_configuration(self) -> None:
        talk = ByCertificate(certified(), until=Until.STOPPED, every=7)
        assert not talk.is_let_in
        assert talk.hear(KNOWN) == Verdict(Outcome.ACCEPTED, 0)
        assert talk.is_let_in
        for path in ("/system_info", "/system_info/network", "/system_info/config", "/apps-states", "/events"):
            assert talk.call().path == path
            assert not talk.call().chunked
            assert talk.hear(STORED) == Verdict(Outcome.SERVED, 0)
        talk.hear(STORED)
        assert (talk.call().path, talk.call().headers.get("If-None-Match")) == ("/config", None)
        assert talk.hear(CONFIGURED) == Verdict(Outcome.SERVED, 7)
        for _ in range(2):
            assert talk.call().path == "/device"
            assert talk.hear(KNOWN) == Verdict(Outcome.SERVED, 0)
            assert (talk.call().path, talk.call().headers["If-None-Match"]) == ("/config", '"v1"')
            assert talk.hear(Answer(304)) == Verdict(Outcome.SERVED, 7)

    def test_it_begins_with_the_question_who_it_is_and_says_at_every_call_what_it_runs(self) -> None:
        talk = ByCertificate(certified())
        introduction = talk.call()
        assert (introduction.method, introduction.path, introduction.body) == ("GET", "/device", b"")
        talk.hear(KNOWN)
        for call in (introduction, talk.call()):
            assert set(check_in.HEADERS) <= set(call.headers)

    def test_a_configuration_that_is_gone_is_not_asked_for_by_its_version_any_more(self) -> None:
        talk = ByCertificate(certified(), until=Until.STOPPED)
        served_once(talk)
        talk.hear(KNOWN)
        assert talk.hear(Answer(204)).outcome == Outcome.SERVED
        talk.hear(KNOWN)
        assert (talk.call().path, talk.call().headers.get("If-None-Match")) == ("/config", None)

    @pytest.mark.parametrize(
        ("until", "pending", "served"), [(Until.ASKED, None, None), (Until.SERVED, 7, None), (Until.STOPPED, 7, 7)]
    )
    def test_how_long_a_device_goes_on(self, until: Until, pending: float | None, served: float | None) -> None:
        talk = ByCertificate(certified(), until=until, every=7)
        assert talk.hear(said("device_pending")) == Verdict(Outcome.PENDING, pending)
        talk.hear(KNOWN)
        for _ in range(6):
            assert talk.hear(STORED) == Verdict(Outcome.SERVED, 0)
        assert talk.hear(Answer(204)) == Verdict(Outcome.SERVED, served)

    @pytest.mark.parametrize(
        ("answer", "verdict"),
        [
            (said("device_pending"), Verdict(Outcome.PENDING, 7)),
            (said("device_pending", retry_after=3), Verdict(Outcome.PENDING, 3)),
            (said("device_pending", retry_after=None), Verdict(Outcome.PENDING, 7)),
            (said("key_change_pending"), Verdict(Outcome.PENDING, 7)),
            (said("device_denied", retry_after=3600), Verdict(Outcome.REFUSED, 7)),
            (said("device_rejected", retry_after=3600), Verdict(Outcome.REFUSED, 7)),
            (said("key_refused", retry_after=3600), Verdict(Outcome.REFUSED, 7)),
            (said("too_many_waiting", 429, 300), Verdict(Outcome.REFUSED, 300)),
            (said("no_certificate", retry_after=None), Verdict(Outcome.REFUSED, None)),
            (said("certificate_not_accepted", retry_after=None), Verdict(Outcome.REFUSED, None)),
        ],
    )
    def test_whoever_is_not_served_waits_as_told_but_no_longer_than_it_asks(
        self, answer: Answer, verdict: Verdict
    ) -> None:
        assert ByCertificate(certified(), every=7).hear(answer) == verdict

    def test_a_device_that_is_no_longer_served_begins_anew_and_reports_all_again(self) -> None:
        talk = ByCertificate(certified(), until=Until.STOPPED)
        first = served_once(talk)
        talk.hear(KNOWN)
        assert talk.hear(said("device_denied")).outcome == Outcome.REFUSED
        assert not talk.is_let_in
        assert served_once(talk, config=Answer(204)) == first
        assert len(first) == 8

    @pytest.mark.parametrize(
        ("calls", "answer", "kind"),
        [
            (0, Answer(200, "application/json", b'{"uuid": "another"}'), "/device answered 200 unusable"),
            (0, Answer(200, "text/html", b"<p>"), "/device answered 200 unusable"),
            (0, Answer(200, "application/json", b"[]"), "/device answered 200 unusable"),
            (0, Answer(503), "/device answered 503"),
            (1, Answer(200, "application/json", b"{}"), "/system_info answered 200 unusable"),
            (1, Answer(204), "/system_info answered 204"),
            (7, Answer(304), "/config answered 304 unusable"),
            (7, Answer(200, "application/json", b'{"a": {"Value": "1"}}'), "/config answered 200 unusable"),
        ],
    )
    def test_an_answer_that_a_device_cannot_use_is_an_error(self, calls: int, answer: Answer, kind: str) -> None:
        talk = ByCertificate(certified(), every=7)
        for at in range(calls):
            talk.hear(STORED if at else KNOWN)
        assert talk.hear(answer) == Verdict(Outcome.ERROR, 7, kind)

    def test_a_call_whose_answer_was_lost_is_made_again_as_it_was(self) -> None:
        talk = ByCertificate(certified(), every=7)
        for at in range(5):
            talk.hear(STORED if at else KNOWN)
        steps = talk.call()
        assert steps.path == "/events"
        assert talk.lose("no answer in time") == Verdict(Outcome.ERROR, 7, "no answer in time")
        assert talk.call() == steps

    @pytest.mark.django_db
    def test_the_portal_keeps_all_that_is_reported(self, make_device: Callable[..., Device]) -> None:
        for number in range(20):
            simulated_device, now = certified(number), datetime.now(UTC)
            known = make_device(simulated_device.name, status="accepted")
            kept = check_in.read(reports.check_in(simulated_device))
            assert set(kept) == {"target", "tag", "apps", "ostree_hash"}
            system_info.put_hardware(known, json.dumps(reports.hardware(simulated_device)))
            system_info.put_network(known, json.dumps(reports.network(simulated_device)))
            system_info.put_config(known, reports.updater_config(simulated_device))
            assert "pacman" in tomllib.loads(reports.updater_config(simulated_device))
            app_states.report(known, reports.apps_states(simulated_device, now))
            assert sorted(AppState.objects.get(device=known).apps) == sorted(kept["apps"].split(","))
            for steps in reports.update(simulated_device, now):
                update_events.report(known, steps)
            events = UpdateEvent.objects.filter(device=known)
            assert (events.count(), events.values("correlation_id").distinct().count()) == (4, 1)
            assert max(event.device_time for event in events) <= now


class TestTally:
    def test_the_summary_counts_outcomes_errors_by_kind_and_waits(self) -> None:
        tally = Tally()
        for milliseconds in range(1, 99):
            tally.note(Verdict(Outcome.SERVED, None), milliseconds / 1000, asked=False)
        tally.note(Verdict(Outcome.PENDING, None), 0.4, asked=True)
        tally.note(Verdict(Outcome.ERROR, None, "no answer in time"), 0.5, asked=True)
        summary = tally.summary(devices=9, seconds=4)
        assert (summary.asked, summary.pending, summary.served, summary.requests) == (2, 1, 98, 100)
        assert summary.errors == {"no answer in time": 1}
        assert summary.per_second == 25
        assert (summary.p50_ms, summary.p99_ms, summary.worst_ms) == (51, 500, 500)
        assert "1 no answer in time errors" in str(summary)

    def test_a_run_without_a_request_has_a_summary_too(self) -> None:
        assert "no errors" in str(Tally().summary(devices=1, seconds=0))


class ScriptedDoor(BaseHTTPRequestHandler):
    """A door that lets every device in at its second question, and closes each connection after three answers."""

    protocol_version = "HTTP/1.1"
    asked: set[bytes]
    chunked: list[bool]

    def do_POST(self) -> None:
        self.answered = getattr(self, "answered", 0) + 1
        self.chunked.append("Transfer-Encoding" in self.headers)
        body = self.body()
        if self.path != AUTHENTICATION:
            return self.answer(204 if self.path == DEPLOYMENT else 200)
        if body in self.asked:
            return self.answer(200, b"a.b.c", "application/jwt")
        self.asked.add(body)
        return self.answer(401, PENDING.body, "application/json")

    do_PUT = do_POST

    def body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def answer(self, status: int, body: bytes = b"", content_type: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.answered >= 3

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def scripted_door() -> Iterator[tuple[str, type[ScriptedDoor]]]:
    handler = type("Handler", (ScriptedDoor,), {"asked": set(), "chunked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


def simulate(*options: str) -> dict[str, Any]:
    out = StringIO()
    call_command("simulate_fleet", *options, "--json", "--keys=ed25519", stdout=out, stderr=StringIO())
    return json.loads(out.getvalue())


class TestCommand:
    def test_devices_go_on_asking_until_each_has_been_served(
        self, scripted_door: tuple[str, type[ScriptedDoor]]
    ) -> None:
        url, handler = scripted_door
        summary = simulate("--devices=6", "--connections=2", f"--url={url}", "--every=0.1")
        assert (summary["asked"], summary["pending"], summary["accepted"], summary["served"]) == (12, 6, 6, 12)
        assert (summary["errors"], summary["refused"], summary["requests"]) == ({}, 0, 24)
        assert sorted(handler.chunked) == 12 * [False] + 12 * [True]

    def test_with_once_each_device_asks_once(self, scripted_door: tuple[str, type[ScriptedDoor]]) -> None:
        summary = simulate("--devices=5", "--once", f"--url={scripted_door[0]}")
        assert (summary["asked"], summary["pending"], summary["requests"]) == (5, 5, 5)

    def test_with_a_time_devices_go_on_asking_for_updates_until_it_is_over(
        self, scripted_door: tuple[str, type[ScriptedDoor]]
    ) -> None:
        summary = simulate("--devices=1", "--for=4", "--every=0.1", f"--url={scripted_door[0]}")
        assert summary["served"] > 4
        assert 3.9 < summary["seconds"] < 60

    def test_a_door_that_is_shut_is_an_error_of_each_request_and_exit_1(self, unused_port: int) -> None:
        out = StringIO()
        with pytest.raises(CommandError, match="3 of 3 requests failed") as failed:
            call_command(
                "simulate_fleet", "--devices=3", "--once", f"--url=http://127.0.0.1:{unused_port}", "--keys=ec",
                stdout=out, stderr=StringIO(),
            )  # fmt: skip
        assert failed.value.returncode == 1
        assert "3 connection refused errors" in out.getvalue()

    @pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:8000", "http://127.0.0.1/portal/"])
    def test_what_is_no_url_of_a_door_is_misuse(self, url: str) -> None:
        with pytest.raises(CommandError) as misuse:
            simulate("--devices=1", f"--url={url}")
        assert misuse.value.returncode == 2

    def test_a_tls_door_is_believed_by_its_own_certificate_or_when_told_to(self, tls_door: tuple[str, Path]) -> None:
        url, certificate = tls_door
        for trust in (f"--certificate={certificate}", "--insecure"):
            summary = simulate("--devices=2", "--once", f"--url={url}", trust, f"--seed={trust}")
            assert (summary["pending"], summary["errors"]) == (2, {})

    def test_a_tls_door_with_a_certificate_of_nobody_known_is_an_error(self, tls_door: tuple[str, Path]) -> None:
        with pytest.raises(CommandError, match="1 of 1 requests failed"):
            simulate("--devices=1", "--once", f"--url={tls_door[0]}")

    def test_a_certificate_that_is_not_there_is_misuse(self) -> None:
        with pytest.raises(CommandError) as misuse:
            simulate("--devices=1", "--url=https://localhost:1", "--certificate=/nowhere.pem")
        assert misuse.value.returncode == 2


def self_signed(folder: Path) -> Path:
    """The file of a certificate for localhost; beside it one that holds the key too."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, SHA256())
    )
    pem, both = folder / "door.pem", folder / "door-and-key.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(pem.read_bytes() + key)
    return pem


@pytest.fixture
def tls_door(scripted_door: tuple[str, type[ScriptedDoor]], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The scripted door behind TLS, with a certificate of its own making for localhost."""
    pem = self_signed(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), scripted_door[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem.with_name("door-and-key.pem"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}", pem
    server.shutdown()
    server.server_close()


class ScriptedDeviceDoor(BaseHTTPRequestHandler):
    """A device door that serves every device but the first, and notes who said what over which connection."""

    protocol_version = "HTTP/1.1"
    heard: list[tuple[str, int, str, str]]
    open: set[int]
    most_open: list[int]

    def setup(self) -> None:
        super().setup()
        self.open.add(id(self))
        self.most_open.append(len(self.open))

    def finish(self) -> None:
        self.open.discard(id(self))
        super().finish()

    def do_GET(self) -> None:
        tls: ssl.SSLSocket = self.connection
        shown: Any = tls.getpeercert() or {}
        name = dict(part[0] for part in shown.get("subject", ())).get("commonName", "")
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.heard.append((name, id(self), self.path, self.headers.get("x-ats-target", "")))
        if not name:
            return self.answer(403, b'{"code": "no_certificate"}')
        if name.endswith("-0001"):
            return self.answer(403, b'{"code": "device_pending", "retry_after": 71}')
        if self.path == "/config":
            return self.answer(204)
        return self.answer(200, json.dumps({"uuid": name}).encode() if self.path == "/device" else b"")

    do_PUT = do_POST = do_GET

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def device_door(root: Actor, tmp_path: Path) -> Iterator[tuple[str, type[ScriptedDeviceDoor], Path]]:
    """The door at its own port, for the certificates of the device CA of this installation, with one of its own."""
    device_cas.ensure_first(by=root)
    bundle, own = tmp_path / "bundle.pem", self_signed(tmp_path)
    bundle.write_text(device_cas.signing_ca().certificate)
    handler = type("Handler", (ScriptedDeviceDoor,), {"heard": [], "open": set(), "most_open": []})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.with_name("door-and-key.pem"))
    context.load_verify_locations(bundle)
    context.verify_mode = ssl.CERT_OPTIONAL
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}", handler, own
    server.shutdown()
    server.server_close()


def by_certificate(door: tuple[str, type[ScriptedDeviceDoor], Path], *options: str) -> dict[str, Any]:
    return simulate("--by=certificate", "--once", f"--device-url={door[0]}", f"--certificate={door[2]}", *options)


@pytest.mark.django_db
class TestCommandByCertificate:
    def test_each_device_shows_its_own_certificate_over_a_connection_of_its_own(
        self, device_door: tuple[str, type[ScriptedDeviceDoor], Path]
    ) -> None:
        summary = by_certificate(device_door, "--devices=4")
        assert (summary["asked"], summary["pending"], summary["accepted"], summary["served"]) == (4, 1, 3, 3 * 7)
        assert (summary["refused"], summary["errors"], summary["requests"]) == (0, {}, 1 + 3 * 8)
        heard = device_door[1].heard
        names = {name for name, *_ in heard}
        assert names == {f"sim-fleet-000{number}" for number in (1, 2, 3, 4)}
        assert all(len({line for name, line, *_ in heard if name == each}) == 1 for each in names)
        assert len({line for _, line, *_ in heard}) == 4
        assert [path for name, _, path, _ in heard if name == "sim-fleet-0002"] == [
            "/device", "/system_info", "/system_info/network", "/system_info/config", "/apps-states", "/events",
            "/events", "/config",
        ]  # fmt: skip
        assert all("-lmp-" in target for *_, target in heard)

    def test_no_more_connections_are_open_at_once_than_are_told(
        self, device_door: tuple[str, type[ScriptedDeviceDoor], Path]
    ) -> None:
        summary = by_certificate(device_door, "--devices=9", "--connections=2")
        assert (summary["pending"], summary["accepted"], summary["errors"]) == (1, 8, {})
        assert max(device_door[1].most_open) <= 3  # The door may notice the end of one after the next has begun.

    def test_both_come_at_their_own_doors(
        self,
        scripted_door: tuple[str, type[ScriptedDoor]],
        device_door: tuple[str, type[ScriptedDeviceDoor], Path],
    ) -> None:
        summary = by_certificate(device_door, "--by=both", "--devices=6", f"--url={scripted_door[0]}")
        assert (summary["asked"], summary["pending"], summary["accepted"]) == (6, 3 + 1, 2)
        assert len(scripted_door[1].asked) == 3
        assert {name for name, *_ in device_door[1].heard} == {f"sim-fleet-000{number}" for number in (1, 4, 5)}

    def test_a_denied_device_gets_no_certificate_and_is_refused_without_one(
        self,
        device_door: tuple[str, type[ScriptedDeviceDoor], Path],
        make_device: Callable[..., Device],
        root: Actor,
    ) -> None:
        denial.deny(make_device("sim-fleet-0002", status="accepted"), by=root)
        summary = by_certificate(device_door, "--devices=2")
        assert (summary["pending"], summary["refused"], summary["errors"]) == (1, 1, {})
        assert {name for name, *_ in device_door[1].heard} == {"sim-fleet-0001", ""}
        assert not device_certificates.issued_to("sim-fleet-0002").exists()

    def test_certificates_live_a_fortnight_and_say_who_had_them_signed(
        self, device_door: tuple[str, type[ScriptedDeviceDoor], Path]
    ) -> None:
        by_certificate(device_door, "--devices=1")
        issued = IssuedCertificate.objects.get()
        assert (issued.device_id, issued.issued_by) == ("sim-fleet-0001", "command simulate_fleet")
        assert timedelta(days=13) < issued.not_after - datetime.now(UTC) <= timedelta(days=14)

    def test_without_a_ca_that_signs_nothing_begins(self) -> None:
        with pytest.raises(CommandError, match="No device CA with its key here is valid now") as failed:
            simulate("--by=certificate", "--devices=1", "--device-url=https://localhost:1", "--insecure")
        assert failed.value.returncode == 1

    @pytest.mark.parametrize("rest_of_chain", [False, True])
    def test_the_door_of_this_machine_is_known_by_its_own_certificate_whatever_that_names(
        self,
        device_door: tuple[str, type[ScriptedDeviceDoor], Path],
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        rest_of_chain: bool,
    ) -> None:
        url, handler, own = device_door
        settings.DEVICE_PORT = int(url.rpartition(":")[2])
        (tmp_path / "other").mkdir()
        other = self_signed(tmp_path / "other")
        first, second = own.read_text(), other.read_text() if rest_of_chain else ""
        own.write_text(first + second)
        monkeypatch.setattr(run_folder, "DOOR_CHAIN", own)
        summary = simulate("--by=certificate", "--once", "--devices=2")
        assert (summary["pending"], summary["accepted"], summary["errors"]) == (1, 1, {})
        own.write_text(other.read_text() + (first if rest_of_chain else ""))
        with pytest.raises(CommandError, match="2 of 2 requests failed"):
            simulate("--by=certificate", "--once", "--devices=2", "--seed=other")
        assert not [name for name, *_ in handler.heard if name.startswith("sim-other")]

    def test_a_door_by_another_name_than_its_certificate_holds_says_so_and_what_helps(
        self, device_door: tuple[str, type[ScriptedDeviceDoor], Path]
    ) -> None:
        out = StringIO()
        options = [
            f"--device-url={device_door[0].replace('localhost', '127.0.0.1')}",
            f"--certificate={device_door[2]}",
        ]
        with pytest.raises(CommandError, match="1 of 1 requests failed"):
            call_command(
                "simulate_fleet", "--by=certificate", "--devices=1", "--once", *options, stdout=out, stderr=StringIO()
            )
        assert (
            "1 certificate not trusted (IP address mismatch, certificate is not valid for '127.0.0.1'; what helps: "
            "--url or --device-url with a name that it holds, --certificate of its issuer, or --insecure) errors"
        ) in out.getvalue()

    def test_agents_say_at_the_end_what_a_door_answered_that_it_may_not_and_exit_1(
        self, device_door: tuple[str, type[ScriptedDeviceDoor], Path]
    ) -> None:
        out, said = StringIO(), StringIO()
        door = (f"--device-url={device_door[0]}", f"--certificate={device_door[2]}")
        with pytest.raises(CommandError, match="what they may not") as failed:
            call_command(
                "simulate_fleet", "--devices=2", "--apps=0", "--offline=0", "--for=4", *door, stdout=out, stderr=said
            )
        assert failed.value.returncode == 1
        assert "not allowed: 1 /jobs/next answered 200 unusable" in out.getvalue()
        assert "0 shutdowns seen" in out.getvalue()

    def test_a_door_in_clear_text_is_misuse_since_it_takes_no_certificate(self) -> None:
        with pytest.raises(CommandError, match="takes no certificate") as misuse:
            simulate("--by=certificate", "--devices=1", "--device-url=http://127.0.0.1:1")
        assert misuse.value.returncode == 2


@pytest.fixture
def unused_port() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port: int = server.server_port
    server.server_close()
    return port
