"""Signing keys rotate: published before they sign, believed after they have signed, and nobody notices."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import jwt
import pytest
import time_machine
from django.core.management import CommandError, call_command

from portal.actor import Actor
from portal.models import AuditEvent
from portal.refusal import Refusal
from tokens import key_rotation, signing, upkeep
from tokens.models import KeyState, SigningKey

BY = Actor.command("rotate_signing_key")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
TEN_MINUTES = timedelta(minutes=10)
LAST_EXPIRY = timedelta(hours=24, seconds=60)


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def first(db: None, clock: Any) -> str:
    """The kid of the only key, which is active."""
    signing.ensure_active(by=Actor.command("serve"))
    return SigningKey.objects.get().kid


def token() -> str:
    now = int(datetime.now(UTC).timestamp())
    return signing.sign({"iss": "us", "aud": "here", "jti": "1", "iat": now, "exp": now + 24 * 3600})


def kid_of(signed: str) -> str:
    return str(jwt.get_unverified_header(signed)["kid"])


def is_believed(signed: str) -> bool:
    signing.forget_ring()
    try:
        return bool(signing.verified(signed, audience="here", issuer="us"))
    except signing.Untrusted:
        return False


def listed() -> list[tuple[str, str]]:
    signing.forget_ring()
    return [(each.kid, each.state) for each in key_rotation.ring()]


def history() -> list[tuple[str, str]]:
    rows = AuditEvent.objects.filter(verb__startswith="signing_key.").order_by("number")
    return [(row.verb, row.subject_id) for row in rows]


def rotated() -> str:
    """Go through a whole rotation, and give the kid that signs now."""
    key = key_rotation.begin(by=BY)
    key_rotation.go_on(by=BY, now=datetime.now(UTC) + TEN_MINUTES)
    return key.kid


class TestBeginning:
    def test_the_next_key_is_published_behind_the_active_one_and_does_not_sign(self, first: str) -> None:
        following = key_rotation.begin(by=BY).kid
        assert listed() == [(first, "active"), (following, "next")]
        assert kid_of(token()) == first
        assert history() == [("signing_key.made", first), ("signing_key.made", following)]

    def test_a_second_one_is_refused_and_told_when_the_first_signs(self, first: str) -> None:
        following = key_rotation.begin(by=BY).kid
        with pytest.raises(key_rotation.UnderWay) as refused:
            key_rotation.begin(by=BY)
        assert following in str(refused.value)
        assert "2026-11-25T12:10:00Z" in str(refused.value)
        assert len(history()) == 2

    @pytest.mark.django_db(transaction=True)
    def test_of_three_at_once_one_makes_it(self, first: str, at_once: Callable[..., list[Any]]) -> None:
        results = at_once(*(lambda: key_rotation.begin(by=BY) for _ in range(3)))
        assert sorted(type(result).__name__ for result in results) == ["SigningKey", "UnderWay", "UnderWay"]
        assert len(listed()) == len(history()) == 2


class TestGoingOn:
    def test_before_its_ten_minutes_are_over_nothing_happens(self, first: str, clock: Any) -> None:
        key_rotation.begin(by=BY)
        clock.shift(TEN_MINUTES - timedelta(seconds=1))
        assert key_rotation.go_on(by=BY) == []
        assert kid_of(token()) == first
        assert len(history()) == 2

    def test_then_it_signs_and_what_the_former_signed_is_believed(self, first: str, clock: Any) -> None:
        bought = token()
        following = key_rotation.begin(by=BY).kid
        clock.shift(TEN_MINUTES)
        upkeep.rotate_signing_keys()
        assert listed() == [(following, "active"), (first, "retiring")]
        assert kid_of(token()) == following
        assert is_believed(bought)
        assert history()[2:] == [("signing_key.retiring", first), ("signing_key.activated", following)]

    def test_a_key_is_believed_until_its_last_token_has_expired_and_its_private_half_is_destroyed(
        self, first: str, clock: Any
    ) -> None:
        rotated()
        clock.shift(TEN_MINUTES)
        last = token()
        SigningKey.objects.filter(pk=first).update(changed_at=datetime.now(UTC))
        clock.shift(LAST_EXPIRY - timedelta(seconds=1))
        upkeep.rotate_signing_keys()
        assert first in dict(listed())
        clock.shift(1)
        upkeep.rotate_signing_keys()
        assert first not in dict(listed())
        assert not is_believed(last)
        assert SigningKey.objects.get(pk=first).sealed_private == ""
        assert history()[-1] == ("signing_key.retired", first)

    def test_of_several_that_retire_the_newest_comes_first(self, first: str, clock: Any) -> None:
        order = [first]
        for _ in range(2):
            clock.shift(TEN_MINUTES)
            order.insert(0, rotated())
        following = key_rotation.begin(by=BY).kid
        third, second, oldest = order
        assert listed() == [(third, "active"), (following, "next"), (second, "retiring"), (oldest, "retiring")]
        assert [key["kid"] for key in signing.token_keys()["keys"]] == [third, following, second, oldest]

    @pytest.mark.django_db(transaction=True)
    def test_of_four_workers_one_does_it(self, first: str, clock: Any, at_once: Callable[..., list[Any]]) -> None:
        following = key_rotation.begin(by=BY).kid
        clock.shift(TEN_MINUTES)
        results = at_once(*(lambda: key_rotation.go_on(by=BY) for _ in range(4)))
        assert sorted(len(done) for done in results) == [0, 0, 0, 1]
        clock.shift(LAST_EXPIRY)
        results = at_once(*(lambda: key_rotation.go_on(by=BY) for _ in range(4)))
        assert sorted(len(done) for done in results) == [0, 0, 0, 1]
        assert listed() == [(following, "active")]
        assert len(history()) == 5

    def test_a_key_that_does_not_open_never_becomes_the_one_that_signs(self, first: str, clock: Any) -> None:
        key_rotation.begin(by=BY)
        SigningKey.objects.filter(state="next").update(sealed_private="gAAAA-of-another-installation")
        clock.shift(TEN_MINUTES)
        with pytest.raises(signing.Unusable):
            key_rotation.go_on(by=BY)
        assert kid_of(token()) == first
        assert len(history()) == 2


class TestTwoProcesses:
    """What another process does shows in the database alone; this one remembers the ring for two seconds."""

    def elsewhere(self, following: str, first: str) -> None:
        """Another process lets the next key sign."""
        SigningKey.objects.filter(pk=first).update(state="retiring", changed_at=datetime.now(UTC))
        SigningKey.objects.filter(pk=following).update(state="active", changed_at=datetime.now(UTC))

    def test_the_first_published_key_is_the_one_that_signs_at_every_moment(self, first: str) -> None:
        following = key_rotation.begin(by=BY).kid
        assert signing.jwks()["keys"][0]["kid"] == kid_of(token()) == first
        self.elsewhere(following, first)
        assert kid_of(token()) == following
        assert signing.jwks()["keys"][0]["kid"] == signing.token_keys()["keys"][0]["kid"] == following

    def test_a_key_that_this_process_has_not_seen_yet_is_believed(self, first: str) -> None:
        signed_before = token()
        key = signing.new_key(KeyState.NEXT)
        key.save(force_insert=True)
        self.elsewhere(key.kid, first)
        signing._reread_at = 0.0
        remembered = signing._cached
        signed = token_by(key.kid)
        signing._cached = remembered
        assert signing.verified(signed, audience="here", issuer="us")
        assert signing.verified(signed_before, audience="here", issuer="us")


def token_by(kid: str) -> str:
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": "us", "aud": "here", "jti": "1", "iat": now, "exp": now + 60}
    return jwt.encode(claims, signing._private(kid), "RS256", headers={"kid": kid})


class TestAtOnce:
    def test_whatever_was_signed_is_refused_and_the_new_key_signs_alone(self, first: str, clock: Any) -> None:
        second = rotated()
        before = [token_by(first), token_by(second)]
        following = key_rotation.begin(by=BY).kid
        assert key_rotation.replace(by=BY) == 3
        [(only, state)] = listed()
        assert (state, kid_of(token())) == ("active", only)
        assert only not in (first, second, following)
        assert [is_believed(signed) for signed in (*before, token())] == [False, False, True]
        assert set(SigningKey.objects.exclude(pk=only).values_list("state", "sealed_private")) == {("retired", "")}
        assert history()[-1] == ("signing_key.made", only)
        assert sorted(history()[-4:-1]) == sorted(("signing_key.retired", kid) for kid in (first, second, following))

    @pytest.mark.django_db(transaction=True)
    def test_of_three_at_once_the_last_ones_key_is_left(self, first: str, at_once: Callable[..., list[Any]]) -> None:
        at_once(*(lambda: key_rotation.replace(by=BY) for _ in range(3)))
        [(only, state)] = listed()
        assert (state, kid_of(token())) == ("active", only)


class TestCommand:
    def run(self, *options: str) -> tuple[list[str], str]:
        """Lines of stdout, and stderr."""
        out, err = StringIO(), StringIO()
        call_command("rotate_signing_key", *options, stdout=out, stderr=err)
        return out.getvalue().splitlines(), err.getvalue()

    def test_it_begins_and_prints_the_ring_a_line_a_key(self, first: str) -> None:
        lines, said = self.run()
        following = SigningKey.objects.get(state="next").kid
        assert lines == [
            f"{first} active since 2026-11-25T12:00:00Z",
            f"{following} next since 2026-11-25T12:00:00Z, active at 2026-11-25T12:10:00Z",
        ]
        assert following in said

    def test_run_again_it_changes_nothing_and_says_so(self, first: str) -> None:
        before, _ = self.run()
        again, said = self.run()
        assert again == before
        assert "A rotation is under way" in said
        assert "Nothing was changed." in said
        assert len(history()) == 2

    def test_run_when_it_is_due_it_goes_on_and_begins_no_other(self, first: str, clock: Any) -> None:
        self.run()
        following = SigningKey.objects.get(state="next").kid
        clock.shift(TEN_MINUTES)
        lines, said = self.run("--json")
        assert [json.loads(line) for line in lines] == [
            {
                "kid": following, "state": "active", "since": "2026-11-25T12:10:00Z",
                "next_state": None, "next_at": None,
            },
            {
                "kid": first, "state": "retiring", "since": "2026-11-25T12:10:00Z",
                "next_state": "retired", "next_at": "2026-11-26T12:11:00Z",
            },
        ]  # fmt: skip
        assert said.strip() == f"The signing key {following} is active from now on."

    def test_at_once_it_prints_the_new_key_and_says_what_is_refused(self, first: str) -> None:
        [line], said = self.run("--at-once")
        assert line.endswith("active since 2026-11-25T12:00:00Z")
        assert first not in line
        assert "whatever was signed before is refused" in said

    def test_a_dry_run_changes_nothing(self, first: str, clock: Any) -> None:
        assert "Another signing key would be made" in self.run("--dry-run")[1]
        assert len(history()) == 1
        self.run()
        assert "Nothing would be changed" in self.run("--dry-run")[1]
        clock.shift(TEN_MINUTES)
        assert "would be active" in self.run("--dry-run")[1]
        assert kid_of(token()) == first

    def test_what_is_refused_is_one_sentence(self, first: str, clock: Any) -> None:
        self.run()
        SigningKey.objects.filter(state="next").update(sealed_private="")
        clock.shift(TEN_MINUTES)
        with pytest.raises(CommandError, match=r"GATEHOUSE_MASTER_KEY.*\.$"):
            self.run()

    def test_misuse_is_told_from_a_refusal(self) -> None:
        with pytest.raises(CommandError) as misuse:
            self.run("--soon")
        assert not isinstance(misuse.value.__cause__, Refusal)
