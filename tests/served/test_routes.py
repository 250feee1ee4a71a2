"""Routes of the gateway at the real doors: which path, which headers and which body reach the service behind one."""

import http.client
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.receiver import Receiver, receiving, say
from tests.served.gateway import Gateway
from tests.served.http2 import Http2
from tests.served.installation import ANSWERED_WITHIN, settled, wait_for
from tests.served.services import ANY_BROWSER, SERVED, events

ORIGIN, OTHER = "https://app.example", "https://evil.example"
EXPOSED = "x-correlation-id, x-request-id, retry-after"
HEX = "0123456789abcdefABCDEF"


class TestServed:
    @pytest.mark.parametrize(
        ("asked", "heard"),
        [("/line/api/v3/ping?x=1&y=a/b", "/base/api/v3/ping?x=1&y=a/b"), ("/line", "/base/"), ("/line/", "/base/"),
         ("/line?x", "/base/?x"), ("/line/line/x", "/base/line/x"), ("//line//x", "/base/x"), ("/line/x/", "/base/x/"),
         ("/line/%E4%B8%AD", "/base/%E4%B8%AD"), ("/line/%20", "/base/%20"), ("/line/%25", "/base/%25"),
         ("/line/%3F", "/base/%3F"), ("/line/%252e", "/base/%252e"), ("/line/%61", "/base/%61"),
         ("/line/a:b@c", "/base/a:b@c"), ("/line/x..y", "/base/x..y"), ("/line/...", "/base/..."),
         ("/line/.hidden", "/base/.hidden"), ("/line/x?x=../..%2F", "/base/x?x=../..%2F"),
         ("/line/x?a//b", "/base/x?a//b")],
    )  # fmt: skip
    def test_without_the_prefix_and_below_the_base_path(
        self, gateway: Gateway, service: Receiver, line: int, token: str, asked: str, heard: str
    ) -> None:
        for door in (over_http_1, over_http_2):
            assert door(gateway, asked.encode(), token) == (200, b"ok")
            assert service.heard[-1].path == heard

    def test_with_what_the_gateway_knows_of_the_request(
        self, gateway: Gateway, service: Receiver, line: int, token: str
    ) -> None:
        status, answered, _ = gateway.call("/line/x", token, **{"X-Correlation-ID": "press-7"})
        assert (status, answered["X-Correlation-ID"]) == (200, "press-7")
        heard = service.heard[-1].headers
        assert heard["x-gatehouse-subject"] == "main-app1-v1-one"
        assert heard["x-gatehouse-tenant"] == "main"
        assert heard["x-forwarded-for"] == "127.0.0.1"
        assert heard["x-forwarded-proto"] == "http"
        assert heard["x-forwarded-host"] == f"127.0.0.1:{gateway.served.http_port}"
        assert heard["x-forwarded-prefix"] == "/line"
        assert heard["x-correlation-id"] == "press-7"
        assert heard["x-request-id"] == answered["X-Request-Id"]
        assert heard["host"] == f"127.0.0.1:{service.port}"
        assert {name for name in heard if name.startswith("x-gatehouse")} == {
            "x-gatehouse-subject", "x-gatehouse-tenant",
        }  # fmt: skip
        assert not {"authorization", "via"} & set(heard)
        assert not [name for name in heard if name.startswith("x-envoy")]

    def test_over_tls_as_https_and_with_an_id_of_its_own(
        self, gateway: Gateway, service: Receiver, line: int, token: str
    ) -> None:
        connection = Http2(gateway.served.tls_port, gateway.served.trusted())
        answered = connection.ask(b"/line/x", (b"authorization", f"Bearer {token}".encode()))
        connection.close()
        heard = service.heard[-1].headers
        assert (answered.status, heard["x-forwarded-proto"], heard["x-forwarded-host"]) == (200, "https", "localhost")
        assert heard["x-correlation-id"] == heard["x-request-id"] == answered.headers["x-request-id"]
        assert answered.headers["x-correlation-id"] == heard["x-request-id"]

    @pytest.mark.parametrize(
        "claimed",
        ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Client-Cert",
         "X-Forwarded-Port", "Forwarded", "Via", "X-Real-IP", "X-Request-Id", "X-Envoy-Original-Path",
         "X-Envoy-External-Address", "X-Envoy-Internal", "X-Envoy-Upstream-Rq-Timeout-Ms", "X-Gatehouse-Subject",
         "X-Gatehouse-Tenant", "X-Gatehouse-Token", "X-Gatehouse-Grant", "X-Gatehouse-Scope",
         "X-Gatehouse-Gateway-Scope", "X-Gatehouse-Door", "X-Gatehouse-Anything"],
    )  # fmt: skip
    def test_without_what_the_client_claims(
        self, gateway: Gateway, service: Receiver, line: int, token: str, claimed: str
    ) -> None:
        status, answered, _ = gateway.call("/line/x", token, **{claimed: "forged"})
        assert (status, answered["X-Request-Id"]) != (200, "forged")
        assert status == 200
        assert "forged" not in service.heard[-1].headers.values()

    def test_without_a_tenant_where_the_token_names_none(self, gateway: Gateway, service: Receiver, line: int) -> None:
        ann = gateway.signed({"ann": {}})["ann"]
        assert gateway.call("/line/x", ann, **{"X-Gatehouse-Tenant": "main"})[0] == 200
        heard = service.heard[-1].headers
        assert heard["x-gatehouse-subject"] == "ann"
        assert "x-gatehouse-tenant" not in heard

    def test_with_the_body_and_its_length(self, gateway: Gateway, service: Receiver, line: int, token: str) -> None:
        status, _, _ = gateway.call("/line/x", token, "POST", iter([b"ab", b"cd"]))
        assert status == 200
        assert service.heard[-1].body == b"abcd"
        assert service.heard[-1].headers["content-length"] == "4"

    def test_with_the_token_and_the_clients_host_where_the_route_says_so(
        self, gateway: Gateway, service: Receiver, token: str
    ) -> None:
        target = f"http://127.0.0.1:{service.port}"
        gateway.open("line2", target, forward_token=True, host_header="client")
        assert gateway.call("/line2/x", token, Host="gate.example")[0] == 200
        heard = service.heard[-1]
        assert (heard.path, heard.headers["host"]) == ("/x", "gate.example")
        assert heard.headers["authorization"] == f"Bearer {token}"

    def test_as_a_stream_of_events_while_it_comes(self, gateway: Gateway, token: str) -> None:
        with receiving(answer=SERVED) as receiver:
            gateway.open("events", f"http://127.0.0.1:{receiver.port}", timeout_s=0)
            receiver.answer = events
            connection = http.client.HTTPConnection("127.0.0.1", gateway.served.http_port, timeout=ANSWERED_WITHIN)
            connection.request("GET", "/events", headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert answer.read1() == b"data: 0\n\n"
            assert answer.read() == b"data: 1\n\ndata: 2\n\n"
            connection.close()

    def test_its_own_answers_unchanged(self, gateway: Gateway, service: Receiver, token: str) -> None:
        own = b"HTTP/1.1 418 X\r\nConnection: close\r\nX-Own: 1\r\nWWW-Authenticate: X\r\nContent-Length: 3\r\n\r\ntea"
        with receiving(answer=say(own)) as receiver:
            gateway.open("pot", f"http://127.0.0.1:{receiver.port}")
            status, answered, content = gateway.call("/pot", token)
        assert (status, answered["X-Own"], answered["WWW-Authenticate"], content) == (418, "1", "X", b"tea")


class TestMatching:
    @pytest.mark.parametrize("path", ["/lineX", "/LINE/x", "/Line", "/%6cine", "/lin", "/x/line", "/", "/line.x"])
    def test_is_by_whole_segments_and_byte_by_byte(
        self, gateway: Gateway, service: Receiver, line: int, token: str, path: str
    ) -> None:
        before = len(service.heard)
        assert path == "/" or gateway.said(path, token) == (404, "route_not_found")
        assert over_http_2(gateway, path.encode(), token)[0] == (302 if path == "/" else 404)
        assert len(service.heard) == before

    def test_finds_the_longest_prefix_and_a_target_changes_live(
        self, gateway: Gateway, service: Receiver, line: int, token: str
    ) -> None:
        with receiving(answer=SERVED) as other:
            number = gateway.open("line/deep", f"http://127.0.0.1:{other.port}")

            def is_deep() -> bool:
                before = len(other.heard)
                return gateway.call("/line/deep/x", token)[0] == 200 and len(other.heard) > before

            wait_for(settled(is_deep))
            assert other.heard[-1].path == "/x"
            assert other.heard[-1].headers["x-forwarded-prefix"] == "/line/deep"
            assert gateway.call("/line/deeper", token)[0] == 200
            assert service.heard[-1].path == "/base/deeper"
            target = f"http://127.0.0.1:{service.port}/moved"
            gateway.rest("PATCH", f"/routes/{number}", {"target": target})

            def moved() -> bool:
                assert gateway.call("/line/deep/x", token)[0] == 200
                return service.heard[-1].path == "/moved/x"

            wait_for(moved)

    def test_finds_a_disabled_route_no_more_and_an_enabled_one_again(
        self, gateway: Gateway, service: Receiver, token: str
    ) -> None:
        number = gateway.open("spare", f"http://127.0.0.1:{service.port}")
        assert gateway.call("/spare", token)[0] == 200
        gateway.rest("PATCH", f"/routes/{number}", {"enabled": False})
        wait_for(settled(lambda: gateway.call("/spare", token)[0] == 404))
        assert gateway.said("/spare", token) == (404, "route_not_found")
        gateway.rest("PATCH", f"/routes/{number}", {"enabled": True})
        wait_for(lambda: gateway.call("/spare", token)[0] == 200)

    def test_leaves_the_portals_own_addresses_alone(self, gateway: Gateway) -> None:
        for prefix in ("api", "Portal", "/healthz/", "static/x"):
            said = gateway.rest("POST", "/routes", {"prefix": prefix, "target": "http://127.0.0.1:9"}, status=400)
            assert said["code"] == "prefix_reserved"
        assert gateway.served.ask("GET", "/healthz")[0] == 200


class TestRefused:
    """Before anything is looked up, and never resolved or decoded."""

    @pytest.mark.parametrize(
        "path",
        ["/line/.", "/line/..", "/line/./x", "/line/../x", "/line/%2e", "/line/.%2E/x", "/line/%2e%2E/x", "/line/..;/x",
         "/line/a%2Fb", "/line/a%2fb", "/line/a%5Cb", "/line/a\\b", "/line/%00", "/line/%1F", "/line/%0a", "/line/%7F",
         "/line;x", "/line/%3Bx", "/line/%", "/line/%4", "/line/%zz", "/line/%4g/x", "//line//..//x", "/x/../line"],
    )  # fmt: skip
    def test_a_path_that_can_be_read_in_two_ways(
        self, gateway: Gateway, service: Receiver, line: int, token: str, path: str
    ) -> None:
        before = len(service.heard)
        status, _, content = gateway.call(path, token)
        assert (status, json.loads(content)["code"]) == (400, "path_refused")
        status, content = over_http_2(gateway, path.encode(), token)
        assert (status, json.loads(content)["code"]) == (400, "path_refused")
        assert len(service.heard) == before

    @pytest.mark.parametrize("path", [b"/line/a b", b"/line/a\tb", b"/line/\x01", b"/line/\xc3\xa9", b"/line?\xc3\xa9",
                                      b"/line?a b", b"/line#x"])  # fmt: skip
    def test_a_byte_that_no_path_has(
        self, gateway: Gateway, service: Receiver, line: int, token: str, path: bytes
    ) -> None:
        before = len(service.heard)
        assert over_http_1(gateway, path, token)[0] == 400
        assert over_http_2(gateway, path, token)[0] in (400, 0)
        assert len(service.heard) == before

    def test_a_header_with_an_underscore(self, gateway: Gateway, service: Receiver, line: int, token: str) -> None:
        before = len(service.heard)
        status, _, content = gateway.call("/line/x", token, x_forged="1")
        assert (status, json.loads(content)["code"]) == (400, "bad_request")
        connection = Http2(gateway.served.tls_port, gateway.served.trusted())
        shown = (b"authorization", f"Bearer {token}".encode())
        assert connection.ask(b"/line/x", shown, (b"x_forged", b"1")).status == 0
        assert connection.is_open
        assert connection.ask(b"/line/x", shown).status == 200
        connection.close()
        assert len(service.heard) == before + 1

    @pytest.mark.parametrize("hosts", ["Host: a\r\nHost: b", "Host: a\r\nX: 1\r\nhost: a", "Host: a, b"])
    def test_two_hosts(self, gateway: Gateway, service: Receiver, line: int, token: str, hosts: str) -> None:
        before = len(service.heard)
        asked = f"GET /line/x HTTP/1.1\r\n{hosts}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        assert gateway.served.raw(asked.encode()).startswith(b"HTTP/1.1 400 ")
        assert len(service.heard) == before

    @pytest.mark.parametrize("query", ["access_token=x", "a=b&%61cces%73%5Ftoken", "access%5ftoken=&a"])
    def test_a_token_in_the_query_by_any_spelling(
        self, gateway: Gateway, service: Receiver, line: int, token: str, query: str
    ) -> None:
        before = len(service.heard)
        assert gateway.said(f"/line/x?{query}", token) == (400, "token_in_query")
        assert over_http_2(gateway, f"/line/x?{query}".encode(), token)[0] == 400
        assert len(service.heard) == before

    @pytest.mark.parametrize("unfit", ["a b", "a" * 129, "é", ""])
    def test_a_correlation_id_that_is_none(
        self, gateway: Gateway, service: Receiver, line: int, token: str, unfit: str
    ) -> None:
        before = len(service.heard)
        assert gateway.said("/line/x", token, **{"X-Correlation-ID": quote(unfit, safe=" ")}) == (
            400, "correlation_id_refused"
        )  # fmt: skip
        assert len(service.heard) == before


@pytest.fixture(scope="module")
def shared(gateway: Gateway, line: int) -> Iterator[Receiver]:
    """Two routes that list origins, to a service that would let every page in."""
    with receiving(answer=ANY_BROWSER) as receiver:
        facts = {"cors_origins": [ORIGIN, "http://10.0.0.7:8080"], "methods": ["GET", "PUT"]}
        target = f"http://127.0.0.1:{receiver.port}"
        gateway.open("shared", target, rate_per_minute=60, burst=5, **facts)
        gateway.open("trusting", target, cors_credentials=True, **facts)
        yield receiver


@pytest.fixture(scope="module")
def other(gateway: Gateway) -> str:
    """A token of another scope."""
    return gateway.token(gateway.credential("two", "gateway:other"))


def told(answered: Any) -> dict[str, str]:
    """What an answer says to a browser about pages of other origins."""
    return {name.lower(): value for name, value in answered.items() if name.lower().startswith("access-control-")}


def ask_before(gateway: Gateway, path: str, origin: str) -> tuple[int, Any, bytes]:
    return gateway.call(path, "", "OPTIONS", **{"Origin": origin, "Access-Control-Request-Method": "PUT"})


class TestABrowser:
    def test_that_asks_for_a_listed_page_hears_what_it_may_send_without_a_token(
        self, gateway: Gateway, shared: Receiver
    ) -> None:
        before = len(shared.heard)
        for path, more in (("/shared/x", {}), ("/trusting", {"access-control-allow-credentials": "true"})):
            status, answered, content = ask_before(gateway, path, ORIGIN)
            assert (status, content) == (200, b"")
            assert told(answered) == {
                "access-control-allow-origin": ORIGIN,
                "access-control-allow-methods": "GET, PUT",
                "access-control-allow-headers": "authorization, content-type, accept, x-correlation-id",
                "access-control-max-age": "600",
                **more,
            }
            assert answered["X-Request-Id"] == answered["X-Correlation-ID"]
            assert answered["Server"] == "gatehouse"
        assert len(shared.heard) == before

    @pytest.mark.parametrize("origin", [OTHER, "https://app.example.evil", "https://appXexample", "null", ""])
    def test_that_asks_for_another_page_hears_nothing_of_it(
        self, gateway: Gateway, shared: Receiver, origin: str
    ) -> None:
        before = len(shared.heard)
        status, answered, _ = ask_before(gateway, "/shared", origin)
        assert (status, told(answered)) == (200, {})
        assert len(shared.heard) == before

    def test_needs_a_token_for_any_other_options(self, gateway: Gateway, shared: Receiver) -> None:
        for headers in ({}, {"Origin": ORIGIN}, {"Access-Control-Request-Method": "PUT"}):
            assert gateway.said("/shared", "", "OPTIONS", **headers) == (401, "token_missing")

    def test_needs_a_token_for_options_of_a_route_that_lists_nobody(self, gateway: Gateway, line: int) -> None:
        status, answered, _ = ask_before(gateway, "/line", ORIGIN)
        assert (status, told(answered)) == (401, {})

    def test_may_read_every_answer_to_a_listed_page_refusals_too(
        self, gateway: Gateway, shared: Receiver, token: str, other: str
    ) -> None:
        origin = {"Origin": ORIGIN}
        spoken = {"access-control-allow-origin": ORIGIN, "access-control-expose-headers": EXPOSED}
        for path, shown, expected in (
            ("/shared", token, 200),
            ("/shared", "", 401),
            ("/shared", other, 403),
            ("/trusting", token, 200),
        ):
            status, answered, _ = gateway.call(path, shown, **origin)
            more = {"access-control-allow-credentials": "true"} if path == "/trusting" else {}
            assert (status, told(answered)) == (expected, spoken | more)
            assert "Origin" in ",".join(answered.get_all("Vary"))
        assert shared.heard[-1].headers["origin"] == ORIGIN
        calls: list[tuple[int, Any, bytes]] = []
        wait_for(lambda: calls.append(gateway.call("/shared", token, **origin)) or calls[-1][0] == 429)
        answered = calls[-1][1]
        assert told(answered) == spoken
        assert (answered["Vary"], answered["Retry-After"]) == ("Origin", "1")

    def test_hears_nothing_of_it_for_another_page_for_none_or_for_another_method(
        self, gateway: Gateway, shared: Receiver, token: str, other: str
    ) -> None:
        for headers in ({}, {"Origin": OTHER}):
            status, answered, _ = gateway.call("/trusting", token, **headers)
            assert (status, told(answered), answered["Vary"]) == (200, {}, "Accept")
        status, answered, _ = gateway.call("/trusting", token, "DELETE", **{"Origin": ORIGIN})
        assert (status, told(answered), answered["Vary"]) == (405, {}, None)


PIECES = (
    "line", "line", "line", "/", "/", "/", "//", "x", ".", "..", "...", ".hidden", "LINE", "base", "%6cine", "%2e",
    "%2E", "%2f", "%2F", "%5c", "\\", ";", "%3b", "%00", "%0d%0a", "%7f", "%", "%4", "%zz", "%25", "%252e", "%61",
    "%20", "?", "?", "a=b", "../", "a:b@c", "~", "*", "'", '"', "<", "|", "{}",
)  # fmt: skip


def read(path: str) -> str | None:
    """What the service is asked for at this path, by the rule alone; None where it is refused, or nobody's."""
    bare, mark, query = path.partition("?")
    segments = re.sub("/+", "/", bare).split("/")
    escapes = [bare[at + 1 : at + 3] for at, char in enumerate(bare) if char == "%"]
    if any(len(escape) < 2 or not set(escape) <= set(HEX) for escape in escapes) or ";" in bare or "\\" in bare:
        return None
    meant = {int(escape, 16) for escape in escapes}
    if meant & {*b"/\\;\x7f", *range(32)}:
        return None
    if any(re.sub("%2e", ".", segment, flags=re.IGNORECASE) in (".", "..") for segment in segments):
        return None
    if segments[1] != "line":
        return None
    return "/".join(["/base", *(segments[2:] or [""])]) + mark + query


class TestAnyPath:
    """The path that was judged is the path that reaches the service, or nothing reaches it."""

    @pytest.mark.parametrize("door", ["over_http_1", "over_http_2"])
    @settings(max_examples=250)
    @given(pieces=st.lists(st.sampled_from(PIECES), max_size=9))
    def test_is_stripped_and_passed_or_refused(
        self, gateway: Gateway, service: Receiver, line: int, token: str, door: str, pieces: list[str]
    ) -> None:
        path = "/line" + "".join(pieces) if pieces[:1] != ["LINE"] else "/" + "".join(pieces)
        before = len(service.heard)
        status, content = DOORS[door](gateway, path.encode(), token)
        expected = read(path)
        heard = [each.path for each in service.heard[before:]]
        if expected is None:
            assert (status, json.loads(content)["code"]) in [(400, "path_refused"), (404, "route_not_found")]
            assert heard == []
        else:
            assert (status, heard) == (200, [expected])


def over_http_1(gateway: Gateway, path: bytes, token: str) -> tuple[int, bytes]:
    """Status and body, where nobody corrects the path on its way to the door."""
    head = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n"
    answer = gateway.served.raw(head % (path, token.encode()))
    first, _, rest = answer.partition(b"\r\n")
    return int(first.split()[1]), rest.partition(b"\r\n\r\n")[2]


def over_http_2(gateway: Gateway, path: bytes, token: str) -> tuple[int, bytes]:
    """The same at the TLS door; status 0 where the stream was reset."""
    connection = Http2(gateway.served.tls_port, gateway.served.trusted())
    answered = connection.ask(path, (b"authorization", f"Bearer {token}".encode()))
    connection.close()
    return answered.status, answered.body


DOORS: dict[str, Callable[[Gateway, bytes, str], tuple[int, bytes]]] = {
    "over_http_1": over_http_1, "over_http_2": over_http_2
}  # fmt: skip
