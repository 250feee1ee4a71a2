"""Webhooks over REST: made, changed, tried out, replayed; their secret shown once, and nothing to who may not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from portal import backlog, deliveries, outbox, webhooks
from portal.actor import Actor
from portal.exchange import Outcome
from portal.models import Delivery, KeptAnswer, Webhook
from portal.scopes import Scope
from tests.receiver import Receiver, receiving, status

WEBHOOKS = "/api/v1/webhooks"
WANTED = {"name": "chat", "url": "https://hooks.example/in", "topics": ["device.pending"]}


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(Scope.WEBHOOKS_MANAGE)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.ROUTE_TARGETS = ["private", "loopback"]
    with receiving() as ready:
        yield ready


@pytest.fixture
def made(client: APIClient) -> dict[str, Any]:
    answer = client.post(WEBHOOKS, WANTED, format="json")
    assert answer.status_code == 201, answer.content
    body: dict[str, Any] = answer.json()
    return body


def tell(*devices: str) -> None:
    for device in devices:
        outbox.put("device.pending", {"device": device})
    outbox.hand_on()


def fail_all() -> None:
    """Everything that waits has been tried for days."""
    Delivery.objects.update(state="failed", attempts=19, last_error="It answered 503.")
    Webhook.objects.update(waiting=0)


def test_a_webhook_is_made_with_its_address_and_its_secret_is_shown_once(client: APIClient) -> None:
    answer = client.post(WEBHOOKS, WANTED, format="json")
    body = answer.json()
    assert answer.status_code == 201
    assert answer["Location"] == f"{WEBHOOKS}/{body['id']}"
    assert answer["Cache-Control"] == "no-store"
    assert body["secret"].startswith("whsec_")
    again = client.get(answer["Location"])
    assert again["ETag"] == answer["ETag"] == '"1"'
    assert again.json() == {name: value for name, value in body.items() if name != "secret"}
    [listed] = client.get(WEBHOOKS).json()["results"]
    assert listed == again.json()
    assert (listed["enabled"], listed["waiting"], listed["created_by"]) == (True, 0, "token test")


def test_sent_again_with_the_same_key_it_is_made_once_and_the_kept_answer_is_sealed(client: APIClient) -> None:
    first, second = (client.post(WEBHOOKS, WANTED, format="json", headers={"Idempotency-Key": "k-1"}) for _ in range(2))
    assert first.json() == second.json()
    assert Webhook.objects.count() == 1
    assert first.json()["secret"] not in str(list(KeptAnswer.objects.values()))


@pytest.mark.parametrize(
    ("other", "member"),
    [
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"topics": []}, "topics"),
        ({"topics": "device.pending"}, "topics"),
        ({"topics": ["device.flown"]}, "topics.0"),
        ({"topics": [None]}, "topics.0"),
        ({"url": ""}, "url"),
        ({"url": "hooks.example"}, "url"),
        ({"url": "https://u:p@hooks.example/"}, "url"),
        ({"url": "http://127.0.0.1:9/"}, "url"),
        ({"url": "http://169.254.169.254/"}, "url"),
        ({"url": "https://hooks.example/" + "x" * 500}, "url"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
def test_a_wrong_member_is_named_and_nothing_made(client: APIClient, other: dict[str, Any], member: str) -> None:
    answer = client.post(WEBHOOKS, WANTED | other, format="json")
    assert answer.status_code == 400
    assert set(answer.json()["invalid"]) == {member}
    assert not Webhook.objects.exists()


def test_a_name_in_use_is_a_conflict(client: APIClient, made: Any) -> None:
    answer = client.post(WEBHOOKS, WANTED, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "webhook_name_taken")


def test_it_is_changed_switched_off_and_on_and_removed(client: APIClient, made: Any) -> None:
    path = f"{WEBHOOKS}/{made['id']}"
    changed = client.patch(path, {"name": "talk", "topics": ["device.denied"]}, format="json")
    assert (changed.status_code, changed["ETag"]) == (200, '"2"')
    assert (changed.json()["name"], changed.json()["topics"]) == ("talk", ["device.denied"])
    off = client.patch(path, {"enabled": False, "reason": "it moves"}, format="json").json()
    assert (off["enabled"], off["disabled_reason"]) == (False, "it moves")
    assert client.patch(path, {"enabled": True}, format="json").json()["disabled_reason"] == ""
    assert client.delete(path).status_code == 204
    gone = client.get(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "webhook_not_found")


@pytest.mark.parametrize(
    "wrong",
    [
        {"enabled": "maybe"},
        {"enabled": "false"},
        {"enabled": 0},
        {"url": "http://0x7f.1/"},
        {"topics": []},
        {"waiting": 0},
    ],
)
def test_a_wrong_change_is_named_and_nothing_changed(client: APIClient, made: Any, wrong: dict[str, Any]) -> None:
    answer = client.patch(f"{WEBHOOKS}/{made['id']}", wrong, format="json")
    assert answer.status_code == 400
    assert list(answer.json()["invalid"]) == list(wrong)
    assert Webhook.objects.get().revision == 1


def test_who_saw_an_older_one_changes_nothing(client: APIClient, made: Any) -> None:
    path = f"{WEBHOOKS}/{made['id']}"
    client.patch(path, {"name": "talk"}, format="json")
    old = {"If-Match": made_tag(1)}
    for answer in (
        client.patch(path, {"name": "chat"}, format="json", headers=old),
        client.post(f"{path}/rotate-secret", {}, format="json", headers=old),
        client.delete(path, headers=old),
    ):
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert Webhook.objects.get().name == "talk"


def made_tag(revision: int) -> str:
    return f'"{revision}"'


def test_another_secret_is_shown_once_and_the_one_before_has_its_end(client: APIClient, made: Any) -> None:
    answer = client.post(f"{WEBHOOKS}/{made['id']}/rotate-secret", {}, format="json")
    assert answer.status_code == 201
    assert answer.json()["secret"] != made["secret"]
    assert answer.json()["secret_before_until"]
    assert webhooks.live_secrets(Webhook.objects.get()) == [answer.json()["secret"], made["secret"]]


def test_a_test_says_how_it_went(client: APIClient, receiver: Receiver) -> None:
    made = client.post(WEBHOOKS, WANTED | {"url": receiver.url}, format="json").json()
    went = client.post(f"{WEBHOOKS}/{made['id']}/test", {}, format="json").json()
    assert (went["topic"], went["state"], went["last_status"]) == ("webhook.test", "delivered", 200)
    assert receiver.heard[0].is_signed_with(made["secret"])
    receiver.answer = status(404)
    went = client.post(f"{WEBHOOKS}/{made['id']}/test", {}, format="json").json()
    assert (went["state"], went["last_error"]) == ("failed", "It answered 404; a success is 200 to 299.")


def test_the_log_shows_the_latest_first_in_pages_and_by_state(client: APIClient, made: Any) -> None:
    tell(*"abc")
    webhook = Webhook.objects.get()
    first = deliveries.head(webhook)
    assert first is not None
    deliveries.settle(first, Outcome(200, "", 3), claim=None)
    path = f"{WEBHOOKS}/{made['id']}/deliveries"
    page = client.get(f"{path}?limit=2").json()
    assert ['"c"' in page["results"][0]["body"], '"b"' in page["results"][1]["body"]] == [True, True]
    [last] = client.get(page["next"]).json()["results"]
    assert (last["state"], last["took_ms"], last["attempts"]) == ("delivered", 3, 1)
    assert [each["id"] for each in client.get(f"{path}?state=delivered").json()["results"]] == [last["id"]]
    assert client.get(f"{path}?state=lost").status_code == 400
    shown = client.get(f"{WEBHOOKS}/{made['id']}").json()
    assert (shown["waiting"], bool(shown["next_try_at"])) == (2, True)


def test_one_delivery_or_all_that_failed_are_replayed(client: APIClient, made: Any) -> None:
    tell(*"abc")
    fail_all()
    path = f"{WEBHOOKS}/{made['id']}"
    [one, *_] = client.get(f"{path}/deliveries").json()["results"]
    again = client.post(f"{path}/deliveries/{one['id']}/replay", {}, format="json")
    assert (again.status_code, again.json()["state"], again.json()["attempts"]) == (200, "waiting", 0)
    answer = client.post(f"{path}/replay", {"since": "2026-01-01T00:00:00Z"}, format="json")
    assert answer.json() == {"replayed": 2}
    assert Webhook.objects.get().waiting == 3


@pytest.mark.parametrize(
    "since", ["yesterday", "2026-11-25", "2026-11-25T12:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 5, None]
)
def test_since_when_is_a_moment_of_this_century(client: APIClient, made: Any, since: Any) -> None:
    answer = client.post(f"{WEBHOOKS}/{made['id']}/replay", {"since": since}, format="json")
    assert (answer.status_code, list(answer.json()["invalid"])) == (400, ["since"])


def test_nothing_is_replayed_to_one_that_is_disabled(client: APIClient, made: Any) -> None:
    tell("a")
    fail_all()
    path = f"{WEBHOOKS}/{made['id']}"
    client.patch(path, {"enabled": False}, format="json")
    [one] = client.get(f"{path}/deliveries").json()["results"]
    answer = client.post(f"{path}/deliveries/{one['id']}/replay", {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "webhook_disabled")


def test_while_too_many_wait_none_is_replayed(client: APIClient, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tell("a")
    fail_all()
    monkeypatch.setattr(backlog, "MOST", 0)
    path = f"{WEBHOOKS}/{made['id']}"
    [one] = client.get(f"{path}/deliveries").json()["results"]
    for to, body in ((f"deliveries/{one['id']}/replay", {}), ("replay", {"since": "2026-01-01T00:00:00Z"})):
        answer = client.post(f"{path}/{to}", body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (409, "backlog_full")


def test_a_delivery_of_another_webhook_is_not_found(client: APIClient, made: Any, root: Actor) -> None:
    other, _ = webhooks.create("other", WANTED["url"], ["device.pending"], by=root)
    tell("a")
    foreign = Delivery.objects.get(webhook=other)
    for number in (foreign.pk, 10**30):
        answer = client.post(f"{WEBHOOKS}/{made['id']}/deliveries/{number}/replay", {}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (404, "delivery_not_found")
