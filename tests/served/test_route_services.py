"""Services behind gateway routes, good and bad: sockets, TLS, and every way in which one can fail its callers."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from http.client import IncompleteRead

import pytest

from tests.certificates import self_signed
from tests.pki import SERVER, Authority
from tests.receiver import Answer, Receiver, hang, receiving
from tests.served.gateway import Gateway
from tests.served.http2 import Http2
from tests.served.installation import ANSWERED_WITHIN, PATIENCE, one_answer, settled, wait_for
from tests.served.services import ACCEPTED, GARBAGE, KEY, SERVED, SICK, echo, reset, secure, stop_half_way


@pytest.fixture(scope="module", autouse=True)
def slow(gateway: Gateway, line: int, token: str) -> Iterator[socket.socket]:
    """A body whose end never comes, begun before all other tests."""
    with socket.create_connection(("127.0.0.1", gateway.served.http_port), PATIENCE) as connection:
        head = f"POST /line/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 10\r\n\r\n{{"
        connection.sendall(head.encode())
        yield connection


@pytest.fixture(scope="module")
def socketed(gateway: Gateway, line: int) -> Iterator[Receiver]:
    """A route to a service that becomes a WebSocket."""
    with receiving(answer=echo) as receiver:
        gateway.open("socket", f"http://127.0.0.1:{receiver.port}/ws", websocket=True, is_served=False)
        yield receiver


@pytest.fixture
def beside(gateway: Gateway, line: int, token: str) -> Iterator[None]:
    """Whatever a service does, callers of another route do not notice it."""
    yield
    took = []
    for _ in range(3):
        began = time.monotonic()
        assert gateway.call("/line", token)[0] == 200
        took.append(time.monotonic() - began)
    assert min(took) < 2


class TestAWebSocket:
    UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": KEY.decode(),
               "Sec-WebSocket-Version": "13"}  # fmt: skip

    def connected(self, gateway: Gateway, path: str, token: str, *, over_tls: bool = False) -> socket.socket:
        port = gateway.served.tls_port if over_tls else gateway.served.http_port
        connection = socket.create_connection(("127.0.0.1", port), ANSWERED_WITHIN)
        if over_tls:
            context = gateway.served.trusted()
            context.set_alpn_protocols(["http/1.1"])
            connection = context.wrap_socket(connection, server_hostname="localhost")
        lines = [f"GET {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}"]
        lines += [f"{name}: {value}" for name, value in self.UPGRADE.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection

    @pytest.mark.parametrize("over_tls", [False, True])
    def test_is_opened_by_a_token_and_carries_both_ways(
        self, gateway: Gateway, socketed: Receiver, token: str, over_tls: bool
    ) -> None:
        wait_for(settled(lambda: gateway.call("/socket", token, **self.UPGRADE)[0] != 503))
        with self.connected(gateway, "/socket/live?x=1", token, over_tls=over_tls) as connection:
            head = connection.recv(4096)
            assert head.startswith(b"HTTP/1.1 101 ")
            assert ACCEPTED in head
            for said in (b"\x81\x05hello", b"\x81\x03end"):
                connection.sendall(said)
                assert connection.recv(4096) == said
        heard = socketed.heard[-1]
        assert heard.path == "/ws/live?x=1"
        assert heard.headers["x-gatehouse-subject"] == "main-app1-v1-one"
        assert "authorization" not in heard.headers

    def test_is_no_answer_of_another_kind(self, gateway: Gateway, service: Receiver, token: str) -> None:
        gateway.open("unsocketed", f"http://127.0.0.1:{service.port}", websocket=True)
        assert gateway.said("/unsocketed", token, **self.UPGRADE) == (502, "service_hung_up")
        assert service.heard[-1].headers["upgrade"] == "websocket"

    def test_is_judged_at_its_handshake(self, gateway: Gateway, socketed: Receiver, token: str) -> None:
        other = gateway.token(gateway.credential("two", "gateway:other"))
        assert gateway.said("/socket", "", **self.UPGRADE) == (401, "token_missing")
        assert gateway.said("/socket", other, **self.UPGRADE) == (403, "scope_missing")

    @pytest.mark.parametrize(
        ("path", "method", "upgrade"),
        [("/line", "GET", "websocket"), ("/socket", "GET", "mqtt"), ("/socket", "POST", "websocket")],
    )
    def test_is_the_only_upgrade_and_only_where_the_route_says_so(
        self, gateway: Gateway, socketed: Receiver, token: str, path: str, method: str, upgrade: str
    ) -> None:
        before = len(socketed.heard)
        headers = {**self.UPGRADE, "Upgrade": upgrade}
        assert gateway.said(path, token, method, **headers) == (400, "upgrade_not_served")
        assert len(socketed.heard) == before

    def test_that_the_service_does_not_want_is_answered_in_its_words(
        self, gateway: Gateway, line: int, token: str
    ) -> None:
        with receiving(answer=SICK) as receiver:
            gateway.open("unwanted", f"http://127.0.0.1:{receiver.port}", websocket=True)
            status, _, content = gateway.call("/unwanted", token, **self.UPGRADE)
        assert (status, content) == (500, b"busy")


class TestAServiceThatFails:
    @pytest.mark.parametrize(
        ("name", "answer", "status", "code"),
        [
            ("rude", lambda connection: connection.close(), 502, "service_hung_up"),
            ("dead", reset, 502, "service_hung_up"),
            ("mad", GARBAGE, 502, "service_hung_up"),
            ("slow", hang, 504, "service_timeout"),
        ],
    )
    def test_is_told_apart(
        self, gateway: Gateway, beside: None, token: str, name: str, answer: Answer, status: int, code: str
    ) -> None:
        with receiving(answer=SERVED) as receiver:
            gateway.open(name, f"http://127.0.0.1:{receiver.port}", timeout_s=1 if status == 504 else 15)
            receiver.answer = answer
            assert gateway.said(f"/{name}", token) == (status, code)
            assert gateway.said_over_http2(f"/{name}", token) == (status, code)
            before = len(receiver.heard)
            assert gateway.said(f"/{name}", token, "POST", b"once") == (status, code)
            assert len(receiver.heard) == before + 1  # What may have been done is not asked again.

    def test_is_unreachable_once_it_has_stopped(self, gateway: Gateway, beside: None, token: str) -> None:
        with receiving(answer=SERVED) as receiver:
            gateway.open("gone", f"http://127.0.0.1:{receiver.port}")
            assert gateway.call("/gone", token)[0] == 200
        wait_for(settled(lambda: gateway.call("/gone", token)[0] == 502))
        assert gateway.said("/gone", token) == (502, "service_unreachable")

    def test_says_no_in_its_own_words(self, gateway: Gateway, beside: None, token: str) -> None:
        with receiving(answer=SICK) as receiver:
            gateway.open("busy", f"http://127.0.0.1:{receiver.port}")
            status, _, content = gateway.call("/busy", token)
            assert (status, content) == (500, b"busy")

    def test_after_half_an_answer_is_cut_off(self, gateway: Gateway, beside: None, token: str) -> None:
        with receiving(answer=SERVED) as receiver:
            gateway.open("half", f"http://127.0.0.1:{receiver.port}", timeout_s=3)
            receiver.answer = stop_half_way
            with pytest.raises(IncompleteRead):
                gateway.call("/half", token)
            connection = Http2(gateway.served.tls_port, gateway.served.trusted())
            answered = connection.ask(b"/half", (b"authorization", f"Bearer {token}".encode()))
            assert (answered.status, answered.body) == (0, b"half")
            assert connection.is_open
            connection.close()

    def test_has_a_name_that_nobody_knows(self, gateway: Gateway, beside: None, token: str) -> None:
        gateway.open("lost", "http://no-such-host:1", is_served=False)
        wait_for(settled(lambda: gateway.said("/lost", token) == (503, "service_unavailable")))
        assert gateway.call("/lost", token)[1]["Retry-After"] == "2"

    def test_is_asked_no_more_while_it_is_not_well(self, gateway: Gateway, beside: None, token: str) -> None:
        with receiving(answer=SICK) as receiver:
            gateway.open("sick", f"http://127.0.0.1:{receiver.port}/base", health_path="/ping?x", is_served=False)
            wait_for(lambda: bool(receiver.heard))
            wait_for(settled(lambda: gateway.said("/sick", token) == (503, "service_unavailable")))
            assert gateway.call("/sick", token)[1]["Retry-After"] == "2"
            assert {each.path for each in receiver.heard} == {"/ping?x"}
            assert receiver.heard[-1].headers["host"] == f"127.0.0.1:{receiver.port}"
            receiver.answer = SERVED
            wait_for(lambda: gateway.call("/sick", token)[0] == 200)
            assert [each.path for each in receiver.heard][-1] == "/base/"

    def test_holds_so_many_requests_and_more_are_told_to_wait(
        self, gateway: Gateway, beside: None, line: int, token: str
    ) -> None:
        """The service answers none of them. 256 reach it at once, and 1024 may wait for their turn."""
        shown = (b"authorization", f"Bearer {token}".encode())
        with receiving(answer=SERVED) as receiver:
            gateway.open("full", f"http://127.0.0.1:{receiver.port}")
            receiver.answer = hang
            held = [Http2(gateway.served.tls_port, gateway.served.trusted()) for _ in range(14)]
            asked = [connection.send(b"/full", shown) for connection in held for _ in range(95)]

            def overflows() -> bool:
                for connection in held:
                    connection.listen(0.02)
                return any(answered.is_over for answered in asked)

            wait_for(overflows)
            refused = [answered for answered in asked if answered.is_over]
            assert gateway.call("/line", token)[0] == 200
            for connection in held:
                connection.close()
        for answered in refused:
            assert (answered.status, json.loads(answered.body)["code"]) == (503, "service_busy")
            assert answered.headers["retry-after"] == "2"


class TestAServiceThatSpeaksTls:
    @pytest.fixture
    def holder(self, plant: Authority) -> str:
        """The certificate and the key of a service on this machine, from the CA of the plant."""
        issued = plant.issue("localhost", purposes=(SERVER,), dns_names=("localhost",))
        return issued.pem + issued.key_pem

    def test_is_served_if_a_ca_of_the_machine_says_it_is_this_name(
        self, gateway: Gateway, token: str, holder: str
    ) -> None:
        with secure(holder) as port:
            gateway.open("safe", f"https://localhost:{port}/b")
            status, _, content = gateway.call("/safe/x?y", token)
            assert (status, content) == (200, b"/b/x?y")

    def test_is_not_believed_under_another_name(
        self, gateway: Gateway, beside: None, token: str, plant: Authority
    ) -> None:
        issued = plant.issue("other", purposes=(SERVER,), dns_names=("other.example",))
        with secure(issued.pem + issued.key_pem) as port:
            gateway.open("mistaken", f"https://localhost:{port}")
            assert gateway.said("/mistaken", token) == (502, "service_unreachable")
            assert gateway.said_over_http2("/mistaken", token) == (502, "service_unreachable")

    def test_is_not_believed_on_its_own_word(self, gateway: Gateway, beside: None, token: str) -> None:
        with secure(self_signed("localhost").decode()) as port:
            gateway.open("impostor", f"https://localhost:{port}")
            assert gateway.said("/impostor", token) == (502, "service_unreachable")

    def test_is_judged_by_the_cas_of_the_route_in_place_of_the_machines(
        self, gateway: Gateway, token: str, plant: Authority, holder: str
    ) -> None:
        own = Authority("press hall CA")
        issued = own.issue("localhost", purposes=(SERVER,), dns_names=("localhost",))
        with secure(issued.pem + issued.key_pem) as port, secure(holder) as known:
            number = gateway.open("own", f"https://localhost:{port}", target_ca=own.pem)
            assert gateway.call("/own/x", token)[::2] == (200, b"/x")
            gateway.rest("PATCH", f"/routes/{number}", {"target": f"https://localhost:{known}"})
            wait_for(settled(lambda: gateway.call("/own/x", token)[0] == 502))
            assert gateway.said("/own", token) == (502, "service_unreachable")
            gateway.rest("PATCH", f"/routes/{number}", {"target_ca": own.pem + plant.pem})
            wait_for(lambda: gateway.call("/own/x", token)[0] == 200)
            gateway.rest("PATCH", f"/routes/{number}", {"target_ca": ""})
            wait_for(lambda: gateway.call("/own/x", token)[0] == 200)


def test_a_target_changes_under_load_without_a_failed_request(gateway: Gateway, service: Receiver, token: str) -> None:
    with receiving(answer=SERVED) as other:
        number = gateway.open("moving", f"http://127.0.0.1:{service.port}")
        gateway.rest("PATCH", f"/routes/{number}", {"target": f"http://127.0.0.1:{other.port}"})
        statuses = []
        wait_for(lambda: statuses.append(gateway.call("/moving", token)[0]) or len(other.heard) > 20)
        assert set(statuses) == {200}


def test_routes_are_served_and_judged_while_no_portal_answers(gateway: Gateway, line: int, token: str) -> None:
    portal = gateway.served.children("gateway.portal_app")
    for pid in portal:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert [gateway.call("/line", token)[0] for _ in range(5)] == [200] * 5
        assert gateway.said("/line", "a.b.c") == (401, "token_invalid")
        assert gateway.said("/line", token, "DELETE") == (405, "method_not_allowed")
    finally:
        for pid in portal:
            os.kill(pid, signal.SIGCONT)
    wait_for(gateway.served.is_ready)


def test_a_body_whose_end_does_not_come_within_a_minute(gateway: Gateway, slow: socket.socket) -> None:
    head, _, content = one_answer(slow).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(content)["code"] == "request_too_slow"
    assert json.loads(content)["request_id"].encode() in head
