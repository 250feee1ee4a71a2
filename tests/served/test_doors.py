"""The two doors as clients meet them: protocols, ids, and Envoy's own refusals."""

import hashlib
import http.client
import json
import re
import socket
import ssl
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from tests.conftest import MenderDevice
from tests.served.installation import ANSWERED_WITHIN, Served, until_closed, wait_for

CLOSE = b"Host: x\r\nConnection: close\r\n"


def get(path: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    return b"%s %s HTTP/1.1\r\n%s%s\r\n" % (method, path, CLOSE, b"".join(header + b"\r\n" for header in headers))


def parsed(answer: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of an answer that came until the connection was closed."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, fields = head.partition(b"\r\n")
    message = http.client.HTTPMessage()
    for line in fields.decode().splitlines():
        name, _, value = line.partition(":")
        message[name] = value.strip()
    return int(status.split()[1]), message, body


class TestPathsThatTwoReadersCouldReadDifferently:
    @pytest.mark.parametrize(
        "path",
        [
            b"/devices/.", b"/devices/..", b"/devices/./x", b"/devices/../x", b"/devices/%2e/x", b"/devices/.%2E/x",
            b"/devices/%2e%2E", b"/devices/..;/x", b"/devices%2Fx", b"/devices%2fx", b"/devices%5Cx", b"/devices\\x",
            b"/devices/%00", b"/devices/%1F", b"/devices/%0a", b"/devices/%7F", b"/devices;x", b"/devices%3Bx",
            b"/devices#x", b"/devices/%", b"/devices/%4", b"/devices/%zz", b"/devices/%4g/x", b"//devices//..//x",
            b"/nothing/../devices",
        ],
    )  # fmt: skip
    def test_are_refused_and_never_resolved(self, served: Served, path: bytes) -> None:
        status, headers, body = parsed(served.raw(get(path)))
        said = json.loads(body)
        assert (status, said["code"]) == (400, "path_refused")
        assert headers["Server"] == "gatehouse"
        assert said["request_id"] == headers["X-Request-Id"]  # Both are absent where no request was read yet.

    @pytest.mark.parametrize("path", [b"/a b", b"/a\tb", b"/\x01", b"/\xc3\xa9", b"/readyz?\xc3\xa9", b"/readyz?a b"])
    def test_or_cannot_be_read_at_all(self, served: Served, path: bytes) -> None:
        status, _, body = parsed(served.raw(get(path)))
        assert status == 400
        assert json.loads(body)["code"] in ("bad_request", "path_refused")

    @pytest.mark.parametrize(
        "path",
        [b"/portal/%E4%B8%AD", b"/portal/%20", b"/portal/%25", b"/portal/%3F", b"/portal/%252e", b"/portal/%61",
         b"/portal/a:b@c", b"/portal/x..y", b"/portal/...", b"/portal/.hidden"],
    )  # fmt: skip
    def test_others_reach_the_portal_as_they_were_sent(self, served: Served, path: bytes) -> None:
        status, headers, _ = parsed(served.raw(get(path)))
        assert status == 404
        assert headers["X-Frame-Options"] == "DENY"  # The portal's own 404.

    def test_the_query_is_not_a_path(self, served: Served) -> None:
        assert parsed(served.raw(get(b"/readyz?x=../..%2F")))[0] == 200

    def test_double_slashes_are_one(self, served: Served) -> None:
        assert parsed(served.raw(get(b"//readyz")))[0] == 200

    @pytest.mark.parametrize(
        "path", [b"/nothing", b"/PORTAL/", b"/%70ortal/", b"/portalx", b"/readyz.", b"/core-data/x"]
    )
    def test_what_is_not_the_portals_by_every_byte_is_nobodys(self, served: Served, path: bytes) -> None:
        status, headers, body = parsed(served.raw(get(path)))
        said = json.loads(body)
        assert (status, said["code"]) == (404, "route_not_found")
        assert said["request_id"] == headers["X-Request-Id"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("sent", "status", "code"),
        [
            (b"GET /readyz HTTP/1.0\r\nHost: x\r\n\r\n", 426, "upgrade_required"),
            (get(b"h:1", method=b"CONNECT"), 400, "upgrade_not_served"),
            (get(b"/readyz", b"X_Forged: 1"), 400, "bad_request"),
            (get(b"/readyz", *(b"A%d: 1" % n for n in range(110))), 431, "headers_too_large"),
            (get(b"/readyz", *(b"A%d: 1" % n for n in range(92))), 431, "headers_too_large"),
            (get(b"/readyz", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400, "bad_request"),
            (get(b"/readyz", b"Transfer-Encoding: gzip, chunked"), 400, "bad_request"),
            (get(b"/readyz", b"A: " + b"a" * 62_000), 431, "headers_too_large"),
            (get(b"/readyz?access_token=x"), 400, "token_in_query"),
            (get(b"/devices?x=1&access_token=x", b"Authorization: Bearer y"), 400, "token_in_query"),
            (get(b"/readyz?%61ccess_token=x"), 400, "token_in_query"),
            (get(b"/devices?x=1&acc%65ss%5Ftoke%6e=x"), 400, "token_in_query"),
            (get(b"/readyz", b"Host: y"), 400, "host_malformed"),
            (get(b"/readyz", b"host: x"), 400, "host_malformed"),
            (get(b"/nothing", b"Host: x,y"), 400, "host_malformed"),
            (get(b"/readyz", b"X-Correlation-ID: a b"), 400, "correlation_id_refused"),
            (get(b"/readyz", b"X-Correlation-ID: " + b"a" * 129), 400, "correlation_id_refused"),
            (get(b"/readyz", b"X-Correlation-ID: a", b"X-Correlation-ID: b"), 400, "correlation_id_refused"),
            (get(b"*", method=b"OPTIONS"), 404, "route_not_found"),
            (b"hello\r\n\r\n", 400, "bad_request"),
            (get(b"https://gate.example/readyz"), 400, "bad_request"),
            (b"GET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "bad_request"),
            (get(b"/readyz", b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400, "bad_request"),
            (b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 400,
             "upgrade_not_served"),
        ],
    )  # fmt: skip
    def test_are_json_with_one_code_per_cause(self, served: Served, sent: bytes, status: int, code: str) -> None:
        answered, headers, body = parsed(served.raw(sent))
        said = json.loads(body)
        assert set(said) == {"error", "code", "request_id"}
        assert (answered, said["code"]) == (status, code)
        assert said["error"].endswith(".")
        assert said["request_id"] == headers["X-Request-Id"]
        assert headers["Server"] == "gatehouse"

    def test_on_menders_paths_know_no_code(self, served: Served) -> None:
        sent = get(b"/api/devices/%00", b"X-MEN-RequestID: mine")
        _, headers, body = parsed(served.raw(sent))
        assert set(json.loads(body)) == {"error", "request_id"}
        assert json.loads(body)["request_id"] == headers["X-MEN-RequestID"] == "mine"

    @pytest.mark.parametrize(
        ("path", "more", "status", "word"),
        [
            (b"/api/im/v3/%00", (), 400, "invalidParameter"),
            (b"/api/identitymanagement/v3/Users?access_token=x", (), 400, "invalidParameter"),
            (b"/api/im/v3/Users", (b"X-Correlation-ID: a b",), 400, "invalidParameter"),
            (b"/api/im/v3/Users", (), 401, "unauthorized"),
            (b"/api/im/v3/nowhere", (), 404, "noMatch"),
        ],
    )
    def test_on_the_paths_of_insights_hub_are_written_as_there(
        self, served: Served, path: bytes, more: tuple[bytes, ...], status: int, word: str
    ) -> None:
        answered, headers, body = parsed(served.raw(get(path, *more)))
        [error] = json.loads(body)["errors"]
        assert (answered, error["code"]) == (status, f"mdsp.core.generic.{word}")
        assert error["logref"] == headers["X-Request-Id"]
        assert error["message"].endswith(".")


class TestCredentialsThatAreNotAscii:
    """The app server hands them on as empty headers; they were sent all the same, and are malformed."""

    @pytest.mark.parametrize("path", [b"/devices", b"/api/v1/devices", b"/api/management/v1/admission/devices"])
    def test_are_no_token_that_is_known(self, served: Served, path: bytes) -> None:
        for token in (b"\xe9", b"gate_pat_\xc3\xa9"):
            status, headers, body = parsed(served.raw(get(path, b"Authorization: Bearer " + token)))
            assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="gatehouse", error="invalid_token"')
            assert "malformed" in json.loads(body)["error"]

    def test_are_no_signature(self, served: Served, mender_device: Callable[..., MenderDevice]) -> None:
        signed, _ = mender_device(mac="00:01").request()
        head = get(
            b"/api/devices/v1/authentication/auth_requests",
            b"Content-Length: %d" % len(signed),
            b"X-MEN-Signature: \xe9\xe9",
            method=b"POST",
        )
        status, _, body = parsed(served.raw(head + signed))
        assert (status, json.loads(body)["error"]) == (401, "signature verification failed")


class TestIds:
    def test_every_answer_names_one_of_its_own(self, served: Served) -> None:
        _, headers, _ = served.ask("GET", "/readyz")
        assert str(uuid.UUID(headers["X-Request-Id"])) == headers["X-Request-Id"]
        assert headers.get_all("X-Correlation-ID") is not None

    def test_the_portal_keeps_the_callers(self, served: Served) -> None:
        forged = {"X-Request-Id": "mine", "X-Gatehouse-Caller-Request-Id": "forged"}
        assert served.ask("GET", "/readyz", headers=forged)[1].get_all("X-Request-Id") == ["mine"]

    def test_a_forged_caller_id_is_not_believed(self, served: Served) -> None:
        _, headers, _ = served.ask("GET", "/readyz", headers={"X-Gatehouse-Caller-Request-Id": "forged"})
        assert headers["X-Request-Id"] != "forged"

    def test_a_correlation_id_comes_back(self, served: Served) -> None:
        for path in ("/readyz", "/nothing"):
            _, headers, _ = served.ask("GET", path, headers={"X-Correlation-ID": "run:1.a-b_c"})
            assert headers.get_all("X-Correlation-ID") == ["run:1.a-b_c"]

    def test_an_unfit_correlation_id_does_not_come_back(self, served: Served) -> None:
        _, headers, _ = served.ask("GET", "/readyz", headers={"X-Correlation-ID": "a b"})
        assert headers["X-Correlation-ID"] == headers["X-Request-Id"]


class TestWhatAClientClaims:
    """Nothing of it is believed. `/metrics` is open to loopback, so an address that was believed would close it."""

    @pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Envoy-External-Address", "Via"])
    def test_about_its_address(self, served: Served, name: str) -> None:
        assert served.ask("GET", "/metrics", headers={name: "203.0.113.9"})[0] == 200

    def test_about_its_scheme(self, served: Served) -> None:
        _, forged, _ = served.ask("GET", "/portal/login/", headers={"X-Forwarded-Proto": "https"})
        with httpx.Client(verify=served.trusted(), timeout=ANSWERED_WITHIN) as client:
            over_tls = client.get(f"{served.tls_url}/portal/login/", headers={"X-Forwarded-Proto": "http"})
        assert "Secure" not in forged["Set-Cookie"]
        assert "Secure" in over_tls.headers["Set-Cookie"]


class TestBodies:
    @pytest.mark.parametrize("size", [70_000, 1024 * 1024, 1024 * 1024 + 60_000])
    def test_a_mebibyte_reaches_the_portal(self, served: Served, size: int) -> None:
        for _ in range(5):
            status, headers, _ = served.ask("PUT", "/api/management/v1/admission/devices/x", b"a" * size)
            assert (status, headers["X-Frame-Options"]) == (401, "DENY")

    def test_chunks_reach_the_portal_with_a_length(self, served: Served) -> None:
        pieces = iter([b'{"device_identity": "{}", ', b'"key": "k"}'])
        status, _, body = served.ask(
            "PUT", "/api/management/v1/admission/devices/x", pieces, {"Content-Type": "application/json"}
        )
        assert status == 401, body  # Not 411: its length was known.

    @pytest.mark.parametrize(
        ("path", "members"), [("/api/v1/tokens", 3), ("/api/devices/x", 2), ("/api/im/v3/Users", 1)]
    )
    def test_more_is_refused_by_the_door(self, served: Served, path: str, members: int) -> None:
        sent = b"POST %s HTTP/1.1\r\n%sContent-Length: 1200000\r\n\r\n" % (path.encode(), CLOSE) + b"a" * 1_200_000
        status, _, body = parsed(served.raw(sent))
        assert status == 413
        assert len(json.loads(body)) == members

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            (b"PUT", b"/api/management/v1/admission/devices/a"),
            (b"POST", b"/api/devices/v1/authentication/auth_requests"),
        ],
    )
    @pytest.mark.parametrize("size", [1_114_112, 1_114_113])
    def test_more_is_refused_on_menders_paths_in_menders_words(
        self, served: Served, method: bytes, path: bytes, size: int
    ) -> None:
        sent = b"%s %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n" % (method, path, CLOSE, size) + b"a" * size
        status, headers, body = parsed(served.raw(sent))
        if status == 413:
            assert json.loads(body) == {
                "error": "request body is too large", "request_id": headers["X-MEN-RequestID"],
            }  # fmt: skip
        else:  # It came to the portal, which looks at the token first.
            assert (status, method) == (401, b"PUT")


class TestTls:
    def connected(self, served: Served, context: ssl.SSLContext) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", served.tls_port), ANSWERED_WITHIN)
        return context.wrap_socket(plain, server_hostname="localhost")

    def test_is_1_3_with_a_certificate_for_this_machine(self, served: Served) -> None:
        with self.connected(served, served.trusted()) as connection:
            assert connection.version() == "TLSv1.3"
            der = connection.getpeercert(binary_form=True)
        assert der is not None
        shown = x509.load_der_x509_certificate(der)
        names = shown.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        assert {"localhost", "edge-iot-core.proxy-redirect"} <= set(names.get_values_for_type(x509.DNSName))
        assert {"127.0.0.1", "::1"} <= {str(address) for address in names.get_values_for_type(x509.IPAddress)}

    def test_an_older_version_fails_in_the_handshake(self, served: Served) -> None:
        context = served.trusted()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            self.connected(served, context)

    def test_clear_text_is_closed_without_an_answer(self, served: Served) -> None:
        with socket.create_connection(("127.0.0.1", served.tls_port), ANSWERED_WITHIN) as connection:
            connection.sendall(get(b"/readyz"))
            assert until_closed(connection) == b""

    @pytest.mark.parametrize(("http2", "version"), [(True, "HTTP/2"), (False, "HTTP/1.1")])
    def test_speaks_both_versions(self, served: Served, http2: bool, version: str) -> None:
        with httpx.Client(http2=http2, verify=served.trusted(), timeout=ANSWERED_WITHIN) as client:
            answer = client.get(f"{served.tls_url}/readyz")
        assert (answer.status_code, answer.http_version) == (200, version)
        assert "strict-transport-security" not in answer.headers

    def test_a_header_with_an_underscore_resets_the_stream_and_not_the_connection(self, served: Served) -> None:
        with httpx.Client(http2=True, verify=served.trusted(), timeout=ANSWERED_WITHIN) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(f"{served.tls_url}/readyz", headers={"x_forged": "1"})
            assert client.get(f"{served.tls_url}/readyz").status_code == 200


class TestControlPlane:
    def test_answers_nobody_without_a_nodes_token(self, served: Served) -> None:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}):
            status, answered, body = served.ask("POST", "/v3/discovery:secrets", b"{}", headers)
            assert (status, json.loads(body)["code"]) == (401, "node_token_refused")
            assert answered["WWW-Authenticate"] == 'Bearer realm="gatehouse"'

    def test_its_token_is_known_to_nobody_else(self, served: Served) -> None:
        token_file = served.data_dir / "run" / "node-token.json"
        assert token_file.stat().st_mode & 0o777 == 0o600
        token = re.search(r"gate_node_\w+[^\"]*", token_file.read_text())
        assert token is not None
        assert hashlib.sha256(token[0].encode()).hexdigest() not in served.log
        assert token[0] not in served.log

    def test_the_local_node_holds_everything_it_is_offered(self, served: Served) -> None:
        def accepted() -> bool:
            return set(node(served)["accepted"]) == {
                "listeners", "clusters", "routes/doors", "routes/device_door", "secrets/door", "secrets/device_cas",
                "extension_configs/access_token", "extension_configs/revocations",
            }  # fmt: skip

        wait_for(accepted, otherwise=lambda: str(node(served)))
        assert node(served)["refused"] == {}
        assert node(served)["envoy_version"].startswith("1.")


def node(served: Served) -> dict[str, Any]:
    """What is recorded of the local node."""
    code = "from gateway.models import GatewayNode; import json; "
    code += "print(json.dumps(GatewayNode.objects.values('accepted', 'refused', 'envoy_version').get(kind='local')))"
    recorded: dict[str, Any] = json.loads(served.manage("shell", "-v", "0", "-c", code))
    return recorded
