"""The pages about app credentials: shown once, rotated step by step, switched off and on, handed over, ended."""

import base64
import html
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from portal.actor import Actor
from portal.models import AuditEvent, Outbox, User
from tests.conftest import PASSWORD
from tokens import shown_secrets, switching
from tokens.models import AppCredential, AppVersion, CredentialSecret
from tokens.overlap import Rotated

VERSION = "/portal/apps/app1/versions/v1.0.0/"
WANTED = {"days": "90", "owner": "ada", "scopes": ["users:read"], "rotate_own": "on"}
OLD_HOME, NEW_HOME = "192.0.2.7", "192.0.2.8"


@pytest.fixture
def plain(log_in: Callable[..., Client], administrator: User) -> Client:
    """An administrator whose browser has no JavaScript."""
    return log_in(administrator)


@pytest.fixture
def htmx(log_in: Callable[..., Client], administrator: User) -> Client:
    client = log_in(administrator)
    client.defaults["HTTP_HX_REQUEST"] = "true"
    return client


def text_of(answer: Any) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode())))


def secret_in(answer: Any) -> str:
    found = re.search(r'id="secret-text">(gatecs[0-9A-Za-z]{49})<', answer.content.decode())
    assert found, text_of(answer)
    return found[1]


def page_of(issued: Rotated) -> str:
    return f"/portal/apps/credentials/{issued.holder.pk}/"


def use(client_id: str, secret: str, address: str) -> None:
    shown_secrets.of_client(client_id, secret, address=address)


def test_the_secret_works_and_stands_in_this_one_answer_only(
    plain: Client, make_version: Callable[..., AppVersion]
) -> None:
    make_version()
    answer = plain.post(f"{VERSION}issue/", {**WANTED, "instance": "line2"})
    secret, client_id = secret_in(answer), "main-app1-v1.0.0-line2"
    use(client_id, secret, OLD_HOME)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert f"CLIENT_ID={client_id} CLIENT_SECRET={secret}" in text_of(answer)
    key = re.search(r"Bearer ([A-Za-z0-9+/=]{80,})", text_of(answer))
    assert key
    assert base64.b64decode(key[1]).decode() == f"{client_id}:{secret}"
    listed = [plain.get(VERSION), plain.get(f"/portal/apps/credentials/{AppCredential.objects.get().pk}/")]
    assert all(secret not in page.content.decode() for page in listed)
    kept = [session.get_decoded() for session in Session.objects.all()]
    kept += [*AuditEvent.objects.values(), *Outbox.objects.values(), *CredentialSecret.objects.values()]
    assert secret not in str(kept)
    credential = AppCredential.objects.get()
    assert (credential.owner.username, credential.scopes) == ("ada", ["credentials:rotate-own", "users:read"])


def test_the_example_calls_are_shell_that_is_well_formed_and_python_that_compiles(
    plain: Client, make_version: Callable[..., AppVersion]
) -> None:
    make_version()
    answer = plain.post(f"{VERSION}issue/", WANTED)
    page = f"/portal/apps/credentials/{AppCredential.objects.get().pk}/"
    for kind, content in (("secret", answer), ("env", plain.get(page))):
        shown = dict(re.findall(rf'<pre id="{kind}-(\w+)" tabindex="0">(.*?)</pre>', content.content.decode(), re.S))
        assert set(shown) == {"env", "curl", "one", "python"}
        for name in ("curl", "one"):
            script = html.unescape(shown[name])
            assert subprocess.run(["bash", "-n", "-c", script], check=False).returncode == 0, script
            assert '"appName":"app1","appVersion":"v1.0.0","hostTenant":"main","userTenant":"main"' in script
        compile(html.unescape(shown["python"]), "shown", "exec")
    assert "'$(" not in html.unescape(answer.content.decode())


def test_htmx_gets_the_version_with_the_secret_in_it_and_nothing_pushed(
    htmx: Client, make_version: Callable[..., AppVersion]
) -> None:
    make_version()
    answer = htmx.post(f"{VERSION}issue/", WANTED)
    assert answer.content.decode().strip().startswith('<article id="app-version"')
    assert secret_in(answer)
    assert "HX-Push-Url" not in answer


