"""The page about tokens: made once, shown once, listed for ever, revoked for good."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
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
    assert f'curl --cacert gatehouse.pem -H "Authorization: Bearer {secret}"' in text_of(answer).replace("&quot;", '"')
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


def test_each_line_with_the_secret_has_a_button_that_copies_it(plain: Client) -> None:
    page = plain.post("/portal/tokens/create/", WANTED).content.decode()
    for line in ("secret-token", "secret-env", "secret-curl"):
        assert page.count(f'id="{line}"') == page.count(f'data-copy="{line}"') == 1


def test_the_curl_line_trusts_a_file_that_the_page_hands_out_where_there_is_tls(plain: Client, settings: Any) -> None:
    page = plain.post("/portal/tokens/create/", WANTED).content.decode()
    assert 'href="/portal/door-certificate/"' in page.partition('id="secret-curl"')[2].partition("</section>")[0]
    settings.PUBLIC_URL = "http://gate.example"
    page = plain.post("/portal/tokens/create/", {**WANTED, "name": "in clear text"}).content.decode()
    assert 'id="secret-curl"' in page
    assert "--cacert" not in page
    assert "/portal/door-certificate/" not in page


def test_who_may_not_manage_tokens_sees_no_form(log_in: Callable[..., Client], operator: User) -> None:
    page = log_in(operator).get("/portal/tokens/")
    assert "ask an administrator" in text_of(page)
    assert "You have no tokens." in text_of(page)
    assert "Make one above" not in text_of(page)
    assert "/portal/tokens/create/" not in page.content.decode()


def test_the_name_of_a_token_is_text_and_never_markup(htmx: Client) -> None:
    answer = htmx.post("/portal/tokens/create/", {**WANTED, "name": "<img src=x hx-get=/ hx-trigger=load>"})
    assert "<img" not in answer.content.decode()
    assert "<img src=x" not in htmx.get("/portal/tokens/").content.decode()


class TestRotation:
    @pytest.fixture
    def old(self, plain: Client) -> str:
        """The secret of a token that may come from two networks."""
        sent = {**WANTED, "addresses": "127.0.0.0/8, 10.0.0.0/8"}
        return secret_in(plain.post("/portal/tokens/create/", sent))

    def opens(self, secret: str) -> bool:
        answer = APIClient(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/devices")
        return bool(answer.status_code == 200)

    def test_the_successor_is_shown_once_and_both_open_until_the_overlap_ends(self, plain: Client, old: str) -> None:
        token = ApiToken.objects.get()
        answer = plain.post(f"/portal/tokens/{token.pk}/rotate/", {"overlap_hours": "2"})
        token.refresh_from_db()
        new = secret_in(answer)
        assert new != old
        assert answer["Cache-Control"] == "no-store"
        assert f"goes on until {token.expires_at:%Y-%m-%d %H:%M:%S} UTC" in text_of(answer)
        assert f"GATEHOUSE_TOKEN={new}" in text_of(answer)
        assert (self.opens(old), self.opens(new)) == (True, True)
        with time_machine.travel(timezone.now() + timedelta(hours=2, minutes=1)):
            assert (self.opens(old), self.opens(new)) == (False, True)
        listed = plain.get("/portal/tokens/").content.decode()
        assert new not in listed
        assert f'replaced by <a class="id" href="#token-{token.replaced_by.pk}">' in listed
        assert f"/{token.pk}/rotate/" not in listed
        assert f"/{token.replaced_by.pk}/rotate/" in listed

    def test_htmx_gets_the_secret_alone_in_the_place_of_the_form(self, htmx: Client, old: str) -> None:
        answer = htmx.post(f"/portal/tokens/{ApiToken.objects.get().pk}/rotate/", {"overlap_hours": "24"})
        assert answer.content.decode().strip().startswith('<section id="new-token"')
        assert secret_in(answer) != old
        assert "tokens-changed" in answer["HX-Trigger"]

    def test_without_an_overlap_the_old_one_has_ended(self, plain: Client, old: str) -> None:
        answer = plain.post(f"/portal/tokens/{ApiToken.objects.get().pk}/rotate/", {"overlap_hours": "0"})
        assert "has ended: put the new one in place now" in text_of(answer)
        assert not self.opens(old)

    @pytest.mark.parametrize("hours", ["", "-1", "721", "a day"])
    def test_another_overlap_is_refused_where_it_was_typed(
        self, plain: Client, htmx: Client, old: str, hours: str
    ) -> None:
        token = ApiToken.objects.get()
        page = plain.post(f"/portal/tokens/{token.pk}/rotate/", {"overlap_hours": hours})
        answer = htmx.post(f"/portal/tokens/{token.pk}/rotate/", {"overlap_hours": hours})
        assert (page.status_code, answer.status_code) == (400, 400)
        assert answer["HX-Retarget"] == f"#token-{token.pk}"
        for shown in (page, answer):
            assert "The overlap is 0 to 720 hours." in text_of(shown)
            assert f'id="rotate-{token.pk}" open' in shown.content.decode()
        assert ApiToken.objects.count() == 1

    def test_ten_minutes_after_the_login_it_needs_the_password(self, plain: Client, htmx: Client, old: str) -> None:
        token = ApiToken.objects.get()
        to, sent = f"/portal/tokens/{token.pk}/rotate/", {"overlap_hours": "24"}
        assert f'id="password-{token.pk}"' not in plain.get("/portal/tokens/").content.decode()
        with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=True):
            assert f'id="password-{token.pk}"' in plain.get("/portal/tokens/").content.decode()
            for client in (plain, htmx):
                assert "Type your password to confirm this." in text_of(client.post(to, sent))
            assert plain.post(to, {**sent, "password": "wrong"}).status_code == 403
            assert ApiToken.objects.count() == 1
            assert secret_in(plain.post(to, {**sent, "password": PASSWORD}))

    def test_a_token_is_rotated_once(self, htmx: Client, old: str) -> None:
        to = f"/portal/tokens/{ApiToken.objects.get().pk}/rotate/"
        htmx.post(to, {"overlap_hours": "24"})
        again = htmx.post(to, {"overlap_hours": "24"})
        assert (again.status_code, again["HX-Retarget"]) == (409, "#notices")
        assert ApiToken.objects.count() == 2


class TestDisabling:
    def test_a_disabled_token_opens_nothing_until_it_is_enabled(self, htmx: Client) -> None:
        secret = secret_in(htmx.post("/portal/tokens/create/", WANTED))
        token = ApiToken.objects.get()
        asking = APIClient(headers={"Authorization": f"Bearer {secret}"})
        answer = htmx.post(f"/portal/tokens/{token.pk}/disable/", {"reason": "the report is paused"})
        assert answer.content.decode().strip().startswith(f'<tr id="token-{token.pk}" class="one disabled"')
        assert "Enable" in text_of(answer)
        assert "Rotate" not in text_of(answer)
        assert asking.get("/api/v1/devices").status_code == 401
        answer = htmx.post(f"/portal/tokens/{token.pk}/enable/")
        assert answer.content.decode().strip().startswith(f'<tr id="token-{token.pk}" class="one live"')
        assert asking.get("/api/v1/devices").status_code == 200
        history = AuditEvent.objects.filter(subject_id=token.pk).order_by("number").values_list("verb", "reason")
        assert list(history)[1:] == [("token.disabled", "the report is paused"), ("token.enabled", "")]

    @pytest.mark.parametrize("verb", ["disable", "enable"])
    def test_without_htmx_it_goes_back_to_the_list(self, plain: Client, verb: str) -> None:
        plain.post("/portal/tokens/create/", WANTED)
        answer = plain.post(f"/portal/tokens/{ApiToken.objects.get().pk}/{verb}/", {"reason": "paused"})
        assert (answer.status_code, answer["Location"]) == (302, "/portal/tokens/")

    @pytest.mark.parametrize("verb", ["disable", "enable"])
    def test_a_revoked_token_stays_revoked(self, htmx: Client, verb: str) -> None:
        htmx.post("/portal/tokens/create/", WANTED)
        token = ApiToken.objects.get()
        htmx.post(f"/portal/tokens/{token.pk}/revoke/")
        answer = htmx.post(f"/portal/tokens/{token.pk}/{verb}/")
        assert answer.status_code == 409
        assert "was revoked by ada" in text_of(answer)

    def test_a_reason_that_is_too_long_changes_nothing(self, plain: Client) -> None:
        plain.post("/portal/tokens/create/", WANTED)
        token = ApiToken.objects.get()
        assert plain.post(f"/portal/tokens/{token.pk}/disable/", {"reason": "x" * 501}).status_code == 400
        assert ApiToken.objects.get().disabled_at is None


def test_a_token_says_where_it_may_come_from_and_the_list_costs_the_same_for_one_as_for_many(
    plain: Client, django_assert_num_queries: Any
) -> None:
    plain.post("/portal/tokens/create/", WANTED)
    assert "may come from anywhere" in text_of(plain.get("/portal/tokens/"))
    with CaptureQueriesContext(connection) as one:
        plain.get("/portal/tokens/")
    cost = len(one)
    for number in range(4):
        plain.post("/portal/tokens/create/", {**WANTED, "name": f"no {number}", "addresses": "10.0.0.0/8 192.0.2.7"})
        plain.post(f"/portal/tokens/{ApiToken.objects.latest('created_at').pk}/rotate/", {"overlap_hours": "1"})
    with django_assert_num_queries(cost):
        assert "may come from 10.0.0.0/8 192.0.2.7/32" in text_of(plain.get("/portal/tokens/"))
