"""App credentials at the real door: the calls as Insights Hub (seed 003) and our own pages print them."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.served.installation import ANSWERED_WITHIN, PATIENCE, Served, serving

TOKEN = "/api/technicaltokenmanager/v3/oauth/token"
SCOPES = ("apps:manage", "credentials:manage", "users:read", "credentials:rotate-own", "tokens:introspect")
# The example in Python as it is printed; our pages print `verify` and the variables.
EXAMPLE = """
import base64
import os
import requests

URL, CA = os.environ["GATEHOUSE"], os.environ["CA"]
client_id, client_secret = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
TOKEN_ENDPOINT = '/api/technicaltokenmanager/v3/oauth/token'
IAM_ENDPOINT = os.environ["IAM_ENDPOINT"]

payload = \"\"\"
{
"appName": "app1",
"appVersion": "v1.0.0",
"hostTenant": "main",
"userTenant": "main"
}
\"\"\"

encoded = base64.b64encode(f'{client_id}:{client_secret}'.encode()).decode()

headers = {
'X-SPACE-AUTH-KEY': os.environ["SCHEME"] + ' ' + encoded,
'Content-Type': 'application/json'
}

token_res = requests.post(url = URL+TOKEN_ENDPOINT, headers = headers, data = payload, verify = CA)
data = token_res.json()
token = data['access_token']

auth_headers = {
'Authorization': 'Bearer ' + token,
'Content-Type': 'application/json'
}

iam_response = requests.get(url = URL+IAM_ENDPOINT, headers = auth_headers, verify = CA)
users = iam_response.json()
print(users["resources"][0]["userName"])
"""
BODY = (
    '{"grant_type":"client_credentials","appName":"app1","appVersion":"v1.0.0","hostTenant":"main","userTenant":"main"}'
)
PRINTED = f"""
KEY=$(printf '%s' "$CLIENT_ID:$CLIENT_SECRET" | base64 -w0)
TOKEN=$(curl -sS --fail-with-body --cacert "$CA" -X POST "$GATEHOUSE{TOKEN}" \\
  -H "X-SPACE-AUTH-KEY: Bearer $KEY" -H 'Content-Type: application/json' \\
  -d '{BODY}' | jq -r .access_token)