def test_the_form_gives_all_that_the_version_declares_until_something_is_unticked(
    plain: Client, make_version: Callable[..., AppVersion]
) -> None:
    make_version(scopes=["users:read", "devices:read"])
    form = plain.get(VERSION).content.decode()
    assert 'name="scopes" value="users:read" checked' in form
    assert 'name="rotate_own" checked' in form
    assert "not for mobile apps" in form
    assert "One set belongs to one running instance" in form
    plain.post(f"{VERSION}issue/", {"days": "90", "owner": "ada", "scopes": ["devices:read"]})
    assert AppCredential.objects.get().scopes == ["devices:read"]


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"days": "366"}, 400, "A secret lives 1 to 365 days."),
        ({"instance": "Line-2"}, 400, "A label is 1 to 20 small letters and digits."),
        ({"owner": ""}, 400, "Say who hears when the secret expires."),
        ({"owner": "nobody"}, 400, "There is no person named nobody"),
        ({"scopes": ["devices:read"]}, 400, "Select a valid choice"),
        ({"instance": "taken"}, 409, "has credentials main-app1-v1.0.0-taken already; rotate those"),
    ],
)
def test_what_is_wrong_with_new_credentials_stands_beside_the_field(
    plain: Client, htmx: Client, make_credential: Callable[..., Rotated], change: Any, status: int, sentence: str
) -> None:
    make_credential(instance="taken")
    answer = plain.post(f"{VERSION}issue/", {**WANTED, **change})
    assert answer.status_code == status
    assert sentence in text_of(answer)
    answer = htmx.post(f"{VERSION}issue/", {**WANTED, **change})
    assert (answer.status_code, answer["HX-Retarget"]) == (status, "#app-version")
    assert AppCredential.objects.count() == 1


def test_issuing_and_rotating_want_a_fresh_password(plain: Client, make_credential: Callable[..., Rotated]) -> None:
    issued = make_credential()
    page, rotation = page_of(issued), {"grace_hours": "24", "days": "90"}
    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=True):
        for path, sent in ((f"{VERSION}issue/", {**WANTED, "instance": "b"}), (f"{page}rotate/", rotation)):
            assert plain.post(path, sent).status_code == 400
            wrong = plain.post(path, {**sent, "password": "wrong"})
            assert wrong.status_code == 403
            assert "Type your own password to confirm this" in text_of(wrong)
        assert CredentialSecret.objects.count() == 1
        assert secret_in(plain.post(f"{page}rotate/", {**rotation, "password": PASSWORD}))


