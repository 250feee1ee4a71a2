"""Apps on devices as they are told to do it in seed 000, through the real doors with nothing but their two files."""

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.served.installation import ANSWERED_WITHIN, Served, wait_for

NAME = "edge-iot-core.proxy-redirect"
CANONICAL = "/device/edge/a.service/api/v3/token/permit"
AT_SERVICE = "/a.service/api/v3/token/permit"
AT_ROOT = "/api/v3/token/permit"
JSON = {"Content-Type": "application/json"}

# An app and its token, as text of a JSON object; no REST here, so that this tests nothing but the doors of apps.
INSTALL = """
import json
from devices.models import Device
from gateway import certsips
from portal.actor import Actor
from tokens import installing, registration
by = Actor.command("test")
app = registration.register({app!r}, by=by)
version = registration.add_version(app, "1.0.0", features=["API.Shutdown"], by=by)
Device.objects.get_or_create(id={device!r}, defaults={{"status": "accepted"}})
issued = installing.install(version, {device!r}, by=by)
print(json.dumps({{"id": issued.holder.pk, "token": installing.token_file(issued.text), "certsips": certsips.text()}}))
"""


@dataclass(frozen=True)
class App:
    """What an app finds on its device, and nothing else."""

    port: int
    id: str
    token_file: str
    certsips: dict[str, Any]

    @property
    def token(self) -> str:
        return str(json.loads(self.token_file)["appPrimaryToken"])

    @property
    def trust(self) -> ssl.SSLContext:
        """Only `edge-certificates.certificate-chain`, decoded once."""
        chain = base64.b64decode(self.certsips["edge-certificates"]["certificate-chain"]).decode()
        return ssl.create_default_context(cadata=chain)

    def call(
        self, path: str, body: Any = None, *, port: int = 0, method: str = "POST", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, Any]:
        """A call by the name in the file, whose address the device's resolver knows."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPSConnection(NAME, timeout=ANSWERED_WITHIN, context=self.trust)
        plain = socket.create_connection(("127.0.0.1", port or self.port), ANSWERED_WITHIN)
        connection.sock = self.trust.wrap_socket(plain, server_hostname=NAME)
        try:
            connection.request(method, path, raw, named)
            answer = connection.getresponse()
            return answer.status, answer.msg, json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def install(portal: Served) -> Callable[..., App]:
    def make(app: str, device: str = "press-1") -> App:
        found = json.loads(portal.manage("shell", "-v", "0", "-c", INSTALL.format(app=app, device=device)))
        return App(portal.tls_port, found["id"], found["token"], json.loads(found["certsips"]))

    return make


@pytest.fixture(scope="module")
def app(install: Callable[..., App]) -> App:
    return install("historian")


def error(answer: tuple[int, http.client.HTTPMessage, Any]) -> tuple[int, str]:
    status, headers, body = answer
    [told] = body["errors"]
    assert set(told) == {"code", "message", "logref"}
    assert told["logref"] == headers["X-Request-Id"]
    return status, told["code"]


class TestTheThreeCallsOfTheSeed:
    def test_the_first(self, app: App) -> None:
        status, _, body = app.call(AT_SERVICE, {"appToken": app.token})
        assert status == 200
        assert body["token"].startswith("eyJ")

    def test_the_second_with_its_path_joined_from_the_file(self, app: App) -> None:
        path = f"/device/edge/{app.certsips['auth-api-path']}/token/permit"
        status, headers, body = app.call(path, {"appPrimaryToken": app.token})
        assert status == 200
        assert set(body) == {"access_token", "expires_in", "token_type"}
        assert headers["Cache-Control"] == "no-store"

    def test_the_third(self, app: App) -> None:
        status, _, body = app.call(AT_ROOT, {"apptoken": app.token})
        assert (status, body["token_type"]) == (200, "Bearer")

    def test_on_the_clear_text_door_too(self, app: App, portal: Served) -> None:
        status, _, _ = portal.ask("POST", CANONICAL, app.token_file, JSON)
        assert status == 200


class TestTheTrapsOfTheFile:
    def test_a_doubled_slash_is_merged_and_a_missing_one_is_a_wrong_path(self, app: App) -> None:
        file = app.certsips
        doubled = f"/device/edge//{file['auth-api-path']}//token/permit"
        assert app.call(doubled, app.token_file.encode())[0] == 200
        missing = f"/device/edge{file['auth-api-path']}/token/permit"
        assert error(app.call(missing, app.token_file.encode())) == (404, "edge.wrongPath")

    def test_secure_storage_is_not_served_and_that_is_said(self, app: App) -> None:
        answer = app.call(app.certsips["secure-storage-api-path"], {})
        assert error(answer) == (404, "edge.wrongPath")
        assert "secure storage" in answer[2]["errors"][0]["message"]

    def test_the_leaf_is_first_of_what_the_door_shows(self, app: App, portal: Served) -> None:
        shown = ssl.get_server_certificate(("127.0.0.1", portal.tls_port))
        chain = base64.b64decode(app.certsips["cert-chain"]).decode()
        assert chain.startswith(shown.strip())

    def test_the_addresses_are_those_by_which_the_door_is_trusted(self, app: App) -> None:
        assert "127.0.0.1" in app.certsips["edge-ips"].split(",")


class TestAWrongPath:
    @pytest.mark.parametrize(
        "path",
        ["/token/permit", "/x/token/permit", "/api/v2/token/permit", "/device/edge/x", "/a.service/api/v2/token/permit",
         f"{CANONICAL}/", "/device/edge/api/v3/shutdown", "/a.service/api/v2/device/shutdown",
         "/x/token/permit?y=/token/permit"],
    )  # fmt: skip
    def test_is_404_at_every_door_and_never_503(self, app: App, portal: Served, path: str) -> None:
        assert error(app.call(path, {})) == (404, "edge.wrongPath")
        assert error(app.call(path, {}, port=portal.device_port)) == (404, "edge.wrongPath")

    @pytest.mark.parametrize("path", [CANONICAL, AT_SERVICE, AT_ROOT])
    def test_at_the_door_of_devices_the_right_door_is_named(self, app: App, portal: Served, path: str) -> None:
        answer = app.call(path, app.token_file.encode(), port=portal.device_port)
        assert error(answer) == (404, "edge.wrongPath")
        assert f"https://{NAME}:{portal.tls_port}" in answer[2]["errors"][0]["message"]

    @pytest.mark.parametrize("path", ["/token/permits", "/x?/token/permit"])
    def test_what_only_looks_like_it_is_nobodys(self, portal: Served, path: str) -> None:
        status, _, body = portal.ask("POST", path, "{}", JSON)
        assert (status, json.loads(body)["code"]) == (404, "route_not_found")


class TestEnvoysOwnAnswers:
    """Those of Envoy are in the same envelope: what cannot be read, and what is too large."""

    @pytest.mark.parametrize(
        "path", [f"{CANONICAL}/%2F", "/a.service/%00", "/x/%2f/token/permit", f"{AT_ROOT}?access_token=x"]
    )
    @pytest.mark.parametrize("door", ["apps", "devices"])
    def test_to_what_can_be_read_in_two_ways(self, app: App, portal: Served, path: str, door: str) -> None:
        port = portal.device_port if door == "devices" else 0
        assert error(app.call(path, {}, port=port)) == (400, "edge.badRequest")

    def test_to_what_is_too_large(self, app: App, portal: Served) -> None:
        headers = {**JSON, "Content-Length": str(1_200_000)}
        sent = f"POST {CANONICAL} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        sent += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head, _, body = portal.raw(sent.encode() + b"\r\n" + b"a" * 1_200_000).partition(b"\r\n\r\n")
        assert b" 413 " in head.splitlines()[0]
        assert json.loads(body)["errors"][0]["code"] == "edge.tooLarge"
        assert error(app.call(CANONICAL, b"a" * 9000)) == (413, "edge.tooLarge")


def test_a_denied_device_ends_its_apps_at_once_and_the_worker_writes_it_down(
    install: Callable[..., App], portal: Served, rest: Callable[..., Any]
) -> None:
    app = install("pump", "press-2")
    assert app.call(CANONICAL, app.token_file.encode())[0] == 200
    rest("POST", "/devices/press-2/deny", {"reason": "stolen"})
    assert error(app.call(CANONICAL, app.token_file.encode())) == (401, "edge.auth.revokedToken")
    wait_for(lambda: "installation.revoked" in portal.log)
    rest("POST", "/denied-devices/press-2/restore")
    assert error(app.call(CANONICAL, app.token_file.encode())) == (401, "edge.auth.revokedToken")
