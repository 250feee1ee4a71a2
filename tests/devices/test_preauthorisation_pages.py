"""The pages on which a person announces devices: one in a form, or a list that is judged before anything is written."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from devices import device_lists, identity, preauthorisation_pages
from devices.models import Device
from portal.models import AuditEvent, User
from tests.conftest import MenderDevice

PAGE = "/portal/devices/list/preauthorize/"
SECRET = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
PRIVATE = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"


@pytest.fixture
def otto(log_in: Callable[..., Client], operator: User) -> Client:
    return log_in(operator)


@pytest.fixture
def pem(mender_device: Callable[..., MenderDevice]) -> str:
    return mender_device().pem


def text_of(answer: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode())))


def judged(answer: Any) -> str:
    (packed,) = re.findall(r'name="judged" value="([^"]+)"', answer.content.decode())
    return str(packed)


def judge(client: Client, text: str) -> Any:
    return client.post(f"{PAGE}judge/", {"text": text})


class TestOne:
    def test_a_device_is_announced_by_its_identity(self, otto: Client, pem: str) -> None:
        said = "mac=00:1b:44:11:3a:b7\r\n\r\n serial = PRESS=1 \r\n"
        answer = otto.post(f"{PAGE}one/", {"identity": said, "key": pem})
        device = Device.objects.get()
        assert (answer.status_code, answer["Location"]) == (302, f"/portal/devices/{device.pk}/")
        members = {"mac": "00:1b:44:11:3a:b7", "serial": "PRESS=1"}
        assert (device.status, device.introduction.members) == ("preauthorized", members)
        assert device.pk == identity.digest(members)
        assert AuditEvent.objects.get().actor == "otto"

    def test_or_by_its_id(self, otto: Client, pem: str) -> None:
        assert otto.post(f"{PAGE}one/", {"id": "press-1", "key": pem}).status_code == 302
        assert Device.objects.get().pk == "press-1"

    @pytest.mark.parametrize(
        ("sent", "sentence"),
        [
            ({}, "Write the members of the identity, or the id below"),
            ({"identity": "a=1", "id": "press-1"}, "Write the members of the identity, or the id below"),
            ({"identity": "PRESS-1"}, "Write one member a line"),
            ({"identity": "=1"}, "Write one member a line"),
            ({"identity": "a=1\na=2"}, "It names a member twice"),
            ({"identity": "a=\u202e1"}, "invisible character U+202E"),
            ({"id": "press 1"}, "An id is 1 to 128"),
            ({"id": "press-1", "key": "no key"}, "The key cannot be used"),
            ({"id": "press-1", "key": ""}, "Paste the device's public key"),
        ],
    )
    def test_what_is_wrong_is_said_and_the_rest_is_kept(
        self, otto: Client, pem: str, sent: dict[str, str], sentence: str
    ) -> None:
        answer = otto.post(f"{PAGE}one/", {"key": pem} | sent)
        assert answer.status_code == 400
        assert sentence in text_of(answer)
        if "key" not in sent:
            assert pem.strip() in answer.content.decode()
        assert not Device.objects.exists()

    def test_a_private_key_is_refused_and_not_shown_again(self, otto: Client) -> None:
        answer = otto.post(f"{PAGE}one/", {"id": "press-1", "key": PRIVATE})
        assert answer.status_code == 400
        assert "This is a private key" in text_of(answer)
        assert SECRET not in answer.content.decode()

    def test_the_device_in_the_way_is_named(self, otto: Client, pem: str, make_device: Callable[..., Device]) -> None:
        make_device("press-2", {"a": "1"}, status="accepted")
        answer = otto.post(f"{PAGE}one/", {"identity": "a=1", "key": pem})
        assert answer.status_code == 409
        assert "press-2 is accepted already" in text_of(answer)


class TestList:
    def test_is_judged_first_and_then_what_was_ready_is_carried_out(
        self, otto: Client, pem: str, make_device: Callable[..., Device]
    ) -> None:
        make_device("press-2")
        answer = judge(otto, f'id,key\r\npress-1,"{pem}"\r\npress-2,"{pem}"\r\npress-3,\r\n')
        page = text_of(answer)
        assert "1 ready, 2 refused" in page
        assert "line 6 press-2 press-2 is pending already" in page
        assert "line 10 press-3 The key cannot be used" in page
        assert Device.objects.count() == 1
        Device.objects.all().delete()  # So that this line would be ready now, which nobody was shown.
        done = text_of(otto.post(f"{PAGE}carry-out/", {"judged": judged(answer)}))
        assert "1 preauthorized" in done
        assert Device.objects.get().pk == "press-1"

    def test_done_twice_it_is_refused_the_second_time(self, otto: Client, pem: str) -> None:
        packed = judged(judge(otto, f'id,key\npress-1,"{pem}"\n'))
        otto.post(f"{PAGE}carry-out/", {"judged": packed})
        again = text_of(otto.post(f"{PAGE}carry-out/", {"judged": packed}))
        assert "0 preauthorized, 1 refused" in again
        assert "press-1 is preauthorized already" in again
        assert AuditEvent.objects.filter(verb="device.preauthorized").count() == 1

    def test_devices_are_known_by_what_they_say(self, otto: Client, pem: str) -> None:
        answer = judge(otto, f'mac,sn,hall,line,key\n00:1b,1,3,7,"{pem}"\n00:1c,,,,no key\n')
        page = text_of(answer)
        assert "mac 00:1b sn 1 hall 3" in page
        assert "mac 00:1c" in page
        assert "line 7" not in page
        assert "mac 00:1b" in text_of(otto.post(f"{PAGE}carry-out/", {"judged": judged(answer)}))

    def test_may_be_a_file(self, otto: Client, pem: str) -> None:
        file = SimpleUploadedFile("list.csv", f'\ufeffid,key\npress-1,"{pem}"\n'.encode())
        assert "1 ready" in text_of(otto.post(f"{PAGE}judge/", {"file": file, "text": ""}))

    def test_a_file_or_a_text_and_not_both_and_not_too_large(self, otto: Client, pem: str) -> None:
        text = f'id,key\npress-1,"{pem}"\n'
        both = {"file": SimpleUploadedFile("list.csv", text.encode()), "text": text}
        for sent in (both, {}, {"text": "  "}):
            answer = otto.post(f"{PAGE}judge/", sent)
            assert answer.status_code == 400
            assert "Choose a file, or paste the list, one of them." in text_of(answer)
        large = SimpleUploadedFile("list.csv", b"x" * (device_lists.MAX_BYTES + 1))
        assert "send it in parts" in text_of(otto.post(f"{PAGE}judge/", {"file": large}))

    def test_no_list_is_refused_with_what_would_help(self, otto: Client) -> None:
        answer = judge(otto, "sn;key\n1;2")
        assert answer.status_code == 400
        assert "not separated by commas" in text_of(answer)

    def test_what_was_changed_on_its_way_is_refused(self, otto: Client, pem: str) -> None:
        packed = judged(judge(otto, f'id,key\npress-1,"{pem}"\n'))
        for sent in ({"judged": packed[:-8]}, {"judged": f"0{packed}"}, {}):
            answer = otto.post(f"{PAGE}carry-out/", sent)
            assert answer.status_code == 400
            assert "udge the list again" in text_of(answer)
        assert not Device.objects.exists()

    def test_a_list_of_which_no_line_is_ready_offers_nothing(self, otto: Client) -> None:
        page = judge(otto, "id,key\npress-1,x\n").content.decode()
        assert "carry-out" not in page
        assert "No line is ready" in page

    def test_a_private_key_is_not_shown_again_nor_carried_along(self, otto: Client, pem: str) -> None:
        answer = judge(otto, f'id,key\npress-1,"{PRIVATE}"\npress-2,"{pem}"\n')
        assert "1 ready, 1 refused" in text_of(answer)
        assert SECRET not in answer.content.decode()
        assert SECRET not in judge(otto, PRIVATE).content.decode()

    def test_shows_a_bounded_number_of_each_kind(self, otto: Client, pem: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert preauthorisation_pages.SHOWN == 200
        monkeypatch.setattr(preauthorisation_pages, "SHOWN", 2)
        rows = "".join(f'press-{number},"{pem}"\nbad-{number},\n' for number in range(3))
        page = text_of(judge(otto, f"id,key\n{rows}"))
        assert page.count("The first 2 of 3.") == 2
        assert "press-2" not in page

    def test_shows_ids_as_text(self, otto: Client, pem: str) -> None:
        assert "<script>" not in judge(otto, f'id,key\n<script>alert(1)</script>,"{pem}"\n').content.decode()

    def test_the_list_to_begin_with_is_one(self, otto: Client) -> None:
        answer = otto.get(f"{PAGE}template.csv")
        assert answer["Content-Disposition"] == 'attachment; filename="gatehouse-preauthorize.csv"'
        (line,) = device_lists.read(device_lists.decode(answer.content))
        assert line.expected


def test_the_page_is_offered_to_those_who_may_admit(otto: Client, log_in: Callable[..., Client], viewer: User) -> None:
    assert f'href="{PAGE}"' in otto.get("/portal/devices/").content.decode()
    assert f'href="{PAGE}"' in otto.get("/portal/devices/?tab=preauthorized").content.decode()
    assert otto.get(PAGE).status_code == 200
    vera = log_in(viewer)
    assert f'href="{PAGE}"' not in vera.get("/portal/devices/").content.decode()
    for path in (PAGE, f"{PAGE}template.csv"):
        assert vera.get(path).status_code == 403
