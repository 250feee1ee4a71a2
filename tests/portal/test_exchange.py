"""A POST to an address that others chose is bounded, whatever stands there, and goes where it was judged to go."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from portal import exchange
from portal.exchange import Outcome
from portal.targets import Allowed
from tests.receiver import OK, Answer, Receiver, drip, hang, pour, receiving, say, status

OPEN = Allowed.read(["private", "loopback", "public"], what="a webhook's target", field="url")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as ready:
        yield ready


def post(url: str, **how: Any) -> Outcome:
    return exchange.post(url, b'{"a": 1}', {"Content-Type": "application/json"}, allowed=OPEN, **how)


@pytest.mark.parametrize("number", [200, 201, 202, 204, 299])
def test_2xx_is_a_success(receiver: Receiver, number: int) -> None:
    receiver.answer = status(number)
    outcome = post(receiver.url)
    assert (outcome.is_success, outcome.status, outcome.error) == (True, number, "")
    [heard] = receiver.heard
    assert (heard.path, heard.body) == ("/hook", b'{"a": 1}')
    assert heard.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert heard.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (301, "It answered 301: redirects are not followed, so give the URL that it leads to."),
        (307, "It answered 307: redirects are not followed, so give the URL that it leads to."),
        (400, "It answered 400; a success is 200 to 299."),
        (410, "It answered 410: it wants nothing more."),
        (503, "It answered 503; a success is 200 to 299."),
    ],
)
def test_any_other_answer_is_a_failure_that_says_so_and_no_redirect_is_followed(
    receiver: Receiver, number: int, sentence: str
) -> None:
    receiver.answer = status(number, f"Location: {receiver.url}/elsewhere")
    outcome = post(receiver.url)
    assert (outcome.status, outcome.error) == (number, sentence)
    assert outcome.is_gone == (number == 410)
    assert len(receiver.heard) == 1


@pytest.mark.parametrize("garbage", [b"", b"\x00\xff\xfe", b"HELO mail\r\n\r\n", b"HTTP/1.1 xyz OK\r\n\r\n"])
def test_garbage_is_a_failure(receiver: Receiver, garbage: bytes) -> None:
    receiver.answer = say(garbage)
    outcome = post(receiver.url)
    assert (outcome.is_success, outcome.status) == (False, None)
    assert outcome.error.endswith(".")


HEAD = b"HTTP/1.1 200 OK\r\n"
ENDLESS: list[Any] = [
    pytest.param(hang, False, id="silence"),
    pytest.param(drip(b"HTTP/1.1 2"), False, id="endless status line"),
    pytest.param(drip(HEAD, b"X-A: b\r\n"), False, id="endless headers"),
    pytest.param(drip(HEAD + b"\r\n"), True, id="endless body, dripping"),
    pytest.param(drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), True, id="endless chunks"),
    pytest.param(drip(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"), False, id="endless 100s"),
]


@pytest.mark.parametrize(("answer", "succeeds"), ENDLESS)
def test_the_clock_ends_what_never_ends(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, answer: Answer, succeeds: bool
) -> None:
    monkeypatch.setattr(exchange, "WHOLE", 3.0)
    receiver.answer = answer
    outcome = post(receiver.url)
    assert outcome.is_success == succeeds
    assert succeeds or outcome.error == "It gave no whole answer within 3 s."


def test_of_an_endless_body_a_little_is_read_and_at_once_given_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "WHOLE", 600.0)
    receiver.answer = pour
    began = time.monotonic()
    assert post(receiver.url).is_success
    assert time.monotonic() - began < 60


def test_the_whole_takes_ten_seconds_at_most() -> None:
    assert (exchange.CONNECT, exchange.WHOLE, exchange.MOST) == (5.0, 10.0, 16 * 1024)


def test_who_takes_no_connection_is_a_failure(receiver: Receiver) -> None:
    receiver.close()
    assert post(receiver.url).error == "It takes no connection there."


def test_a_process_that_is_to_end_does_not_wait_for_the_answer(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "WHOLE", 60.0)
    receiver.answer = hang
    with pytest.raises(exchange.Stopped):
        post(receiver.url, is_stopping=lambda: bool(receiver.heard))


def test_a_proxy_of_the_environment_is_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(answer=status(502)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert post(receiver.url).is_success
        assert proxy.heard == []


def names(monkeypatch: pytest.MonkeyPatch, answers: Callable[[], list[str]]) -> list[str]:
    """A name server of the test; the list says what it was asked."""
    asked: list[str] = []

    def getaddrinfo(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        asked.append(str(host))
        is_name = not str(host).replace(".", "").isdigit()
        found = answers() if is_name else [str(host)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_name_that_changes_its_address_after_it_was_judged_leads_nowhere_else(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that says another thing each time (DNS rebinding) is asked once, and that address is taken."""
    turns = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.3"]])
    asked = names(monkeypatch, lambda: next(turns))
    assert post(f"http://hooks.lan:{receiver.port}/hook").is_success
    assert [name for name in asked if name == "hooks.lan"] == ["hooks.lan"]
    assert receiver.heard[0].headers["host"] == f"hooks.lan:{receiver.port}"


