"""What a page says while the database is gone."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from portal.models import User

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/portal/devices/", "/portal/apps/", "/portal/expiring/"])
def test_a_page_that_loses_the_database_says_so_without_asking_it_again(
    log_in: Callable[[User], Client], administrator: User, path: str
) -> None:
    browser, is_gone = log_in(administrator), False

    def fail(execute: Any, sql: str, *call: Any) -> Any:
        """From the first question about anything but who is there."""
        nonlocal is_gone
        is_gone = is_gone or not ("django_session" in sql or "portal_user" in sql)
        if is_gone:
            raise OperationalError("the database is gone")
        return execute(sql, *call)

    with connection.execute_wrapper(fail):
        answer = browser.get(path)
    assert is_gone
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "The database does not answer" in answer.content.decode()
