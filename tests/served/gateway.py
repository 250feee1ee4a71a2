"""An installation whose gateway is used: routes made over REST, and access tokens bought or signed for them."""

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from tests.served.http2 import Http2
from tests.served.installation import SETTLED, Served, settled, wait_for

TOKEN = "/api/technicaltokenmanager/v3/oauth/token"
SCOPES = ("apps:manage", "credentials:manage", "gateway:read", "gateway:manage", "gateway:*",
          "tokens:manage")  # fmt: skip
JSON = {"Content-Type": "application/json"}
SIGN = """
import json, sys, time
from django.conf import settings
from tokens import signing
good = {"iss": settings.PUBLIC_URL, "sub": "ann", "aud": "gateway", "jti": "j1", "grant": "g1", "iat": time.time() // 1,
        "scope": "gateway:line", "exp": time.time() // 1 + 3600}
signed = {}
for name, change in json.loads(%r).items():
    claims = {**good, **change}
    for moment in ("exp", "nbf"):
        if isinstance(claims.get(moment), str):
            claims[moment] = int(time.time()) + int(claims[moment])
    signed[name] = signing.sign({key: value for key, value in claims.items() if value is not None})
print(json.dumps(signed))
"""


class Gateway:
    """An installation with an operator's API token, and an app that holds `gateway:line` and `gateway:other`."""

    def __init__(self, served: Served) -> None:
        self.served = served
        named = [f"--scope={scope}" for scope in SCOPES]
        self.api_token = served.manage("issue_token", "routes", "--owner=admin", "--days=1", *named).strip()
        self.rest("POST", "/apps", {"name": "app1"}, status=201)
        scopes = ["gateway:line", "gateway:other"]
        self.rest("POST", "/apps/app1/versions", {"version": "v1", "scopes": scopes}, status=201)
        self.line = self.token(self.credential("one", "gateway:line"))

    def rest(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {self.api_token}", **JSON}
        answered, _, content = self.served.ask(method, f"/api/v1{path}", json.dumps(body) if body else None, headers)
        assert answered == status, content
        return json.loads(content) if content else None

    def credential(self, instance: str, *scopes: str) -> dict[str, Any]:
        wanted = {"app": "app1", "version": "v1", "instance": instance, "scopes": scopes, "rotate_own": False}
        issued: dict[str, Any] = self.rest("POST", "/credentials", wanted, status=201)
        return issued

    def token(self, credential: dict[str, Any], version: str = "v1") -> str:
        """An access token, bought as an app buys it."""
        key = base64.b64encode(f"{credential['client_id']}:{credential['secret']}".encode()).decode()
        wanted = {"appName": "app1", "appVersion": version, "hostTenant": "main", "userTenant": "main"}
        headers = {"X-SPACE-AUTH-KEY": f"Bearer {key}", **JSON}
        status, _, content = self.served.ask("POST", TOKEN, json.dumps(wanted), headers)
        assert status == 200, content
        return str(json.loads(content)["access_token"])

    def signed(self, changes: dict[str, dict[str, Any]]) -> dict[str, str]:
        """Tokens signed with the installation's own key, each with some claims changed, or left out where None.

        Moments written as a text are seconds from now.
        """
        made: dict[str, str] = json.loads(self.served.manage("shell", "-v", "0", "-c", SIGN % json.dumps(changes)))
        return made

    def open(self, prefix: str, target: str, *, is_served: bool = True, **facts: Any) -> int:
        """The number of a new route, once the door knows it, and its service too if it `is_served`."""
        wanted = {"prefix": prefix, "target": target, "scope": "gateway:line", **facts}
        route = self.rest("POST", "/routes", wanted, status=201)
        # A method that no route has is refused without asking the service.
        wait_for(settled(lambda: self.call(f"/{prefix}", self.line, "BREW")[0] == 405))
        if is_served:
            # To come twice would use up the rate of whoever comes, and a 429 says nothing of the service.
            callers = self.strangers() if "rate_per_minute" in facts else itertools.repeat(self.line)
            wait_for(settled(lambda: self.call(f"/{prefix}", next(callers))[0] != 503))
        return int(route["id"])

    def strangers(self) -> Iterator[str]:
        """Access tokens for the scope of the routes, each of somebody whom no route has seen."""
        while True:
            yield from self.signed({name: {"sub": name} for name in (uuid4().hex for _ in range(SETTLED))}).values()

    def call(
        self, path: str, token: str = "", method: str = "GET", body: Any = None, **headers: str
    ) -> tuple[int, Any, bytes]:
        shown = {"Authorization": f"Bearer {token}"} if token else {}
        return self.served.ask(method, path, body, {**shown, **headers})

    def said(
        self, path: str, token: str = "", method: str = "GET", body: Any = None, **headers: str
    ) -> tuple[int, str]:
        """Status and code of a refusal, which is in our shape."""
        status, answered, content = self.call(path, token, method, body, **headers)
        return self._read(status, answered, content)

    def said_over_http2(self, path: str, token: str = "", method: str = "GET", **headers: str) -> tuple[int, str]:
        """The same over the TLS door."""
        connection = Http2(self.served.tls_port, self.served.trusted())
        shown = {"authorization": f"Bearer {token}"} if token else {}
        sent = [(name.lower().encode(), value.encode()) for name, value in {**shown, **headers}.items()]
        answered = connection.ask(path.encode(), *sent, method=method.encode())
        connection.close()
        named = {name.title(): value for name, value in answered.headers.items()}
        return self._read(answered.status, named, answered.body)

    def _read(self, status: int, headers: Any, content: bytes) -> tuple[int, str]:
        body = json.loads(content)
        assert set(body) == {"code", "error", "request_id"}, body
        assert body["error"].endswith("."), body
        assert body["request_id"] == headers["X-Request-Id"]
        assert headers["X-Correlation-Id"]
        assert headers["Server"] == "gatehouse"
        return status, body["code"]
