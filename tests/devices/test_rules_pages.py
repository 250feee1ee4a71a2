"""The pages about enrolment rules: the list, the form with its preview, and switching, with and without htmx."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from devices import rules
from devices.models import Device, EnrolmentRule
from gateway.models import DeviceCA
from portal.actor import Actor
from portal.models import AuditEvent, User

LIST = "/portal/enrolment-rules/"
HTMX = {"HX-Request": "true"}
BLANK = {"name": "hall 3", "verdict": "accept"}
FILLED = BLANK | {"attribute": "hall", "pattern": "3*", "most": "20", "ends_at": "2026-12-24T18:00", "reason": "new"}
CA = "c" * 64

both = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])


@pytest.fixture
def otto(log_in: Callable[..., Client], operator: User) -> Client:
    return log_in(operator)


@pytest.fixture
def rule(db: None, root: Actor) -> EnrolmentRule:
    return rules.make(name="hall 3", verdict="accept", attribute="hall", pattern="3*", by=root)


@pytest.fixture
def ca(db: None) -> DeviceCA:
    moments = {"not_before": datetime(2026, 1, 1, tzinfo=UTC), "not_after": datetime(2036, 1, 1, tzinfo=UTC)}
    return DeviceCA.objects.create(name="plant-2", certificate="", fingerprint=CA, subject="CN=x", **moments)


def page_of(rule: EnrolmentRule) -> str:
    return f"{LIST}{rule.pk}/"


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


class TestList:
    def test_says_what_is_in_force_and_what_to_do_first(self, otto: Client, settings: Any) -> None:
        page = text_of(otto.get(LIST))
        assert "GATEHOUSE_ENROLMENT is approve : a device that no rule fits waits" in page
        assert "There are no rules." in page
        settings.ENROLMENT = "auto"
        assert "every device that no rule rejects is let in" in text_of(otto.get(LIST))

    def test_says_each_rule_in_words(self, otto: Client, root: Actor, ca: DeviceCA, rule: EnrolmentRule) -> None:
        rules.make(name="ours", verdict="reject", ca=CA, range_of="sn", first="SN01", last="SN09", most=5, by=root)
        rules.make(name="foreign", verdict="accept", ca="d" * 64, first="a1", last="a2", by=root, is_enabled=False)
        rules.make(name="all", verdict="accept", by=root, fits_every_device=True)
        page = text_of(otto.get(LIST))
        assert "whose hall fits 3*" in page
        assert "with a certificate of the CA plant-2 whose sn is from SN01 to SN09" in page
        assert "decided on 0 of at most 5" in page
        assert re.search(r"d{64} \(it does not open the door now\) whose id is from a1 to a2 .* disabled", page)
        assert "every device at any time" in page

    def test_shows_names_as_text(self, otto: Client, root: Actor) -> None:
        rules.make(name="<script>alert(1)</script>", verdict="accept", attribute="<b>", pattern="<i>", by=root)
        for path in (LIST, page_of(EnrolmentRule.objects.get())):
            page = otto.get(path).content.decode()
            assert "<script>alert" not in page
            assert "<b></bdi>" not in page

    def test_offers_a_viewer_no_verb(
        self, log_in: Callable[..., Client], viewer: User, rule: EnrolmentRule, make_device: Callable[..., Device]
    ) -> None:
        make_device("press-1", {"hall": "3b"})
        client = log_in(viewer)
        for path in (LIST, page_of(rule)):
            page = client.get(path).content.decode()
            assert "<form" not in page.split("<main")[1]
            assert f'<a href="{LIST}" aria-current="page">Rules</a>' in page
        assert "press-1" in text_of(client.get(page_of(rule)))
        assert client.get(f"{LIST}new/").status_code == 403


class TestForm:
    def test_makes_a_rule(self, otto: Client) -> None:
        assert otto.get(f"{LIST}new/").status_code == 200
        answer = otto.post(f"{LIST}create/", FILLED)
        assert (answer.status_code, answer["Location"]) == (302, LIST)
        rule = EnrolmentRule.objects.get()
        assert (rule.name, rule.verdict, rule.attribute, rule.pattern) == ("hall 3", "accept", "hall", "3*")
        assert (rule.most, rule.ends_at) == (20, datetime(2026, 12, 24, 18, tzinfo=UTC))
        assert (rule.starts_at, rule.is_enabled, rule.created_by) == (None, True, "otto")
        assert AuditEvent.objects.get(verb="enrolment_rule.made").reason == "new"

    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            ({"name": ""}, "Say what the rule is for."),
            ({"verdict": "maybe"}, "maybe"),
            ({"pattern": ""}, "Write which values of the member fit"),
            ({"first": "SN9", "last": "SN1"}, "SN1 comes before SN9"),
            ({"starts_at": "tomorrow"}, "Write it as 2026-11-25 18:00"),
            ({"starts_at": "2027-01-01T00:00"}, "It ends before it starts"),
            ({"most": "1e3"}, "Write a whole number"),
            ({"most": "0"}, "Write a number from 1"),
            ({"attribute": "", "pattern": ""}, "so it fits every device; confirm that"),
            ({"reason": "a\u202eb"}, "invisible character"),
        ],
    )
    def test_says_beside_the_field_what_is_wrong_and_keeps_the_rest(
        self, otto: Client, wrong: dict[str, str], sentence: str
    ) -> None:
        answer = otto.post(f"{LIST}create/", FILLED | wrong)
        page = answer.content.decode()
        assert answer.status_code == 400
        assert sentence in re.sub(r"&#x27;", "'", page)
        assert 'class="wrong"' in page
        if "ends_at" not in wrong:
            assert 'value="2026-12-24T18:00"' in page
        assert not EnrolmentRule.objects.exists()

    def test_a_rule_for_every_device_is_confirmed_by_a_tick(self, otto: Client) -> None:
        assert otto.post(f"{LIST}create/", BLANK | {"fits_every_device": "yes"}).status_code == 302
        assert EnrolmentRule.objects.get().pattern == ""

    def test_a_name_that_is_taken_is_said_beside_the_name(self, otto: Client, rule: EnrolmentRule) -> None:
        answer = otto.post(f"{LIST}create/", FILLED)
        assert answer.status_code == 400
        assert "There is an enrolment rule named hall 3 already" in text_of(answer)

    def test_offers_the_cas_by_name_and_keeps_one_that_is_withdrawn(
        self, otto: Client, ca: DeviceCA, rule: EnrolmentRule
    ) -> None:
        assert f'<option value="{CA}">plant-2</option>' in otto.get(f"{LIST}new/").content.decode()
        EnrolmentRule.objects.update(ca=CA)
        assert f'<option value="{CA}" selected>plant-2</option>' in otto.get(page_of(rule)).content.decode()
        ca.delete()
        assert f'<option value="{CA}" selected>' in otto.get(page_of(rule)).content.decode()

    def test_changes_only_what_was_changed(self, otto: Client, rule: EnrolmentRule) -> None:
        precise = datetime(2026, 11, 1, 12, 30, 15, 123456, tzinfo=UTC)
        EnrolmentRule.objects.update(starts_at=precise)
        page = otto.get(page_of(rule)).content.decode()
        assert 'value="2026-11-01T12:30:15"' in page
        same = FILLED | {"seen": "1", "starts_at": "2026-11-01T12:30:15", "pattern": "4*", "most": "", "ends_at": ""}
        assert otto.post(f"{page_of(rule)}change/", same).status_code == 302
        now = EnrolmentRule.objects.get()
        assert (now.pattern, now.starts_at, now.most, now.revision) == ("4*", precise, None, 2)
        assert AuditEvent.objects.get(verb="enrolment_rule.changed").after == {"pattern": "4*"}

    def test_a_rule_that_was_changed_meanwhile_stays(self, otto: Client, rule: EnrolmentRule, root: Actor) -> None:
        rules.change(rule, pattern="5*", by=root)
        for sent in ({"seen": "1"}, {}):
            answer = otto.post(f"{page_of(rule)}change/", FILLED | sent)
            assert answer.status_code == 409
            assert "has changed since you looked" in text_of(answer)
        assert EnrolmentRule.objects.get().pattern == "5*"

    def test_a_change_that_is_wrong_is_asked_again(self, otto: Client, rule: EnrolmentRule) -> None:
        answer = otto.post(f"{page_of(rule)}change/", FILLED | {"seen": "1", "first": "x"})
        assert answer.status_code == 400
        assert "A range needs both ends" in text_of(answer)
        assert EnrolmentRule.objects.get().revision == 1


class TestPreview:
    @pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
    @pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
    def test_shows_what_the_form_as_filled_in_would_have_matched(
        self,
        otto: Client,
        rule: EnrolmentRule,
        make_device: Callable[..., Device],
        headers: dict[str, str],
        known: bool,
    ) -> None:
        make_device("press-3", {"hall": "3b"})
        make_device("press-4", {"hall": "4b"}, status="accepted")
        path = f"{page_of(rule)}preview/" if known else f"{LIST}preview/"
        filled = {"name": "", "attribute": "hall", "pattern": "4*", "most": "7"}
        answer = otto.post(path, filled, headers=headers)
        page = text_of(answer)
        assert answer.status_code == 200
        assert "1 of the newest 2 devices meet its conditions. " in page
        assert "accepted hall 4b press-4" in page
        assert "press-3" not in page
        assert ("<html" in answer.content.decode()) == (not headers)
        if not headers:
            assert 'name="pattern" maxlength="256" value="4*"' in answer.content.decode()
        assert EnrolmentRule.objects.get().pattern == "3*"

    @both
    def test_conditions_that_make_no_sense_are_refused(self, otto: Client, headers: dict[str, str]) -> None:
        answer = otto.post(f"{LIST}preview/", {"first": "SN9", "last": "SN1"}, headers=headers)
        assert answer.status_code == 400
        assert "SN1 comes before SN9" in text_of(answer)


class TestSwitching:
    @both
    def test_a_rule_is_switched_off_and_on_in_its_row(
        self, otto: Client, rule: EnrolmentRule, headers: dict[str, str]
    ) -> None:
        for number, (word, standing) in enumerate([("disable", "disabled"), ("enable", "live")], 1):
            answer = otto.post(f"{page_of(rule)}{word}/", {"seen": str(number)}, headers=headers)
            assert answer.status_code == (200 if headers else 302)
            assert EnrolmentRule.objects.get().is_enabled == (word == "enable")
            assert standing in text_of(answer if headers else otto.get(LIST))

    def test_a_stale_row_switches_nothing(self, otto: Client, rule: EnrolmentRule) -> None:
        assert otto.post(f"{page_of(rule)}disable/", {"seen": "2"}).status_code == 409
        assert otto.post(f"{page_of(rule)}disable/", {}).status_code == 400
        assert EnrolmentRule.objects.get().is_enabled

    def test_a_rule_is_deleted_for_a_reason(self, otto: Client, rule: EnrolmentRule) -> None:
        assert otto.post(f"{page_of(rule)}delete/", {"seen": "1", "reason": "done"})["Location"] == LIST
        assert not EnrolmentRule.objects.exists()
        assert AuditEvent.objects.get(verb="enrolment_rule.deleted").reason == "done"

    @pytest.mark.parametrize("number", ["999", "0", "9" * 30])
    def test_a_number_that_is_no_rule_is_not_found(self, otto: Client, number: str) -> None:
        assert otto.get(f"{LIST}{number}/").status_code == 404
        assert otto.post(f"{LIST}{number}/disable/", {"seen": "1"}).status_code == 404
