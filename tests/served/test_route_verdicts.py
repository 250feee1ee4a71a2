"""What is told of a request beforehand is what the real door says to it: a table and random paths, through both."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.receiver import Receiver, receiving, say
from tests.served.installation import Served, serving, settled, wait_for

JSON = {"Content-Type": "application/json"}
SERVED = say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
# Tokens signed with the key of the installation, each with other claims, and some that were changed afterwards.
TOKENS = """
import base64, json, time
from django.conf import settings
from jwt import PyJWS
from tokens import revocation, signing
from tokens.models import Named
now = int(time.time())
kid = signing.jwks()["keys"][0]["kid"]
usual = {"iss": settings.PUBLIC_URL, "aud": "gateway", "sub": "s1", "jti": "j1", "grant": "g.1", "iat": now,
         "exp": now + 3600, "scope": "gateway:line"}
def signed(header=None, **claims):
    payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    return PyJWS().encode(json.dumps(payload).encode(), signing._private(kid), "RS256", headers=header or {"kid": kid})
def changed(part, **facts):
    parts = signed().split(".")
    said = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
    parts[part] = base64.urlsafe_b64encode(json.dumps({**said, **facts}).encode()).rstrip(b"=").decode()
    return ".".join(parts)
made = {
    "good": signed(), "every": signed(scope="a gateway:*"), "list": signed(scope=["x", "gateway:line"]),
    "edgex": signed(aud="edgex"), "audiences": signed(aud=["x", "gateway"]), "no_kid": signed({"typ": "JWT"}),
    "no_iat": signed(iat=None), "no_jti": signed(jti=None), "no_scope": signed(scope=None),
    "other": signed(scope="gateway:other"),
    "part": signed(scope="gateway:linex"), "expired": signed(exp=now - 60), "no_exp": signed(exp=None),
    "exp_text": signed(exp=str(now + 60)), "soon": signed(nbf=now + 600), "nbf_text": signed(nbf="x"),
    "expired_soon": signed(exp=now - 60, nbf=now + 600), "issuer": signed(iss="x"), "no_issuer": signed(iss=None),
    "audience": signed(aud="other"), "no_audience": signed(aud=None), "audience_url": signed(aud="https://gateway/"),
    "audience_number": signed(aud=[5]), "sub_number": signed(sub=5), "grant_number": signed(grant=77),
    "revoked_token": signed(jti="rj"), "revoked_grant": signed(grant="rg"), "revoked_subject": signed(sub="rs"),
    "revoked_without_scope": signed(sub="rs", scope="x"), "changed": changed(1, sub="root"),
    "changed_expired": changed(1, exp=now - 60), "changed_audience": changed(1, aud="x"),
    "none": changed(0, alg="none"), "hs256": changed(0, alg="HS256"),
    "unsigned_expired": signed(exp=now - 60)[:-4] + "AAAA",
    "another_kid": changed(0, kid="a" * 43), "kid_number": changed(0, kid=5), "no_algorithm": changed(0, alg=None),
}
made |= {
    "short": "abc", "letters": "a.b.c", "four": made["good"] + ".x", "unsigned": made["good"].rpartition(".")[0] + ".",
    "api": "gate_pat_abcdefghijkl", "padded": made["good"] + "=", "before": "$" + made["good"], "blank": "x y",
    "comma": "x,y",
}
revocation.refuse(Named.TOKEN, ["rj"])
revocation.refuse(Named.GRANT, ["rg", "77"])
revocation.refuse(Named.SUBJECT, ["rs"])
print(json.dumps(made))
"""
PATHS = [
    "/line", "/line/", "/line/x?y=1", "//line//x", "/line//", "/line?", "/line??x", "/line/line/x", "/line/deep",
    "/line/deep/x", "/line/deeper", "/a.b/x", "/aXb/x", "/lineX", "/LINE/x", "/%6cine/x", "/nowhere", "/still/x", "/..",
    "/line/..", "/line/../x", "/line/%2e%2e/x", "/line/.%2E", "/line/..;/x", "/line/.", "/line/%2Fx", "/line/%5cx",
    "/line\\x", "/line/;x", "/line/%3Bx", "/line/%", "/line/%2", "/line/%zz", "/line/%00", "/line/%1f", "/line/%7F",
    "/line/x#y", "/line?x=#y", "/line/%E4%B8%AD%20%25%3F%252e%61a:b@c", "/line/x..y/.../.hidden", "/line?x=../..%2F;",
    "/line?access_token=x", "/line?access%5Ftoken=x", "/line?x&access_token", "/line?access_tokens=1",
    "/nowhere?access_token=1", "//", "///",
]  # fmt: skip
METHODS = ["POST", "DELETE", "OPTIONS", "TRACE", "BREW", "get"]


class Both:
    """The real door, and what the portal says beforehand."""

    def __init__(self, served: Served, service: Receiver) -> None:
        self.served, self.service = served, service
        scopes = [f"--scope={scope}" for scope in ("gateway:read", "gateway:manage")]
        api_token = served.manage("issue_token", "verdicts", "--owner=admin", "--days=1", *scopes).strip()
        self.rest = {"Authorization": f"Bearer {api_token}", **JSON}
        self.tokens: dict[str, str] = json.loads(served.manage("shell", "-v", "0", "-c", TOKENS))
        base = f"http://127.0.0.1:{service.port}"
        for prefix, target, facts in (
            ("line", f"{base}/base", {"methods": ["GET", "POST"]}), ("line/deep", base, {}), ("a.b", f"{base}/x", {}),
            ("still", base, {"enabled": False}),
        ):  # fmt: skip
            wanted = {"prefix": prefix, "target": target, "scope": "gateway:line", **facts}
            assert served.ask("POST", "/api/v1/routes", json.dumps(wanted), self.rest)[0] == 201
        for prefix in ("line", "line/deep", "a.b"):
            wait_for(settled(lambda prefix=prefix: self.really("GET", f"/{prefix}", "good")[0] == 200))
        wait_for(settled(lambda: self.really("GET", "/line", "revoked_subject")[1] == "token_revoked"))

    def really(self, method: str, path: str, token: str = "") -> tuple[int, str | None, str | None]:
        """Status and code of the door, and the path that the service was asked for."""
        shown = {"Authorization": f"Bearer {self.tokens[token]}"} if token else {}
        # Not by a client, which would refuse some of the paths itself.
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: gate.example",
            *(f"{name}: {text}" for name, text in shown.items()),
        ]
        before = len(self.service.heard)
        head, _, content = self.served.raw("\r\n".join([*lines, "", ""]).encode()).partition(b"\r\n\r\n")
        asked = self.service.heard[-1].path if len(self.service.heard) > before else None
        status = int(head.split()[1])
        return status, None if asked else json.loads(content)["code"], asked

    def beforehand(self, method: str, path: str, token: str = "") -> tuple[int, str | None, str | None]:
        """The same, as the portal tells it without sending anything."""
        sent = {"method": method, "path": path, "token": self.tokens.get(token, "")}
        status, _, content = self.served.ask("POST", "/api/v1/routes/try", json.dumps(sent), self.rest)
        assert status == 200, content
        body: dict[str, Any] = json.loads(content)
        if body["upstream"] is None:
            return body["verdict"]["status"], body["verdict"]["code"], None
        return 200, None, body["upstream"]["url"].removeprefix(f"http://127.0.0.1:{self.service.port}")


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with receiving(answer=SERVED) as service, serving(GATEHOUSE_ROUTE_TARGETS="private loopback") as served:
        yield Both(served, service)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_judged_as_the_door_judges_it(both: Both, path: str) -> None:
    for token in ("good", "", "blank"):
        assert both.beforehand("GET", path, token) == both.really("GET", path, token), token


def test_a_token_is_judged_as_the_door_judges_it(both: Both) -> None:
    said = {token: both.beforehand("GET", "/line/x", token) for token in both.tokens}
    assert said == {token: both.really("GET", "/line/x", token) for token in both.tokens}
    assert {code for _, code, _ in said.values()} == {
        None, "api_token_not_accepted", "authorization_malformed", "scope_missing", "token_audience", "token_expired",
        "token_invalid", "token_malformed", "token_not_yet_valid", "token_revoked",
    }  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_judged_as_the_door_judges_it(both: Both, method: str) -> None:
    for token in ("good", "", "other"):
        assert both.beforehand(method, "/line/x", token) == both.really(method, "/line/x", token), token


PIECES = st.sampled_from(
    ["/", "line", "deep", "a.b", "still", ".", "..", "%2e", "%2F", "%5C", "%00", "%41", "%", ";", "\\", "#", "?", "=",
     "&", "access_token", "x", "~", "'", "%7f", "%25", ":", "@"]
)  # fmt: skip


@given(pieces=st.lists(PIECES, max_size=8))
@settings(max_examples=100)
def test_random_paths_are_judged_as_the_door_judges_them(both: Both, pieces: list[str]) -> None:
    path = "/" + "".join(pieces)
    if path.partition("?")[0].strip("/"):  # That of nothing but slashes is the portal's.
        assert both.beforehand("GET", path, "good") == both.really("GET", path, "good")
