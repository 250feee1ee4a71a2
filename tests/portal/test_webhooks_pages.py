"""The pages about webhooks: made, tried out, changed, replayed; with htmx, and without any script."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from portal import backlog, deliveries, outbox, webhooks
from portal.actor import Actor
from portal.exchange import Outcome
from portal.models import AuditEvent, Delivery, User, Webhook
from portal.topics import Topic
from tests.receiver import Receiver, receiving, status

WEBHOOKS = "/portal/webhooks/"
URL = "https://hooks.example/in"
WANTED = {"name": "chat", "url": URL, "topics": ["device.pending", "device.denied"]}


@pytest.fixture
def plain(log_in: Callable[..., Client], administrator: User) -> Client:
    """An administrator whose browser has no JavaScript."""
    return log_in(administrator)


@pytest.fixture
def htmx(log_in: Callable[..., Client], administrator: User) -> Client:
    client = log_in(administrator)
    client.defaults["HTTP_HX_REQUEST"] = "true"
    return client


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.ROUTE_TARGETS = ["private", "loopback"]
    with receiving() as ready:
        yield ready


@pytest.fixture
def make(root: Actor, db: None) -> Callable[..., Webhook]:
    return lambda url=URL, name="chat": webhooks.create(name, url, ["device.pending"], by=root)[0]


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode())).replace("&#x27;", "'")


def secret_in(answer: Any) -> str:
    found = re.search(r"whsec_[A-Za-z0-9+/]{43}=", text_of(answer))
    assert found
    return found[0]


def tell(*devices: str) -> None:
    for device in devices:
        outbox.put("device.pending", {"device": device})
    outbox.hand_on()


def settle(outcome: Outcome) -> Delivery:
    webhook = Webhook.objects.get()
    delivery = deliveries.head(webhook)
    assert delivery is not None
    deliveries.settle(delivery, outcome, claim=None)
    delivery.refresh_from_db()
    return delivery


BAD = Outcome(503, "It answered 503; a success is 200 to 299.", 7)


def test_the_secret_of_a_new_webhook_stands_in_this_one_answer_only(plain: Client) -> None:
    answer = plain.post(f"{WEBHOOKS}create/", WANTED)
    secret = secret_in(answer)
    assert answer["Cache-Control"] == "no-store"
    webhook = Webhook.objects.get()
    assert webhooks.live_secrets(webhook) == [secret]
    assert webhook.topics == ["device.pending", "device.denied"]
    kept = [session.get_decoded() for session in Session.objects.all()]
    kept += [*AuditEvent.objects.values(), *Webhook.objects.values()]
    assert secret not in str(kept)
    for path in (WEBHOOKS, f"{WEBHOOKS}{webhook.pk}/"):
        page = plain.get(path)
        assert "chat" in text_of(page)
        assert "whsec_" not in page.content.decode()


def test_htmx_gets_the_secret_alone_and_is_told_that_the_list_has_changed(htmx: Client) -> None:
    answer = htmx.post(f"{WEBHOOKS}create/", WANTED)
    assert answer.content.decode().strip().startswith('<section id="new-webhook"')
    assert secret_in(answer)
    assert "webhooks-changed" in answer["HX-Trigger"]
    assert "HX-Push-Url" not in answer


def test_the_form_says_every_topic_in_words(plain: Client) -> None:
    page = text_of(plain.get(WEBHOOKS))
    assert all(topic.label in page and topic in page for topic in Topic)
    assert "Nobody is told of anything." in page


def test_the_form_has_each_heading_once_and_in_words(plain: Client) -> None:
    headings = re.findall(r'role="group" aria-label="([^"]*)"', plain.get(WEBHOOKS).content.decode())
    assert headings == [
        "devices", "keys", "enrolment rules", "shutdowns", "API tokens", "apps", "tenant grants", "app credentials",
        "access tokens", "installed apps", "people", "tenants", "certificates", "routes", "gateway users",
        "gateway nodes", "webhooks",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": ""}, "Say who listens there."),
        ({"name": "a\u202eb"}, "It holds the invisible character U+202E; remove it."),
        ({"url": ""}, "Say where messages go."),
        ({"url": "hooks.example"}, "Write a URL such as https://hooks.example/gatehouse"),
        ({"url": "http://127.0.0.1:9/"}, "127.0.0.1 is not open as a webhook's target"),
        ({"url": "http://169.254.169.254/"}, "169.254.169.254 is never a webhook's target."),
        ({"topics": []}, "Choose at least one topic."),
        ({"topics": ["device.flown"]}, "Select a valid choice."),
    ],
)
@pytest.mark.parametrize("browser", ["plain", "htmx"])
def test_what_is_wrong_is_said_beside_the_field_and_the_rest_stays_filled_in(
    request: pytest.FixtureRequest, browser: str, change: dict[str, Any], sentence: str
) -> None:
    client = request.getfixturevalue(browser)
    answer = client.post(f"{WEBHOOKS}create/", WANTED | change)
    page = answer.content.decode()
    assert answer.status_code == 400
    assert sentence in text_of(answer)
    if "topics" not in change:
        assert re.search(r'value="device.denied" checked', page)
    if "url" not in change:
        assert f'value="{URL}"' in page
    if browser == "htmx":
        assert answer["HX-Retarget"] == "#new-webhook"
    assert not Webhook.objects.exists()


def test_a_name_in_use_is_said_beside_the_name(plain: Client, make: Any) -> None:
    make()
    answer = plain.post(f"{WEBHOOKS}create/", WANTED)
    assert answer.status_code == 409
    assert "There is a webhook named chat already" in text_of(answer)


def test_the_list_says_how_each_does(plain: Client, make: Any) -> None:
    make()
    tell("a", "b")
    settle(BAD)
    page = text_of(plain.get(WEBHOOKS))
    assert "failing since" in page
    assert "waiting 2" in page


class TestPage:
    def test_it_says_where_what_and_how_it_does(self, plain: Client, make: Any) -> None:
        webhook = make()
        tell("press-1")
        delivery = settle(BAD)
        page = text_of(plain.get(f"{WEBHOOKS}{webhook.pk}/"))
        assert URL in page
        assert "A device asked to join and waits for a decision device.pending" in page
        assert "Every try has failed since" in page
        assert delivery.message in page
        assert BAD.error in page
        assert "press-1" not in page  # The body is shown on demand.
        body = text_of(plain.get(f"{WEBHOOKS}{webhook.pk}/deliveries/{delivery.pk}/"))
        assert delivery.body in body.replace("&quot;", '"')

    def test_what_the_receivers_name_holds_is_text(self, plain: Client, make: Any) -> None:
        webhook = make(name='<img src=x onerror="alert(1)">')
        for path in (WEBHOOKS, f"{WEBHOOKS}{webhook.pk}/"):
            page = plain.get(path).content.decode()
            assert "<img src=x" not in page
            assert "<bdi>&lt;img src=x onerror=&quot;alert(1)&quot;&gt;</bdi>" in page

    @pytest.mark.parametrize("browser", ["plain", "htmx"])
    def test_a_test_shows_how_it_went(
        self, request: pytest.FixtureRequest, receiver: Receiver, make: Any, browser: str
    ) -> None:
        client, webhook = request.getfixturevalue(browser), make(receiver.url)
        answer = client.post(f"{WEBHOOKS}{webhook.pk}/test/")
        assert "The test was taken: it answered 200" in text_of(answer)
        receiver.answer = status(301, "Location: /x")
        answer = client.post(f"{WEBHOOKS}{webhook.pk}/test/")
        assert "The test was not taken. It answered 301: redirects are not followed" in text_of(answer)
        if browser == "htmx":
            assert answer.content.decode().strip().startswith('<article id="webhook"')
            assert "deliveries-changed" in answer["HX-Trigger"]
        else:
            assert "webhook.test" in text_of(answer)

    @pytest.mark.parametrize("browser", ["plain", "htmx"])
    def test_it_is_changed_and_what_is_wrong_is_said_with_the_form_open(
        self, request: pytest.FixtureRequest, make: Any, browser: str
    ) -> None:
        client, webhook = request.getfixturevalue(browser), make()
        path = f"{WEBHOOKS}{webhook.pk}/change/"
        answer = client.post(path, WANTED | {"name": "talk", "seen": "1"})
        assert answer.status_code == (200 if browser == "htmx" else 302)
        assert Webhook.objects.get().name == "talk"
        wrong = client.post(path, WANTED | {"url": "ftp://x/", "seen": "2"})
        assert wrong.status_code == 400
        assert "Write a URL such as" in text_of(wrong)
        assert '<details class="sheet" open>' in wrong.content.decode()
        stale = client.post(path, WANTED | {"seen": "1"})
        assert stale.status_code == 409
        assert "has changed since you looked" in text_of(stale)

    @pytest.mark.parametrize("browser", ["plain", "htmx"])
    def test_another_secret_is_shown_once(self, request: pytest.FixtureRequest, make: Any, browser: str) -> None:
        client, webhook = request.getfixturevalue(browser), make()
        answer = client.post(f"{WEBHOOKS}{webhook.pk}/rotate/", {"seen": "1"})
        assert webhooks.live_secrets(Webhook.objects.get())[0] == secret_in(answer)
        assert "with the one before too" in text_of(answer)
        assert "whsec_" not in client.get(f"{WEBHOOKS}{webhook.pk}/").content.decode()

    @pytest.mark.parametrize("browser", ["plain", "htmx"])
    def test_it_is_disabled_enabled_and_deleted(self, request: pytest.FixtureRequest, make: Any, browser: str) -> None:
        client, webhook = request.getfixturevalue(browser), make()
        tell("a")
        path = f"{WEBHOOKS}{webhook.pk}/"
        client.post(f"{path}disable/", {"seen": "1", "reason": "it moves"})
        page = text_of(client.get(path))
        assert "It is disabled: it moves" in page
        assert "1 delivery waits until it is enabled" in page
        client.post(f"{path}enable/", {"seen": "2"})
        assert Webhook.objects.get().is_enabled
        answer = client.post(f"{path}delete/", {"seen": "3"})
        assert (answer["HX-Redirect"] if browser == "htmx" else answer["Location"]) == WEBHOOKS
        assert not Webhook.objects.exists()
        assert client.get(path).status_code == 404

    @pytest.mark.parametrize("browser", ["plain", "htmx"])
    def test_deliveries_are_sent_again_one_or_all_that_failed(
        self, request: pytest.FixtureRequest, make: Any, browser: str
    ) -> None:
        client, webhook = request.getfixturevalue(browser), make()
        tell("a", "b", "c")
        Delivery.objects.update(state="failed")
        Webhook.objects.update(waiting=0)
        path, first = f"{WEBHOOKS}{webhook.pk}/", Delivery.objects.order_by("pk")[0]
        answer = client.post(f"{path}deliveries/{first.pk}/replay/")
        if browser == "htmx":
            assert answer.content.decode().strip().startswith(f'<tr id="delivery-{first.pk}"')
            assert "Try now" in text_of(answer)
        else:
            assert answer["Location"] == path
        assert "2 deliveries are sent again" in text_of(client.post(f"{path}replay/", {"days": "7"}))
        assert "Nothing has failed since then." in text_of(client.post(f"{path}replay/", {"days": "7"}))
        assert Webhook.objects.get().waiting == 3
        assert client.post(f"{path}replay/", {"days": "400"}).status_code == 400

    def test_the_log_comes_in_pages_and_by_state(self, plain: Client, make: Any) -> None:
        webhook = make()
        tell(*(str(n) for n in range(60)))
        settle(Outcome(200, "", 1))
        path = f"{WEBHOOKS}{webhook.pk}/"
        page = plain.get(path).content.decode()
        assert page.count('<tr id="delivery-') == 50
        older = re.search(r'rel="next" href="([^"]+)"', page)
        assert older
        assert plain.get(older[1]).content.decode().count('<tr id="delivery-') == 10
        assert plain.get(f"{path}?state=delivered").content.decode().count('<tr id="delivery-') == 1
        assert "No delivery is failed." in text_of(plain.get(f"{path}?state=failed"))

    @pytest.mark.parametrize("query", ["state=lost", "before=x", "before=0", "before=9" + "9" * 30, "state=&state="])
    def test_a_query_that_makes_no_sense_is_refused(self, plain: Client, make: Any, query: str) -> None:
        webhook = make()
        assert plain.get(f"{WEBHOOKS}{webhook.pk}/?{query}").status_code == 400

    def test_what_was_missed_is_said(self, plain: Client, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backlog, "MOST", 1)
        webhook = make()
        tell("a", "b", "c")
        page = text_of(plain.get(f"{WEBHOOKS}{webhook.pk}/"))
        assert "2 messages since" in page
        assert "were not kept" in page
        assert "2 missed" in text_of(plain.get(WEBHOOKS))


def test_the_place_is_shown_to_who_manages_webhooks_alone(
    log_in: Callable[..., Client], administrator: User, operator: User
) -> None:
    assert f'<a href="{WEBHOOKS}"' in log_in(administrator).get("/portal/").content.decode()
    assert f'<a href="{WEBHOOKS}"' not in log_in(operator).get("/portal/").content.decode()
