"""Webhooks: who is told of what, where, signed with which secret; and what they have in common with all rules."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction

from portal import deliveries, outbox, sealing, webhook_signature, webhooks
from portal.actor import Actor
from portal.models import AuditEvent, Delivery, Outbox, Webhook
from portal.refusal import Invalid, Refusal
from portal.targets import TargetNotAllowed
from portal.topics import Topic
from tests.receiver import Heard

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parent.parent.parent
URL = "https://hooks.example/in/T0/secret-of-the-receiver"


@pytest.fixture
def make_webhook(db: None, root: Actor) -> Callable[..., Webhook]:
    def make(name: str = "chat", url: str = URL, topics: Any = ("device.pending",)) -> Webhook:
        return webhooks.create(name, url, topics, by=root)[0]

    return make


def trail() -> list[str]:
    return list(AuditEvent.objects.order_by("number").values_list("verb", flat=True))


class TestCreate:
    def test_a_webhook_is_kept_and_told_of_in_the_trail(self, db: None, root: Actor) -> None:
        webhook, secret = webhooks.create("chat", URL, ["key_change.opened", "device.pending"], by=root)
        kept = Webhook.objects.get()
        assert (kept.name, kept.url, kept.created_by, kept.is_enabled) == ("chat", URL, "command test", True)
        assert kept.topics == ["device.pending", "key_change.opened"]
        assert webhooks.live_secrets(kept) == [secret]
        event = AuditEvent.objects.get()
        assert (event.verb, event.subject_kind, event.subject_id) == ("webhook.created", "webhook", str(webhook.pk))

    def test_the_secret_is_32_random_bytes_in_the_form_of_the_standard(self, make_webhook: Any, root: Actor) -> None:
        made = {webhooks.create(f"chat {n}", URL, ["device.pending"], by=root)[1] for n in range(5)}
        assert len(made) == 5
        assert {len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) for secret in made} == {32}

    def test_neither_the_secret_nor_the_path_of_the_receiver_stands_anywhere_else(
        self, db: None, root: Actor, caplog: pytest.LogCaptureFixture
    ) -> None:
        webhook, secret = webhooks.create("chat", URL, ["webhook.disabled"], by=root)
        again = webhooks.rotate(webhook, by=root)
        webhooks.change(webhook, by=root, url=f"{URL}-moved", is_enabled=False)
        outbox.hand_on()
        trail = str([*AuditEvent.objects.values(), *Outbox.objects.values(), caplog.text])
        kept = str([*Webhook.objects.values()])
        for one in (secret, again):
            assert one not in trail + kept
            assert one.removeprefix("whsec_") not in trail + kept
        assert "secret-of-the-receiver" not in trail

    @pytest.mark.parametrize(
        ("wrong", "refusal"),
        [
            ({"name": ""}, Invalid),
            ({"name": "x" * 65}, Invalid),
            ({"name": "a\u202eb"}, Invalid),
            ({"topics": []}, Invalid),
            ({"topics": ["device.flown"]}, Invalid),
            ({"topics": ["webhook.test"]}, Invalid),
            ({"url": "ftp://hooks.example/"}, TargetNotAllowed),
            ({"url": "https://user:word@hooks.example/"}, TargetNotAllowed),
            ({"url": "https://hooks.example/#part"}, TargetNotAllowed),
            ({"url": "http://127.0.0.1:9/"}, TargetNotAllowed),
            ({"url": "http://localhost:9/"}, TargetNotAllowed),
            ({"url": "http://169.254.169.254/latest/meta-data"}, TargetNotAllowed),
            ({"url": "http://0x7f.1/"}, TargetNotAllowed),
            ({"url": "http://[::ffff:127.0.0.1]/"}, TargetNotAllowed),
        ],
    )
    def test_what_makes_no_sense_is_refused_and_nothing_kept(
        self, db: None, root: Actor, wrong: dict[str, Any], refusal: type[Refusal]
    ) -> None:
        wanted = {"name": "chat", "url": URL, "topics": ["device.pending"]} | wrong
        with pytest.raises(refusal) as refused:
            webhooks.create(**wanted, by=root)
        assert refused.value.invalid is not None
        assert set(refused.value.invalid) == set(wrong)
        assert not Webhook.objects.exists()
        assert trail() == []

    @pytest.mark.parametrize("url", ["http://10.0.0.5/", "http://nas:8080/in", "http://8.8.8.8/", URL])
    def test_private_and_public_addresses_are_open_to_webhooks(self, make_webhook: Any, url: str) -> None:
        assert make_webhook(url=url).url == url

    def test_an_operator_opens_loopback(self, make_webhook: Any, settings: Any) -> None:
        settings.ROUTE_TARGETS = ["private", "loopback"]
        assert make_webhook(url="http://127.0.0.1:9/")

    @pytest.mark.parametrize("name", ["chat", "Chat"])
    def test_a_name_in_use_is_refused(self, make_webhook: Any, name: str) -> None:
        make_webhook("chat")
        with pytest.raises(webhooks.NameTaken):
            make_webhook(name)

    @pytest.mark.django_db(transaction=True)
    def test_of_two_of_a_name_at_once_one_is_made(self, root: Actor, at_once: Callable[..., list[Any]]) -> None:
        def make() -> Any:
            return webhooks.create("chat", URL, ["device.pending"], by=root)

        outcomes = at_once(make, make)
        assert sum(isinstance(outcome, webhooks.NameTaken) for outcome in outcomes) == 1
        assert Webhook.objects.count() == 1

    def test_there_are_a_hundred_at_most(self, make_webhook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(webhooks, "MOST", 2)
        make_webhook("a")
        make_webhook("b")
        with pytest.raises(webhooks.TooMany):
            make_webhook("c")


class TestChange:
    def test_what_changes_is_told_and_what_stays_leaves_no_trace(self, make_webhook: Any, root: Actor) -> None:
        webhook = make_webhook()
        webhooks.change(webhook, by=root, name="chat", url=URL, topics=["device.pending"], is_enabled=True)
        assert (trail(), webhook.revision) == (["webhook.created"], 1)
        webhooks.change(webhook, by=root, topics=["device.denied", "device.pending"], reason="all of it")
        event = AuditEvent.objects.last()
        assert event is not None
        assert (event.verb, event.reason) == ("webhook.changed", "all of it")
        assert event.before == {"topics": ["device.pending"]}
        assert event.after == {"topics": ["device.pending", "device.denied"]}
        assert Webhook.objects.get().revision == webhook.revision == 2

    def test_who_looked_at_an_older_one_changes_nothing(self, make_webhook: Any, root: Actor) -> None:
        webhook = make_webhook()
        webhooks.change(webhook, by=root, name="talk")
        for verb in (webhooks.disable, webhooks.delete, webhooks.rotate):
            with pytest.raises(webhooks.Changed):
                verb(webhook, by=root, seen=1)
        with pytest.raises(webhooks.Changed):
            webhooks.change(webhook, by=root, seen=1, name="chat")
        assert Webhook.objects.get().name == "talk"

    @pytest.mark.parametrize(
        "wrong", [{"name": ""}, {"topics": ["x"]}, {"topics": []}, {"url": "http://127.0.0.1:9/"}, {"url": "x"}]
    )
    def test_what_makes_no_sense_is_refused_and_nothing_changed(
        self, make_webhook: Any, root: Actor, wrong: dict[str, Any]
    ) -> None:
        webhook = make_webhook()
        with pytest.raises(Refusal):
            webhooks.change(webhook, by=root, **wrong)
        kept = Webhook.objects.get()
        assert (kept.name, kept.url, kept.topics, kept.revision) == ("chat", URL, ["device.pending"], 1)

    def test_switching_off_and_on_is_told_and_off_goes_into_the_outbox(self, make_webhook: Any, root: Actor) -> None:
        webhook = make_webhook()
        webhooks.disable(webhook, by=root, reason="it moves")
        assert Webhook.objects.get().disabled_reason == "it moves"
        [message] = Outbox.objects.filter(topic=Topic.WEBHOOK_DISABLED)
        assert message.body == {"webhook": "chat", "by": "command test", "reason": "it moves"}
        webhooks.disable(webhook, by=root)
        webhooks.enable(webhook, by=root)
        assert Webhook.objects.get().disabled_reason == ""
        assert trail() == ["webhook.created", "webhook.disabled", "webhook.enabled"]

    def test_one_that_is_gone_is_not_found(self, make_webhook: Any, root: Actor) -> None:
        webhook = make_webhook()
        webhooks.delete(Webhook.objects.get(), by=root, reason="nobody reads it")
        for verb in (webhooks.disable, webhooks.enable, webhooks.delete, webhooks.rotate):
            with pytest.raises(webhooks.Unknown):
                verb(webhook, by=root)
        assert trail() == ["webhook.created", "webhook.deleted"]

    def test_a_webhook_goes_with_its_deliveries(self, make_webhook: Any, root: Actor) -> None:
        webhook = make_webhook()
        outbox.put("device.pending", {"device": "press-1"})
        outbox.hand_on()
        assert deliveries.log(webhook).count() == 1
        webhooks.delete(webhook, by=root)
        assert Delivery.objects.count() == 0


class TestRotation:
    def test_for_a_day_both_secrets_sign_then_the_new_one_alone(self, db: None, root: Actor) -> None:
        with time_machine.travel(NOON, tick=False) as clock:
            webhook, old = webhooks.create("chat", URL, ["device.pending"], by=root)
            new = webhooks.rotate(webhook, by=root)
            clock.shift(timedelta(hours=24) - timedelta(seconds=1))
            assert webhooks.live_secrets(Webhook.objects.get()) == [new, old]
            clock.shift(1)
            assert webhooks.live_secrets(Webhook.objects.get()) == [new]
        assert trail() == ["webhook.created", "webhook.secret_rotated"]

    def test_two_rotations_leave_the_last_two(self, db: None, root: Actor) -> None:
        webhook, first = webhooks.create("chat", URL, ["device.pending"], by=root)
        second, third = webhooks.rotate(webhook, by=root), webhooks.rotate(webhook, by=root)
        assert webhooks.live_secrets(webhook) == [third, second]
        assert len({first, second, third}) == 3


class TestSignature:
    def test_it_is_that_of_the_standard(self) -> None:
        """The example of the Standard Webhooks libraries, whose signature others computed."""
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        at = datetime.fromtimestamp(1614265330, tz=UTC)
        headers = webhook_signature.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}', [secret])
        assert headers == {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }

    def test_a_receiver_may_hold_either_of_two_secrets(self) -> None:
        one, two, three = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in range(3))
        heard = Heard("/", webhook_signature.headers("msg_1", NOON, b"{}", [one, two]), b"{}")
        assert heard.is_signed_with(one)
        assert heard.is_signed_with(two)
        assert not heard.is_signed_with(three)


def test_the_database_holds_no_half_truth_and_no_name_twice(make_webhook: Any) -> None:
    webhook, _ = make_webhook(), make_webhook("other")
    for half in (
        {"disabled_reason": "but it is enabled"},
        {"sealed_secret_before": sealing.seal(b"x")},
        {"secret_before_until": NOON},
        {"missed": 1},
        {"missed_since": NOON},
        {"name": "OTHER"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Webhook.objects.filter(pk=webhook.pk).update(**half)


def test_a_topic_that_a_rule_puts_together_can_be_one_that_is_declared() -> None:
    """Any other a rule names as a member of Topic, which the types hold."""
    rules = [path for app in ("portal", "devices", "tokens", "gateway") for path in (ROOT / app).rglob("*.py")]
    said = {words for path in rules for words in re.findall(r'Topic\(f"([^"]+)"\)', path.read_text())}
    assert {"device.{decision}", "token.{what}", "enrolment_rule.{word}"} <= said
    for words in said:
        form = re.sub(r"\{[^}]+\}", "[a-z_]+", words)
        assert any(re.fullmatch(form, topic) for topic in Topic), words
