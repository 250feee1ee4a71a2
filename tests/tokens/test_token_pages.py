"""The page about tokens: made once, shown once, listed for ever, revoked for good."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from portal.models import AuditEvent, Outbox, User
from portal.scopes import Scope
from tests.conftest import PASSWORD
from tokens.models import ApiToken

WANTED = {"name": "nightly report", "days": "90", "scopes": ["devices:read"]}


@pytest.fixture
def plain(log_in: Callable[..., Client], administrator: User) -> Client:
    """An administrator whose browser has no JavaScript."""
    return log_in(administrator)


@pytest.fixture
def htmx(log_in: Callable[..., Client], administrator: User) -> Client:
    client = log_in(administrator)
    client.defaults["HTTP_HX_REQUEST"] = "true"
    return client


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))


def secret_in(answer: Any) -> str:
    return re.search(r"gate_pat_[a-z0-9]{12}_[A-Za-z0-9_-]{49}", text_of(answer))[0]


def test_the_new_token_works_and_its_secret_stands_in_this_one_answer_only(plain: Client) -> None:
    answer = plain.post("/portal/tokens/create/", WANTED)
    secret = secret_in(answer)
    assert answer["Cache-Control"] == "no-store"
    assert f"GATEHOUSE_TOKEN={secret}" in text_of(answer)
    assert f'curl -H "Authorization: Bearer {secret}"' in text_of(answer).replace("&quot;", '"')
    assert APIClient(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/devices").status_code == 200
    listed = plain.get("/portal/tokens/")
    assert "nightly report" in text_of(listed)
    assert secret not in listed.content.decode()
    kept = [session.get_decoded() for session in Session.objects.all()]
    kept += [*AuditEvent.objects.values(), *Outbox.objects.values(), *ApiToken.objects.values()]
    assert secret not in str(kept)


def test_htmx_gets_the_secret_alone_and_is_told_that_the_list_has_changed(htmx: Client) -> None:
    answer = htmx.post("/portal/tokens/create/", WANTED)
    assert answer.content.decode().strip().startswith('<section id="new-token"')
    assert secret_in(answer)
    assert "tokens-changed" in answer["HX-Trigger"]
    assert "HX-Push-Url" not in answer


def test_the_form_explains_the_scopes_that_the_person_holds(plain: Client) -> None:
    page = text_of(plain.get("/portal/tokens/"))
    assert all(scope.label in page and scope in page for scope in Scope)
    assert 'value="90"' in plain.get("/portal/tokens/").content.decode()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": ""}, "Say what the token is for."),
        ({"days": "0"}, "A token lives 1 to 365 days."),
        ({"days": "366"}, "A token lives 1 to 365 days."),
        ({"days": "soon"}, "A token lives 1 to 365 days."),
        ({"scopes": []}, "Choose at least one scope."),
    ],
)
def test_what_is_wrong_stands_beside_the_field_and_what_was_typed_is_kept(
    plain: Client, htmx: Client, change: dict[str, Any], sentence: str
) -> None:
    sent = {**WANTED, **change}
    page = plain.post("/portal/tokens/create/", sent)
    assert page.status_code == 400
    assert sentence in text_of(page)
    assert not change.get("name", True) or 'value="nightly report"' in page.content.decode()
    answer = htmx.post("/portal/tokens/create/", sent)
    assert (answer.status_code, answer["HX-Retarget"]) == (400, "#new-token")
    assert answer.content.decode().strip().startswith('<section id="new-token"')
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    "change", [{"scopes": ["devices:everything"]}, {"addresses": "everywhere"}, {"name": "a\u200bb"}]
)
def test_what_the_rule_refuses_makes_no_token(plain: Client, change: dict[str, Any]) -> None:
    assert plain.post("/portal/tokens/create/", {**WANTED, **change}).status_code == 400
    assert not ApiToken.objects.exists()


def test_ten_minutes_after_the_login_the_password_is_asked_for_again(plain: Client) -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=True):
        assert 'name="password"' in plain.get("/portal/tokens/").content.decode()
        assert "Type your password" in text_of(plain.post("/portal/tokens/create/", WANTED))
        wrong = plain.post("/portal/tokens/create/", {**WANTED, "password": "wrong"})
        assert wrong.status_code == 403
        assert "Type your own password to confirm this; it was not right." in text_of(wrong)
        assert not ApiToken.objects.exists()
        assert secret_in(plain.post("/portal/tokens/create/", {**WANTED, "password": PASSWORD}))
        assert 'name="password"' not in plain.get("/portal/tokens/").content.decode()


def test_a_revoked_token_opens_nothing_and_stays_listed(htmx: Client) -> None:
    secret = secret_in(htmx.post("/portal/tokens/create/", WANTED))
    token = ApiToken.objects.get()
    answer = htmx.post(f"/portal/tokens/{token.pk}/revoke/", {"reason": "leaked"})
    assert answer.content.decode().strip().startswith(f'<tr id="token-{token.pk}"')
    assert "revoked" in text_of(answer)
    assert "by ada" in text_of(answer)
    assert APIClient(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/devices").status_code == 401
    assert "nightly report" in text_of(htmx.get("/portal/tokens/"))
    again = htmx.post(f"/portal/tokens/{token.pk}/revoke/")
    assert again.status_code == 409
    assert "was revoked by ada" in text_of(again)


def test_without_htmx_revoking_goes_back_to_the_list(plain: Client) -> None:
    plain.post("/portal/tokens/create/", WANTED)
    answer = plain.post(f"/portal/tokens/{ApiToken.objects.get().pk}/revoke/")
    assert (answer.status_code, answer["Location"]) == (302, "/portal/tokens/")


def test_an_expired_token_stays_listed_without_a_button(plain: Client) -> None:
    plain.post("/portal/tokens/create/", {**WANTED, "days": "1"})
    ApiToken.objects.update(
        created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(days=1)
    )
    page = plain.get("/portal/tokens/")
    assert "expired" in text_of(page)
    assert "/revoke/" not in page.content.decode()


def test_the_tokens_of_others_are_neither_seen_nor_revoked_here(
    plain: Client, log_in: Callable[..., Client], make_person: Callable[..., User]
) -> None:
    plain.post("/portal/tokens/create/", WANTED)
    other = log_in(make_person("eve", "administrator"))
    assert "nightly report" not in text_of(other.get("/portal/tokens/"))
    assert other.post(f"/portal/tokens/{ApiToken.objects.get().pk}/revoke/").status_code == 404


def test_who_may_not_manage_tokens_sees_no_form(log_in: Callable[..., Client], operator: User) -> None:
    page = log_in(operator).get("/portal/tokens/")
    assert "ask an administrator" in text_of(page)
    assert "/portal/tokens/create/" not in page.content.decode()


def test_the_name_of_a_token_is_text_and_never_markup(htmx: Client) -> None:
    answer = htmx.post("/portal/tokens/create/", {**WANTED, "name": "<img src=x hx-get=/ hx-trigger=load>"})
    assert "<img" not in answer.content.decode()
    assert "<img src=x" not in htmx.get("/portal/tokens/").content.decode()
