"""Gateway users: their names, their passwords, and what a password has bought and does not buy any more."""

import hmac
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal import audit, secret_files
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from portal.refusal import Invalid, Refusal, TooMany
from portal.topics import Topic
from tests import canary
from tokens import gateway_logins, gateway_users, pepper_rotation, peppers, secret, signing, token_revocation, upkeep
from tokens.gateway_logins import NotLoggedIn, Unknown, WrongPassword
from tokens.gateway_users import Added
from tokens.models import KeyState, Pepper, Revocation, UserPassAccount, UserPassLogin

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
BY = Actor.command("adduser")
HERE = "10.0.0.7"


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def ann(clock: Any) -> Added:
    return gateway_users.add("ann", by=BY)


def log_in(password: str, name: str = "ann", address: str = HERE) -> str:
    return gateway_logins.login(name, password, address=address).client_token


def buy(client_token: str, name: str = "ann") -> dict[str, Any]:
    """The claims of the access token that it buys."""
    return claims(gateway_logins.token_for(client_token, name, address=HERE).text)


def claims(text: str) -> dict[str, Any]:
    return jwt.decode(text, options={"verify_signature": False})


def history() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("number").values_list("verb", "subject_id"))


def revoked() -> dict[str, datetime]:
    return {f"{kind} {value}": until for kind, value, until in Revocation.objects.values_list("kind", "value", "until")}


def account() -> UserPassAccount:
    return UserPassAccount.objects.get()


class TestAdded:
    def test_one_has_the_usual_unless_told_otherwise(self, ann: Added) -> None:
        kept = account()
        assert (kept.username, kept.generation, kept.audience, kept.scopes) == ("ann", 1, "edgex", ["gateway:*"])
        assert (kept.token_ttl_s, kept.jwt_ttl_s) == (3600, 3600)

    def test_the_password_is_43_letters_and_digits_and_only_its_digest_is_kept(self, ann: Added) -> None:
        assert len(ann.password) == 43
        assert ann.password.isascii()
        assert ann.password.isalnum()
        assert ann.password not in repr(ann)
        log_in(ann.password)
        assert canary.places(canary.everything_kept(), [ann.password.encode()]) == []

    @pytest.mark.parametrize("name", ["A", "ann_-9", "_", "x" * 64])
    def test_a_name_is_kept_in_lower_case_and_found_in_any(self, name: str) -> None:
        gateway_users.add(name, by=BY)
        assert account().username == name.lower()
        assert gateway_users.add(name.upper(), by=BY).account.generation == 2
        assert gateway_users.delete(name.swapcase(), by=BY) == 0

    @pytest.mark.parametrize("name", ["", " ", "a b", "a.b", "a/b", "ann\n", "é", "x" * 65, "\u212aen", "a\x00"])
    @pytest.mark.parametrize("verb", [gateway_users.add, gateway_users.delete, gateway_logins.issue])
    def test_another_name_is_refused(self, verb: Callable[..., Any], name: str) -> None:
        with pytest.raises(Invalid) as refused:
            verb(name, by=BY)
        assert str(refused.value) == "User names are letters, digits, _ and -."
        assert not UserPassAccount.objects.exists()

    @pytest.mark.parametrize(
        ("facts", "sentence"),
        [
            ({"token_ttl": timedelta(seconds=59)}, "A login lives 60 s to 24 h."),
            ({"token_ttl": timedelta(hours=24, seconds=1)}, "A login lives 60 s to 24 h."),
            ({"jwt_ttl": timedelta()}, "An access token lives 60 s to 24 h."),
            ({"jwt_ttl": timedelta(days=2)}, "An access token lives 60 s to 24 h."),
            ({"scopes": []}, "A gateway user holds gateway:* or scopes of routes; name at least one."),
            (
                {"scopes": ["gateway:read"]},
                "A gateway user holds gateway:* or scopes of routes; 'gateway:read' is none.",
            ),
            ({"audience": "portal"}, "The audience portal is of Gatehouse itself; routes take edgex or gateway."),
            ({"audience": ""}, "Write 1 to 200 characters."),
            ({"audience": "x" * 201}, "Write 1 to 200 characters."),
        ],
    )
    def test_what_is_out_of_bounds_is_refused(self, ann: Added, facts: dict[str, Any], sentence: str) -> None:
        for name in ("ann", "bob"):
            with pytest.raises(Invalid) as refused:
                gateway_users.add(name, by=BY, **facts)
            assert str(refused.value) == sentence
        assert account().generation == 1
        assert log_in(ann.password)

    @pytest.mark.parametrize(
        "scope",
        [
            "gateway:manage",
            "gateway:read",
            "devices:read",
            "gateway:",
            "gateway:A",
            "gateway:a b",
            "*",
            "gateway:**",
            "",
        ],
    )
    def test_no_scope_of_the_portal_is_ever_held(self, scope: str) -> None:
        with pytest.raises(Invalid):
            gateway_users.add("ann", scopes=["gateway:core-data", scope], by=BY)

    @pytest.mark.parametrize("length", [timedelta(seconds=60), timedelta(hours=24)])
    def test_the_bounds_themselves_are_fine(self, length: timedelta) -> None:
        kept = gateway_users.add("ann", token_ttl=length, jwt_ttl=length, by=BY).account
        assert kept.token_ttl_s == kept.jwt_ttl_s == length.total_seconds()


