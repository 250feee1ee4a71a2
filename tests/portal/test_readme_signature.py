"""The check of a signature that README shows is one that works."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portal import webhook_signature

README = Path(__file__).resolve().parent.parent.parent / "README.md"
SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
BODY = b'{"type":"device.pending"}'


@pytest.fixture
def is_genuine() -> Any:
    lines = README.read_text().split("## Being told")[1].split("To check:")[1].split("\n## ")[0].splitlines()
    code = "\n".join(line[4:] for line in lines if line.startswith("    "))
    scope: dict[str, Any] = {}
    exec(code, scope)
    return scope["is_genuine"]


def headers(*secrets: str, at: float = 0) -> dict[str, str]:
    return webhook_signature.headers("msg_1", datetime.now(UTC) + timedelta(seconds=at), BODY, secrets)


def test_it_believes_what_was_signed_with_the_secret_and_nothing_else(is_genuine: Any) -> None:
    assert is_genuine(SECRET, headers(SECRET), BODY)
    assert is_genuine(SECRET, headers(OTHER, SECRET), BODY)
    assert not is_genuine(SECRET, headers(OTHER), BODY)
    assert not is_genuine(SECRET, headers(SECRET), BODY + b" ")
    assert not is_genuine(SECRET, headers(SECRET) | {"webhook-id": "msg_2"}, BODY)
    assert not is_genuine(SECRET, headers(SECRET) | {"webhook-timestamp": str(int(time.time()) + 1)}, BODY)


def test_it_does_not_believe_what_is_old(is_genuine: Any) -> None:
    assert not is_genuine(SECRET, headers(SECRET, at=-301), BODY)
