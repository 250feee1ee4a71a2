"""The tokens of everybody, as an administrator looks through them and ends one."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.site import Site

ISSUE = """
from portal.actor import Actor
from portal.models import User
from tokens import issuing
owner = User.objects.get(username="vera")
token, _ = issuing.issue({name!r}, ["devices:read"], owner=owner, days=30, by=Actor.command("test"))
"""
# Sooner than any other token that a test has issued here.
SOON = """
from datetime import timedelta
from django.utils import timezone
type(token).objects.filter(pk=token.pk).update(expires_at=timezone.now() + timedelta(minutes=9))
"""


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_token_of_another_is_found_and_revoked_and_the_list_stays(
    open_page: Open, site: Site, scripts: bool
) -> None:
    name = f"scanner {scripts}"
    site.run(ISSUE.format(name=name))
    page = open_page("/portal/tokens/", scripts=scripts)
    expect(page.get_by_role("row").filter(has_text=name)).to_have_count(0)
    page.get_by_role("link", name="Everybody’s").click()
    page.get_by_label("Owner").select_option("vera")
    page.get_by_label("Token", exact=True).fill(name[:-1])
    page.get_by_role("button", name="Filter").click()
    listed = page.get_by_role("row").filter(has_text=name)
    expect(listed.get_by_role("cell").nth(1)).to_contain_text("vera")
    listed.get_by_text("Revoke…").click()
    listed.get_by_role("button", name="Revoke this token").click()
    expect(listed).to_contain_text("by ada")
    expect(listed.get_by_role("cell")).to_have_count(7)
    assert "owner=vera" in page.url
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_label("Owner")).to_have_value("all")


def test_the_overview_draws_what_happened_and_names_the_token_that_ends_soon(open_page: Open, site: Site) -> None:
    site.run(ISSUE.format(name="ends soon") + SOON)
    page = open_page("/portal/")
    expect(page.get_by_role("img", name="Requests in the last 24 hours")).to_be_visible()
    page.get_by_role("link", name="ends soon").first.click()
    expect(page.get_by_role("row").filter(has_text="ends soon").first).to_contain_text("vera")
