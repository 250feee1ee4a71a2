"""Many who write at once: none meets a locked database, and nothing that they wrote is lost."""

import json
from concurrent.futures import ThreadPoolExecutor

from tests.served.installation import Served

MANY, CLIENTS, TOKENS_EACH = 3000, 8, 30

ARRIVE = f"""
from devices.models import Device, Introduction
ids = [f"press-{{number:04}}" for number in range({MANY})]
Device.objects.bulk_create([Device(id=one) for one in ids], batch_size=500)
Introduction.objects.bulk_create([Introduction(device_id=one) for one in ids], batch_size=500)
"""

ISSUE = f"""
from portal.actor import Actor
from portal.models import User
from tokens import issuing
for number in range({CLIENTS * TOKENS_EACH}):
    scopes = ["devices:read", "devices:admit"] if number == 0 else ["devices:read"]
    by, admin = Actor.command("story"), User.objects.get(username="admin")
    print(issuing.issue(f"client {{number}}", scopes, owner=admin, days=1, by=by)[1])
"""

NOTED = "from tokens.models import ApiToken; print(ApiToken.objects.exclude(last_used_at=None).count())"


def test_the_use_of_tokens_is_noted_by_eight_clients_under_a_bulk_decision(own_served: Served) -> None:
    own_served.manage("shell", "-v", "0", "-c", ARRIVE)
    tokens = own_served.manage("shell", "-v", "0", "-c", ISSUE).split()
    body = json.dumps({"filter": {"status": "pending"}, "decision": "accept"})

    def use(client: int) -> set[int]:
        """Each token for the first time, which writes down that it was used."""
        mine = tokens[client * TOKENS_EACH : (client + 1) * TOKENS_EACH]
        return {own_served.ask("GET", "/api/v1/me", headers={"Authorization": f"Bearer {token}"})[0] for token in mine}

    with ThreadPoolExecutor(CLIENTS + 1) as threads:
        headers = {"Authorization": f"Bearer {tokens[0]}", "Content-Type": "application/json"}
        decided = threads.submit(own_served.ask, "POST", "/api/v1/device-decisions", body, headers)
        statuses = set().union(*threads.map(use, range(CLIENTS)))
        status, _, answer = decided.result(60)

    assert (statuses, status) == ({200}, 200)
    assert {outcome["status"] for outcome in json.loads(answer)["outcomes"]} == {"accepted"}
    assert own_served.manage("shell", "-v", "0", "-c", NOTED).strip() == str(CLIENTS * TOKENS_EACH)
    assert json.loads(own_served.manage("audit_verify"))["holds"] is True
    assert "database is locked" not in own_served.log
