"""Deliveries: one per webhook that wants a message, in order, again and again for days, and none lost unsaid."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from portal import backlog, couriers, deliveries, exchange, outbox, webhooks
from portal.actor import Actor
from portal.exchange import Outcome
from portal.models import AuditEvent, Delivery, Outbox, Webhook
from portal.topics import Topic
from tests.receiver import OK, Receiver, hang, receiving, say, status
from tests.served.installation import wait_for

NOON = datetime(2031, 11, 25, 12, tzinfo=UTC)
GOOD, BAD = Outcome(200, "", 7), Outcome(503, "It answered 503; a success is 200 to 299.", 7)
GONE = Outcome(410, "It answered 410: it wants nothing more.", 7)


@pytest.fixture(autouse=True)
def _loopback_is_open(settings: Any) -> None:
    settings.ROUTE_TARGETS = ["private", "loopback"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as ready:
        yield ready


@pytest.fixture
def make_webhook(root: Actor) -> Callable[..., Webhook]:
    def make(url: str = "http://10.0.0.1/", name: str = "chat", topics: Any = ("device.pending",)) -> Webhook:
        return webhooks.create(name, url, topics, by=root)[0]

    return make


def tell(*devices: str, topic: str = "device.pending") -> None:
    for device in devices:
        outbox.put(topic, {"device": device})
    outbox.hand_on()


def settle(outcome: Outcome, name: str = "chat") -> Delivery:
    """The oldest delivery that waits has been sent, and went so."""
    webhook = Webhook.objects.get(name=name)
    delivery = deliveries.head(webhook)
    assert delivery is not None
    assert deliveries.settle(delivery, outcome, claim=webhook.claim)
    delivery.refresh_from_db()
    return delivery


def carry_all() -> None:
    """What a worker does for everything that is due now."""
    while webhook := couriers.claim():
        couriers.carry(webhook, threading.Event())


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def waits(webhook: Webhook) -> tuple[int, int]:
    """How many wait as the webhook counts them, and as they are."""
    webhook.refresh_from_db()
    return webhook.waiting, Delivery.objects.filter(webhook=webhook, state="waiting").count()


class TestTaking:
    def test_each_webhook_that_wants_the_topic_gets_the_same_message(self, db: None, make_webhook: Any) -> None:
        first, second = make_webhook(name="a"), make_webhook(name="b", topics=["device.denied", "device.pending"])
        other, off = make_webhook(name="c", topics=["device.denied"]), make_webhook(name="d")
        webhooks.disable(off, by=Actor.command("test"))
        with time_machine.travel(NOON, tick=False):
            tell("press-1")
        one, two = Delivery.objects.order_by("webhook__name")
        assert [one.webhook, two.webhook] == [first, second]
        assert one.message == two.message
        assert one.body == two.body
        assert one.body == '{"type":"device.pending","timestamp":"2031-11-25T12:00:00Z","data":{"device":"press-1"}}'
        assert waits(first) == waits(second) == (1, 1)
        assert waits(other) == waits(off) == (0, 0)

    def test_a_change_that_did_not_commit_is_not_delivered(self, db: None, make_webhook: Any) -> None:
        make_webhook()
        assert outbox.hand_on() == 0
        assert not Delivery.objects.exists()

    def test_of_too_many_the_rest_is_counted_and_told_once_half_are_gone(
        self, db: None, make_webhook: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backlog, "MOST", 4)
        webhook = make_webhook()
        with time_machine.travel(NOON, tick=False) as clock:
            tell(*"abcdef")
            assert waits(webhook) == (4, 4)
            assert (webhook.missed, webhook.missed_since) == (2, NOON)
            settle(GOOD)
            backlog.tell_missed()
            clock.shift(60)
            tell("g")
            settle(GOOD)
            backlog.tell_missed()
            tell("h")
        assert waits(webhook) == (4, 4)
        assert (webhook.missed, webhook.missed_since) == (0, None)
        told = [(delivery.topic, delivery.body) for delivery in Delivery.objects.order_by("pk")][4:]
        data = '{"missed":3,"since":"2031-11-25T12:00:00Z","until":"2031-11-25T12:01:00Z"}'
        assert told[0] == (
            "webhook.missed", f'{{"type":"webhook.missed","timestamp":"2031-11-25T12:01:00Z","data":{data}}}'
        )  # fmt: skip
        assert told[1][0] == "device.pending"
        event = AuditEvent.objects.get(verb="webhook.missed")
        assert event.actor == "worker"
        assert event.after is not None
        assert event.after["missed"] == 3

    @pytest.mark.django_db(transaction=True)
    def test_two_workers_hand_on_into_two_webhooks_without_loss(
        self, make_webhook: Any, at_once: Callable[..., list[Any]]
    ) -> None:
        both = [make_webhook(name="a"), make_webhook(name="b")]
        outbox.put_all("device.pending", [{"device": str(n)} for n in range(300)])
        at_once(outbox.hand_on, outbox.hand_on, outbox.hand_on)
        for webhook in both:
            assert waits(webhook) == (300, 300)
            bodies = Delivery.objects.filter(webhook=webhook).order_by("pk").values_list("body", flat=True)
            assert [body.split('"device":"')[1].split('"')[0] for body in bodies] == [str(n) for n in range(300)]


class TestSettling:
    def test_a_success_is_kept_with_how_it_went_and_the_next_one_is_due(self, db: None, make_webhook: Any) -> None:
        webhook = make_webhook()
        with time_machine.travel(NOON, tick=False):
            tell("a", "b")
            delivery = settle(GOOD)
        assert (delivery.state, delivery.attempts, delivery.last_status, delivery.took_ms) == ("delivered", 1, 200, 7)
        assert (delivery.last_at, delivery.last_error) == (NOON, "")
        assert waits(webhook) == (1, 1)
        assert (webhook.delivered_at, webhook.failing_since, webhook.next_at) == (NOON, None, NOON)

    def test_the_tries_lie_further_and_further_apart_and_end_after_about_three_days(
        self, db: None, make_webhook: Any
    ) -> None:
        webhook = make_webhook()
        expected = [5, 30, 120, 600, 1800, 3600, 10_800] + [21_600] * 11
        with time_machine.travel(NOON, tick=False) as clock:
            tell("a", "b")
            for attempt, seconds in enumerate(expected, 1):
                delivery = settle(BAD)
                assert (delivery.state, delivery.attempts) == ("waiting", attempt)
                webhook.refresh_from_db()
                wait = (webhook.next_at - timezone.now()).total_seconds()
                assert seconds <= wait <= 1.1 * seconds
                clock.move_to(webhook.next_at)
            delivery = settle(BAD)
            took = timezone.now() - NOON
        assert (delivery.state, delivery.attempts, delivery.last_error) == ("failed", 19, BAD.error)
        assert timedelta(days=2.9) < took < timedelta(days=3.3)
        assert waits(webhook) == (1, 1)
        assert not webhook.is_enabled

    def test_a_webhook_that_failed_for_days_is_disabled_and_that_is_told(self, db: None, make_webhook: Any) -> None:
        make_webhook(name="other", topics=[Topic.WEBHOOK_DISABLED])
        webhook = make_webhook()
        with time_machine.travel(NOON, tick=False) as clock:
            tell("a")
            settle(BAD)
            clock.shift(timedelta(days=3))
            Delivery.objects.update(attempts=len(deliveries.WAITS))
            settle(BAD)
            outbox.hand_on()
        webhook.refresh_from_db()
        assert not webhook.is_enabled
        assert webhook.disabled_reason == f"Nothing was delivered since 2031-11-25 12:00 UTC. {BAD.error}"
        event = AuditEvent.objects.get(verb="webhook.disabled")
        assert (event.actor, event.actor_kind, event.reason) == ("worker", "worker", webhook.disabled_reason)
        assert Delivery.objects.filter(webhook__name="other").count() == 1

    def test_one_message_that_is_never_taken_makes_way_for_the_next_if_the_receiver_is_well(
        self, db: None, make_webhook: Any
    ) -> None:
        webhook = make_webhook()
        with time_machine.travel(NOON, tick=False) as clock:
            tell("poison", "b")
            settle(BAD)
            clock.shift(timedelta(days=3))
            Delivery.objects.update(attempts=len(deliveries.WAITS))
            Webhook.objects.update(failing_since=timezone.now() - timedelta(hours=1))  # A test went well before that.
            settle(BAD)
            webhook.refresh_from_db()
            assert webhook.is_enabled
            assert webhook.next_at == timezone.now()
        assert states() == ["failed", "waiting"]

    def test_a_receiver_that_says_gone_gets_nothing_more(self, db: None, make_webhook: Any) -> None:
        webhook = make_webhook()
        tell("a", "b")
        assert settle(GONE).state == "failed"
        webhook.refresh_from_db()
        assert (webhook.is_enabled, webhook.disabled_reason) == (False, GONE.error)
        assert couriers.claim() is None

    def test_a_success_ends_the_row_of_failures(self, db: None, make_webhook: Any) -> None:
        webhook = make_webhook()
        with time_machine.travel(NOON, tick=False):
            tell("a")
            settle(BAD)
            webhook.refresh_from_db()
            assert webhook.failing_since == NOON
            settle(GOOD)
        webhook.refresh_from_db()
        assert webhook.failing_since is None

    def test_who_no_longer_holds_the_webhook_writes_nothing(self, db: None, make_webhook: Any) -> None:
        make_webhook()
        tell("a")
        held = couriers.claim()
        assert held is not None
        delivery = deliveries.head(held)
        assert delivery is not None
        Webhook.objects.update(claim=None)
        assert not deliveries.settle(delivery, GOOD, claim=held.claim)
        assert states() == ["waiting"]


class TestCarrying:
    def test_messages_arrive_in_order_signed_and_under_their_id(
        self, db: None, receiver: Receiver, root: Actor
    ) -> None:
        webhook, secret = webhooks.create("chat", receiver.url, ["device.pending"], by=root)
        tell(*"abc")
        carry_all()
        assert [heard.json["data"]["device"] for heard in receiver.heard] == ["a", "b", "c"]
        kept = {delivery.message: delivery.body.encode() for delivery in Delivery.objects.all()}
        for heard in receiver.heard:
            assert heard.is_signed_with(secret)
            assert kept[heard.message] == heard.body
            assert abs(int(heard.headers["webhook-timestamp"]) - time.time()) < 60
        assert states() == ["delivered"] * 3
        assert waits(webhook) == (0, 0)
        assert (webhook.claim, webhook.claimed_until) == (None, None)

    def test_after_a_rotation_a_receiver_with_either_secret_believes_it(
        self, db: None, receiver: Receiver, root: Actor
    ) -> None:
        webhook, old = webhooks.create("chat", receiver.url, ["device.pending"], by=root)
        new = webhooks.rotate(webhook, by=root)
        tell("a")
        carry_all()
        [heard] = receiver.heard
        assert heard.is_signed_with(old)
        assert heard.is_signed_with(new)

    def test_a_failure_holds_back_what_comes_after_and_is_sent_again_as_it_was(
        self, db: None, receiver: Receiver, make_webhook: Any
    ) -> None:
        make_webhook(receiver.url)
        receiver.answer = status(500)
        with time_machine.travel(NOON, tick=False) as clock:
            tell("a", "b")
            carry_all()
            assert len(receiver.heard) == 1
            receiver.answer = say(OK)
            carry_all()
            assert len(receiver.heard) == 1
            clock.shift(6)
            carry_all()
        first, again, after = receiver.heard
        assert (first.message, first.body) == (again.message, again.body)
        assert first.headers["webhook-timestamp"] != again.headers["webhook-timestamp"]
        assert after.json["data"]["device"] == "b"

    def test_a_receiver_that_was_dead_for_hours_gets_all_of_it_in_order(self, db: None, make_webhook: Any) -> None:
        with receiving() as dead:
            port = dead.port
        make_webhook(f"http://127.0.0.1:{port}/hook")
        with time_machine.travel(NOON) as clock:
            for hour in range(5):
                tell(str(hour))
                carry_all()
                clock.shift(3600)
            assert set(states()) == {"waiting"}
            with receiving(port) as back:
                clock.shift(4 * 3600)
                carry_all()
        assert [heard.json["data"]["device"] for heard in back.heard] == ["0", "1", "2", "3", "4"]
        assert set(states()) == {"delivered"}

    def test_nothing_is_sent_where_the_operator_has_closed_meanwhile(
        self, db: None, receiver: Receiver, make_webhook: Any, settings: Any
    ) -> None:
        make_webhook(receiver.url)
        tell("a")
        settings.ROUTE_TARGETS = ["private"]
        carry_all()
        assert receiver.heard == []
        assert "not open as a webhook's target" in Delivery.objects.get().last_error

    def test_a_webhook_that_is_disabled_is_left_alone_and_goes_on_when_enabled(
        self, db: None, receiver: Receiver, make_webhook: Any, root: Actor
    ) -> None:
        webhook = make_webhook(receiver.url)
        tell("a")
        webhooks.disable(webhook, by=root)
        tell("meanwhile")
        carry_all()
        assert receiver.heard == []
        webhooks.enable(webhook, by=root)
        tell("b")
        carry_all()
        assert [heard.json["data"]["device"] for heard in receiver.heard] == ["a", "b"]

    def test_a_new_address_is_tried_at_once(self, db: None, receiver: Receiver, make_webhook: Any, root: Actor) -> None:
        with receiving() as dead:
            url = dead.url
        webhook = make_webhook(url)
        tell("a")
        carry_all()
        webhooks.change(webhook, by=root, url=receiver.url)
        carry_all()
        assert states() == ["delivered"]

    def test_a_claim_that_nobody_renews_ends(self, db: None, receiver: Receiver, make_webhook: Any) -> None:
        make_webhook(receiver.url)
        tell("a")
        with time_machine.travel(NOON + timedelta(days=3650), tick=False) as clock:
            assert couriers.claim() is not None  # This worker is killed.
            clock.shift(29)
            assert couriers.claim() is None
            clock.shift(1)
            carry_all()
        assert states() == ["delivered"]

    @pytest.mark.parametrize("back", [timedelta(minutes=5), timedelta(hours=1), timedelta(days=400)])
    def test_a_clock_that_was_set_back_holds_up_no_delivery_for_longer_than_that(
        self, db: None, receiver: Receiver, make_webhook: Any, back: timedelta
    ) -> None:
        with time_machine.travel(NOON, tick=False) as clock:
            make_webhook(receiver.url)
            tell("a")
            couriers.claim()
            clock.shift(-back)
            clock.shift(min(back, timedelta(minutes=1)) if back > timedelta(hours=8) else back)
            clock.shift(60)
            carry_all()
        assert states() == ["delivered"]

    def test_a_count_that_went_wrong_is_set_right(self, db: None, make_webhook: Any) -> None:
        webhook = make_webhook()
        Webhook.objects.update(waiting=7)
        carry_all()
        assert waits(webhook) == (0, 0)

    @pytest.mark.django_db(transaction=True)
    def test_of_eight_workers_one_gets_a_webhook(self, make_webhook: Any, at_once: Callable[..., list[Any]]) -> None:
        make_webhook()
        tell("a")
        claims = at_once(*(couriers.claim for _ in range(8)))
        assert sum(claim is not None for claim in claims) == 1

    @pytest.mark.django_db(transaction=True)
    def test_two_workers_send_every_message_once_and_in_order(
        self, receiver: Receiver, make_webhook: Any, at_once: Callable[..., list[Any]]
    ) -> None:
        make_webhook(receiver.url)
        outbox.put_all("device.pending", [{"device": str(n)} for n in range(60)])
        outbox.hand_on()
        stopping = threading.Event()

        def watch() -> None:
            try:
                wait_for(lambda: not Delivery.objects.filter(state="waiting").exists())
            finally:
                stopping.set()

        at_once(lambda: couriers.run(stopping), lambda: couriers.run(stopping), watch)
        assert [heard.json["data"]["device"] for heard in receiver.heard] == [str(n) for n in range(60)]

    @pytest.mark.django_db(transaction=True)
    def test_receivers_that_hang_delay_nobody_else(
        self,
        make_webhook: Any,
        receiver: Receiver,
        at_once: Callable[..., list[Any]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Thirty of them, twice as many as there are threads: after their first failure they have half of these."""
        monkeypatch.setattr(exchange, "WHOLE", 1000.0)  # None of them is given up before the test is over.
        with receiving(answer=hang) as stuck:
            for n in range(30):
                make_webhook(f"{stuck.url}/{n}", name=f"stuck {n}")
            Webhook.objects.update(failing_since=timezone.now())
            make_webhook(receiver.url)
            tell("a")
            stopping = threading.Event()

            def watch() -> None:
                try:
                    wait_for(lambda: bool(receiver.heard) and bool(stuck.heard))
                finally:
                    stopping.set()

            at_once(lambda: couriers.run(stopping), watch)
            wait_for(lambda: not Webhook.objects.exclude(claim=None).exists())  # They were broken off.
        assert receiver.heard
        assert set(Delivery.objects.filter(webhook__name__startswith="stuck").values_list("attempts", flat=True)) == {0}


