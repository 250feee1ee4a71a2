"""Every answer has a request id: the caller's if it can be read, else one of ours."""

import pytest
from django.test import Client

from portal import request_id

CALLER = "X-Gatehouse-Caller-Request-Id"


@pytest.mark.parametrize(
    ("headers", "chosen"),
    [
        ({CALLER: "from the caller", "X-Request-Id": "from the door"}, "from the caller"),
        ({"X-Request-Id": "from the door"}, "from the door"),
        ({CALLER: "x" * 128}, "x" * 128),
        ({CALLER: "x" * 129, "X-Request-Id": "door"}, "door"),
        ({CALLER: "é", "X-Request-Id": "door"}, "door"),
        ({CALLER: "a\x7f"}, None),
        ({CALLER: ""}, None),
        ({}, None),
    ],
)
def test_the_callers_id_comes_first_then_the_doors_then_a_new_one(headers: dict[str, str], chosen: str | None) -> None:
    answer = Client(headers=headers).get("/healthz")
    given = answer["X-Request-Id"]
    assert given == chosen if chosen else len(given) == 36
    assert request_id.current() == ""


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/api/v1/nothing"])
def test_two_answers_never_share_an_id_of_ours(path: str) -> None:
    assert Client().get(path)["X-Request-Id"] != Client().get(path)["X-Request-Id"]