class TestAddedAgain:
    def test_the_old_password_and_what_it_bought_are_refused(self, ann: Added, clock: Any) -> None:
        client_token = log_in(ann.password)
        bought = buy(client_token)
        clock.shift(60)
        new = gateway_users.add("ANN", by=BY)
        assert new.password != ann.password
        with pytest.raises(WrongPassword):
            log_in(ann.password)
        with pytest.raises(NotLoggedIn):
            buy(client_token)
        assert revoked() == {f"grant {bought['grant']}": NOON + timedelta(hours=1, minutes=2)}
        again = buy(log_in(new.password))
        assert again["sub"] == bought["sub"]
        assert again["grant"] != bought["grant"]

    def test_what_is_not_said_stays_as_it_was(self) -> None:
        facts: dict[str, Any] = {"scopes": ["gateway:core-data"], "jwt_ttl": timedelta(hours=2), "audience": "gateway"}
        gateway_users.add("ann", by=BY, **facts)
        gateway_users.add("ann", token_ttl=timedelta(minutes=5), by=BY)
        kept = account()
        assert (kept.scopes, kept.audience) == (["gateway:core-data"], "gateway")
        assert (kept.token_ttl_s, kept.jwt_ttl_s) == (300, 7200)

    def test_an_access_token_of_a_day_stays_refused_for_a_day_though_new_ones_live_a_minute(self, clock: Any) -> None:
        old = gateway_users.add("ann", jwt_ttl=timedelta(days=1), by=BY)
        bought = buy(log_in(old.password))
        gateway_users.add("ann", jwt_ttl=timedelta(minutes=1), by=BY)
        gateway_users.delete("ann", by=BY)
        until = revoked()
        assert until[f"grant {bought['grant']}"] == NOON + timedelta(days=1, minutes=1)
        assert until[f"sub {bought['sub']}"] == NOON + timedelta(minutes=2)

    @pytest.mark.django_db(transaction=True)
    def test_of_two_at_once_both_are_done_and_the_later_password_is_good(
        self, at_once: Callable[..., list[Any]]
    ) -> None:
        for name in ("new", "new"):  # At first nobody has the name.
            made = at_once(*[lambda: gateway_users.add(name, by=BY)] * 2)  # noqa: B023  # They end before the next.
            good = 0
            for added in made:
                try:
                    log_in(added.password, "new")
                except WrongPassword:
                    continue
                good += 1
            assert good == 1
        kept = account()
        assert kept.generation == 4
        assert len(revoked()) == 3
        assert [verb for verb, _ in history()] == ["gateway_user.made", *["gateway_user.renewed"] * 3]
        assert audit.verify().holds


