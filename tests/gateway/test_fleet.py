"""Simulated devices: who they are, how they ask, and what a run of them comes to."""

import base64
import json
import ssl
import threading
from collections.abc import Iterator
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

from devices import identity
from devices import keys as device_keys
from gateway.fleet import keys
from gateway.fleet.conversation import (
    AUTHENTICATION,
    DEPLOYMENT,
    INVENTORY,
    Answer,
    Conversation,
    Outcome,
    Until,
    Verdict,
)
from gateway.fleet.devices import SimulatedDevice, device, fleet, kind_of
from gateway.fleet.tally import Tally

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


class TestConversation:
    def test_a_device_that_is_let_in_reports_its_inventory_then_asks_for_updates(self) -> None:
        talk = Conversation(simulated(), every=7)
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
        talk = Conversation(simulated(), until=until, every=7)
        assert talk.hear(PENDING) == Verdict(Outcome.PENDING, pending)
        talk.hear(ACCEPTED)
        talk.hear(Answer(200))
        assert talk.hear(Answer(204)) == Verdict(Outcome.SERVED, served)

    def test_a_device_whose_token_died_asks_again_and_repeats_the_call(self) -> None:
        talk = Conversation(simulated())
        talk.hear(ACCEPTED)
        assert talk.hear(Answer(401)) == Verdict(Outcome.REFUSED, 0)
        assert talk.call().path == AUTHENTICATION
        talk.hear(ACCEPTED)
        assert talk.call().path == INVENTORY

    def test_a_device_turned_away_for_a_while_waits_as_long_as_it_is_told(self) -> None:
        assert Conversation(simulated()).hear(Answer(429, retry_after=300)) == Verdict(Outcome.REFUSED, 300)

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
        assert Conversation(simulated(), every=7).hear(answer) == Verdict(Outcome.ERROR, 7, kind)

    def test_an_inventory_answered_204_is_an_error_to_the_client(self) -> None:
        talk = Conversation(simulated())
        talk.hear(ACCEPTED)
        assert talk.hear(Answer(204)).kind == "inventory answered 204"


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
        summary = simulate("--devices=1", "--for=1.5", "--every=0.1", f"--url={scripted_door[0]}")
        assert summary["served"] > 4
        assert 1.4 < summary["seconds"] < 5

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


@pytest.fixture
def tls_door(scripted_door: tuple[str, type[ScriptedDoor]], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The scripted door behind TLS, with a certificate of its own making for localhost."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, SHA256())
    )
    pem, both = tmp_path / "door.pem", tmp_path / "door-and-key.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(pem.read_bytes() + key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), scripted_door[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}", pem
    server.shutdown()
    server.server_close()


@pytest.fixture
def unused_port() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port: int = server.server_port
    server.server_close()
    return port