def test_a_name_with_one_address_that_is_not_open_is_not_connected_to_at_all(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, lambda: ["127.0.0.1", "169.254.169.254"])
    outcome = post(f"http://hooks.lan:{receiver.port}/hook")
    assert outcome.error == "hooks.lan is at 169.254.169.254, which is never a webhook's target."
    assert receiver.heard == []


def test_the_second_address_is_tried_when_the_first_takes_no_connection(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, lambda: ["127.0.0.9", "127.0.0.1"])
    assert post(f"http://hooks.lan:{receiver.port}/hook").is_success


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ssl.SSLContext]]:
        """A CA that the system trusts during the test; it makes a server's context for a name or an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test CA")])
        now = datetime.datetime.now(datetime.UTC)

        def certificate(subject: x509.Name, public: Any, *extensions: Any) -> x509.Certificate:
            builder = x509.CertificateBuilder(
                name, subject, public, x509.random_serial_number(), now, now + datetime.timedelta(days=1)
            )
            for extension in extensions:
                builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            return builder.sign(key, hashes.SHA256())

        root = certificate(name, key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        (tmp_path / "ca.pem").write_bytes(root.public_bytes(Encoding.PEM))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        exchange._trust.cache_clear()

        def context(host: str) -> ssl.SSLContext:
            own = ec.generate_private_key(ec.SECP256R1())
            try:
                named: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
            except ValueError:
                named = x509.DNSName(host)
            leaf = certificate(x509.Name([]), own.public_key(), x509.SubjectAlternativeName([named]))
            pem = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM) + pem)
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            made.load_cert_chain(tmp_path / "leaf.pem")
            return made

        yield context
        exchange._trust.cache_clear()

    @pytest.fixture
    def serve(self) -> Iterator[Callable[[ssl.SSLContext], tuple[int, list[str | None]]]]:
        """A TLS server that answers 200; its port, and the server names that clients asked for."""
        listening: list[socket.socket] = []

        def begin(context: ssl.SSLContext) -> tuple[int, list[str | None]]:
            asked: list[str | None] = []
            context.sni_callback = lambda sock, name, ctx: asked.append(name)
            server = socket.create_server(("127.0.0.1", 0))
            listening.append(server)

            def take() -> None:
                while True:
                    try:
                        connection, _ = server.accept()
                        with context.wrap_socket(connection, server_side=True) as talking:
                            heard = b""
                            while not heard.endswith(b"}"):
                                heard += talking.recv(65536)
                            talking.sendall(OK)
                    except ssl.SSLError:
                        continue
                    except OSError:
                        return

            threading.Thread(target=take, daemon=True).start()
            return server.getsockname()[1], asked

        yield begin
        for server in listening:
            server.close()

    def test_the_certificate_is_for_the_name_though_the_address_is_connected_to(
        self, authority: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names(monkeypatch, lambda: ["127.0.0.1"])
        port, asked = serve(authority("hooks.lan"))
        assert post(f"https://hooks.lan:{port}/hook").is_success
        assert asked == ["hooks.lan"]

    def test_an_address_in_the_certificate_counts_for_that_address(self, authority: Any, serve: Any) -> None:
        port, _ = serve(authority("127.0.0.1"))
        assert post(f"https://127.0.0.1:{port}/hook").is_success

    @pytest.mark.parametrize("other", ["other.lan", "127.0.0.1"])
    def test_a_certificate_for_another_name_is_refused(
        self, authority: Any, serve: Any, monkeypatch: pytest.MonkeyPatch, other: str
    ) -> None:
        names(monkeypatch, lambda: ["127.0.0.1"])
        port, _ = serve(authority(other))
        outcome = post(f"https://hooks.lan:{port}/hook")
        assert "certificate is not trusted" in outcome.error
        assert not outcome.is_success

    def test_a_certificate_of_an_unknown_authority_is_refused(
        self, authority: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port, _ = serve(authority("127.0.0.1"))
        monkeypatch.delenv("SSL_CERT_FILE")
        exchange._trust.cache_clear()
        assert "certificate is not trusted" in post(f"https://127.0.0.1:{port}/hook").error

    def test_who_speaks_no_tls_is_a_failure(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exchange, "CONNECT", 1.0)
        assert post(f"https://127.0.0.1:{receiver.port}/hook").error.endswith(".")
