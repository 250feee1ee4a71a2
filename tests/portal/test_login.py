"""Logging in and out in the browser."""

from collections.abc import Callable

import pytest
from django.test import Client

from portal.models import User
from tests.conftest import PASSWORD

WRONG = "The name or the password is wrong; check both and try again."


def test_the_right_password_leads_to_the_overview_under_a_new_session(administrator: User) -> None:
    client = Client()
    client.cookies["gatehouse-session"] = "chosen-by-somebody-else"
    answer = client.post("/portal/login/", {"username": "ada", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/portal/")
    assert client.cookies["gatehouse-session"].value != "chosen-by-somebody-else"
    assert client.get("/portal/").status_code == 200


@pytest.mark.parametrize(
    ("name", "password"),
    [("ada", "wrong"), ("nobody", PASSWORD), ("ada\x00", PASSWORD), ("a" * 151, PASSWORD), ("", ""), ("ada", "")],
)
def test_a_wrong_name_and_a_wrong_password_get_the_same_sentence(administrator: User, name: str, password: str) -> None:
    answer = Client().post("/portal/login/", {"username": name, "password": password})
    assert answer.status_code == 403
    assert WRONG in answer.content.decode()


def test_who_fails_again_and_again_has_to_wait_even_with_the_right_password(administrator: User) -> None:
    client = Client()
    for _ in range(6):
        answer = client.post("/portal/login/", {"username": "ada", "password": "wrong"})
    assert answer.status_code == 429
    answer = client.post("/portal/login/", {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) >= 1
    assert "Too many failed attempts" in answer.content.decode()


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("/portal/devices/?tab=denied", "/portal/devices/?tab=denied"),
        ("https://evil.example/portal/", "/portal/"),
        ("//evil.example/portal/", "/portal/"),
        ("/\\evil.example", "/portal/"),
        ("javascript:alert(1)", "/portal/"),
        ("/api/v1/devices", "/portal/"),
        ("", "/portal/"),
    ],
)
def test_next_leads_to_our_own_pages_only(administrator: User, wanted: str, leads_to: str) -> None:
    answer = Client().post("/portal/login/", {"username": "ada", "password": PASSWORD, "next": wanted})
    assert answer["Location"] == leads_to


def test_a_page_asked_for_without_a_session_comes_after_the_login(administrator: User) -> None:
    client = Client()
    answer = client.get("/portal/devices/?tab=denied")
    assert answer["Location"] == "/portal/login/?next=/portal/devices/%3Ftab%3Ddenied"
    assert 'value="/portal/devices/?tab=denied"' in client.get(answer["Location"]).content.decode()


def test_a_login_from_another_site_is_refused(administrator: User) -> None:
    answer = Client(enforce_csrf_checks=True).post("/portal/login/", {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 403
    assert "This form is too old or came from another site" in answer.content.decode()


def test_logging_out_ends_the_session(log_in: Callable[..., Client], administrator: User) -> None:
    client = log_in(administrator)
    assert client.get("/portal/logout/").status_code == 405
    assert client.post("/portal/logout/")["Location"] == "/portal/login/"
    assert client.get("/portal/")["Location"] == "/portal/login/?next=/portal/"


def test_htmx_whose_session_has_ended_is_sent_to_the_login_and_back(db: None) -> None:
    answer = Client().post(
        "/portal/devices/press-1/accept/",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/portal/devices/"},
    )
    assert answer["HX-Redirect"] == "/portal/login/?next=/portal/devices/"


@pytest.mark.parametrize("shown", ["http://[bad", "//[", "http://a]b/", "\x00", "http://elsewhere.example/portal/"])
def test_a_page_that_is_none_of_ours_is_not_gone_back_to(client: Client, db: None, shown: str) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": shown}
    assert client.get("/portal/devices/", headers=headers)["HX-Redirect"] == "/portal/login/?next=/portal/"
    wrong = client.post("/portal/login/", {"username": "ada", "password": "x"}, headers=headers)
    assert wrong.status_code == 403
    assert client.get("/portal/nowhere/", headers=headers).status_code in (200, 404)
