"""The life of app credentials: issued, rotated with an overlap, switched off and on, revoked, deleted."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client

from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, Tenant
from portal.refusal import Invalid, Refusal
from portal.scopes import Scope
from tokens import (
    access_tokens,
    credentials,
    example_calls,
    held,
    overlap,
    registration,
    shown_secrets,
    switching,
    tenant_grants,
)
from tokens.issuing import TooBroad
from tokens.models import AppCredential, AppVersion, CredentialSecret, Revocation, TenantGrant
from tokens.overlap import Rotated
from tokens.shown_secrets import Buyer

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HERE = "192.0.2.7"

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def bought(issued: Rotated, text: str | None = None) -> Buyer:
    return shown_secrets.of_client(issued.holder.client_id, text or issued.text, address=HERE)


def opens(issued: Rotated, text: str | None = None) -> bool:
    try:
        bought(issued, text)
    except shown_secrets.Refused:
        return False
    return True


def is_good(token: access_tokens.AccessToken) -> bool:
    return access_tokens.client_of(token.payload) is not None


def token(issued: Rotated, text: str | None = None, tenant: str = "main") -> access_tokens.AccessToken:
    return access_tokens.technical(bought(issued, text), tenant)


def verbs() -> list[str]:
    return list(AuditEvent.objects.order_by("number").values_list("verb", flat=True))


def test_the_client_id_is_tenant_app_version_and_label(make_credential: Callable[..., Rotated]) -> None:
    issued = make_credential(instance="line2")
    assert issued.holder.client_id == "main-app1-v1.0.0-line2"
    assert len(issued.text) == 55
    assert issued.text.startswith("gatecs")
    assert issued.text.isalnum()


def test_no_secret_is_kept_or_recorded(make_credential: Callable[..., Rotated]) -> None:
    issued = make_credential()
    kept = str(list(CredentialSecret.objects.values())) + str(list(AuditEvent.objects.values()))
    assert issued.text not in kept
    assert CredentialSecret.objects.get().digest not in str(list(AuditEvent.objects.values()))


def test_an_instance_has_one_set_until_it_is_revoked(make_credential: Callable[..., Rotated], root: Actor) -> None:
    first = make_credential()
    version = first.holder.version
    with pytest.raises(credentials.CredentialExists, match="rotate those"):
        make_credential(version)
    switching.revoke(first.holder, by=root, reason="leaked")
    again = make_credential(version)
    assert again.holder.client_id == first.holder.client_id
    assert opens(again)
    assert not opens(first)


def test_credentials_may_no_more_than_their_version_and_their_issuer(make_version: Callable[..., AppVersion]) -> None:
    version = make_version(scopes=[Scope.USERS_READ, Scope.DEVICES_READ])
    narrow = Actor("narrow", "token", frozenset([Scope.CREDENTIALS_MANAGE, Scope.USERS_READ]))
    with pytest.raises(Invalid, match="does not declare audit:read"):
        credentials.issue(version, ["audit:read"], by=narrow, owner=None)
    with pytest.raises(TooBroad, match="devices:read"):
        credentials.issue(version, ["devices:read"], by=narrow, owner=None)
    assert credentials.issue(version, by=narrow, owner=None).holder.scopes == ["users:read"]


@pytest.mark.parametrize("days", [0, 366, -1])
def test_a_secret_lives_a_year_at_most(make_credential: Callable[..., Rotated], days: int) -> None:
    with pytest.raises(Invalid, match="1 to 365 days"):
        make_credential(days=days)


def test_both_secrets_open_until_the_grace_ends(
    make_credential: Callable[..., Rotated], root: Actor, clock: Any
) -> None:
    old = make_credential()
    new = overlap.rotate(old.holder, by=root, grace_hours=2)
    assert (opens(old), opens(old, new.text)) == (True, True)
    clock.move_to(NOON + timedelta(hours=2, seconds=1))
    assert (opens(old), opens(old, new.text)) == (False, True)
    with pytest.raises(shown_secrets.Ended, match="ended by a rotation at 2026-11-30 14:00:00 UTC"):
        bought(old)


def test_a_third_secret_needs_force_which_ends_the_older(make_credential: Callable[..., Rotated], root: Actor) -> None:
    first = make_credential()
    second = overlap.rotate(first.holder, by=root)
    with pytest.raises(overlap.TwoSecretsLive):
        overlap.rotate(first.holder, by=root)
    third = overlap.rotate(first.holder, by=root, force=True)
    assert [opens(first, text) for text in (first.text, second.text, third.text)] == [False, True, True]


def test_the_database_allows_no_third_live_secret(make_credential: Callable[..., Rotated], root: Actor) -> None:
    issued = make_credential()
    overlap.rotate(issued.holder, by=root)
    with pytest.raises(IntegrityError), transaction.atomic():
        CredentialSecret.objects.create(
            id="x" * 12, holder=issued.holder, digest="1" * 64, pepper="p1", hint="abcd", slot=1, expires_at=NOON
        )


def test_a_grace_of_none_ends_the_old_secret_at_once(make_credential: Callable[..., Rotated], root: Actor) -> None:
    old = make_credential()
    running = token(old)
    new = overlap.rotate(old.holder, by=root, grace_hours=0)
    assert (opens(old), opens(old, new.text)) == (False, True)
    assert is_good(running)


def test_a_rotation_may_end_what_the_old_secret_had_bought(
    make_credential: Callable[..., Rotated], root: Actor
) -> None:
    old = make_credential()
    running = token(old)
    overlap.rotate(old.holder, by=root, end_tokens=True)
    assert not is_good(running)
    assert is_good(token(old))
    assert [*Revocation.objects.values_list("kind", "value")] == [("grant", running["grant"])]


def test_ending_the_overlap_of_a_secret_in_use_needs_a_word(
    make_credential: Callable[..., Rotated], root: Actor
) -> None:
    old = make_credential()
    overlap.rotate(old.holder, by=root)
    bought(old)
    with pytest.raises(overlap.OldSecretInUse, match=HERE):
        overlap.end_overlap(old.holder, by=root)
    overlap.end_overlap(old.holder, by=root, confirm=True)
    assert not opens(old)
    with pytest.raises(overlap.NoOverlap):
        overlap.end_overlap(old.holder, by=root)


def test_cancelling_gives_the_old_secret_its_own_expiry_back(
    make_credential: Callable[..., Rotated], root: Actor, clock: Any
) -> None:
    old = make_credential(days=100)
    new = overlap.rotate(old.holder, by=root)
    overlap.cancel_rotation(old.holder, by=root)
    assert AppCredential.objects.get().expires_at == NOON + timedelta(days=100)
    clock.move_to(NOON + timedelta(days=2))
    assert (opens(old), opens(old, new.text)) == (True, False)


def test_enabling_gives_back_exactly_what_disabling_took(make_credential: Callable[..., Rotated], root: Actor) -> None:
    issued = make_credential()
    running = token(issued)
    switching.disable(issued.holder, by=root, reason="looking into it")
    assert not opens(issued)
    assert not is_good(running)
    assert [*Revocation.objects.values_list("kind", "value")] == [("sub", "main-app1-v1.0.0")]
    with pytest.raises(overlap.Disabled):
        overlap.rotate(issued.holder, by=root)
    switching.enable(issued.holder, by=root)
    assert is_good(running)
    assert opens(issued)
    assert not Revocation.objects.exists()


def test_revoking_is_final_and_names_what_was_bought_but_not_the_client(
    make_credential: Callable[..., Rotated], root: Actor
) -> None:
    issued = make_credential()
    running = token(issued)
    switching.disable(issued.holder, by=root, reason="leaked")
    switching.revoke(issued.holder, by=root, reason="leaked")
    assert not is_good(running)
    assert [*Revocation.objects.values_list("kind", "value")] == [("grant", running["grant"])]
    for verb in (switching.enable, overlap.rotate):
        with pytest.raises(held.Ended):
            verb(issued.holder, by=root)


def test_only_what_opens_nothing_is_deleted_and_its_secret_is_known_still(
    make_credential: Callable[..., Rotated], root: Actor
) -> None:
    issued = make_credential()
    with pytest.raises(switching.DisableFirst):
        switching.delete(issued.holder, by=root)
    switching.disable(issued.holder, by=root, reason="gone")
    switching.delete(issued.holder, by=root)
    assert not AppCredential.objects.exists()
    with pytest.raises(shown_secrets.Revoked, match="deleted"):
        bought(issued)
    again = make_credential(issued.holder.version)
    assert is_good(token(again))


def test_deleting_what_was_revoked_leaves_whoever_has_its_client_id_now_disabled(
    make_credential: Callable[..., Rotated], root: Actor
) -> None:
    first = make_credential()
    switching.revoke(first.holder, by=root, reason="leaked")
    again = make_credential(first.holder.version)
    switching.disable(again.holder, by=root, reason="looking into it")
    switching.delete(first.holder, by=root)
    assert [*Revocation.objects.filter(kind="sub").values_list("value", flat=True)] == ["main-app1-v1.0.0"]


def test_what_expired_while_it_was_disabled_is_told_to_be_deleted(
    make_credential: Callable[..., Rotated], root: Actor, clock: Any
) -> None:
    issued = make_credential(days=1)
    switching.disable(issued.holder, by=root, reason="looking into it")
    clock.move_to(NOON + timedelta(days=2))
    with pytest.raises(held.Ended, match=r"expired at .*; delete it, and make another"):
        switching.enable(issued.holder, by=root)
    with pytest.raises(overlap.Disabled, match="so delete it, and make another"):
        overlap.rotate(issued.holder, by=root)
    switching.delete(issued.holder, by=root)


def test_a_secret_is_not_in_what_a_traceback_may_show(make_credential: Callable[..., Rotated], root: Actor) -> None:
    issued = make_credential()
    assert issued.text not in repr(issued)
    assert issued.text not in repr(example_calls.of(issued.holder, issued.text))


@pytest.mark.django_db(transaction=True)
def test_a_grant_and_a_transfer_at_once_do_not_wait_for_each_other(
    make_version: Callable[..., AppVersion], root: Actor, at_once: Callable[..., list[Any]]
) -> None:
    Tenant.objects.get_or_create(name="main")
    Tenant.objects.create(name="ten2")
    for number in range(8):
        version = make_version(f"v{number}")
        given, transferred = at_once(
            lambda version=version: tenant_grants.give(version, "ten2", by=root),
            lambda version=version: registration.transfer(version, "ten2", by=root),
        )
        assert transferred.stage == "ops"
        assert isinstance(given, (TenantGrant, tenant_grants.HostItself))


def test_what_expired_is_brought_back_by_rotating(
    make_credential: Callable[..., Rotated], root: Actor, clock: Any
) -> None:
    issued = make_credential(days=1)
    clock.move_to(NOON + timedelta(days=1, seconds=1))
    with pytest.raises(shown_secrets.Expired, match="2026-12-01 12:00:00 UTC"):
        bought(issued)
    with pytest.raises(held.Ended):
        switching.disable(issued.holder, by=root, reason="old")
    new = overlap.rotate(issued.holder, by=root)
    assert opens(issued, new.text)
    assert not opens(issued)


def test_a_withdrawn_grant_ends_what_was_bought_and_leaves_the_secret(
    make_version: Callable[..., AppVersion], make_credential: Callable[..., Rotated], root: Actor
) -> None:
    Tenant.objects.create(name="ten2")
    version = registration.transfer(make_version(), "main", by=root)
    tenant_grants.give(version, "ten2", by=root)
    issued = make_credential(version)
    own, other = token(issued), token(issued, tenant="ten2")
    assert is_good(own)
    assert is_good(other)
    tenant_grants.withdraw(version, "ten2", by=root)
    assert not is_good(own)
    assert not is_good(other)
    assert is_good(token(issued))
    assert not is_good(token(issued, tenant="ten2"))


def test_a_transfer_revokes_the_credentials_of_dev(make_credential: Callable[..., Rotated], root: Actor) -> None:
    issued = make_credential()
    Tenant.objects.create(name="ops1")
    version = registration.transfer(issued.holder.version, "ops1", by=root)
    assert not opens(issued)
    assert make_credential(version).holder.client_id == "ops1-app1-v1.0.0"
    with pytest.raises(registration.AlreadyTransferred):
        registration.transfer(version, "main", by=root)


def test_de_registering_revokes_everything_and_frees_the_name(
    make_credential: Callable[..., Rotated], root: Actor
) -> None:
    issued = make_credential()
    running = token(issued)
    registration.deregister(issued.holder.version.app, by=root)
    assert not opens(issued)
    assert not is_good(running)
    registration.register("app1", by=root)


def test_an_ended_secret_that_turns_up_is_told_once_an_hour(
    make_credential: Callable[..., Rotated], root: Actor, clock: Any
) -> None:
    old = make_credential()
    overlap.rotate(old.holder, by=root, grace_hours=0)
    for _ in range(3):
        assert not opens(old)
    assert verbs().count("credential.retired_secret_used") == 1
    clock.move_to(NOON + timedelta(hours=1))
    assert not opens(old)
    assert verbs().count("credential.retired_secret_used") == 2


def test_the_first_use_is_told_and_later_ones_are_noted_once_a_minute(
    make_credential: Callable[..., Rotated], clock: Any
) -> None:
    issued = make_credential()
    bought(issued)
    bought(issued)
    assert verbs().count("credential.secret_first_used") == 1
    clock.move_to(NOON + timedelta(minutes=5))
    bought(issued)
    secret = CredentialSecret.objects.get()
    assert (secret.last_used_at, secret.last_used_from) == (NOON + timedelta(minutes=5), HERE)


def test_guessing_is_slowed_and_a_right_secret_never_is(make_credential: Callable[..., Rotated], clock: Any) -> None:
    issued = make_credential()
    other = make_credential(issued.holder.version, instance="b")
    answers = []
    for _ in range(12):
        with pytest.raises(Refusal) as no:
            bought(issued, other.text)
        answers.append(no.value.status)
    assert answers == [401] * 10 + [429] * 2
    assert opens(issued)


def test_refusals_stand_in_the_history(make_credential: Callable[..., Rotated], root: Actor) -> None:
    issued = make_credential()
    overlap.rotate(issued.holder, by=root)
    with pytest.raises(overlap.TwoSecretsLive) as no:
        overlap.rotate(issued.holder, by=root)
    assert no.value.afterwards
    no.value.afterwards()
    last = AuditEvent.objects.latest("number")
    assert (last.verb, last.after) == ("credential.rotate_refused", {"code": "two_secrets_live"})
    assert audit.verify().holds


def test_what_was_bought_opens_the_portal_until_it_is_revoked(
    make_credential: Callable[..., Rotated], client: Client, root: Actor
) -> None:
    issued = make_credential()
    headers = {"Authorization": f"Bearer {token(issued)}"}
    me = client.get("/api/v1/me", headers=headers)
    assert (me.status_code, me.json()["kind"], me.json()["scopes"]) == (
        200,
        "app",
        ["credentials:rotate-own", "users:read"],
    )
    assert client.get("/api/v1/devices", headers=headers).status_code == 403
    switching.revoke(issued.holder, by=root, reason="leaked")
    answer = client.get("/api/v1/me", headers=headers)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="gatehouse", error="invalid_token"')


def test_an_app_gets_no_api_token_of_nobody(make_version: Any, make_credential: Any, client: Client) -> None:
    issued = make_credential(make_version(scopes=[Scope.TOKENS_MANAGE]))
    headers = {"Authorization": f"Bearer {token(issued)}"}
    wanted = {"name": "mine", "scopes": ["tokens:manage"], "days": 1}
    answer = client.post("/api/v1/tokens", wanted, "application/json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "needs_a_person")


def test_so_do_refusals_of_what_makes_them(make_credential: Callable[..., Rotated], root: Actor) -> None:
    version = make_credential().holder.version
    for again in (
        lambda: credentials.issue(version, by=root, owner=None),
        lambda: registration.register("app1", by=root),
        lambda: registration.add_version(version.app, "v1.0.0", by=root),
        lambda: tenant_grants.give(version, "main", by=root),
    ):
        with pytest.raises(Refusal) as no:
            again()
        assert no.value.afterwards
        no.value.afterwards()
    assert list(AuditEvent.objects.order_by("-number").values_list("verb", "subject_id")[:4]) == [
        ("tenant_grant.give_refused", "app1"),
        ("app.add_version_refused", "app1"),
        ("app.register_refused", "app1"),
        ("credential.issue_refused", "app1"),
    ]
