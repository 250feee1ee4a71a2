"""The calls with which an app buys an access token and uses it, filled in for its credentials; the page shows them.

With a secret at hand they hold it; else they read it from the environment.
"""

import base64
import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from portal.scopes import Scope
from tokens.models import AppCredential

CA_FILE = "gatehouse.pem"
TOKEN_PATH = "/api/technicaltokenmanager/v3/oauth/token"  # noqa: S105  # Where tokens are.
# What the token opens, the first of these that its scopes allow.
READS = (
    (Scope.USERS_READ, "/api/identitymanagement/v3/Users"),
    (Scope.DEVICES_READ, "/api/v1/devices"),
    (Scope.APPS_READ, "/api/v1/apps"),
    (Scope.TOKENS_READ, "/api/v1/tokens"),
    (Scope.CREDENTIALS_ROTATE_OWN, "/api/identitymanagement/v3/provider/oauth/clients/{client_id}"),
)


@dataclass(frozen=True, repr=False)
class Examples:
    key: str
    env: str
    curl: str
    one_liner: str
    python: str


def of(credential: AppCredential, secret: str = "") -> Examples:
    """The calls for these credentials; `secret` is the one that is shown this once."""
    client_id = credential.client_id
    read = next((path for scope, path in READS if scope in credential.scopes), "").format(client_id=client_id)
    body = json.dumps(_asked(credential), separators=(",", ":"))
    env = [f"CLIENT_ID={client_id}", f"CLIENT_SECRET={secret or '…'}", f"GATEHOUSE={settings.PUBLIC_URL}", _ca()]
    values = "\n".join([*env, ""]) if secret else ""
    return Examples(
        key="Bearer " + base64.b64encode(f"{client_id}:{secret}".encode()).decode() if secret else "",
        env="\n".join(env),
        curl=values + _CURL.replace("BODY", body) + (_USE.replace("READ", read) if read else ""),
        one_liner=values + _ONE_LINER.replace("BODY", body),
        python=_python(credential, secret, read),
    )


def _asked(credential: AppCredential) -> dict[str, str]:
    tenant = credential.host_tenant
    about = {"appName": credential.version.app.name, "appVersion": credential.version.version}
    return {"grant_type": "client_credentials", **about, "hostTenant": tenant, "userTenant": tenant}


def _ca() -> str:
    return f"CA={CA_FILE}"


def _python(credential: AppCredential, secret: str, read: str) -> str:
    shown = repr(secret) if secret else 'os.environ["CLIENT_SECRET"]'
    asked = "".join(f'        "{name}": "{value}",\n' for name, value in _asked(credential).items())
    secure = urlsplit(settings.PUBLIC_URL).scheme == "https"
    lines = [
        "import base64\n",
        "" if secret else "import os\n",
        "\nimport requests\n\n",
        f'client_id, client_secret = "{credential.client_id}", {shown}\n'.replace("'", '"'),
        f'URL, CA = "{settings.PUBLIC_URL}", {json.dumps(CA_FILE) if secure else True}\n\n',
        'key = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()\n',
        f'answer = requests.post(\n    f"{{URL}}{TOKEN_PATH}",\n',
        '    headers={"X-SPACE-AUTH-KEY": f"Bearer {key}"},\n',
        f"    json={{\n{asked}    }},\n    verify=CA,\n    timeout=10,\n)\n",
        'answer.raise_for_status()\ntoken = answer.json()["access_token"]\n',
    ]
    if read:
        lines += [
            f'answer = requests.get(f"{{URL}}{read}", headers={{"Authorization": f"Bearer {{token}}"}}, '
            "verify=CA, timeout=10)\n",
            "answer.raise_for_status()\nprint(answer.json())\n",
        ]
    return "".join(lines).rstrip()


_CURL = f"""\
KEY=$(printf '%s' "$CLIENT_ID:$CLIENT_SECRET" | base64 -w0)          # macOS: | openssl base64 -A
TOKEN=$(curl -sS --fail-with-body --cacert "$CA" -X POST "$GATEHOUSE{TOKEN_PATH}" \\
  -H "X-SPACE-AUTH-KEY: Bearer $KEY" -H 'Content-Type: application/json' \\
  -d 'BODY' | jq -r .access_token)"""
_USE = """
curl -sS --fail-with-body --cacert "$CA" "$GATEHOUSEREAD" -H "Authorization: Bearer $TOKEN\""""
_ONE_LINER = f"""\
curl -sS --fail-with-body --cacert "$CA" -X POST "$GATEHOUSE{TOKEN_PATH}" \\
  -H "X-SPACE-AUTH-KEY: Bearer $(echo -n "$CLIENT_ID:$CLIENT_SECRET" | base64 -w0)" \\
  -H 'Content-Type: application/json' -d 'BODY'"""
