"""No secret that was shown can be found in what is kept or logged."""

import json

from tests.served.installation import PASSWORD, Served


def test_no_secret_that_was_shown_is_in_the_data_folder_or_the_logs(served: Served) -> None:
    scopes = ("--scope", "tokens:manage", "--scope", "tokens:read")
    first = served.manage("issue_token", "canary", "--owner", "admin", "--days", "1", *scopes).strip()
    headers = {"Authorization": f"Bearer {first}", "Content-Type": "application/json", "Idempotency-Key": "canary"}
    body = json.dumps({"name": "canary", "scopes": ["tokens:read"], "days": 1})
    status, _, answer = served.ask("POST", "/api/v1/tokens", body, headers)
    assert status == 201
    second = json.loads(answer)["token"]
    rotated = json.loads(served.ask("POST", f"/api/v1/tokens/{json.loads(answer)['id']}/rotate", "{}", headers)[2])
    secrets = [first, second, rotated["token"], PASSWORD]
    for secret in secrets[:3]:
        served.ask("GET", "/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
        served.ask("GET", "/api/v1/nowhere", headers={"Authorization": f"Bearer {secret}"})
        served.ask("GET", "/api/v1/me", headers={"Authorization": f"Bearer {secret}x"})

    kept = {path: path.read_bytes() for path in served.data_dir.rglob("*") if path.is_file()}
    assert any(b"canary" in content for content in kept.values())
    for secret in secrets:
        random = secret[22:] if secret.startswith("gate_") else secret  # Behind the prefix and the id.
        for text in (secret, random):
            assert [str(path) for path, content in kept.items() if text.encode() in content] == []
            assert text not in served.log
