"""Token rows from before a limit existed: whatever they hold, no list breaks, and none of them opens more doors."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from portal.actor import Actor
from portal.models import User
from portal.scopes import Scope
from tokens import issuing
from tokens.models import ApiToken

ODD = "\u202eecin\u2066 \u0007\u001b[31m\u2028 <b>&amp;"
BEFORE_ALL_TIME, AFTER_ALL_TIME = "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"

POISONS: dict[str, dict[str, Any]] = {
    "scopes that nobody knows": {"scopes": json.dumps(["devices:fly", ODD, "devices:read"])},
    "scopes that are a text": {"scopes": '"devices:read"'},
    "scopes that are an object": {"scopes": '{"devices:read": true}'},
    "scopes that are a number": {"scopes": "5"},
    "scopes that are null": {"scopes": "null"},
    "scopes in lists": {"scopes": '[["devices:read"], {"a": 1}, null]'},
    "lists in lists": {"scopes": "[" * 500 + "]" * 500},
    "addresses that are none": {"addresses": json.dumps(["nonsense", ODD, ""])},
    "addresses that are a text": {"addresses": '"127.0.0.1/32"'},
    "addresses that are a number": {"addresses": "5"},
    "addresses that are null": {"addresses": "null"},
    "addresses in lists": {"addresses": "[[1], null]"},
    "a name of odd characters": {"name": ODD},
    "an empty name": {"name": ""},
    "a digest that is none": {"digest": "ü\u202e"},
    "a pepper that is gone": {"pepper": "ü"},
    "a life through all time": {"created_at": BEFORE_ALL_TIME, "expires_at": AFTER_ALL_TIME},
    "an end before all time": {"created_at": BEFORE_ALL_TIME, "expires_at": "0001-01-01 00:00:01"},
    "used after all time": {"last_used_at": AFTER_ALL_TIME, "last_used_from": ODD},
    "used before all time": {"last_used_at": BEFORE_ALL_TIME},
    "revoked before all time": {"revoked_at": BEFORE_ALL_TIME, "revoked_by": ODD},
    "disabled after all time": {"disabled_at": AFTER_ALL_TIME},
}
# These grant what is written in them as a scope, and may come from anywhere.
STILL_GOOD = {
    "scopes that nobody knows",
    "a name of odd characters",
    "an empty name",
    "a life through all time",
    "used after all time",
    "used before all time",
}


@pytest.mark.parametrize("poison", POISONS)
def test_a_poisoned_token_breaks_no_list_and_grants_nothing_by_it(
    log_in: Callable[..., Client], rest: Callable[..., APIClient], administrator: User, root: Actor, poison: str
) -> None:
    pages, client = log_in(administrator), rest(Scope.TOKENS_READ, Scope.USERS_READ)
    issuing.issue("the other", [Scope.DEVICES_READ], owner=administrator, days=30, by=root)
    token, shown = issuing.issue("poisoned", [Scope.DEVICES_READ], owner=administrator, days=1, by=root)
    with connection.cursor() as cursor:
        columns = ", ".join(f"{column} = %s" for column in POISONS[poison])
        values = [*POISONS[poison].values(), token.pk]
        cursor.execute(f"UPDATE {ApiToken._meta.db_table} SET {columns} WHERE id = %s", values)

    for path in ("/portal/tokens/", "/portal/tokens/?owner=all", "/portal/tokens/?owner=all&q=the", "/api/v1/tokens"):
        answer = (pages if path.startswith("/portal/") else client).get(path)
        assert (path, answer.status_code) == (path, 200)
        assert "the other" in answer.content.decode()
    assert pages.get("/portal/").status_code == 200
    assert client.get(f"/api/v1/tokens/{token.pk}").status_code == 200

    bearer = APIClient(headers={"Authorization": f"Bearer {shown}"})
    answers = [bearer.get(path) for path in ("/api/v1/me", "/api/v1/devices", "/api/v1/tokens/self")]
    if poison in STILL_GOOD:
        assert answers[0].json()["scopes"] == ["devices:read"]
    else:
        assert answers[1].status_code in (401, 403)
    assert all(answer.status_code < 500 for answer in answers)
