"""The pages about apps on devices: installed with a token shown once, moved to a version, rotated, uninstalled."""

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from devices.models import Device, Status
from portal.models import AuditEvent, Outbox, User
from tokens import shown_secrets
from tokens.models import AppTokenSecret, AppVersion, InstalledApp

APP = "/portal/apps/app1/"
HERE = "192.0.2.7"
WANTED = {"device": "press-1", "version": "v1.0.0", "days": "90", "owner": "ada"}


@pytest.fixture
def plain(log_in: Callable[..., Client], administrator: User) -> Client:
    """An administrator whose browser has no JavaScript."""
    return log_in(administrator)


@pytest.fixture
def htmx(log_in: Callable[..., Client], administrator: User) -> Client:
    client = log_in(administrator)
    client.defaults["HTTP_HX_REQUEST"] = "true"
    return client


@pytest.fixture(autouse=True)
def version(make_version: Callable[..., AppVersion]) -> AppVersion:
    return make_version(features=["API.Shutdown"])


@pytest.fixture(autouse=True)
def device(make_device: Callable[..., Device]) -> Device:
    return make_device(status=Status.ACCEPTED)


def text_of(answer: Any) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode())))


def token_in(answer: Any) -> str:
    found = re.search(r'id="secret-text">(gate_app_[0-9A-Za-z]{12}_[0-9A-Za-z_-]{49})<', answer.content.decode())
    assert found, text_of(answer)
    return found[1]


def page() -> str:
    return f"{APP}installations/{InstalledApp.objects.get().pk}/"


def use(token: str) -> None:
    shown_secrets.of_installation(token, address=HERE)


def test_the_app_token_works_and_stands_in_this_one_answer_only_with_the_file_that_holds_it(plain: Client) -> None:
    answer = plain.post(f"{APP}install/", WANTED)
    token = token_in(answer)
    use(token)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    file = re.search(r'<pre id="file-apptoken" tabindex="0">(.*?)</pre>', answer.content.decode(), re.S)
    assert file
    assert json.loads(html.unescape(file[1])) == {"appPrimaryToken": token}
    assert 'data-save="file-apptoken" download=".apptoken"' in answer.content.decode()
    assert all(token not in plain.get(path).content.decode() for path in (APP, page()))
    kept = [*AuditEvent.objects.values(), *Outbox.objects.values(), *AppTokenSecret.objects.values()]
    assert token not in str(kept)
    assert InstalledApp.objects.get().owner.username == "ada"


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"device": ""}, 400, "Say on which device."),
        ({"device": "nobody"}, 404, "There is no device nobody"),
        ({"device": "press-2"}, 409, "is pending; accept it first, then install apps on it."),
        ({"device": "press-3"}, 409, "app1 is on press-3 already, as v1.0.0"),
        ({"version": "v9"}, 404, "app1 has no version v9"),
        ({"days": "0"}, 400, "An app token lives 1 to 365 days."),
        ({"owner": "nobody"}, 400, "There is no person named nobody"),
    ],
)
def test_what_is_wrong_with_an_installation_stands_beside_the_field(
    plain: Client, htmx: Client, make_device: Callable[..., Device], change: Any, status: int, sentence: str
) -> None:
    make_device("press-2")
    make_device("press-3", status=Status.ACCEPTED)
    plain.post(f"{APP}install/", {**WANTED, "device": "press-3"})
    answer = plain.post(f"{APP}install/", {**WANTED, **change})
    assert answer.status_code == status
    assert sentence in text_of(answer)
    answer = htmx.post(f"{APP}install/", {**WANTED, **change})
    assert (answer.status_code, answer["HX-Retarget"]) == (status, "#app")
    assert InstalledApp.objects.count() == 1


def test_the_token_is_rotated_and_both_files_are_shown_again(htmx: Client) -> None:
    first = token_in(htmx.post(f"{APP}install/", WANTED))
    answer = htmx.post(f"{page()}rotate/", {"grace_hours": "24", "days": "90"})
    assert answer.content.decode().strip().startswith('<article id="installation"')
    second = token_in(answer)
    use(first)
    use(second)
    assert "A rotation is open" in text_of(answer)
    htmx.post(f"{page()}end-overlap/", {"confirm": "on"})
    with pytest.raises(shown_secrets.Ended):
        use(first)
    use(second)


def test_another_version_takes_its_place_and_the_token_stays(
    plain: Client, make_version: Callable[..., AppVersion]
) -> None:
    token = token_in(plain.post(f"{APP}install/", WANTED))
    make_version("v1.1.0")
    plain.post(f"{page()}change-version/", {"version": "v1.1.0"})
    assert InstalledApp.objects.get().version.version == "v1.1.0"
    use(token)
    assert plain.post(f"{page()}change-version/", {"version": "v9"}).status_code == 404


def test_it_is_disabled_enabled_revoked_and_uninstalled(plain: Client) -> None:
    token = token_in(plain.post(f"{APP}install/", WANTED))
    at = page()
    assert plain.post(f"{at}delete/").status_code == 409
    plain.post(f"{at}disable/", {"reason": "maintenance"})
    assert "Disabled by ada" in text_of(plain.get(at))
    with pytest.raises(shown_secrets.Disabled):
        use(token)
    plain.post(f"{at}enable/")
    use(token)
    plain.post(f"{at}revoke/", {"reason": "leaked"})
    with pytest.raises(shown_secrets.Revoked):
        use(token)
    assert plain.post(f"{at}delete/")["Location"] == APP
    assert plain.get(at).status_code == 404
    assert token_in(plain.post(f"{APP}install/", WANTED))


def test_of_another_app_it_is_not_found(plain: Client, make_version: Callable[..., AppVersion]) -> None:
    plain.post(f"{APP}install/", WANTED)
    make_version(app="app2")
    assert plain.get(page().replace("app1", "app2")).status_code == 404


def test_the_part_that_goes_on_by_itself_answers_only_when_it_has_changed(htmx: Client, plain: Client) -> None:
    token = token_in(plain.post(f"{APP}install/", WANTED))
    polled = re.search(rf'hx-get="({page()}rotation/\?known=\w+)"', plain.get(page()).content.decode())
    assert polled
    assert htmx.get(polled[1]).status_code == 204
    use(token)
    assert "from 192.0.2.7" in text_of(htmx.get(polled[1]))
