"""The pages about routes and signing keys, with and without htmx, and the boxes in which scopes of routes are given."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from gateway import routes
from gateway.models import GatewayNode, Route, RouteEntryRefusal
from gateway.route_listing import PAGE
from portal.actor import Actor
from portal.models import AuditEvent, User
from tests.gateway.authorities import ca_certificate, new_key, private_pem
from tokens import key_rotation, signing
from tokens.models import AppVersion, KeyState, SigningKey

pytestmark = pytest.mark.django_db

LIST, NEW = "/portal/gateway/", "/portal/gateway/routes/new/make/"
KEYS = "/portal/gateway/signing-keys/"
HTMX = {"HX-Request": "true"}
both = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
TARGET = "http://10.0.0.5:59880"
USUAL: dict[str, Any] = {
    "prefix": "line", "target": TARGET, "methods": ["GET", "POST"], "is_enabled": "on", "timeout_s": "30",
    "connect_timeout_s": "2", "retries": "1", "body_limit": "1048576", "rate_per_minute": "0", "burst": "20",
    "websocket_max_s": "900", "host_header": "target",
}  # fmt: skip


@pytest.fixture
def ada(log_in: Callable[..., Client], administrator: User) -> Client:
    return log_in(administrator)


@pytest.fixture
def line(db: None) -> Route:
    return Route.objects.create(prefix="line", target=TARGET, scope="gateway:line", methods=["GET", "POST"])


def place(route: Route, verb: str = "") -> str:
    return f"/portal/gateway/routes/{route.pk}/{verb}"


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def onward(answer: Any) -> str:
    """Where the browser goes next, with htmx or without."""
    return str(answer.get("HX-Redirect") or answer["Location"])


class TestList:
    def test_shows_prefix_target_scope_and_state(self, ada: Client, line: Route, root: Actor) -> None:
        routes.make("still", TARGET, by=root, is_enabled=False)
        page = text_of(ada.get(LIST))
        assert re.search(rf"/line {TARGET} gateway:line methods GET, POST enabled", page)
        assert re.search(rf"/still {TARGET} gateway:still methods all disabled", page)

    @pytest.mark.parametrize(
        ("query", "shown"),
        [("q=LINE", True), ("q=/line/", True), ("q=10.0.0.5", True), ("q=other", False), ("state=enabled", True),
         ("state=disabled", False), ("q=line&state=enabled", True)],
    )  # fmt: skip
    def test_is_searched_by_part_of_prefix_or_target_and_by_state(
        self, ada: Client, line: Route, query: str, shown: bool
    ) -> None:
        assert (f'id="route-{line.pk}"' in ada.get(f"{LIST}?{query}").content.decode()) is shown

    @pytest.mark.parametrize("query", ["state=odd", "q=a&q=b", "q=%00", f"q={'x' * 501}"])
    def test_refuses_a_query_that_makes_no_sense(self, ada: Client, query: str) -> None:
        assert ada.get(f"{LIST}?{query}").status_code == 400

    def test_goes_on_in_pages_by_prefix(self, ada: Client) -> None:
        Route.objects.all().delete()
        facts = {"target": TARGET, "scope": "gateway:x", "methods": ["GET"]}
        Route.objects.bulk_create(Route(prefix=f"p{number:03}", **facts) for number in range(PAGE + 2))
        first = ada.get(LIST).content.decode()
        assert first.count('class="one') == PAGE
        [further] = re.findall(r'href="(\?after=[^"]+)"', first)
        assert re.findall(r">/(p\d+)<", ada.get(LIST + further).content.decode()) == ["p100", "p101"]

    def test_without_any_says_what_to_do(self, ada: Client) -> None:
        Route.objects.all().delete()
        assert "Make one : a prefix and the URL of a service are enough." in text_of(ada.get(LIST))
        assert "No route fits." in text_of(ada.get(f"{LIST}?q=x"))

    def test_says_which_entries_were_refused_at_the_last_start(self, ada: Client) -> None:
        sentence = "has no prefix; write prefix.http://host:port."
        RouteEntryRefusal.objects.create(position=2, entry="http://<b>:1", sentence=sentence)
        page = ada.get(LIST).content.decode()
        assert "<bdi>http://&lt;b&gt;:1</bdi>" in page
        assert sentence in page

    def test_a_viewer_sees_them_and_no_form(self, log_in: Callable[..., Client], viewer: User, line: Route) -> None:
        client = log_in(viewer)
        assert "New route" not in text_of(client.get(LIST))
        page = text_of(client.get(place(line)))
        assert "needs the scope gateway:manage" in page
        assert "Delete this route" not in page
        assert "Try it" in page


class TestMaking:
    @both
    def test_one_is_made_with_all_that_was_said(self, ada: Client, headers: dict[str, str]) -> None:
        said = {
            **USUAL, "scope": "gateway:press", "rate_per_minute": "60", "burst": "5", "health_path": "/ping",
            "cors_origins": "https://a.example\r\nhttps://b.example", "cors_credentials": "on", "websocket": "on",
            "forward_token": "on", "host_header": "client", "reason": "for the press",
        }  # fmt: skip
        answer = ada.post(NEW, said, headers=headers)
        route = Route.objects.get(prefix="line")
        assert onward(answer) == place(route)
        assert (route.scope, route.rate_per_minute, route.burst, route.health_path) == ("gateway:press", 60, 5, "/ping")
        assert (route.cors_origins, route.cors_credentials) == (["https://a.example", "https://b.example"], True)
        assert (route.websocket, route.forward_token, route.host_header) == (True, True, "client")
        assert (route.methods, route.created_by) == (["GET", "POST"], "ada")
        assert AuditEvent.objects.latest("number").reason == "for the press"

    def test_what_was_left_empty_has_its_default(self, ada: Client) -> None:
        ada.post(NEW, {name: value for name, value in USUAL.items() if name != "is_enabled"})
        route = Route.objects.get(prefix="line")
        assert (route.scope, route.is_enabled, route.cors_origins) == ("gateway:line", False, [])

    @both
    @pytest.mark.parametrize(
        ("wrong", "status", "field", "sentence"),
        [
            ({"prefix": ""}, 400, "prefix", "Say under which path"),
            ({"prefix": "api/x"}, 400, "prefix", "/api belongs to the portal"),
            ({"prefix": "Taken"}, 409, "prefix", "taken is already a route to"),
            ({"target": "http://169.254.169.254"}, 400, "target", "169.254.169.254 is never a route target."),
            ({"target": "http://10.0.0.5?x"}, 400, "target", "A target has no query"),
            ({"scope": "gateway:read"}, 400, "scope", "opens something of the portal"),
            ({"methods": []}, 400, "methods", "Choose at least one method."),
            ({"timeout_s": "601"}, 400, "timeout_s", "Write 0 to 600 seconds"),
            ({"retries": "many"}, 400, "retries", "Write a whole number."),
            ({"cors_origins": "*"}, 400, "cors_origins", "is no origin"),
            ({"health_path": "ping"}, 400, "health_path", "A health path is /"),
            ({"target_ca": "hello"}, 400, "target_ca", "It is no PEM bundle"),
        ],
    )
    def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(
        self, ada: Client, headers: dict[str, str], wrong: dict[str, Any], status: int, field: str, sentence: str
    ) -> None:
        Route.objects.create(prefix="taken", target=TARGET, scope="gateway:taken", methods=["GET"])
        answer = ada.post(NEW, {**USUAL, "reason": "why", **wrong}, headers=headers)
        page = answer.content.decode()
        assert answer.status_code == status
        [said] = re.findall(rf'id="{field}-wrong">([^<]*)', page)
        assert sentence in said
        assert 'value="why"' in page
        assert ("<html" in page) == (not headers)
        assert not Route.objects.filter(prefix="line").exists()

    def test_a_private_key_that_was_pasted_is_not_shown_again(self, ada: Client) -> None:
        key = private_pem(new_key())
        answer = ada.post(NEW, {**USUAL, "target_ca": key})
        assert answer.status_code == 400
        assert "PRIVATE KEY" not in answer.content.decode()
        assert "This holds a private key" in text_of(answer)


class TestChanging:
    @both
    def test_only_what_was_changed_is_changed(self, ada: Client, line: Route, headers: dict[str, str]) -> None:
        answer = ada.post(place(line, "change/"), {**USUAL, "seen": "1", "retries": "0"}, headers=headers)
        assert answer.status_code == (200 if headers else 302)
        assert AuditEvent.objects.latest("number").after == {"retries": 0}
        line.refresh_from_db()
        assert (line.revision, line.retries, line.is_enabled) == (2, 0, True)

    def test_an_unchanged_form_leaves_no_trace(self, ada: Client, root: Actor) -> None:
        facts = {"target_ca": ca_certificate(), "cors_origins": ["https://a.example"], "methods": ["GET", "POST"]}
        route = routes.make("line", "https://10.0.0.5", by=root, **facts)
        shown = {
            "target": "https://10.0.0.5", "scope": "gateway:line", "cors_origins": "https://a.example\r\n",
            "target_ca": route.target_ca.replace("\n", "\r\n"),
        }  # fmt: skip
        ada.post(place(route, "change/"), {**USUAL, **shown, "seen": "1"})
        assert routes.find(route.pk).revision == 1

    def test_an_emptied_scope_is_that_of_the_prefix_again(self, ada: Client, root: Actor, line: Route) -> None:
        routes.change(line, by=root, scope="gateway:other")
        ada.post(place(line, "change/"), {**USUAL, "scope": "", "seen": "2"})
        assert routes.find(line.pk).scope == "gateway:line"

    @both
    def test_one_that_others_changed_meanwhile_stays_and_the_person_is_told(
        self, ada: Client, root: Actor, line: Route, headers: dict[str, str]
    ) -> None:
        routes.change(line, by=root, retries=3)
        answer = ada.post(place(line, "change/"), {**USUAL, "retries": "0", "seen": "1"}, headers=headers)
        assert answer.status_code == 409
        page = answer.content.decode()
        assert "has changed since you looked" in page
        assert 'name="seen" value="1"' in page
        assert routes.find(line.pk).retries == 3
        assert ada.post(place(line, "disable/"), {"seen": "1"}, headers=headers).status_code == 409

    @both
    def test_it_is_disabled_and_enabled(self, ada: Client, line: Route, headers: dict[str, str]) -> None:
        for verb, enabled, seen in (("disable/", False, "1"), ("enable/", True, "2")):
            answer = ada.post(place(line, verb), {"seen": seen, "reason": "rest"}, headers=headers)
            assert answer.status_code == (200 if headers else 302)
            assert routes.find(line.pk).is_enabled is enabled

    @both
    def test_it_goes_only_if_its_prefix_was_typed(self, ada: Client, line: Route, headers: dict[str, str]) -> None:
        answer = ada.post(place(line, "delete/"), {"typed": "Line", "seen": "1"}, headers=headers)
        assert answer.status_code == 400
        assert "Type line to confirm" in text_of(answer)
        answer = ada.post(place(line, "delete/"), {"typed": "line", "seen": "1"}, headers=headers)
        assert onward(answer) == LIST
        assert not Route.objects.filter(pk=line.pk).exists()
        assert ada.get(place(line)).status_code == 404

    def test_the_history_says_who_changed_what_and_why(self, ada: Client, root: Actor, line: Route) -> None:
        routes.change(line, by=root, retries=3, reason="far away")
        assert re.search(r"route changed retries 1 → 3 far away", text_of(ada.get(place(line))))

    def test_a_call_is_filled_in(self, ada: Client, line: Route) -> None:
        assert re.search(r"curl -sS --fail-with-body \S.*/line/ \\", text_of(ada.get(place(line))))


class TestTrying:
    JUDGE = f"{LIST}try/judge/"

    @both
    def test_shows_the_steps_until_the_no(self, ada: Client, line: Route, headers: dict[str, str]) -> None:
        answer = ada.post(self.JUDGE, {"method": "GET", "path": "/line/x", "token": "a.b.c"}, headers=headers)
        assert answer.status_code == 200
        page = text_of(answer)
        assert "Refused: 401 token_invalid The access token is not one of this gateway" in page
        assert re.search(r"Path .* Header and query .* Route .* Token .*", page)
        assert "a.b.c" not in answer.content.decode()
        assert ("<html" in answer.content.decode()) == (not headers)

    def test_shows_what_the_service_would_get(self, ada: Client, line: Route) -> None:
        token = signing.sign(
            {"iss": "http://localhost", "aud": "gateway", "exp": 2**33, "scope": "gateway:line", "sub": "press-7"}
        )
        answer = ada.post(self.JUDGE, {"method": "GET", "path": "/line/x", "token": token})
        assert token not in answer.content.decode()
        assert token.split(".")[1] not in answer.content.decode()

    @both
    def test_says_what_is_no_request(self, ada: Client, headers: dict[str, str]) -> None:
        answer = ada.post(self.JUDGE, {"method": "GET", "path": "line"}, headers=headers)
        assert answer.status_code == 400
        assert "it begins with /" in text_of(answer)

    def test_the_path_is_filled_in_by_the_address(self, ada: Client) -> None:
        assert 'value="/line/x"' in ada.get(f"{LIST}try/?path=/line/x").content.decode()


class TestSigningKeys:
    def test_each_stands_with_its_state_and_what_comes_next(self, ada: Client, root: Actor) -> None:
        signing.ensure_active(by=root)
        first = SigningKey.objects.get(state=KeyState.ACTIVE).pk
        key_rotation.begin(by=root)
        page = text_of(ada.get(KEYS))
        assert re.search(rf"{first} RS256, 2048 bits active .* a day after it has signed", page)
        assert re.search(r"next since just now .* It signs in 10 min", page)
        assert "p1 active" in page
        key_rotation.go_on(by=root, now=SigningKey.objects.get(state=KeyState.NEXT).changed_at + key_rotation.LISTED)
        assert re.search(rf"{first} RS256, 2048 bits retiring .* It retires in 1 day", text_of(ada.get(KEYS)))

    @both
    def test_a_rotation_is_begun_and_a_second_one_changes_nothing(self, ada: Client, headers: dict[str, str]) -> None:
        ada.get(KEYS)
        answer = ada.post(f"{KEYS}rotate/", headers=headers)
        assert re.search(r"The signing key \S+ is published from now on; it signs from", text_of(answer))
        assert "A rotation is under way" in text_of(ada.post(f"{KEYS}rotate/", headers=headers))
        assert SigningKey.objects.filter(state=KeyState.NEXT).count() == 1
        assert AuditEvent.objects.filter(verb="signing_key.made", actor="ada").count() == 1

    def test_a_viewer_sees_no_button(self, log_in: Callable[..., Client], viewer: User) -> None:
        page = text_of(log_in(viewer).get(KEYS))
        assert "Rotate the signing key" not in page
        assert "manage.py rotate_signing_key" in page


class TestScopesOfRoutes:
    BOX = '<input type="checkbox" name="scopes" value="gateway:line">'

    def test_are_offered_where_a_person_gives_scopes(
        self, ada: Client, line: Route, make_version: Callable[..., AppVersion]
    ) -> None:
        for page in ("/portal/tokens/", f"/portal/apps/{make_version().app.name}/"):
            assert self.BOX in ada.get(page).content.decode(), page

    def test_of_a_disabled_route_are_not(self, ada: Client, root: Actor, line: Route) -> None:
        routes.disable(line, by=root)
        assert self.BOX not in ada.get("/portal/tokens/").content.decode()

    def test_only_to_who_may_call_every_route(self, log_in: Callable[..., Client], viewer: User, line: Route) -> None:
        assert self.BOX not in log_in(viewer).get("/portal/tokens/").content.decode()


def test_the_overview_tells_of_routes_and_of_nodes_that_need_somebody(ada: Client, line: Route) -> None:
    page = text_of(ada.get("/portal/"))
    assert re.search(r"Gateway 1 route enabled \d+ disabled", page)
    refused = {"routes": {"reason": "no", "at": "2026-01-01T00:00:00+00:00"}}
    GatewayNode.objects.create(
        name="hall-3", kind="remote", token_id="a" * 12, digest="b" * 64, pepper="p1", refused=refused,
        last_seen="2026-01-01T00:00:00Z",
    )  # fmt: skip
    page = text_of(ada.get("/portal/"))
    assert "The node hall-3 refuses what it is offered" in page
    assert "The node hall-3 is away" in page


def test_changes_name_a_route_by_its_prefix_and_lead_to_it_while_it_is_there(ada: Client, root: Actor) -> None:
    stays, goes = routes.make("line", TARGET, by=root), routes.make("gone", TARGET, by=root)
    routes.delete(goes, by=root)
    routes.change(stays, by=root, timeout_s=7)
    for path in ("/portal/", "/portal/audit/"):
        page = ada.get(path)
        assert text_of(page).count("route /line") == text_of(page).count("route /gone") == 2
        assert f'href="{place(stays)}"' in page.content.decode()
        assert f'href="{place(goes)}"' not in page.content.decode()