class TestTryingOut:
    def test_a_test_is_sent_at_once_past_what_waits_and_told(self, db: None, receiver: Receiver, root: Actor) -> None:
        webhook, secret = webhooks.create("chat", receiver.url, ["device.pending"], by=root)
        tell("a")
        delivery = deliveries.try_out(webhook, by=root)
        assert (delivery.topic, delivery.state, delivery.last_status) == ("webhook.test", "delivered", 200)
        [heard] = receiver.heard
        assert heard.type == "webhook.test"
        assert heard.json["data"] == {"webhook": "chat", "by": "command test"}
        assert heard.is_signed_with(secret)
        assert waits(webhook) == (1, 1)
        assert AuditEvent.objects.filter(verb="webhook.tested").count() == 1

    def test_one_that_fails_is_told_and_not_tried_again(self, db: None, receiver: Receiver, make_webhook: Any) -> None:
        webhook = make_webhook(receiver.url)
        receiver.answer = status(302, "Location: http://127.0.0.1:1/")
        delivery = deliveries.try_out(webhook, by=Actor.command("test"))
        assert (delivery.state, delivery.last_status) == ("failed", 302)
        assert "redirects are not followed" in delivery.last_error
        assert waits(webhook) == (0, 0)
        assert webhook.failing_since is None

    def test_one_that_works_makes_what_waits_due(
        self, db: None, receiver: Receiver, make_webhook: Any, root: Actor
    ) -> None:
        webhook = make_webhook(receiver.url)
        tell("a")
        for _ in range(4):
            settle(BAD)
        assert couriers.claim() is None
        deliveries.try_out(webhook, by=root)
        carry_all()
        assert states() == ["delivered", "delivered"]

    def test_a_disabled_webhook_may_be_tried_out(
        self, db: None, receiver: Receiver, make_webhook: Any, root: Actor
    ) -> None:
        webhook = make_webhook(receiver.url)
        webhooks.disable(webhook, by=root)
        assert deliveries.try_out(webhook, by=root).state == "delivered"