def test_a_rotation_is_walked_from_the_new_secret_to_the_end_of_the_overlap(
    plain: Client, make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential()
    page, client_id = page_of(issued), issued.holder.client_id
    use(client_id, issued.text, OLD_HOME)
    second = secret_in(plain.post(f"{page}rotate/", {"grace_hours": "24", "days": "90", "reason": "quarterly"}))
    shown = text_of(plain.get(page))
    assert "A rotation is open" in shown
    assert "The new one is used for the first time. Not yet." in shown
    assert f"was last used just now from {OLD_HOME}" in shown
    assert "never used, so the app would be shut out" in shown
    use(client_id, second, NEW_HOME)
    assert f"UTC from {NEW_HOME}; last just now" in text_of(plain.get(page))
    refused = plain.post(f"{page}end-overlap/")
    assert refused.status_code == 409
    assert f"from {OLD_HOME}. Move that program to the new one first" in text_of(refused)
    assert plain.post(f"{page}end-overlap/", {"confirm": "on"})["Location"] == page
    shown = text_of(plain.get(page))
    assert "Its secret has been rotated" in shown
    assert "by ada" in shown
    with pytest.raises(shown_secrets.Ended):
        use(client_id, issued.text, OLD_HOME)
    use(client_id, second, NEW_HOME)


def test_the_confirmation_is_asked_for_only_where_the_old_secret_is_in_use(
    plain: Client, make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential()
    plain.post(f"{page_of(issued)}rotate/", {"grace_hours": "24", "days": "90"})
    assert 'id="confirm-end"' not in plain.get(page_of(issued)).content.decode()
    use(issued.holder.client_id, issued.text, OLD_HOME)
    assert 'id="confirm-end"' in plain.get(page_of(issued)).content.decode()


def test_a_third_secret_wants_the_older_one_to_be_given_up(
    plain: Client, make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential()
    path, sent = f"{page_of(issued)}rotate/", {"grace_hours": "24", "days": "90"}
    plain.post(path, sent)
    refused = plain.post(path, sent)
    assert refused.status_code == 409
    assert "has two live secrets" in text_of(refused)
    assert secret_in(plain.post(path, {**sent, "force": "on", "end_tokens": "on"}))


def test_a_cancelled_rotation_leaves_the_old_secret(plain: Client, make_credential: Callable[..., Rotated]) -> None:
    issued = make_credential()
    second = secret_in(plain.post(f"{page_of(issued)}rotate/", {"grace_hours": "24", "days": "90"}))
    plain.post(f"{page_of(issued)}cancel-rotation/")
    use(issued.holder.client_id, issued.text, OLD_HOME)
    with pytest.raises(shown_secrets.Ended):
        use(issued.holder.client_id, second, NEW_HOME)


def test_what_is_wrong_with_a_rotation_stands_beside_the_field(
    htmx: Client, make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential()
    for sent, sentence in (
        ({"grace_hours": "721", "days": "90"}, "The old secret goes on for 0 to 720 hours."),
        ({"grace_hours": "24", "days": "0"}, "A secret lives 1 to 365 days."),
    ):
        answer = htmx.post(f"{page_of(issued)}rotate/", sent)
        assert (answer.status_code, answer["HX-Retarget"]) == (400, "#credential")
        assert sentence in text_of(answer)
    assert CredentialSecret.objects.count() == 1


def test_the_part_that_goes_on_by_itself_answers_only_when_it_has_changed(
    htmx: Client, plain: Client, make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential()
    page = page_of(issued)
    polled = re.search(rf'hx-get="({page}rotation/\?known=\w+)"', plain.get(page).content.decode())
    assert polled
    assert htmx.get(polled[1]).status_code == 204
    use(issued.holder.client_id, issued.text, OLD_HOME)
    answer = htmx.get(polled[1])
    assert answer.content.decode().strip().startswith('<section id="rotation"')
    assert "hx-trigger" not in answer.content.decode()
    assert plain.get(polled[1])["Location"] == page


def test_it_is_disabled_enabled_revoked_and_deleted_with_reasons(
    plain: Client, make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential()
    page, client_id = page_of(issued), issued.holder.client_id
    assert plain.post(f"{page}disable/", {"reason": ""}).status_code == 400
    assert plain.post(f"{page}delete/").status_code == 409
    plain.post(f"{page}disable/", {"reason": "maintenance"})
    shown = text_of(plain.get(page))
    assert "Disabled by ada" in shown
    assert "maintenance" in shown
    with pytest.raises(shown_secrets.Disabled):
        use(client_id, issued.text, OLD_HOME)
    plain.post(f"{page}enable/")
    use(client_id, issued.text, OLD_HOME)
    plain.post(f"{page}revoke/", {"reason": "leaked"})
    assert "Revoked by ada" in text_of(plain.get(page))
    assert plain.post(f"{page}rotate/", {"grace_hours": "0", "days": "9"}).status_code == 409
    assert plain.post(f"{page}delete/")["Location"] == VERSION
    assert plain.get(page).status_code == 404
    verbs = AuditEvent.objects.filter(subject_id=client_id, verb__startswith="credential.").values_list(
        "verb", flat=True
    )
    assert {"credential.disabled", "credential.enabled", "credential.revoked", "credential.deleted"} <= set(verbs)


def test_what_has_changed_since_it_was_looked_at_is_refused(
    htmx: Client, make_credential: Callable[..., Rotated], root: Any
) -> None:
    issued = make_credential()
    seen = issued.holder.revision
    switching.disable(issued.holder, by=root, reason="maintenance")
    answer = htmx.post(f"{page_of(issued)}revoke/", {"reason": "leaked", "seen": seen})
    assert answer.status_code == 409
    assert "has changed since you looked" in text_of(answer)
    assert AppCredential.objects.get().revoked_at is None


def test_administrators_see_that_the_owner_is_gone_and_hand_it_over(
    plain: Client, log_in: Callable[..., Client], viewer: User, operator: User, make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential(owner=operator)
    page = page_of(issued)
    assert "Without owner." not in text_of(plain.get(page))
    User.objects.filter(pk=operator.pk).update(is_active=False)
    assert "Without owner. otto is not active any more" in text_of(plain.get(page))
    assert "without owner" in text_of(plain.get(VERSION))
    assert "Without owner." not in text_of(log_in(viewer).get(page))
    assert plain.post(f"{page}hand-over/", {"owner": "otto"}).status_code == 400
    plain.post(f"{page}hand-over/", {"owner": "vera"})
    assert AppCredential.objects.get().owner == viewer
    assert "Without owner." not in text_of(plain.get(page))


def test_an_expired_set_is_brought_back_by_rotating_it(plain: Client, make_credential: Callable[..., Rotated]) -> None:
    issued = make_credential(days=1)
    AppCredential.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    CredentialSecret.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    assert "Rotate it below: a new secret brings it back" in text_of(plain.get(page_of(issued)))
    secret = secret_in(plain.post(f"{page_of(issued)}rotate/", {"grace_hours": "24", "days": "90"}))
    use(issued.holder.client_id, secret, OLD_HOME)


def test_one_that_expired_while_it_was_disabled_is_offered_nothing_that_would_be_refused(
    plain: Client, make_credential: Callable[..., Rotated], root: Actor
) -> None:
    issued = make_credential(days=1)
    switching.disable(issued.holder, by=root, reason="looking into it")
    AppCredential.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    CredentialSecret.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    answer = plain.get(page_of(issued))
    assert "It had been disabled, so nothing brings it back: delete it, and issue another set." in text_of(answer)
    shown = answer.content.decode()
    offered = [verb for verb in ("rotate", "enable", "delete") if f'action="{page_of(issued)}{verb}/"' in shown]
    assert offered == ["delete"]


def test_the_history_is_for_who_may_read_the_audit_trail(
    plain: Client, make_credential: Callable[..., Rotated]
) -> None:
    issued = make_credential()
    plain.post(f"{page_of(issued)}disable/", {"reason": "maintenance"})
    shown = plain.get(page_of(issued)).content.decode()
    assert 'id="history"' in shown
    assert "maintenance" in shown
