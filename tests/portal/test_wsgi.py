"""Behind Envoy the client's address is the one that Envoy saw; a prefix of the path comes from nobody."""

from typing import Any

import pytest

from portal import wsgi


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Django is given."""
    given: dict[str, Any] = {}

    def take(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        given.update(environ)
        return []

    monkeypatch.setattr(wsgi, "_django", take)
    return given


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.9.9.9, 192.0.2.1", "192.0.2.1"),
        ("forged", ""),
        ("x" * 500, ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_address_is_the_last_one_forwarded(seen: dict[str, Any], header: str | None, address: str) -> None:
    environ = {"REMOTE_ADDR": "", "SCRIPT_NAME": "/portal"} | ({"HTTP_X_FORWARDED_FOR": header} if header else {})
    wsgi.application(environ, lambda *_: None)
    assert (seen["REMOTE_ADDR"], seen["SCRIPT_NAME"], seen["wsgi.url_scheme"]) == (address, "", "http")


def test_the_scheme_is_the_doors(seen: dict[str, Any]) -> None:
    wsgi.application({"HTTP_X_FORWARDED_PROTO": "https"}, lambda *_: None)
    assert seen["wsgi.url_scheme"] == "https"