class TestReplay:
    @pytest.mark.parametrize("outcome", [GOOD, GONE])
    def test_what_has_ended_is_sent_again_under_its_old_id(
        self, db: None, receiver: Receiver, make_webhook: Any, root: Actor, outcome: Outcome
    ) -> None:
        webhook = make_webhook(receiver.url)
        tell("a")
        ended = settle(outcome)
        webhooks.enable(webhook, by=root)
        deliveries.replay(ended, by=root)
        assert (ended.state, ended.attempts) == ("waiting", 0)
        assert waits(webhook) == (1, 1)
        carry_all()
        assert [heard.message for heard in receiver.heard] == [ended.message]
        assert waits(webhook) == (0, 0)
        assert AuditEvent.objects.filter(verb="webhook.replayed").count() == 1

    def test_what_waits_is_tried_at_once_and_that_is_no_change(
        self, db: None, receiver: Receiver, make_webhook: Any, root: Actor
    ) -> None:
        make_webhook(receiver.url)
        tell("a")
        delivery = settle(BAD)
        deliveries.replay(delivery, by=root)
        assert delivery.attempts == 1
        carry_all()
        assert states() == ["delivered"]
        assert not AuditEvent.objects.filter(verb="webhook.replayed").exists()

    def test_all_that_failed_since_a_moment_are_sent_again_in_order(
        self, db: None, receiver: Receiver, make_webhook: Any, root: Actor
    ) -> None:
        webhook = make_webhook(receiver.url)
        with time_machine.travel(NOON, tick=False) as clock:
            for name in "abcd":
                tell(name)
                clock.shift(60)
            Delivery.objects.update(state="failed")
            Webhook.objects.update(waiting=0)
            assert deliveries.replay_failed(webhook, NOON + timedelta(seconds=60), by=root) == 3
            assert deliveries.replay_failed(webhook, NOON + timedelta(seconds=60), by=root) == 0
            carry_all()
        assert [heard.json["data"]["device"] for heard in receiver.heard] == ["b", "c", "d"]
        assert states() == ["failed", "delivered", "delivered", "delivered"]
        assert AuditEvent.objects.filter(verb="webhook.replayed").count() == 1

    def test_what_there_is_no_room_for_is_refused_and_what_waits_is_tried_all_the_same(
        self, db: None, make_webhook: Any, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        webhook, since = make_webhook(), timezone.now()
        tell(*"abc")
        first, second, waiting = Delivery.objects.order_by("pk")
        Delivery.objects.filter(pk__in=[first.pk, second.pk]).update(state="failed")
        Webhook.objects.update(waiting=1, next_at=NOON)
        monkeypatch.setattr(backlog, "MOST", 1)
        for replay in (
            lambda: deliveries.replay(first, by=root),
            lambda: deliveries.replay_failed(webhook, since, by=root),
        ):
            with pytest.raises(deliveries.BacklogFull, match="1 deliveries wait for chat already"):
                replay()
        assert states() == ["failed", "failed", "waiting"]
        assert not AuditEvent.objects.filter(verb="webhook.replayed").exists()
        deliveries.replay(waiting, by=root)
        assert Webhook.objects.get().next_at <= timezone.now()
        assert deliveries.replay_failed(webhook, timezone.now() + timedelta(days=1), by=root) == 0
        monkeypatch.setattr(backlog, "MOST", 2)
        assert deliveries.replay_failed(webhook, since, by=root) == 1
        assert states() == ["waiting", "failed", "waiting"]

    def test_nothing_is_replayed_to_a_disabled_webhook(self, db: None, make_webhook: Any, root: Actor) -> None:
        webhook = make_webhook()
        tell("a")
        delivery = settle(GONE)
        with pytest.raises(deliveries.NotEnabled):
            deliveries.replay(delivery, by=root)
        with pytest.raises(deliveries.NotEnabled):
            deliveries.replay_failed(webhook, NOON, by=root)


class TestForgetting:
    def test_delivered_ones_stay_for_7_days_and_failed_ones_for_30(self, db: None, make_webhook: Any) -> None:
        webhook = make_webhook()
        with time_machine.travel(NOON, tick=False) as clock:
            tell("a", "b", "c")
            settle(GOOD)
            webhooks.enable(webhook, by=Actor.command("test"))
            Delivery.objects.filter(body__contains='"b"').update(state="failed")
            clock.shift(timedelta(days=7))
            backlog.forget()
            assert states() == ["delivered", "failed", "waiting"]
            clock.shift(1)
            backlog.forget()
            assert states() == ["failed", "waiting"]
            clock.shift(timedelta(days=23))
            backlog.forget()
            assert states() == ["waiting"]

    def test_what_waited_for_a_disabled_webhook_for_30_days_is_counted_as_missed_and_told_when_it_is_back(
        self, db: None, receiver: Receiver, make_webhook: Any, root: Actor
    ) -> None:
        webhook = make_webhook(receiver.url)
        with time_machine.travel(NOON) as clock:
            tell("a", "b")
            webhooks.disable(webhook, by=root)
            clock.shift(timedelta(days=31))
            backlog.forget()
            assert waits(webhook) == (0, 0)
            assert webhook.missed == 2
            backlog.tell_missed()
            assert webhook.missed == 2
            webhooks.enable(webhook, by=root)
            backlog.tell_missed()
            carry_all()
        assert [(heard.type, heard.json["data"]["missed"]) for heard in receiver.heard] == [("webhook.missed", 2)]


def test_the_outbox_is_empty_once_all_is_written(db: None, make_webhook: Any) -> None:
    make_webhook()
    tell("a")
    assert not Outbox.objects.exists()