class TestDeleted:
    def test_all_that_it_bought_is_refused_until_the_last_of_it_has_expired(self, ann: Added) -> None:
        one, _ = log_in(ann.password), log_in(ann.password)
        bought = buy(one)
        assert gateway_users.delete("ann", by=BY) == 2
        assert revoked() == {f"sub {bought['sub']}": NOON + timedelta(hours=1, minutes=1)}
        with pytest.raises(NotLoggedIn):
            buy(one)
        with pytest.raises(WrongPassword):
            log_in(ann.password)
        assert not UserPassLogin.objects.exists()

    def test_client_tokens_whose_lease_has_ended_are_not_counted(self, ann: Added, clock: Any) -> None:
        log_in(ann.password)
        clock.shift(3599)
        log_in(ann.password)
        clock.shift(1)
        assert gateway_users.delete("ann", by=BY) == 1

    def test_nobody_of_the_name_is_no_change(self) -> None:
        assert gateway_users.delete("ann", by=BY) is None
        assert history() == []

    def test_a_name_that_is_made_again_is_another_subject(self, ann: Added) -> None:
        first = buy(log_in(ann.password))
        gateway_users.delete("ann", by=BY)
        second = buy(log_in(gateway_users.add("ann", by=BY).password))
        assert first["sub"] != second["sub"]
        assert not revoked().keys() & {f"sub {second['sub']}", f"grant {second['grant']}"}

    @pytest.mark.django_db(transaction=True)
    def test_a_login_at_the_same_moment_leaves_nothing_that_is_good(self, at_once: Callable[..., list[Any]]) -> None:
        for _ in range(5):
            added = gateway_users.add("ann", by=BY)
            deleted, *logins = at_once(
                lambda: gateway_users.delete("ann", by=BY), *[lambda: log_in(added.password)] * 3  # noqa: B023
            )  # fmt: skip
            given = [each for each in logins if isinstance(each, str)]
            assert deleted == len(given)
            assert all(isinstance(each, WrongPassword) for each in logins if each not in given)
            for client_token in given:
                with pytest.raises(NotLoggedIn):
                    buy(client_token)
            assert not UserPassLogin.objects.exists()


