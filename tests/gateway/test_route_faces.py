"""The page and REST say the same yes and the same no to a route, and keep the same of it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from gateway.models import Route
from portal.models import User
from portal.scopes import Scope

pytestmark = pytest.mark.django_db
NEW: dict[str, Any] = {"prefix": "line", "target": "http://10.0.0.5:59880"}
NUMBERS = {"timeout_s": "30", "connect_timeout_s": "2", "retries": "1", "body_limit": "1048576",
           "rate_per_minute": "0", "burst": "20", "websocket_max_s": "900"}  # fmt: skip
# Further of the form, which sends it whole.
WHOLE = {**NUMBERS, "methods": ["GET"], "host_header": "target", "is_enabled": "on"}

Make = Callable[[dict[str, Any]], bool]


@pytest.fixture(params=["page", "rest"])
def make(
    request: pytest.FixtureRequest,
    rest: Callable[..., APIClient],
    log_in: Callable[..., Client],
    administrator: User,
) -> Make:
    """Say it at one face, and whether a route was made."""

    def by_page(facts: dict[str, Any]) -> bool:
        sent = {name: "\n".join(value) if isinstance(value, list) else value for name, value in facts.items()}
        answer = log_in(administrator).post("/portal/gateway/routes/new/make/", {**WHOLE, **sent})
        assert answer.status_code in (302, 400)
        return answer.status_code == 302

    def by_rest(facts: dict[str, Any]) -> bool:
        answer: Any = rest(Scope.GATEWAY_MANAGE).post("/api/v1/routes", facts, format="json")
        assert answer.status_code in (201, 400)
        return bool(answer.status_code == 201)

    return {"page": by_page, "rest": by_rest}[request.param]


@pytest.mark.parametrize(
    ("facts", "kept"),
    [
        ({"prefix": " line "}, {"prefix": "line", "scope": "gateway:line"}),
        ({"prefix": " /line/\t"}, {"prefix": "line", "scope": "gateway:line"}),
        ({"target": " http://10.0.0.5:59880 "}, {"target": "http://10.0.0.5:59880"}),
        ({"scope": "\tgateway:other "}, {"scope": "gateway:other"}),
        ({"health_path": " /ping "}, {"health_path": "/ping"}),
        ({"health_path": "  "}, {"health_path": ""}),
        ({"cors_origins": ["https://a.example"] * 21}, {"cors_origins": ["https://a.example"]}),
        ({"cors_origins": [f"https://{n % 20}.example" for n in range(40)]},
         {"cors_origins": [f"https://{n}.example" for n in range(20)]}),
    ],
)  # fmt: skip
def test_both_take_it_and_keep_the_same(make: Make, facts: dict[str, Any], kept: dict[str, Any]) -> None:
    assert make({**NEW, **facts})
    assert Route.objects.filter(prefix="line").values(*kept).get() == kept


@pytest.mark.parametrize(
    "facts",
    [{"prefix": "li ne"}, {"prefix": "line\n"}, {"prefix": "/ line"}, {"prefix": "line\u00a0"}, {"prefix": " "},
     {"target": "http://10.0.0.5 :80"}, {"target": "http://10.0.0.5\n"}, {"target": "\u2003http://10.0.0.5"},
     {"scope": "gateway: a"}, {"scope": "gateway:a\n"}, {"health_path": "/a b"}, {"health_path": "/ping\n"},
     {"cors_origins": [f"https://{n}.example" for n in range(21)]}, {"cors_origins": ["https://" + "a" * 255]}],
)  # fmt: skip
def test_both_refuse_it(make: Make, facts: dict[str, Any]) -> None:
    before = Route.objects.count()
    assert not make({**NEW, **facts})
    assert Route.objects.count() == before