curl -sS --fail-with-body --cacert "$CA" "$GATEHOUSE/api/identitymanagement/v3/Users" -H "Authorization: Bearer $TOKEN"
"""
COMMAND = f"""curl -sS --cacert "$CA" -X POST "$GATEHOUSE{TOKEN}" -H 'Content-Type: application/json' -d '{BODY}' """


@dataclass(frozen=True)
class Hub:
    """An installation with an app, and the credentials of the app."""

    served: Served
    client_id: str
    secret: str
    api_token: str

    @property
    def key(self) -> str:
        return base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()

    @property
    def env(self) -> dict[str, str]:
        ca = str(self.served.data_dir / "run" / "door.pem")
        own = {"GATEHOUSE": self.served.tls_url, "CA": ca, "CLIENT_ID": self.client_id, "CLIENT_SECRET": self.secret}
        return {**os.environ, **own}

    def shell(self, lines: str) -> str:
        """What these lines print in a shell, as a person copies them."""
        done = subprocess.run(
            ["bash", "-c", lines], env=self.env, capture_output=True, text=True, timeout=PATIENCE
        )  # fmt: skip
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serving() as served:
        named = [f"--scope={scope}" for scope in SCOPES]
        token = served.manage("issue_token", "hub", "--owner=admin", "--days=1", *named).strip()

        def post(path: str, body: Any) -> Any:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            status, _, content = served.ask("POST", f"/api/v1{path}", json.dumps(body), headers)
            assert status == 201, content
            return json.loads(content)

        post("/apps", {"name": "app1", "title": "App 1"})
        post("/apps/app1/versions", {"version": "v1.0.0", "scopes": ["users:read"]})
        issued = post("/credentials", {"app": "app1", "version": "v1.0.0", "scopes": ["users:read"]})
        own = Hub(served, issued["client_id"], issued["secret"], token)
        yield own
        for part in (own.secret, own.secret[6:49], own.key):
            assert part not in served.log


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
@pytest.mark.parametrize("path", ["/api/im/v3/Users", "/api/identitymanagement/v3/Users"])
def test_the_example_in_python_works_as_it_is_printed(hub: Hub, scheme: str, path: str) -> None:
    env = {**hub.env, "SCHEME": scheme, "IAM_ENDPOINT": path}
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLE], env=env, capture_output=True, text=True, timeout=PATIENCE
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("admin\n", 0), done.stderr


class TestInAShell:
    def test_the_lines_that_we_print_work(self, hub: Hub) -> None:
        assert json.loads(hub.shell(PRINTED))["resources"][0]["userName"] == "admin"

    def test_the_command_of_the_original_works_once_it_is_corrected(self, hub: Hub) -> None:
        corrected = COMMAND + '-H "X-SPACE-AUTH-KEY: Bearer $(echo -n "$CLIENT_ID:$CLIENT_SECRET" | base64 -w0)"'
        assert json.loads(hub.shell(corrected))["token_type"] == "Bearer"

    def test_and_as_it_is_printed_it_is_told_why_not(self, hub: Hub) -> None:
        printed = COMMAND + "-H 'X-SPACE-AUTH-KEY: Bearer $(echo -n {AppCredentialID}:{AppCredentialSecret} | base64)'"
        [error] = json.loads(hub.shell(printed))["errors"]
        assert error["code"] == "mdsp.core.generic.unauthorized"
        assert "put the header into double quotes so that the shell runs the command" in error["message"]

    def test_a_key_that_base64_has_broken_into_two_lines_is_refused(self, hub: Hub) -> None:
        """Over HTTP/2 curl sends what no HTTP/2 is, and hears only that the stream was reset."""
        broken = COMMAND + '--http1.1 -H "X-SPACE-AUTH-KEY: Bearer $(echo -n "$CLIENT_ID:$CLIENT_SECRET" | base64)"'
        assert json.loads(hub.shell(broken))["code"] == "bad_request"

    def test_the_key_may_come_from_a_file(self, hub: Hub, tmp_path: Path) -> None:
        header = tmp_path / "key.header"
        header.touch(0o600)
        header.write_text(f"X-SPACE-AUTH-KEY: Bearer {hub.key}\n")
        assert json.loads(hub.shell(f"{COMMAND} -H @{header}"))["token_type"] == "Bearer"

    def test_rfc_6749_works_and_so_do_the_other_standard_doors(self, hub: Hub) -> None:
        curl = 'curl -sS --cacert "$CA" -u "$CLIENT_ID:$CLIENT_SECRET"'
        bought = json.loads(
            hub.shell(f'{curl} -d grant_type=client_credentials -d scope=users:read "$GATEHOUSE{TOKEN}"')
        )
        assert (bought["scope"], bought["expires_in"]) == ("users:read", 1800)
        asked = f'{curl} -d token={bought["access_token"]} "$GATEHOUSE/oauth/introspect"'
        assert json.loads(hub.shell(asked))["active"] is True
        assert hub.shell(f'{curl} -d token={bought["access_token"]} "$GATEHOUSE/oauth/revoke"') == ""
        assert json.loads(hub.shell(asked)) == {"active": False}
        wrong = f'curl -sS --cacert "$CA" -u "$CLIENT_ID:x" -d grant_type=client_credentials "$GATEHOUSE{TOKEN}"'
        assert json.loads(hub.shell(wrong))["error"] == "invalid_client"


class TestOtherClients:
    def call(self, hub: Hub, method: str, path: str, **how: Any) -> httpx.Response:
        with httpx.Client(verify=hub.served.trusted(), http2=False, timeout=ANSWERED_WITHIN) as client:
            return client.request(method, hub.served.tls_url + path, **how)

    def test_postman_works(self, hub: Hub) -> None:
        raw = (
            '{\r\n\t"grant_type": "client_credentials",\r\n\t"appName":\t"app1",\r\n\t"appVersion": "v1.0.0",\r\n'
            '\t"hostTenant": "main",\r\n\t"userTenant": "main"\r\n} '
        )
        headers = {"X-SPACE-AUTH-KEY": f"Bearer {hub.key}", "Content-Type": "application/json"}
        bought = self.call(hub, "POST", TOKEN, content=raw, headers=headers)
        assert bought.status_code == 200, bought.text
        assert bought.headers["Cache-Control"] == "no-store"
        bearer = {"Authorization": f"Bearer {bought.json()['access_token']}"}
        users = self.call(hub, "GET", "/api/im/v3/Users", headers=bearer)
        assert users.json()["resources"][0]["userName"] == "admin"
        odd = {**bearer, "Content-Type": "application/x-www-form-urlencoded"}
        assert self.call(hub, "GET", "/api/identitymanagement/v3/Users", headers=odd).status_code == 200

    def test_the_query_works_without_a_body(self, hub: Hub) -> None:
        query = "?appName=app1&appVersion=v1.0.0&hostTenant=main&userTenant=main"
        answer = self.call(hub, "POST", TOKEN + query, headers={"Authorization": f"Basic {hub.key}"})
        assert answer.status_code == 200, answer.text

    def test_an_app_rotates_its_own_secret(self, hub: Hub) -> None:
        headers = {"Authorization": f"Basic {hub.key}"}
        form = {"grant_type": "client_credentials"}
        token = self.call(hub, "POST", TOKEN, data=form, headers=headers).json()["access_token"]
        path = f"/api/im/v3/provider/oauth/clients/{hub.client_id}"
        bearer = {"Authorization": f"Bearer {token}", "Current-Secret": hub.secret}
        new = self.call(hub, "POST", f"{path}/secrets", json={}, headers=bearer).json()["secret"]
        assert len(self.call(hub, "GET", path, headers=bearer).json()["secretCreationTimes"]) == 2
        for secret in (hub.secret, new):  # The old one lives on, and the tests that follow know it.
            basic = httpx.BasicAuth(hub.client_id, secret)
            assert self.call(hub, "POST", TOKEN, data=form, auth=basic).status_code == 200

    def test_the_metadata_leads_to_the_doors(self, hub: Hub) -> None:
        document = self.call(hub, "GET", "/.well-known/oauth-authorization-server").json()
        assert document["issuer"] == hub.served.tls_url
        for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint", "jwks_uri"):
            path = document[name].removeprefix(hub.served.tls_url)
            assert self.call(hub, "GET", path).status_code == (200 if name == "jwks_uri" else 405)


class TestAHeaderThatIsSentTwice:
    def raw(self, hub: Hub, *headers: str) -> tuple[int, Any]:
        lines = [f"POST {TOKEN} HTTP/1.1", "Host: localhost", f"Content-Length: {len(BODY)}", *headers]
        head, _, body = hub.served.raw("\r\n".join([*lines, "", BODY]).encode()).partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    @pytest.mark.parametrize("name", ["X-SPACE-AUTH-KEY", "Authorization"])
    def test_is_refused_and_sent_once_is_not(self, hub: Hub, name: str) -> None:
        good = f"{name}: Basic {hub.key}"
        assert self.raw(hub, good)[0] == 200
        for twice in ((good, good), (good, f"{name}: Basic x"), (f"{name}: Basic x", f"{good}x")):
            status, said = self.raw(hub, *twice)
            assert (status, said["errors"][0]["code"]) == (400, "mdsp.core.generic.invalidParameter"), twice

    def test_is_refused_over_http_2_too(self, hub: Hub) -> None:
        twice = COMMAND + f'--http2 -H "X-SPACE-AUTH-KEY: Basic {hub.key}" -H "X-SPACE-AUTH-KEY: Basic {hub.key}"'
        assert re.search("sent twice", hub.shell(twice))

    def test_bytes_that_are_no_text_are_no_fault(self, hub: Hub) -> None:
        for value in (b"Basic \xc3\xa9", b"\xff", b"Basic " + b"a" * 30_000):
            sent = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nX-SPACE-AUTH-KEY: %s\r\n\r\n{}" % (
                TOKEN.encode(),
                value,
            )
            head, _, body = hub.served.raw(sent).partition(b"\r\n\r\n")
            assert int(head.split()[1]) in (400, 401, 431)
            assert json.loads(body)["errors"]