class TestLogin:
    def test_the_client_token_buys_until_its_lease_ends_and_as_often_as_wanted(self, ann: Added, clock: Any) -> None:
        client_token = log_in(ann.password)
        assert secret.parse("gate_usr", client_token) == UserPassLogin.objects.get().pk
        assert buy(client_token)["jti"] != buy(client_token)["jti"]
        clock.shift(3599)
        buy(client_token)
        clock.shift(1)
        with pytest.raises(NotLoggedIn):
            buy(client_token)

    def test_the_access_token_says_what_the_contract_says(self, ann: Added) -> None:
        text = gateway_logins.token_for(log_in(ann.password), "ann", address=HERE).text
        header = jwt.get_unverified_header(text)
        assert set(header) == {"alg", "kid", "typ"}
        assert header["alg"] == "RS256"
        said = signing.verified(text, audience="edgex", issuer="https://localhost:8443")
        assert len(said.pop("jti")) == 36
        assert said == {
            "iss": "https://localhost:8443",
            "sub": str(ann.account.subject),
            "aud": "edgex",
            "iat": int(NOON.timestamp()),
            "exp": int(NOON.timestamp()) + 3600,
            "grant": f"{ann.account.subject}.1",
            "name": "ann",
            "scope": "gateway:*",
        }

    def test_scopes_are_words_in_one_string(self) -> None:
        added = gateway_users.add("ann", scopes=["gateway:b", "gateway:a", "gateway:b"], by=BY)
        assert buy(log_in(added.password))["scope"] == "gateway:a gateway:b"

    @pytest.mark.parametrize("wrong", ["", "x", "x" * 43, "\udc80"])
    def test_a_wrong_password_and_an_unknown_user_are_one(self, ann: Added, wrong: str) -> None:
        told = set()
        for name, password in (("ann", "x" * 43), ("bob", ann.password), ("a b", ann.password), ("", ann.password)):
            with pytest.raises(WrongPassword) as refused:
                log_in(password, name)
            told.add(str(refused.value))
        assert len(told) == 1

    def test_they_cost_the_same_work(self, ann: Added, monkeypatch: pytest.MonkeyPatch) -> None:
        compared: list[int] = []
        compare = hmac.compare_digest

        def counted(one: bytes, other: bytes) -> bool:
            compared.append(len(one))
            return compare(one, other)

        monkeypatch.setattr(hmac, "compare_digest", counted)

        def work(name: str) -> tuple[list[str], list[int]]:
            compared.clear()
            with CaptureQueriesContext(connection) as seen, pytest.raises(WrongPassword):
                log_in("x" * 43, name, address=f"address of {name}")
            asked = [re.split(" WHERE | VALUES ", each["sql"])[0] for each in seen]
            return [each for each in asked if "SAVEPOINT" not in each], list(compared)

        wrong = work("ann")
        assert wrong[1] == [64]
        assert [work(name) for name in ("bob", "a b", "")] == [wrong] * 3

    def test_use_is_noted_once_a_minute(self, ann: Added, clock: Any) -> None:
        client_token = log_in(ann.password)
        assert (account().last_used_at, account().last_used_from) == (NOON, HERE)
        clock.shift(59)
        buy(client_token)
        assert account().last_used_at == NOON
        clock.shift(1)
        buy(client_token)
        assert account().last_used_at == NOON + timedelta(minutes=1)

    def test_a_client_token_of_another_user_buys_nothing(self, ann: Added) -> None:
        bob = gateway_users.add("bob", by=BY)
        client_token = log_in(bob.password, "bob")
        assert buy(client_token, "BOB")["name"] == "bob"
        for name in ("ann", "", "b b", "nobody"):
            with pytest.raises(NotLoggedIn):
                buy(client_token, name)

    def test_nor_does_one_that_was_changed_or_is_no_client_token(self, ann: Added) -> None:
        shown = log_in(ann.password)
        other = secret.generate("gate_usr").text
        same_id = f"{shown[:22]}{other[22:65]}"
        forged = same_id + secret.checksum(same_id)
        for text in ("", "x", shown[:-1], shown.upper(), other, forged, secret.generate("gate_pat").text, ann.password):
            with pytest.raises(NotLoggedIn):
                buy(text)
        buy(shown)

    def test_whoever_holds_a_client_token_may_end_it_and_no_other(self, ann: Added) -> None:
        one, other = log_in(ann.password), log_in(ann.password)
        token_revocation.give_up(secret.generate("gate_usr").text, address=HERE)
        token_revocation.give_up(one, address=HERE)
        with pytest.raises(NotLoggedIn):
            buy(one)
        buy(other)

    def test_an_account_keeps_its_latest_200_and_the_history_tells_once_an_hour_that_older_ones_end(
        self, ann: Added, clock: Any
    ) -> None:
        bob = gateway_users.add("bob", by=BY)
        others, shown = log_in(bob.password, "bob"), []
        for _ in range(203):
            shown.append(log_in(ann.password))
            clock.shift(1)
        assert UserPassLogin.objects.filter(account=ann.account).count() == 200
        for ended in shown[:3]:
            with pytest.raises(NotLoggedIn):
                buy(ended)
        for lives in (shown[3], shown[-1]):
            buy(lives)
        buy(others, "bob")
        told = ("gateway_user.logins_ended", "ann")
        assert history().count(told) == 1
        assert AuditEvent.objects.get(verb=told[0]).after == {"most": 200, "address": HERE}
        assert Outbox.objects.filter(topic=told[0]).count() == 1
        clock.shift(3397)
        log_in(ann.password)
        assert history().count(told) == 2
        clock.shift(4000)
        log_in(ann.password)
        assert history().count(told) == 2  # Those that ended by themselves are no news.
        assert UserPassLogin.objects.filter(account=ann.account).count() == 200

    def test_that_too_many_come_at_once_costs_no_more_for_each(
        self, ann: Added, clock: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gateway_logins, "MOST_LOGINS", 3)
        costs = []
        for _ in range(10):
            clock.shift(1)
            with CaptureQueriesContext(connection) as asked:
                log_in(ann.password)
            costs.append(len(asked))
        assert costs[5:] == [costs[5]] * 5

    def test_logins_whose_lease_has_ended_are_forgotten(self, ann: Added, clock: Any) -> None:
        log_in(ann.password)
        clock.shift(1800)
        log_in(ann.password)
        clock.shift(1801)
        assert gateway_logins.forget() == 1
        assert UserPassLogin.objects.count() == 1


class TestThrottle:
    def fail(self, address: str = HERE, name: str = "ann", password: str = "x") -> Refusal:
        with pytest.raises(Refusal) as refused:
            log_in(password, name, address)
        return refused.value

    def test_after_five_failures_an_address_waits_longer_and_longer_though_it_knows_better(
        self, ann: Added, clock: Any
    ) -> None:
        assert {type(self.fail()) for _ in range(5)} == {WrongPassword}
        for seconds in (1, 2, 4, 8, 16, 32, 60, 60):
            assert self.fail().retry_after == seconds
            assert isinstance(self.fail(password=ann.password), TooMany)
            clock.shift(seconds)
        log_in(ann.password)
        assert isinstance(self.fail(), WrongPassword)

    def test_nobody_else_does(self, ann: Added) -> None:
        for _ in range(8):
            self.fail()
        assert log_in(ann.password, address="10.0.0.8")

    def test_an_address_that_tries_many_names_waits_after_twenty(self, ann: Added) -> None:
        assert {type(self.fail(name=f"n{number}")) for number in range(20)} == {WrongPassword}
        assert isinstance(self.fail(name="n20"), TooMany)
        assert isinstance(self.fail(password=ann.password), TooMany)

    def test_of_ipv6_the_half_of_a_subscriber_counts_as_one(self, ann: Added) -> None:
        for host in range(6):
            refused = self.fail(f"2001:db8:0:1::{host}")
        assert isinstance(refused, TooMany)
        assert log_in(ann.password, address="2001:db8:0:2::1")

    def test_the_case_of_the_name_does_not_matter(self, ann: Added) -> None:
        refused = [self.fail(name=name) for name in ("ann", "Ann", "aNn", "anN", "ANN", "ANn")]
        assert isinstance(refused[-1], TooMany)


