"""What rows of the audit trail are about: rows that were spoiled break neither page that tells of them."""

from collections.abc import Callable

import pytest
from django.test import Client

from devices.models import Device
from portal import audit
from portal.actor import Actor
from portal.models import User


@pytest.mark.parametrize("path", ["/portal/", "/portal/audit/"])
def test_a_row_about_what_no_address_can_name_is_shown_without_a_link(
    log_in: Callable[[User], Client],
    administrator: User,
    make_device: Callable[..., Device],
    root: Actor,
    path: str,
) -> None:
    make_device("a/b c")
    for subject in (("device", "a/b c"), ("shutdown", "no-uuid"), ("route", "٣"), ("route", "9" * 30)):
        audit.record(root, f"{subject[0]}.changed", subject)
    page = log_in(administrator).get(path)
    assert page.status_code == 200
    assert all(name in page.content.decode() for name in ("a/b c", "no-uuid", "9" * 30))
