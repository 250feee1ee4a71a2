"""Enrolment rules are made, changed, switched, deleted and previewed: by rule and over REST."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from devices import rules, rules_preview
from devices.models import Device, EnrolmentRule
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from portal.refusal import Invalid, Refusal
from portal.scopes import Scope

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
URL = "/api/v1/enrolment-rules"
PLAIN: dict[str, Any] = {"name": "hall 3", "verdict": "accept", "attribute": "hall", "pattern": "3*"}
EVERY: dict[str, Any] = {"name": "all", "verdict": "accept"}

# What is wrong with a rule, and the field that is named.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "a" * 65}, "name"),
    ({"name": "a\u202eb"}, "name"),
    ({"verdict": "maybe"}, "verdict"),
    ({"ca": "A" * 64}, "ca"),
    ({"ca": "a" * 63}, "ca"),
    ({"attribute": "hall", "pattern": ""}, "pattern"),
    ({"attribute": "", "pattern": "3*"}, "attribute"),
    ({"attribute": "a\u200bb"}, "attribute"),
    ({"pattern": "3\x00"}, "pattern"),
    ({"pattern": "a" * 257}, "pattern"),
    ({"first": "SN1"}, "last"),
    ({"last": "SN1"}, "first"),
    ({"range_of": "sn"}, "first"),
    ({"first": "SN", "last": "SN"}, "first"),
    ({"first": "SN2", "last": "SN1"}, "last"),
    ({"first": "SN1", "last": "TN2"}, "last"),
    ({"first": "SN01", "last": "SN9"}, "last"),
    ({"starts_at": NOON, "ends_at": NOON}, "ends_at"),
    ({"starts_at": NOON, "ends_at": NOON - timedelta(days=1)}, "ends_at"),
    ({"ends_at": datetime(1999, 1, 1, tzinfo=UTC)}, "ends_at"),
    ({"starts_at": datetime(2200, 1, 1, tzinfo=UTC)}, "starts_at"),
    ({"most": 0}, "most"),
    ({"most": 1_000_001}, "most"),
]


@pytest.fixture
def rule(db: None, root: Actor) -> EnrolmentRule:
    return rules.make(**PLAIN, by=root)


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(subject_kind="enrolment_rule").order_by("number"))


class TestMaking:
    def test_it_is_recorded_with_what_it_says(self, rule: EnrolmentRule) -> None:
        (event,) = events()
        assert (event.verb, event.subject_id, event.before) == ("enrolment_rule.made", "hall 3", None)
        assert event.after == {**PLAIN, "is_enabled": True}
        assert Outbox.objects.get().topic == "enrolment_rule.made"
        assert rule.created_by == "command test"

    @pytest.mark.parametrize(("facts", "field"), WRONG)
    def test_nonsense_is_refused_by_its_field_when_made_and_when_changed(
        self, db: None, root: Actor, facts: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(Invalid) as wrong:
            rules.make(**(PLAIN | facts), by=root)
        assert list(wrong.value.invalid or {}) == [field]
        assert not EnrolmentRule.objects.exists()
        rule = rules.make(**PLAIN, by=root)
        with pytest.raises(Invalid) as wrong:
            rules.change(rule, **facts, by=root)
        assert list(wrong.value.invalid or {}) == [field]
        assert EnrolmentRule.objects.get().revision == len(events()) == 1

    def test_a_name_stands_once(self, rule: EnrolmentRule, root: Actor) -> None:
        with pytest.raises(rules.NameTaken):
            rules.make(**PLAIN, by=root)
        other = rules.make(**(PLAIN | {"name": "hall 4"}), by=root)
        with pytest.raises(rules.NameTaken):
            rules.change(other, name="hall 3", by=root)
        assert len(events()) == 2

    def test_one_that_fits_every_device_must_be_confirmed(self, db: None, root: Actor) -> None:
        windows: list[dict[str, Any]] = [{}, {"most": 5, "ends_at": NOON}]
        for window in windows:
            with pytest.raises(Invalid) as wrong:
                rules.make(**EVERY, **window, by=root)
            assert list(wrong.value.invalid or {}) == ["fits_every_device"]
        rule = rules.make(**EVERY, by=root, fits_every_device=True)
        rules.change(rule, most=3, by=root)

    def test_one_may_not_lose_its_last_condition_unconfirmed(self, rule: EnrolmentRule, root: Actor) -> None:
        with pytest.raises(Invalid):
            rules.change(rule, attribute="", pattern="", by=root)
        rules.change(rule, attribute="", pattern="", by=root, fits_every_device=True)
        assert EnrolmentRule.objects.get().pattern == ""

    def test_there_are_200_at_most(self, db: None, root: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
        assert rules.MOST_RULES == 200
        monkeypatch.setattr(rules, "MOST_RULES", 1)
        rules.make(**PLAIN, by=root)
        with pytest.raises(rules.TooManyRules):
            rules.make(**(PLAIN | {"name": "one more"}), by=root)


class TestChanging:
    def test_only_what_changes_is_recorded(self, rule: EnrolmentRule, root: Actor) -> None:
        rules.change(rule, pattern="4*", most=7, by=root, reason="Hall 4 is next.")
        event = events()[-1]
        assert (event.verb, event.reason) == ("enrolment_rule.changed", "Hall 4 is next.")
        assert (event.before, event.after) == ({"pattern": "3*"}, {"pattern": "4*", "most": 7})
        assert (rule.pattern, rule.most, rule.revision) == ("4*", 7, 2)

    def test_no_change_writes_nothing(self, rule: EnrolmentRule, root: Actor) -> None:
        rules.change(rule, **PLAIN, by=root)
        rules.enable(rule, by=root)
        assert EnrolmentRule.objects.get().revision == len(events()) == 1

    def test_it_keeps_what_was_counted_meanwhile(self, rule: EnrolmentRule, root: Actor) -> None:
        EnrolmentRule.objects.update(used=5)
        rules.change(rule, most=9, by=root)
        assert EnrolmentRule.objects.get().used == rule.used == 5

    def test_switching_is_recorded_as_such(self, rule: EnrolmentRule, root: Actor) -> None:
        rules.disable(rule, by=root)
        rules.enable(rule, by=root)
        assert [event.verb for event in events()[1:]] == ["enrolment_rule.disabled", "enrolment_rule.enabled"]

    @pytest.mark.parametrize("verb", [rules.delete, rules.disable], ids=["delete", "disable"])
    def test_of_two_who_change_it_the_second_is_told(
        self, rule: EnrolmentRule, root: Actor, verb: Callable[..., None]
    ) -> None:
        mine = rules.find(rule.pk)
        rules.change(rule, most=3, by=root)
        with pytest.raises(rules.Changed):
            verb(mine, by=root)
        with pytest.raises(rules.Changed):
            verb(rule, by=root, seen=1)
        assert EnrolmentRule.objects.get().is_enabled
        assert len(events()) == 2

    def test_one_that_was_deleted_is_unknown(self, rule: EnrolmentRule, root: Actor) -> None:
        mine = rules.find(rule.pk)
        rules.delete(rule, by=root)
        for verb in (rules.delete, rules.disable):
            with pytest.raises(rules.Unknown):
                verb(mine, by=root)
        assert events()[-1].before == {**PLAIN, "is_enabled": True}
        assert audit.verify().holds

    @pytest.mark.django_db(transaction=True)
    def test_two_changes_at_once_are_one_and_a_refusal(
        self, rule: EnrolmentRule, root: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        outcomes = at_once(
            lambda: rules.change(rules.find(rule.pk), most=3, by=root, seen=1),
            lambda: rules.change(rules.find(rule.pk), most=4, by=root, seen=1),
        )
        assert sum(isinstance(outcome, Refusal) for outcome in outcomes) == 1
        assert EnrolmentRule.objects.get().revision == len(events()) == 2


class TestPreview:
    def test_it_says_which_devices_meet_the_conditions_and_how_they_stand(
        self, rule: EnrolmentRule, make_device: Callable[..., Device]
    ) -> None:
        denied = {"status": "accepted", "denied_at": NOON}
        standings: list[dict[str, Any]] = [{}, {"status": "accepted"}, {"status": "rejected"}, denied]
        for number, facts in enumerate(standings):
            make_device(f"d{number}", {"hall": "3b"}, request_time=NOON + timedelta(hours=number), **facts)
        make_device("other", {"hall": "4"})
        made = rules_preview.preview(rule)
        assert (made.looked_at, made.matched, made.waiting) == (5, 4, 1)
        shown = [(example.id, example.status) for example in made.examples]
        assert shown == [("d3", "denied"), ("d2", "rejected"), ("d1", "accepted"), ("d0", "pending")]

    def test_a_ca_is_that_which_the_device_came_with(self, make_device: Callable[..., Device]) -> None:
        device = make_device("press-1", {})
        device.introduction.ca = "a" * 64
        device.introduction.save()
        make_device("press-2", {})
        made = rules_preview.preview(EnrolmentRule(ca="a" * 64))
        assert [example.id for example in made.examples] == ["press-1"]

    def test_it_looks_at_the_newest_in_one_statement_and_shows_some(
        self, rule: EnrolmentRule, make_device: Callable[..., Device], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert (rules_preview.LOOKED_AT, rules_preview.EXAMPLES) == (10_000, 50)
        monkeypatch.setattr(rules_preview, "LOOKED_AT", 3)
        monkeypatch.setattr(rules_preview, "EXAMPLES", 2)
        for number in range(5):
            make_device(f"d{number}", {"hall": "3b"}, request_time=NOON + timedelta(hours=number))
        with CaptureQueriesContext(connection) as asked:
            made = rules_preview.preview(rule)
        assert len(asked) == 1
        assert (made.looked_at, made.matched, [example.id for example in made.examples]) == (3, 3, ["d4", "d3"])

    def test_what_the_database_takes_to_read_is_of_the_second_too(
        self, rule: EnrolmentRule, make_device: Callable[..., Device], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(5):
            make_device(f"d{number}", {"hall": "3b"})
        clock = SimpleNamespace(now=0.0)
        monkeypatch.setattr(rules_preview, "time", SimpleNamespace(monotonic=lambda: clock.now))

        def slowly(execute: Any, *asked: Any) -> Any:
            clock.now += 2
            return execute(*asked)

        with connection.execute_wrapper(slowly):
            assert rules_preview.preview(rule).looked_at == 1

    def test_a_device_without_an_introduction_or_with_a_broken_one_is_looked_at_too(
        self, make_device: Callable[..., Device]
    ) -> None:
        make_device("none").introduction.delete()
        broken = make_device("broken")
        broken.introduction.members = ["no", "object"]
        broken.introduction.save()
        assert rules_preview.preview(EnrolmentRule()).matched == 2
        assert rules_preview.preview(EnrolmentRule(attribute="sn", pattern="*")).matched == 0


class TestRest:
    @pytest.fixture
    def client(self, rest: Callable[..., APIClient]) -> APIClient:
        return rest(Scope.DEVICES_READ, Scope.DEVICES_ADMIT)

    def test_a_rule_is_made_read_changed_and_deleted(self, client: APIClient) -> None:
        body = PLAIN | {"ends_at": "2026-12-24T19:00:00+01:00", "most": 20}
        made = client.post(URL, body, format="json")
        assert made.status_code == 201
        shape = made.json()
        path = made["Location"]
        assert (shape["ends_at"], shape["most"], shape["enabled"]) == ("2026-12-24T18:00:00Z", 20, True)
        assert client.get(path).json() == shape
        assert client.get(URL).json()["results"] == [shape]
        changed = client.patch(path, {"most": None}, format="json", headers={"If-Match": made["ETag"]})
        assert (changed.status_code, changed.json()["most"], changed["ETag"]) == (200, None, '"2"')
        stale = client.patch(path, {"most": 3}, format="json", headers={"If-Match": made["ETag"]})
        assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
        assert client.delete(path, headers={"If-Match": made["ETag"]}).status_code == 412
        assert client.delete(path, {"reason": "old"}, format="json").status_code == 400
        assert client.delete(path, headers={"If-Match": '"2"'}).status_code == 204
        gone = client.get(path)
        assert (gone.status_code, gone.json()["code"]) == (404, "rule_not_found")

    def test_an_idempotent_creation_is_done_once(self, client: APIClient) -> None:
        answers = [client.post(URL, PLAIN, format="json", headers={"Idempotency-Key": "one"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        assert EnrolmentRule.objects.count() == 1
        assert client.post(URL, PLAIN, format="json").json()["code"] == "name_taken"

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("most", "30"),
            ("most", True),
            ("most", 0),
            ("most", 1e9),
            ("enabled", "true"),
            ("enabled", 1),
            ("starts_at", "2026-11-25T12:00:00"),
            ("starts_at", "tomorrow"),
            ("starts_at", 5),
            ("verdict", "Accept"),
            ("pattern", 3),
            ("ca", "xyz"),
            ("used", 3),
            ("is_enabled", False),
            ("created_by", "ada"),
        ],
    )
    def test_wrong_members_are_named_and_nothing_is_stored(self, client: APIClient, member: str, value: Any) -> None:
        answer = client.post(URL, PLAIN | {member: value}, format="json")
        assert answer.status_code == 400
        assert list(answer.json()["invalid"]) == [member]
        assert not EnrolmentRule.objects.exists()

    def test_a_preview_changes_nothing_and_needs_no_right_to_admit(
        self, rest: Callable[..., APIClient], rule: EnrolmentRule, make_device: Callable[..., Device]
    ) -> None:
        make_device("press-1", {"hall": "3"})
        reader = rest(Scope.DEVICES_READ)
        before = AuditEvent.objects.count()
        example = {"id": "press-1", "status": "pending", "identity": {"hall": "3"}}
        shown = {"looked_at": 1, "matched": 1, "waiting": 1, "examples": [example]}
        assert reader.post(f"{URL}/preview", {"attribute": "hall", "pattern": "3"}, format="json").json() == shown
        assert reader.get(f"{URL}/{rule.pk}/preview").json() == shown
        wrong = reader.post(f"{URL}/preview", {"first": "SN2", "last": "SN1"}, format="json")
        assert list(wrong.json()["invalid"]) == ["last"]
        assert AuditEvent.objects.count() == before

    def test_numbers_that_are_no_rules_are_not_found(self, client: APIClient) -> None:
        for path in (f"{URL}/999", f"{URL}/0", f"{URL}/{10**17}"):
            assert client.get(path).status_code == 404
        assert client.get(f"{URL}/abc").status_code == 404