class TestIssued:
    def test_an_operator_gets_what_a_login_would_and_the_password_stays(self, ann: Added) -> None:
        sold = gateway_logins.issue("ANN", by=BY)
        assert claims(sold.text)["grant"] == buy(log_in(ann.password))["grant"]
        assert (sold.seconds, sold.expires_at) == (3600, NOON + timedelta(hours=1))
        assert history()[-1] == ("gateway_user.token_issued", "ann")

    def test_of_nobody_there_is_none(self) -> None:
        with pytest.raises(Unknown) as refused:
            gateway_logins.issue("ann", by=BY)
        assert str(refused.value) == "There is no gateway user ann; adduser makes one."


def test_every_change_stands_in_the_history_and_others_hear_of_it(ann: Added) -> None:
    gateway_users.add("ann", scopes=["gateway:core-data"], by=BY)
    gateway_users.delete("ann", by=BY)
    topics = [Topic.GATEWAY_USER_MADE, Topic.GATEWAY_USER_RENEWED, Topic.GATEWAY_USER_DELETED]
    assert history() == [(topic, "ann") for topic in topics]
    assert list(Outbox.objects.order_by("pk").values_list("topic", flat=True)) == topics
    renewed = AuditEvent.objects.get(verb="gateway_user.renewed")
    assert (renewed.before["generation"], renewed.after["generation"]) == (1, 2)
    assert (renewed.before["scopes"], renewed.after["scopes"]) == (["gateway:*"], ["gateway:core-data"])
    assert audit.verify().holds


class TestPepper:
    @pytest.fixture(autouse=True)
    def _two(self, tmp_path: Path, settings: Any, clock: Any) -> None:
        """The peppers stand in a file of the data folder."""
        Pepper.objects.all().delete()
        path = tmp_path / "peppers"
        secret_files.kept(path, secret_files.first_pepper)
        settings.PEPPERS_FILE, settings.PEPPERS = path, secret_files.pepper_ring(path.read_text())
        peppers.forget()

    def test_a_password_and_a_client_token_go_to_the_new_one_when_they_are_used(self, clock: Any) -> None:
        added = gateway_users.add("ann", token_ttl=timedelta(days=1), by=BY)
        client_token = log_in(added.password)
        pepper_rotation.begin(by=BY)
        clock.shift(timedelta(minutes=10))
        upkeep.rotate_peppers()
        clock.shift(timedelta(minutes=10))
        upkeep.retire_peppers()
        assert self.needing("p1") == (1, 1)
        buy(client_token)
        assert self.needing("p1") == (1, 0)
        log_in(added.password)
        assert self.needing("p1") == (0, 0)
        upkeep.retire_peppers()
        assert Pepper.objects.get(pk="p1").state == KeyState.RETIRED
        assert buy(client_token)
        assert log_in(added.password)

    def needing(self, pepper: str) -> tuple[int, int]:
        [standing] = [each for each in pepper_rotation.ring() if each.pepper == pepper]
        return standing.needed_by["gateway users"], standing.needed_by["client tokens of gateway users"]

    def test_one_that_is_lost_opens_nothing_and_is_no_fault(self) -> None:
        added = gateway_users.add("ann", by=BY)
        client_token = log_in(added.password)
        UserPassAccount.objects.update(pepper="p9")
        UserPassLogin.objects.update(pepper="p9")
        with pytest.raises(WrongPassword):
            log_in(added.password)
        with pytest.raises(NotLoggedIn):
            buy(client_token)


def test_the_watch_over_secrets_knows_a_password_where_it_is_told(ann: Added) -> None:
    told = json.dumps({"username": "ann", "password": ann.password}, separators=(",", ":")).encode()
    assert canary.secrets_in(told) == {ann.password.encode()}
