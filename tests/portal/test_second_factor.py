"""Second factors: added, proven at the login, used once, demanded by a role, removed, and never kept readable."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import NoReverseMatch, reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from portal import second_factor, second_factor_changes, standing
from portal.actor import Actor
from portal.models import AuditEvent, Letter, Outbox, User
from portal.refusal import Invalid
from portal.scopes import Scope
from portal.session_store import kept_as
from tests import canary
from tests.amount import many
from tests.conftest import PASSWORD
from tests.portal.authenticator import SoftAuthenticator

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
PAGE = "/portal/account/second-factor/"
LOGIN, STEP = "/portal/login/", "/portal/login/second-factor/"
HTMX = {"HX-Request": "true"}
SECRET = re.compile(r'id="app-secret">([A-Z2-7]{32})<')
CODE = re.compile(r"\b\d{4}-\d{4}-\d{4}\b")
both = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])


@pytest.fixture
def clock() -> Iterator[Any]:
    """Time stands still, and a test moves it on: what counts is the step of half a minute."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def code(secret: str, at: datetime | None = None) -> str:
    """What an app shows that has taken this secret (RFC 6238)."""
    moment = (at or datetime.now(UTC)).timestamp()
    return format_hotp_value(hotp_value(secret, int(moment) // 30))


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def offered(answer: Any) -> tuple[str, str]:
    """The secret that a page offers, and what brings it back."""
    page = answer.content.decode()
    (secret,) = SECRET.findall(page)
    (sealed,) = re.findall(r'name="offer" value="([^"]+)"', page)
    return secret, sealed


def enrol(client: Client) -> tuple[str, list[str]]:
    """Add an app as a person does; the secret, and the recovery codes."""
    secret, sealed = offered(client.post(f"{PAGE}app/offer/"))
    answer = client.post(f"{PAGE}app/add/", {"offer": sealed, "code": code(secret)})
    assert answer.status_code == 200
    return secret, CODE.findall(answer.content.decode())


def given_password(person: User, **headers: str) -> Client:
    """A browser in which the password was given, and the second factor is waited for."""
    client = Client(headers=headers)
    answer = client.post(LOGIN, {"username": person.username, "password": PASSWORD})
    assert answer["Location"].startswith(STEP)
    return client


def is_in(client: Client) -> bool:
    return client.get("/portal/account/").status_code == 200


def trail() -> list[tuple[str, str, Any, Any]]:
    return [(row.verb, row.actor, row.before, row.after) for row in AuditEvent.objects.order_by("number")]


def topics() -> list[str]:
    return list(Outbox.objects.order_by("pk").values_list("topic", flat=True))


@pytest.fixture
def otto(log_in: Callable[..., Client], operator: User, clock: Any) -> Client:
    return log_in(operator)


@pytest.fixture
def app(otto: Client, clock: Any) -> tuple[str, list[str]]:
    """The operator has an app; its next code can be used."""
    made = enrol(otto)
    clock.shift(90)
    return made


class TestApp:
    @both
    def test_is_added_by_a_code_of_the_secret_that_was_shown(self, otto: Client, headers: dict[str, str]) -> None:
        answer = otto.post(f"{PAGE}app/offer/", headers=headers)
        secret, sealed = offered(answer)
        assert answer["Cache-Control"] == "no-store"
        assert re.search(r'<path d="M4 4h1v1h-1z', answer.content.decode())
        assert "<html" in answer.content.decode() if not headers else answer.content.startswith(b"<article")
        answer = otto.post(f"{PAGE}app/add/", {"offer": sealed, "code": code(secret)}, headers=headers)
        assert "Your authenticator app is added." in text_of(answer)
        assert len(set(CODE.findall(answer.content.decode()))) == 10
        page = otto.get(PAGE)
        assert "10 left" in text_of(page)
        assert not CODE.search(page.content.decode())
        assert "authenticator app, 10 recovery codes left" in text_of(otto.get("/portal/account/"))

    def test_and_the_codes_that_came_with_it_stand_in_the_history_as_added_and_never_themselves(
        self, otto: Client, operator: User
    ) -> None:
        secret, codes = enrol(otto)
        assert trail() == [
            ("person.second_factor_added", "otto", None, {"kind": "authenticator app"}),
            ("person.recovery_codes_made", "otto", None, {"recovery_codes": 10}),
        ]
        assert topics() == ["person.second_factor_added", "person.recovery_codes_made"]
        plain = [code.replace("-", "") for code in codes]
        kept = canary.everything_kept()
        assert canary.places(kept, [part.encode() for part in [secret, *codes, *plain]]) == []
        told = str([session.get_decoded() for session in Session.objects.all()])
        assert not [part for part in [secret, *codes, *plain] if part in told]

    def test_that_is_the_first_factor_ends_the_other_sessions(
        self, otto: Client, log_in: Callable[..., Client], operator: User, viewer: User
    ) -> None:
        other, vera = log_in(operator), log_in(viewer)
        secret, sealed = offered(otto.post(f"{PAGE}app/offer/"))
        otto.post(f"{PAGE}app/add/", {"offer": sealed, "code": "000000"})
        assert is_in(other)
        answer = otto.post(f"{PAGE}app/add/", {"offer": sealed, "code": code(secret)})
        assert "Your other sessions have ended." in text_of(answer)
        assert [is_in(client) for client in (otto, other, vera)] == [True, False, True]
        assert trail()[0][3] == {"kind": "authenticator app", "sessions_ended": 1}

    def test_beside_another_factor_ends_no_session(
        self, otto: Client, log_in: Callable[..., Client], operator: User
    ) -> None:
        other = log_in(operator)
        Authenticator.objects.create(user=operator, type="webauthn", data={"name": "Laptop"})
        enrol(otto)
        assert is_in(other)

    @both
    @pytest.mark.parametrize("typed", ["000000", "", "12345", "not a code", "٣" * 6, "\x00" * 6])
    def test_is_not_added_by_a_wrong_code_which_is_said_beside_it_and_the_secret_stays(
        self, otto: Client, headers: dict[str, str], typed: str
    ) -> None:
        secret, sealed = offered(otto.post(f"{PAGE}app/offer/"))
        answer = otto.post(f"{PAGE}app/add/", {"offer": sealed, "code": typed}, headers=headers)
        assert answer.status_code == 400
        assert 'aria-describedby="app-code-wrong"' in answer.content.decode()
        assert offered(answer)[0] == secret
        assert not Authenticator.objects.exists()
        assert otto.post(f"{PAGE}app/add/", {"offer": sealed, "code": code(secret)}).status_code == 200

    def test_is_one_and_of_two_tabs_the_second_is_told_so(self, otto: Client) -> None:
        first, second = (offered(otto.post(f"{PAGE}app/offer/")) for _ in range(2))
        assert first[0] != second[0]
        otto.post(f"{PAGE}app/add/", {"offer": first[1], "code": code(first[0])})
        answer = otto.post(f"{PAGE}app/add/", {"offer": second[1], "code": code(second[0])})
        assert (answer.status_code, Authenticator.objects.filter(type="totp").count()) == (409, 1)
        assert "You have an authenticator app already" in text_of(answer)
        assert otto.post(f"{PAGE}app/offer/").status_code == 409

    def test_is_not_added_by_an_old_offer_or_that_of_somebody_else_or_none(
        self, otto: Client, log_in: Callable[..., Client], viewer: User, clock: Any
    ) -> None:
        secret, sealed = offered(otto.post(f"{PAGE}app/offer/"))
        vera = log_in(viewer)
        for client, offer in ((vera, sealed), (otto, sealed[:-4]), (otto, ""), (otto, "é\x00")):
            answer = client.post(f"{PAGE}app/add/", {"offer": offer, "code": code(secret)})
            assert (answer.status_code, "begin again" in text_of(answer)) == (409, True)
        clock.shift(901)
        otto.post(f"{PAGE}confirm/", {"typed": PASSWORD})
        assert otto.post(f"{PAGE}app/add/", {"offer": sealed, "code": code(secret)}).status_code == 409
        assert not Authenticator.objects.exists()


class TestLogin:
    def test_goes_on_with_a_code_under_another_session_and_nothing_opens_in_between(
        self, app: tuple[str, list[str]], operator: User
    ) -> None:
        client = Client()
        client.get(LOGIN)
        answer = client.post(LOGIN, {"username": "otto", "password": PASSWORD, "next": "/portal/tokens/"})
        assert answer["Location"] == f"{STEP}?next=%2Fportal%2Ftokens%2F"
        before = client.cookies["gatehouse-session"].value
        assert kept_as(before) in Session.objects.values_list("pk", flat=True)
        for path in ("/portal/", PAGE, "/portal/account/"):
            assert client.get(path)["Location"].startswith(LOGIN)
        page = client.get(answer["Location"])
        assert "The password of otto was right." in text_of(page)
        assert 'name="next" value="/portal/tokens/"' in page.content.decode()
        assert '<nav class="places"' not in page.content.decode()
        answer = client.post(STEP, {"typed": code(app[0]), "next": "/portal/tokens/"})
        assert (answer.status_code, answer["Location"]) == (302, "/portal/tokens/")
        assert client.cookies["gatehouse-session"].value != before
        assert is_in(client)
        assert not Session.objects.filter(pk=kept_as(before)).exists()

    @pytest.mark.parametrize("shift", [-30, 0, 30])
    def test_takes_a_code_of_half_a_minute_before_and_after(
        self, app: tuple[str, list[str]], operator: User, shift: int
    ) -> None:
        shown = code(app[0], datetime.now(UTC) + timedelta(seconds=shift))
        assert given_password(operator).post(STEP, {"typed": f"{shown[:3]} {shown[3:]}"}).status_code == 302

    @pytest.mark.parametrize("shift", [-60, 60])
    def test_takes_no_older_and_no_later_code(self, app: tuple[str, list[str]], operator: User, shift: int) -> None:
        shown = code(app[0], datetime.now(UTC) + timedelta(seconds=shift))
        assert given_password(operator).post(STEP, {"typed": shown}).status_code == 403

    def test_takes_a_code_once_also_in_another_process_and_the_next_one_again(
        self, app: tuple[str, list[str]], operator: User, clock: Any
    ) -> None:
        first, second, shown = given_password(operator), given_password(operator), code(app[0])
        assert first.post(STEP, {"typed": shown}).status_code == 302
        for again in (shown, f"{shown[:3]}-{shown[3:]}"):
            answer = second.post(STEP, {"typed": again})
            assert answer.status_code == 403
            assert "This code is wrong, or was used already" in text_of(answer)
        assert not is_in(second)
        clock.shift(30)
        assert second.post(STEP, {"typed": code(app[0])}).status_code == 302

    def test_takes_new_codes_after_a_clock_that_was_an_hour_ahead_is_set_back(
        self, app: tuple[str, list[str]], operator: User, clock: Any
    ) -> None:
        clock.shift(3600)
        assert given_password(operator).post(STEP, {"typed": code(app[0])}).status_code == 302
        clock.shift(-3600)
        assert given_password(operator).post(STEP, {"typed": code(app[0])}).status_code == 302

    def test_does_not_take_the_code_by_which_the_app_was_added(self, otto: Client, operator: User) -> None:
        secret, _ = enrol(otto)
        assert given_password(operator).post(STEP, {"typed": code(secret)}).status_code == 403

    def test_takes_each_recovery_code_once_and_tells_of_it(self, app: tuple[str, list[str]], operator: User) -> None:
        used = app[1][3]
        assert given_password(operator).post(STEP, {"typed": used}).status_code == 302
        assert given_password(operator).post(STEP, {"typed": used.replace("-", " ")}).status_code == 403
        assert given_password(operator).post(STEP, {"typed": app[1][4].replace("-", "")}).status_code == 302
        assert trail()[-1] == ("person.recovery_code_used", "otto", None, {"recovery_codes_left": 8})
        assert topics()[-2:] == ["person.recovery_code_used"] * 2

    @pytest.mark.parametrize("typed", ["", "000000", "0" * 12, "x" * 64, "x" * 65, "\x00", "\u202e", "1" * 5000])
    def test_says_in_a_sentence_that_a_code_is_wrong_and_keeps_nobody_in(
        self, app: tuple[str, list[str]], operator: User, typed: str
    ) -> None:
        client = given_password(operator)
        answer = client.post(STEP, {"typed": typed})
        assert answer.status_code == 403
        assert "type the one that your app shows now" in text_of(answer)
        assert not is_in(client)

    def test_makes_who_guesses_wait_by_address_and_account_and_others_not(
        self, app: tuple[str, list[str]], operator: User, clock: Any
    ) -> None:
        client = given_password(operator)
        answers = [client.post(STEP, {"typed": "000000"}).status_code for _ in range(6)]
        assert answers == [403] * 5 + [429]
        answer = client.post(STEP, {"typed": code(app[0])})
        assert (answer.status_code, int(answer["Retry-After"])) == (429, 1)
        other = Client(REMOTE_ADDR="10.0.0.7")
        other.post(LOGIN, {"username": "otto", "password": PASSWORD})
        assert other.post(STEP, {"typed": code(app[0])}).status_code == 302

    def test_looks_at_no_code_of_a_person_after_thirty_wrong_ones_from_anywhere(
        self, app: tuple[str, list[str]], operator: User, clock: Any
    ) -> None:
        for number in range(10):
            client = Client(REMOTE_ADDR=f"10.0.1.{number}")
            client.post(LOGIN, {"username": "otto", "password": PASSWORD})
            for _ in range(3):
                assert client.post(STEP, {"typed": "000000"}).status_code == 403
        client = Client(REMOTE_ADDR="10.0.2.1")
        client.post(LOGIN, {"username": "otto", "password": PASSWORD})
        answer = client.post(STEP, {"typed": code(app[0])})
        assert (answer.status_code, "too many wrong codes for this person" in text_of(answer)) == (429, True)
        clock.shift(3600)
        client.post(LOGIN, {"username": "otto", "password": PASSWORD})
        assert client.post(STEP, {"typed": code(app[0])}).status_code == 302

    def test_waits_five_minutes_and_for_nobody_who_gave_no_password(
        self, app: tuple[str, list[str]], operator: User, clock: Any
    ) -> None:
        client = given_password(operator)
        clock.shift(301)
        answer = client.post(STEP, {"typed": code(app[0])})
        assert (answer.status_code, "Log in with your password first" in text_of(answer)) == (403, True)
        assert "Log in to Gatehouse" in text_of(answer)
        assert client.get(STEP)["Location"] == LOGIN
        assert Client().post(STEP, {"typed": code(app[0])}).status_code == 403
        assert not is_in(client)

    def test_waits_no_more_once_the_password_is_another_or_the_person_is_deactivated(
        self, app: tuple[str, list[str]], operator: User, root: Actor
    ) -> None:
        first = given_password(operator)
        operator.set_password("a lighthouse keeper's breakfast")
        operator.save()
        assert first.post(STEP, {"typed": code(app[0])}).status_code == 403
        operator.set_password(PASSWORD)
        operator.save()
        second = given_password(operator)
        standing.deactivate(operator, by=root)
        assert second.post(STEP, {"typed": code(app[0])}).status_code == 403

    def test_needs_our_form(self, app: tuple[str, list[str]], operator: User) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = given_password(operator).cookies
        assert strict.post(STEP, {"typed": code(app[0])}).status_code == 403
        assert not is_in(strict)

    @pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/api/v1/devices"])
    def test_leads_to_our_own_pages_only(self, app: tuple[str, list[str]], operator: User, wanted: str) -> None:
        answer = given_password(operator).post(STEP, {"typed": code(app[0]), "next": wanted})
        assert answer["Location"] == "/portal/"

    def test_and_rest_needs_none(self, app: tuple[str, list[str]], rest: Callable[..., Any]) -> None:
        assert rest(Scope.DEVICES_READ).get("/api/v1/devices").status_code == 200


class TestFreshness:
    @both
    def test_is_asked_for_after_ten_minutes_before_anything_changes(
        self, app: tuple[str, list[str]], otto: Client, clock: Any, headers: dict[str, str]
    ) -> None:
        clock.shift(601)
        before = AuditEvent.objects.count()
        assert "Confirm that it is you" in text_of(otto.get(PAGE))
        assert "hx-post" not in re.sub(r"(?s)<section id=\"confirm\".*?</section>", "", otto.get(PAGE).content.decode())
        kept = Authenticator.objects.get(type="totp")
        for where in ("app/offer/", "app/add/", "passkeys/ask/", "passkeys/add/", "codes/make/", f"{kept.pk}/remove/"):
            answer = otto.post(f"{PAGE}{where}", headers=headers)
            assert (answer.status_code, "confirm first that it is you" in text_of(answer)) == (403, True)
        assert AuditEvent.objects.count() == before

    @both
    def test_comes_back_with_the_password_or_a_code_or_a_recovery_code(
        self, app: tuple[str, list[str]], otto: Client, clock: Any, headers: dict[str, str]
    ) -> None:
        for typed in (lambda: PASSWORD, lambda: code(app[0]), lambda: app[1][0]):
            clock.shift(601)
            assert "Remove the app" not in text_of(otto.get(PAGE))
            answer = otto.post(f"{PAGE}confirm/", {"typed": typed()}, headers=headers)
            assert answer.status_code == (200 if headers else 302)
            assert "Remove the app" in text_of(otto.get(PAGE))

    def test_does_not_come_back_with_a_wrong_password_or_a_used_code(
        self, app: tuple[str, list[str]], otto: Client, clock: Any
    ) -> None:
        clock.shift(601)
        otto.post(f"{PAGE}confirm/", {"typed": app[1][0]})
        clock.shift(601)
        wrong = {"": "Type your own password", "wrong": "Type your own password", app[1][0]: "was used already"}
        for typed, sentence in wrong.items():
            answer = otto.post(f"{PAGE}confirm/", {"typed": typed})
            assert (answer.status_code, sentence in text_of(answer)) == (403, True)
        assert "Confirm that it is you" in text_of(otto.get(PAGE))

    def test_by_a_code_counts_where_a_token_is_made_too(
        self, log_in: Callable[..., Client], administrator: User, clock: Any
    ) -> None:
        ada = log_in(administrator)
        secret, _ = enrol(ada)
        clock.shift(601)
        wanted = {"name": "report", "scopes": ["devices:read"], "days": "30"}
        assert ada.post("/portal/tokens/create/", {**wanted, "password": "000000"}).status_code == 403
        assert ada.post("/portal/tokens/create/", {**wanted, "password": code(secret)}).status_code == 200


class TestRecoveryCodes:
    @both
    def test_are_made_anew_and_those_before_count_no_more(
        self, app: tuple[str, list[str]], otto: Client, operator: User, headers: dict[str, str]
    ) -> None:
        (seen,) = re.findall(r'name="seen" value="([^"]+)"', otto.get(PAGE).content.decode())
        answer = otto.post(f"{PAGE}codes/make/", {"seen": seen}, headers=headers)
        made = CODE.findall(answer.content.decode())
        assert (len(made), set(made) & set(app[1])) == (10, set())
        assert given_password(operator).post(STEP, {"typed": app[1][0]}).status_code == 403
        assert given_password(operator).post(STEP, {"typed": made[0]}).status_code == 302
        again = otto.post(f"{PAGE}codes/make/", {"seen": seen})
        assert (again.status_code, "have changed since you looked" in text_of(again)) == (409, True)
        assert [verb for verb, *_ in trail()].count("person.recovery_codes_made") == 2

    def test_need_a_factor_that_they_stand_in_for(self, otto: Client) -> None:
        assert otto.post(f"{PAGE}codes/make/", {"seen": ""}).status_code == 409
        assert not Authenticator.objects.exists()


class TestRemoval:
    @both
    def test_of_the_last_factor_takes_the_recovery_codes_along(
        self, app: tuple[str, list[str]], otto: Client, headers: dict[str, str], log_in: Callable[..., Client],
        operator: User,
    ) -> None:  # fmt: skip
        to = f"{PAGE}{Authenticator.objects.get(type='totp').pk}/remove/"
        answer = otto.post(to, headers=headers)
        page = answer if headers else otto.get(answer["Location"])
        assert "It is removed." in text_of(page)
        assert not Authenticator.objects.exists()
        assert trail()[-1] == ("person.second_factor_removed", "otto", {"kind": "authenticator app"}, None)
        again = otto.post(to, headers=headers)
        assert (again.status_code, "no such second factor any more" in text_of(again)) == (404, True)
        assert is_in(log_in(operator))

    def test_ends_the_other_sessions_of_the_person_and_nobody_elses(
        self, app: tuple[str, list[str]], otto: Client, log_in: Callable[..., Client], operator: User, viewer: User
    ) -> None:
        vera, other = log_in(viewer), given_password(operator)
        other.post(STEP, {"typed": code(app[0])})
        answer = otto.post(f"{PAGE}{Authenticator.objects.get(type='totp').pk}/remove/", headers={"HX-Request": "true"})
        assert "Your other sessions have ended." in text_of(answer)
        assert [is_in(client) for client in (otto, other, vera)] == [True, False, True]
        before = {"kind": "authenticator app"}
        assert trail()[-1] == ("person.second_factor_removed", "otto", before, {"sessions_ended": 1})

    def test_of_somebody_elses_is_not_possible(
        self, app: tuple[str, list[str]], log_in: Callable[..., Client], administrator: User
    ) -> None:
        ada = log_in(administrator)
        for factor in Authenticator.objects.all():
            assert ada.post(f"{PAGE}{factor.pk}/remove/").status_code == 404
            assert ada.post(f"{PAGE}{factor.pk}/rename/", {"name": "mine"}).status_code == 404
        assert Authenticator.objects.count() == 2

    def test_is_told_by_mail_like_everything_else_if_the_person_can_be_reached(
        self, otto: Client, operator: User, settings: Any, root: Actor
    ) -> None:
        settings.MAIL_SERVER = object()
        User.objects.filter(pk=operator.pk).update(email="otto@plant.example")
        _, codes = enrol(otto)
        second_factor.accepts(User.objects.get(pk=operator.pk), codes[0])
        otto.post(f"{PAGE}{Authenticator.objects.get(type='totp').pk}/remove/")
        assert list(Letter.objects.order_by("pk").values_list("subject", flat=True)) == [
            "A second factor was added", "A recovery code was used", "A second factor was removed",
        ]  # fmt: skip
        assert not [letter for letter in Letter.objects.all() if codes[0] in letter.text]


class TestDemand:
    @pytest.fixture(autouse=True)
    def _demanded(self, settings: Any) -> None:
        settings.SECOND_FACTOR_ROLES = ["operator"]

    def test_leads_to_the_page_of_second_factors_and_opens_nothing_else_until_there_is_one(self, otto: Client) -> None:
        for path in ("/portal/", "/portal/devices/", "/portal/account/", "/portal/help/", "/portal/audit/audit.csv"):
            assert otto.get(path)["Location"] == PAGE
        assert otto.post("/portal/devices/list/decide/")["Location"] == PAGE
        assert otto.get("/portal/devices/", headers=HTMX)["HX-Redirect"] == PAGE
        page = otto.get(PAGE)
        assert "Your role demands a second factor" in text_of(page)
        assert "/portal/devices/" not in page.content.decode()
        enrol(otto)
        assert otto.get("/portal/devices/").status_code == 200

    def test_lets_who_has_none_log_out(self, otto: Client) -> None:
        assert otto.post("/portal/logout/")["Location"] == LOGIN

    def test_does_not_concern_other_roles(self, log_in: Callable[..., Client], viewer: User) -> None:
        assert is_in(log_in(viewer))

    def test_counts_from_the_next_request_of_who_gets_such_a_role(
        self, log_in: Callable[..., Client], viewer: User
    ) -> None:
        vera = log_in(viewer)
        User.objects.filter(pk=viewer.pk).update(role="operator")
        assert vera.get("/portal/")["Location"] == PAGE

    def test_keeps_the_last_factor(self, otto: Client) -> None:
        enrol(otto)
        answer = otto.post(f"{PAGE}{Authenticator.objects.get(type='totp').pk}/remove/")
        assert (answer.status_code, "add another before" in text_of(answer)) == (409, True)
        assert second_factor.has(User.objects.get(username="otto"))

    def test_of_a_role_that_there_is_not_stops_the_start(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="holds 'admin'; write administrator, operator, viewer"):
            second_factor.read_roles(["administrator", "admin"])


class TestReset:
    @pytest.fixture
    def ada(self, log_in: Callable[..., Client], administrator: User, app: tuple[str, list[str]]) -> Client:
        return log_in(administrator)

    @staticmethod
    def seen(client: Client, person: User) -> str:
        page = client.get(f"/portal/people/{person.pk}/").content.decode()
        return str(re.findall(r'id="ask-second-factor".*?name="seen" value="([^"]+)"', page, re.DOTALL)[0])

    @both
    def test_removes_all_of_them_and_ends_the_sessions(
        self, ada: Client, otto: Client, operator: User, headers: dict[str, str], log_in: Callable[..., Client]
    ) -> None:
        sent = {"typed": "otto", "seen": self.seen(ada, operator), "reason": "lost the phone"}
        answer = ada.post(f"/portal/people/{operator.pk}/second-factor/reset/", sent, headers=headers)
        assert answer.status_code == (200 if headers else 302)
        assert not Authenticator.objects.exists()
        assert not is_in(otto)
        event = AuditEvent.objects.order_by("number").last()
        assert event is not None
        assert (event.verb, event.actor, event.reason) == ("person.second_factors_reset", "ada", "lost the phone")
        assert event.before == {"second_factors": [{"kind": "authenticator app"}]}
        assert event.after == {"sessions_ended": 1}
        assert topics()[-1] == "person.second_factors_reset"
        assert is_in(log_in(operator))
        assert "Remove the second factors" not in text_of(ada.get(f"/portal/people/{operator.pk}/"))

    @both
    @pytest.mark.parametrize(
        ("sent", "status", "sentence"),
        [
            ({"typed": "Otto"}, 400, "Type the name otto to confirm this."),
            ({"typed": ""}, 400, "Type the name otto to confirm this."),
            ({"seen": "0"}, 409, "have changed since you looked"),
            ({"reason": "a\u202eb"}, 400, "invisible character"),
        ],
    )
    def test_that_is_not_meant_removes_nothing(
        self, ada: Client, operator: User, headers: dict[str, str], sent: dict[str, str], status: int, sentence: str
    ) -> None:
        full = {"typed": "otto", "seen": self.seen(ada, operator), **sent}
        answer = ada.post(f"/portal/people/{operator.pk}/second-factor/reset/", full, headers=headers)
        assert (answer.status_code, sentence in text_of(answer)) == (status, True)
        assert Authenticator.objects.count() == 2

    def test_needs_a_fresh_password(self, ada: Client, operator: User, clock: Any) -> None:
        sent = {"typed": "otto", "seen": self.seen(ada, operator)}
        clock.shift(601)
        to = f"/portal/people/{operator.pk}/second-factor/reset/"
        assert "Type your own password to confirm this." in text_of(ada.post(to, sent))
        assert ada.post(to, {**sent, "password": "wrong"}).status_code == 403
        assert Authenticator.objects.count() == 2
        assert ada.post(to, {**sent, "password": PASSWORD}).status_code == 302

    def test_is_for_another_and_for_who_holds_what_the_person_may(
        self, ada: Client, operator: User, administrator: User, make_person: Callable[..., User]
    ) -> None:
        with pytest.raises(standing.NotYourself):
            second_factor_changes.reset(operator, by=Actor.person(operator), typed="otto")
        helper = Actor.token("helper", [Scope.USERS_MANAGE], owner=administrator.pk, credential="token x")
        with pytest.raises(standing.RoleTooBroad):
            second_factor_changes.reset(operator, by=helper, typed="otto")
        with pytest.raises(second_factor_changes.Unknown):
            second_factor_changes.reset(make_person("grace"), by=Actor.person(administrator), typed="grace")
        with pytest.raises(Invalid):
            second_factor_changes.reset(operator, by=Actor.person(administrator), typed="")
        assert Authenticator.objects.count() == 2

    def test_works_for_secrets_that_open_no_more_and_who_cannot_log_in_is_told_why(
        self, ada: Client, otto: Client, operator: User, app: tuple[str, list[str]]
    ) -> None:
        for factor, name in zip(Authenticator.objects.order_by("pk"), ("secret", "seed"), strict=True):
            factor.data[name] = factor.data[name][:-6]
            factor.save()
        answer = given_password(operator).post(STEP, {"typed": code(app[0])})
        assert (answer.status_code, "does not open with this GATEHOUSE_MASTER_KEY" in text_of(answer)) == (503, True)
        assert otto.get(PAGE).status_code == 200
        sent = {"typed": "otto", "seen": self.seen(ada, operator)}
        assert ada.post(f"/portal/people/{operator.pk}/second-factor/reset/", sent).status_code == 302
        assert not Authenticator.objects.exists()

    def test_is_a_command_too(self, app: tuple[str, list[str]]) -> None:
        out = StringIO()
        call_command("reset_second_factor", "Otto", stdout=out)
        assert out.getvalue() == "otto: 1 removed.\n"
        assert trail()[-1][:2] == ("person.second_factors_reset", "reset_second_factor")
        for name, sentence in (("otto", "no such second factor any more"), ("nobody", "no such person")):
            with pytest.raises(CommandError, match=sentence):
                call_command("reset_second_factor", name)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_use_one_code_at_once_one_gets_in(
    make_person: Callable[..., User], root: Actor, at_once: Callable[..., list[Any]]
) -> None:
    otto = make_person("otto", "operator")
    offer = second_factor_changes.offer(otto)
    with time_machine.travel(NOON, tick=False):
        codes = second_factor_changes.add_app(otto, offer, code(offer.secret), by=root)
    for typed in (code(offer.secret), codes[0]):
        assert sorted(at_once(*[lambda typed=typed: second_factor.accepts(otto, typed)] * 2)) == [False, True]


@pytest.mark.django_db(transaction=True)
def test_of_wrong_codes_at_once_none_is_looked_at_after_the_thirtieth(
    make_person: Callable[..., User], root: Actor, at_once: Callable[..., list[Any]]
) -> None:
    otto = make_person("otto", "operator")
    offer = second_factor_changes.offer(otto)
    with time_machine.travel(NOON, tick=False):
        second_factor_changes.add_app(otto, offer, code(offer.secret), by=root)
    for hour in range(5):
        with time_machine.travel(NOON + timedelta(hours=hour), tick=False):
            for _ in range(29):
                assert not second_factor.accepts_or_counts(otto, "000000")
            tries = at_once(*[lambda: second_factor.accepts_or_counts(otto, "000000")] * 8)
        assert sorted(type(one).__name__ for one in tries) == ["TooMany"] * 7 + ["bool"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_add_an_app_at_once_one_is_refused(
    make_person: Callable[..., User], root: Actor, at_once: Callable[..., list[Any]]
) -> None:
    otto = make_person("otto", "operator")
    offers = [second_factor_changes.offer(otto) for _ in range(2)]
    done = at_once(
        *[lambda one=one: second_factor_changes.add_app(otto, one, code(one.secret), by=root) for one in offers]
    )
    assert sorted(type(one).__name__ for one in done) == ["HasApp", "list"]


class TestPasskey:
    """A passkey of software, which signs as a real one does; a browser test uses the one of Chromium."""

    @pytest.fixture
    def otto(self, operator: User, clock: Any) -> Client:
        client = Client(headers={"Host": "gate.example"})
        client.post(LOGIN, {"username": "otto", "password": PASSWORD}, secure=True)
        return client

    @staticmethod
    def asked(answer: Any) -> Any:
        (told,) = re.findall(r'data-asked="([^"]+)"', answer.content.decode())
        return json.loads(told.replace("&quot;", '"'))["publicKey"]

    def add(self, client: Client, key: SoftAuthenticator, name: str = "Laptop") -> Any:
        asked = self.asked(client.post(f"{PAGE}passkeys/ask/", {"name": name}, secure=True))
        return client.post(f"{PAGE}passkeys/add/", {"name": name, "answer": key.made(asked)}, secure=True)

    def waiting(self) -> Client:
        client = Client(headers={"Host": "gate.example"})
        answer = client.post(LOGIN, {"username": "otto", "password": PASSWORD}, secure=True)
        assert answer["Location"].startswith(STEP)
        return client

    def test_is_added_named_used_at_the_login_renamed_and_removed(self, otto: Client, clock: Any) -> None:
        key = SoftAuthenticator("https://gate.example")
        answer = self.add(otto, key)
        assert "Your passkey is added." in text_of(answer)
        assert len(CODE.findall(answer.content.decode())) == 10
        client = self.waiting()
        asked = self.asked(client.get(STEP, secure=True))
        assert asked["rpId"] == "gate.example"
        assert client.post(STEP, {"answer": key.proof(asked)}, secure=True).status_code == 302
        assert client.get("/portal/account/", secure=True).status_code == 200
        kept = Authenticator.objects.get(type="webauthn")
        assert kept.last_used_at == datetime.now(UTC)
        otto.post(f"{PAGE}{kept.pk}/rename/", {"name": "Old laptop"}, secure=True)
        otto.post(f"{PAGE}{kept.pk}/rename/", {"name": "Old laptop"}, secure=True)
        otto.post(f"{PAGE}{kept.pk}/remove/", secure=True)
        assert [row for row in trail() if "codes" not in row[0]] == [
            ("person.second_factor_added", "otto", None, {"kind": "passkey", "name": "Laptop"}),
            ("person.passkey_renamed", "otto", {"passkey": "Laptop"}, {"passkey": "Old laptop"}),
            ("person.second_factor_removed", "otto", {"kind": "passkey", "name": "Old laptop"}, {"sessions_ended": 1}),
        ]
        assert not Authenticator.objects.exists()

    def test_answers_each_time_to_what_was_asked_last(self, otto: Client) -> None:
        key = SoftAuthenticator("https://gate.example")
        self.add(otto, key)
        client = self.waiting()
        proof = key.proof(self.asked(client.get(STEP, secure=True)))
        client.get(STEP, secure=True)
        assert client.post(STEP, {"answer": proof}, secure=True).status_code == 403
        other = self.waiting()
        other.get(STEP, secure=True)
        assert other.post(STEP, {"answer": proof}, secure=True).status_code == 403

    @pytest.mark.parametrize("wrong", ["other key", "other origin", "other signature", "http"])
    def test_of_somebody_else_or_made_for_another_address_is_refused(self, otto: Client, wrong: str) -> None:
        key = SoftAuthenticator("https://gate.example")
        self.add(otto, key)
        client = self.waiting()
        asked = self.asked(client.get(STEP, secure=True))
        if wrong == "other key":
            key = SoftAuthenticator("https://gate.example")
        elif wrong != "other signature":
            key.origin = {"http": "http://gate.example"}.get(wrong, "https://evil.example")
        proof = key.proof(asked, spoiled=wrong == "other signature")
        answer = client.post(STEP, {"answer": proof}, secure=True)
        assert (answer.status_code, "The passkey was not accepted" in text_of(answer)) == (403, True)
        assert client.get("/portal/", secure=True).status_code == 302

    def test_makes_the_session_fresh(self, otto: Client, clock: Any) -> None:
        key = SoftAuthenticator("https://gate.example")
        self.add(otto, key)
        clock.shift(601)
        asked = self.asked(otto.get(PAGE, secure=True))
        assert otto.post(f"{PAGE}confirm/", {"answer": "{}"}, secure=True).status_code == 403
        asked = self.asked(otto.get(PAGE, secure=True))
        assert otto.post(f"{PAGE}confirm/", {"answer": key.proof(asked)}, secure=True).status_code == 302
        assert "Confirm that it is you" not in text_of(otto.get(PAGE, secure=True))

    def test_is_not_added_twice_or_by_an_answer_to_nothing(self, otto: Client) -> None:
        key = SoftAuthenticator("https://gate.example")
        asked = self.asked(otto.post(f"{PAGE}passkeys/ask/", {"name": "Laptop"}, secure=True))
        made = {"name": "Laptop", "answer": key.made(asked)}
        assert otto.post(f"{PAGE}passkeys/add/", made, secure=True).status_code == 200
        assert otto.post(f"{PAGE}passkeys/add/", made, secure=True).status_code == 403
        asked = self.asked(otto.post(f"{PAGE}passkeys/ask/", {"name": "Again"}, secure=True))
        assert [one["id"] for one in asked["excludeCredentials"]] == [key.id]
        again = {"name": "Again", "answer": key.made(asked)}
        assert otto.post(f"{PAGE}passkeys/add/", again, secure=True).status_code == 403
        assert Authenticator.objects.filter(type="webauthn").count() == 1

    @pytest.mark.parametrize(
        ("name", "status"), [("", 400), ("W" * 65, 400), ("a\u202eb", 400), ("<b>", 200), ("Laptop", 200)]
    )
    def test_has_a_name_that_people_can_read(self, otto: Client, name: str, status: int) -> None:
        asked = self.asked(otto.post(f"{PAGE}passkeys/ask/", {"name": "Laptop"}, secure=True))
        key = SoftAuthenticator("https://gate.example")
        answer = otto.post(f"{PAGE}passkeys/add/", {"name": name, "answer": key.made(asked)}, secure=True)
        assert answer.status_code == status
        assert "<b>" not in re.findall(r"<bdi>(.*?)</bdi>", otto.get(PAGE, secure=True).content.decode())
        assert Authenticator.objects.filter(type="webauthn").exists() == (status == 200)

    @pytest.mark.parametrize(
        ("host", "secure", "public_url", "sentence"),
        [
            ("10.0.0.5:8443", True, "", "open it by its name"),
            ("[::1]:8443", True, "", "open it by its name"),
            ("gate.example:8000", False, "", "over https alone"),
            ("localhost:8000", False, "", ""),
            ("gate.example:8443", True, "", ""),
            ("gate.example", True, "https://portal.example:8443", "open https://portal.example:8443"),
            ("portal.example:8443", True, "https://portal.example:8443", ""),
            ("[1:2]", True, "https://portal.example:8443", "open https://portal.example:8443"),
        ],
    )
    def test_is_offered_where_browsers_use_one_and_else_it_is_said_why_not(
        self, otto: Client, settings: Any, host: str, secure: bool, public_url: str, sentence: str
    ) -> None:
        settings.PUBLIC_URL_SET, settings.PUBLIC_URL = bool(public_url), public_url or "https://localhost:8443"
        client = Client(headers={"Host": host})
        client.post(LOGIN, {"username": "otto", "password": PASSWORD}, secure=secure)
        page = client.get(PAGE, secure=secure)
        assert ("Add a passkey" in text_of(page)) == (not sentence)
        assert sentence in text_of(page)
        answer = client.post(f"{PAGE}passkeys/ask/", {"name": "Laptop"}, secure=secure)
        assert answer.status_code == (409 if sentence else 200)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["AAAA", "public-key"]),
            lambda inner: st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "rawId", "type", "response", "clientDataJSON", "attestationObject", "authenticatorData",
                     "signature", "userHandle", "clientExtensionResults"]
                ),
                inner,
                max_size=6,
            ),
            max_leaves=12,
        )
    )  # fmt: skip
    @settings(max_examples=many(60))
    def test_of_garbage_is_refused_and_never_a_fault_of_ours(self, otto: Client, told: Any) -> None:
        otto.post(f"{PAGE}passkeys/ask/", {"name": "Laptop"}, secure=True)
        answer = otto.post(f"{PAGE}passkeys/add/", {"name": "Laptop", "answer": json.dumps(told)}, secure=True)
        assert answer.status_code in (400, 403)

    def test_whose_parts_are_garbage_is_refused_too(self, otto: Client, clock: Any) -> None:
        key = SoftAuthenticator("https://gate.example")
        self.add(otto, key)
        client = self.waiting()
        for number in range(40):
            clock.shift(61)
            client = self.waiting() if number % 4 == 0 else client
            proof = json.loads(key.proof(self.asked(client.get(STEP, secure=True))))
            part = ["clientDataJSON", "authenticatorData", "signature", "userHandle"][number % 4]
            proof["response"][part] = ["", "A", "AAAA", "_" * 300, "é", None, 3, [], {}, "e30"][number // 4]
            answer = client.post(STEP, {"answer": json.dumps(proof)}, secure=True)
            assert answer.status_code in (302, 403, 429), (part, proof["response"][part])
            assert answer.status_code != 302 or part == "userHandle"
            if answer.status_code == 302:
                client = self.waiting()


@pytest.mark.parametrize("path", ["/accounts/", "/accounts/login/", "/accounts/signup/", "/accounts/2fa/"])
def test_no_page_of_the_library_is_served(otto: Client, path: str) -> None:
    assert otto.get(path).status_code == 404
    for name in ("account_login", "account_signup", "account_email", "mfa_index"):
        with pytest.raises(NoReverseMatch):
            reverse(name)
