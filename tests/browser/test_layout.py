"""What a page holds stays whole at the width of a laptop and of a phone: long names, words in tables, placeholders."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.site import Site

LAPTOP, PHONE = (1280, 800), (390, 844)
ISSUE = """
from portal.actor import Actor
from portal.models import User
from portal.scopes import Scope
from tokens import issuing
owner = User.objects.get(username="ada")
issuing.issue("from anywhere", sorted(Scope), owner=owner, days=90, by=Actor.command("test"))
"""
LINES = """cells => cells.map(cell => {
    const range = document.createRange();
    range.selectNodeContents(cell.lastChild);
    return range.getClientRects().length;
})"""
IS_WHOLE = """field => {
    const pen = document.createElement("canvas").getContext("2d"), style = getComputedStyle(field);
    pen.font = style.font;
    const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return field.placeholder !== "" && pen.measureText(field.placeholder).width <= room;
}"""


def show(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})


def is_inside(page: Page, size: tuple[int, int]) -> bool:
    show(page, size)
    return bool(page.evaluate("document.documentElement.scrollWidth") <= size[0])


def test_the_secret_of_a_webhook_with_a_long_name_stays_inside_the_window(open_page: Open) -> None:
    page = open_page("/portal/webhooks/")
    page.locator("#webhook-name").fill("W" * 64)
    page.locator("#webhook-url").fill("https://hooks.example/x")
    page.locator("input[name=topics]").first.check()
    page.locator("#new-webhook form button.primary").click()
    expect(page.locator("#webhook-secret")).to_be_visible()
    assert is_inside(page, PHONE)


def test_the_password_of_a_person_with_a_long_name_stays_inside_the_window(open_page: Open) -> None:
    page = open_page("/portal/people/")
    page.locator("#new-person #name").fill("m" * 100)
    page.locator("#new-person input[name=role]").first.check()
    page.get_by_role("button", name="Add this person").click()
    expect(page.locator("#secret-password")).to_be_visible()
    assert is_inside(page, PHONE)


@pytest.mark.parametrize("path", ["/portal/tokens/", "/portal/tokens/?owner=all"])
def test_no_word_of_where_a_token_may_come_from_is_broken(open_page: Open, site: Site, path: str) -> None:
    site.run(ISSUE)
    page = open_page(path)
    show(page, LAPTOP)
    lines = page.locator("td.from.muted").evaluate_all(LINES)
    assert lines
    assert set(lines) == {1}


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("path", ["/portal/devices/", "/portal/tokens/", "/portal/tokens/?owner=all"])
def test_what_one_may_search_for_can_be_read_whole(
    open_page: Open, site: Site, path: str, size: tuple[int, int]
) -> None:
    site.run(ISSUE)
    page = open_page(path)
    show(page, size)
    assert page.locator("#filters #q").evaluate(IS_WHOLE)


def test_an_operation_of_the_api_opens_inside_a_narrow_window(open_page: Open) -> None:
    page = open_page("/api/docs/", viewport={"width": PHONE[0], "height": PHONE[1]})
    for number in range(3):
        page.locator(".opblock-summary-control").nth(number).click()
        expect(page.locator(".responses-table")).to_have_count(number + 1)
    assert is_inside(page, PHONE)
