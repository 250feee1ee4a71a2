"""The help page: its lines can be pasted as they stand."""

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client

from portal.models import User

CALL = 'curl{trusting} -H "Authorization: Bearer $TOKEN" {url}/api/v1/devices'


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("url", "trusting"), [("https://gate.example:8443", " --cacert gatehouse.pem"), ("http://gate.example", "")]
)
def test_the_call_trusts_a_file_that_the_page_hands_out_where_there_is_tls(
    log_in: Callable[..., Client], operator: User, settings: Any, url: str, trusting: str
) -> None:
    settings.PUBLIC_URL = url
    page = unescape(log_in(operator).get("/portal/help/").content.decode())
    assert CALL.format(trusting=trusting, url=url) in page
    assert ('href="/portal/door-certificate/"' in page) == bool(trusting)
    assert "door.pem" not in page
