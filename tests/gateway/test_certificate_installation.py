"""Installed certificates: one row, sealed, live at the node that is meant; every face says the same yes and no."""

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from gateway import certificate_installation, certificates, discovery, doctor, nodes, remote_nodes, run_folder
from gateway.certificate_pem import Sent
from gateway.models import GatewayNode, Role, TlsCertificate
from portal import expiry, sealing
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, User
from portal.refusal import Refusal
from portal.scopes import Scope
from tests.pki import SERVER, Authority, Holder

pytestmark = pytest.mark.django_db
PATH, PAGE = "/api/v1/certificates", "/portal/gateway/certificates/"
HTMX = {"HX-Request": "true"}
both = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
CA = Authority("plant CA")


def issued(**facts: Any) -> Holder:
    return CA.issue("gate.example", **{"purposes": (SERVER,), "dns_names": ("gate.example",), **facts})


def put(pair: Holder, root: Actor, **facts: Any) -> TlsCertificate:
    return certificate_installation.install(
        Sent(pair.pem, "The certificate"), Sent(pair.key_pem, "The key"), by=root, **facts
    )


@pytest.fixture(autouse=True)
def own(root: Actor) -> TlsCertificate:
    nodes.local(by=root)
    return certificates.ensure_default(by=root)


@pytest.fixture
def hall(root: Actor) -> GatewayNode:
    return remote_nodes.make("hall-3", bind="127.0.0.2", by=root)[0]


def door_of(node: GatewayNode | None = None) -> str:
    """The chain that a node is offered for its door."""
    [secret] = discovery.offer("secrets", ["door"], node).resources
    return str(secret["tls_certificate"]["certificate_chain"]["inline_string"])


class TestRule:
    def test_it_is_one_sealed_row_and_the_door_shows_it(self, root: Actor, own: TlsCertificate) -> None:
        pair = issued()
        installed = put(pair, root)
        assert TlsCertificate.objects.shown(Role.DOOR) == installed
        assert TlsCertificate.objects.count() == 2
        assert "PRIVATE" not in installed.sealed_key
        assert sealing.unseal(installed.sealed_key).decode() == pair.key_pem
        assert door_of() == pair.pem
        [event] = AuditEvent.objects.filter(verb="certificate.installed")
        assert (event.subject_id, event.after["fingerprint"]) == ("door", installed.fingerprint)
        assert Outbox.objects.get(topic="certificate.installed").body["node"] == "local"

    def test_the_same_pair_again_changes_nothing(self, root: Actor) -> None:
        pair = issued()
        first, again = put(pair, root), put(pair, root)
        assert (again.pk, again.created_at) == (first.pk, first.created_at)
        assert AuditEvent.objects.filter(verb="certificate.installed").count() == 1

    def test_unless_what_is_stored_was_spoiled(self, root: Actor) -> None:
        pair = issued()
        first = put(pair, root)
        for spoiled in (sealing.seal(issued().key_pem.encode()), first.sealed_key[:40]):
            TlsCertificate.objects.filter(pk=first.pk).update(sealed_key=spoiled)
            assert certificates.fits(put(pair, root))

    def test_another_takes_its_place_and_a_refused_one_changes_nothing(self, root: Actor) -> None:
        put(issued(), root)
        second = put(issued(), root)
        events = AuditEvent.objects.count()
        wrong = Holder(issued().certificate, issued().key)
        with pytest.raises(certificate_installation.certificate_checks.KeyMismatch):
            put(wrong, root)
        assert [row.fingerprint for row in TlsCertificate.objects.filter(installed=True)] == [second.fingerprint]
        assert AuditEvent.objects.count() == events

    def test_the_public_url_counts_if_it_was_set(self, root: Actor, settings: Any, hall: GatewayNode) -> None:
        pair = issued(dns_names=("other.example",))
        settings.PUBLIC_URL, settings.PUBLIC_URL_SET = "https://gate.example:8443", True
        with pytest.raises(certificate_installation.certificate_checks.WrongNames, match=r"not for gate\.example"):
            put(pair, root)
        assert put(pair, root, any_name=True).names == ["other.example"]
        assert put(pair, root, node=hall).node == hall

    def test_each_node_is_offered_its_own_and_never_anothers_key(self, root: Actor, hall: GatewayNode) -> None:
        local, remote = issued(), issued()
        made = TlsCertificate.objects.shown(Role.DOOR, hall)
        assert made
        assert door_of(hall) == made.chain
        put(local, root)
        assert door_of(hall) == made.chain
        put(remote, root, node=hall)
        assert (door_of(), door_of(hall)) == (local.pem, remote.pem)
        whole = json.dumps(discovery.offer("secrets", [], hall).resources)
        assert local.key_pem.splitlines()[1] not in whole
        TlsCertificate.objects.filter(node=hall).delete()
        assert discovery.offer("secrets", ["door"], hall).resources == []

    def test_a_folder_that_takes_no_file_keeps_no_certificate_from_the_door(
        self, root: Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
    ) -> None:
        monkeypatch.setattr(run_folder, "DOOR_CHAIN", tmp_path)
        with django_capture_on_commit_callbacks(execute=True) as done:
            put(issued(), root)
        assert certificates.publish in done
        assert door_of() == TlsCertificate.objects.get(installed=True).chain

    @pytest.mark.django_db(transaction=True)
    def test_at_a_node_that_is_deleted_at_this_moment_none_is_installed(self, root: Actor, hall: GatewayNode) -> None:
        met: list[Refusal] = []
        comes = Event()

        def install() -> None:
            try:
                connection.ensure_connection()
                comes.set()
                put(issued(), root, node=hall)
            except Refusal as no:
                met.append(no)
            finally:
                connection.close()

        installing = Thread(target=install)

        def meanwhile(execute: Any, sql: str, *facts: Any) -> Any:
            done = execute(sql, *facts)
            if sql.startswith('DELETE FROM "gateway_tlscertificate"'):
                installing.start()
                assert comes.wait(60)
                installing.join(0.5)
            return done

        with connection.execute_wrapper(meanwhile):
            remote_nodes.delete(hall, by=root)
        installing.join()
        assert [no.code for no in met] == ["node_not_found"]
        assert not TlsCertificate.objects.exclude(node=None).exists()

    def test_removing_it_brings_the_own_one_back(self, root: Actor, own: TlsCertificate) -> None:
        installed = put(issued(), root)
        certificate_installation.remove(installed, by=root, reason="It leaked.")
        assert door_of() == own.chain
        event = AuditEvent.objects.get(verb="certificate.removed")
        assert (event.reason, event.after) == ("It leaked.", None)
        with pytest.raises(certificate_installation.NotInstalled):
            certificate_installation.remove(own, by=root)
        with pytest.raises(certificate_installation.Unknown):
            certificate_installation.remove(installed, by=root)

    def test_it_is_live_once_its_node_holds_it(self, root: Actor, own: TlsCertificate) -> None:
        installed, node = put(issued(), root), GatewayNode.objects.get()
        assert not certificate_installation.is_live(installed)
        content = discovery.offer("secrets", ["door"]).content
        poll = nodes.Poll("secrets/door", f"{content}.0")
        nodes.judge(node, poll, content, objected=lambda since: None, why=lambda: None)
        assert certificate_installation.is_live(installed)
        assert certificate_installation.wait_until_live(installed, 0)
        assert not certificate_installation.is_live(own)
        put(issued(), root)
        assert not certificate_installation.is_live(certificate_installation.find(installed.pk))


class TestExpiring:
    def test_each_door_is_told_of_with_the_one_that_it_shows(self, root: Actor, hall: GatewayNode) -> None:
        put(issued(), root)
        found = expiry.find(root, kind="certificate", days=366, most=9)
        assert {each.told.subject for each in found} == {("certificate", "door"), ("certificate", "door of hall-3")}
        assert {each.told.url for each in found} == {PAGE}


class TestDoctor:
    @pytest.mark.parametrize(
        ("left", "said"),
        [
            (timedelta(days=-1), "The certificate that the node hall-3 shows ended on"),
            (timedelta(days=6), "The certificate that the node hall-3 shows ends on"),
            (timedelta(days=8), None),
        ],
    )
    def test_names_what_nodes_elsewhere_show_that_has_ended_or_is_about_to(
        self, root: Actor, hall: GatewayNode, left: timedelta, said: str | None
    ) -> None:
        remote_nodes.make("hall-4", by=root)
        installed = put(issued(), root, node=hall)
        ends = timezone.now() + left
        TlsCertificate.objects.filter(pk=installed.pk).update(not_after=ends, not_before=ends - timedelta(days=90))
        found = {finding.about: finding.wrong for finding in doctor.examine()}["node certificates"]
        whole = f"{said} {ends:%Y-%m-%d}; install the next one with install_certificate --node hall-3."
        assert found == (whole if said else None)

    def test_says_nothing_of_one_that_no_door_shows(self, root: Actor, hall: GatewayNode) -> None:
        put(issued(), root, node=hall)
        past = timezone.now() - timedelta(days=1)
        TlsCertificate.objects.filter(node=hall, installed=False).update(
            not_after=past, not_before=past - timedelta(days=90)
        )
        assert {finding.about: finding.wrong for finding in doctor.examine()}["node certificates"] is None


class TestCommand:
    @pytest.fixture
    def files(self, tmp_path: Path) -> Callable[[Holder], list[str]]:
        def write(pair: Holder) -> list[str]:
            certificate, key = pair.files(tmp_path)
            return ["--cert", certificate, "--key", key]

        return write

    def run(self, *words: str) -> tuple[Any, str]:
        out, err = StringIO(), StringIO()
        call_command("install_certificate", *words, stdout=out, stderr=err)
        return json.loads(out.getvalue()), err.getvalue()

    def test_prints_what_the_door_shows_and_does_not_wait_for_a_node_that_is_away(
        self, files: Callable[[Holder], list[str]], hall: GatewayNode
    ) -> None:
        pair = issued()
        told, warned = self.run(*files(pair), "--node", "hall-3")
        assert list(told) == ["fingerprint", "subject", "not_after", "names", "live"]
        assert (told["subject"], told["names"], told["live"]) == ("CN=gate.example", ["gate.example"], False)
        assert told["not_after"].endswith("Z")
        assert warned == ""
        assert TlsCertificate.objects.get(node=hall, installed=True).chain == pair.pem

    def test_warns_of_nodes_that_may_not_know_it(self, files: Callable[[Holder], list[str]], hall: GatewayNode) -> None:
        GatewayNode.objects.update(last_seen=None)
        _, warned = self.run(*files(issued()))
        assert "Warning: The nodes hall-3 come to the portal by this door" in warned

    def test_warns_and_refuses_in_sentences(self, files: Callable[[Holder], list[str]], tmp_path: Path) -> None:
        _, warned = self.run(*files(issued(ends=timedelta(days=9))))
        assert "Warning: The certificate has 9 days left" in warned
        with pytest.raises(CommandError, match=r"does not belong to the first certificate in \d+\.pem"):
            self.run(*files(issued())[:2], *files(issued())[2:])
        with pytest.raises(CommandError, match="nowhere cannot be read: No such file or directory"):
            self.run("--cert", "nowhere", "--key", "nowhere")
        with pytest.raises(CommandError, match="no gateway node named hall-9"):
            self.run(*files(issued()), "--node", "hall-9")


class TestRest:
    @pytest.fixture
    def client(self, rest: Callable[..., APIClient]) -> APIClient:
        return rest(Scope.GATEWAY_READ, Scope.GATEWAY_MANAGE)

    def test_one_is_installed_listed_and_removed(self, client: APIClient, hall: GatewayNode) -> None:
        pair = issued()
        sent = {"certificate": pair.pem, "key": pair.key_pem, "node": "hall-3"}
        made: Any = client.post(PATH, sent, format="json")
        assert made.status_code == 201
        assert set(made.json()) == {"fingerprint", "subject", "names", "not_after", "live"}
        assert pair.key_pem.splitlines()[1] not in made.content.decode()
        one: Any = client.get(made["Location"]).json()
        assert (one["node"], one["installed"], one["shown"], one["live"]) == ("hall-3", True, True, False)
        listed = client.get(PATH).json()["results"]  # type: ignore[attr-defined]
        assert [(each["node"], each["installed"], each["shown"]) for each in listed] == [
            ("local", False, True), ("hall-3", False, False), ("hall-3", True, True),
        ]  # fmt: skip
        assert "PRIVATE" not in json.dumps(listed)
        assert client.delete(made["Location"]).status_code == 204
        gone: Any = client.get(made["Location"])
        assert (gone.status_code, gone.json()["code"]) == (404, "certificate_not_found")
        kept: Any = client.delete(f"{PATH}/{listed[0]['id']}")
        assert (kept.status_code, kept.json()["code"]) == (409, "certificate_not_installed")

    def test_a_no_names_its_code_and_its_field_and_repeats_no_key(self, client: APIClient) -> None:
        pair = issued()
        sent = {"certificate": pair.pem, "key": issued().key_pem}
        answer: Any = client.post(PATH, sent, format="json")
        assert (answer.status_code, answer.json()["code"]) == (400, "key_mismatch")
        assert list(answer.json()["invalid"]) == ["key"]
        assert "PRIVATE" not in answer.content.decode()
        for name, wrong in itertools.product(("certificate", "key"), ("", "x", "x" * 257 * 1024)):
            unread: Any = client.post(PATH, {"certificate": pair.pem, "key": pair.key_pem, name: wrong}, format="json")
            told = unread.json()
            assert (unread.status_code, told["code"], list(told["invalid"])) == (400, "certificate_unreadable", [name])
        unknown: Any = client.post(PATH, {"certificate": pair.pem, "key": pair.key_pem, "node": "x"}, format="json")
        assert (unknown.status_code, unknown.json()["code"], list(unknown.json()["invalid"])) == (
            400, "node_not_found", ["node"],
        )  # fmt: skip


class TestEveryFace:
    """The doors beside the portal are `local` to each, by whatever name their host goes."""

    @pytest.fixture(autouse=True)
    def renamed(self, root: Actor, settings: Any) -> None:
        GatewayNode.objects.all().delete()
        settings.NODE = "hall-1"
        nodes.local(by=root)

    @pytest.fixture
    def answers(
        self, rest: Callable[..., APIClient], log_in: Callable[..., Client], administrator: User, tmp_path: Path
    ) -> dict[str, Callable[[Holder, str], tuple[bool, str]]]:
        """By face whether a pair is installed at a node, and what is said."""

        def by_rest(pair: Holder, node: str) -> tuple[bool, str]:
            sent = {"certificate": pair.pem, "key": pair.key_pem, "node": node}
            answer: Any = rest(Scope.GATEWAY_MANAGE).post(PATH, sent, format="json")
            return answer.status_code == 201, answer.content.decode()

        def by_command(pair: Holder, node: str) -> tuple[bool, str]:
            certificate, key = pair.files(tmp_path)
            try:
                call_command(
                    "install_certificate", "--cert", certificate, "--key", key, "--node", node, stdout=StringIO()
                )
            except CommandError as no:
                return False, str(no)
            return True, ""

        def by_page(pair: Holder, node: str) -> tuple[bool, str]:
            sent = {"certificate": pair.pem, "key": pair.key_pem, "node": node}
            answer = log_in(administrator).post(f"{PAGE}install/", sent)
            return answer.status_code == 302, answer.content.decode()

        return {"rest": by_rest, "command": by_command, "page": by_page}

    @pytest.mark.parametrize("face", ["rest", "command", "page"])
    @pytest.mark.parametrize("name", ["local", "hall-1"])
    def test_installs_at_the_doors_beside_the_portal(self, answers: Any, face: str, name: str) -> None:
        pair = issued()
        assert answers[face](pair, name)[0]
        assert door_of() == pair.pem

    @pytest.mark.parametrize("face", ["rest", "command", "page"])
    def test_knows_no_node_that_is_not_there(self, answers: Any, face: str) -> None:
        was_installed, said = answers[face](issued(), "hall-9")
        assert not was_installed
        assert "There is no gateway node named hall-9; look at the list again." in said
        assert not TlsCertificate.objects.filter(installed=True).exists()


class TestPage:
    @pytest.fixture
    def ada(self, log_in: Callable[..., Client], administrator: User) -> Client:
        return log_in(administrator)

    def test_says_what_each_door_shows_until_when_and_for_whom(
        self, ada: Client, root: Actor, hall: GatewayNode
    ) -> None:
        page = ada.get(PAGE).content.decode()
        assert "TLS door of this installation" in page
        assert "edge-iot-core.proxy-redirect" in page
        assert "made by Gatehouse, which renews it with the same key" in page
        assert "127.0.0.2" in page
        put(issued(), root)
        page = ada.get(PAGE).content.decode()
        assert "Gatehouse does not renew it" in page
        assert "not confirmed by its Envoy" in page
        assert "<strong>installed</strong>" in page
        assert "<html" not in ada.get(PAGE, headers=HTMX).content.decode()

    @both
    @pytest.mark.parametrize("as_files", [True, False])
    def test_one_is_installed_from_files_or_pasted(self, ada: Client, headers: dict[str, str], as_files: bool) -> None:
        pair = issued()
        pasted = {"certificate": pair.pem.replace("\n", "\r\n"), "key": pair.key_pem}
        files = {
            "certificate_file": SimpleUploadedFile("a.pem", pair.pem.encode()),
            "key_file": SimpleUploadedFile("a.key", pair.key_pem.encode()),
        }
        answer: Any = ada.post(f"{PAGE}install/", files if as_files else pasted, headers=headers)
        assert answer.get("HX-Redirect", answer.get("Location")) == PAGE
        assert door_of() == pair.pem

    @both
    @pytest.mark.parametrize(
        ("sent", "said"),
        [
            ({}, "Choose the file of the certificate, or paste it."),
            ({"certificate": "x"}, "Choose the file of its key, or paste it."),
            ({"certificate": "x", "key": "y"}, "The certificate is not a PEM file."),
            ({"certificate": issued().pem, "key": issued().key_pem}, "first certificate in the certificate."),
        ],
    )
    def test_what_is_wrong_stands_beside_its_field_and_no_key_comes_back(
        self, ada: Client, headers: dict[str, str], sent: dict[str, str], said: str
    ) -> None:
        answer = ada.post(f"{PAGE}install/", sent, headers=headers)
        page = answer.content.decode()
        assert answer.status_code == 400
        assert said in page
        assert ("<html" in page) == (not headers)
        # What stands in a PEM file after its first line; a random token of the form may hold any few letters.
        pasted = [line for text in sent.values() for line in text.splitlines()[1:-1] if len(line) > 20]
        assert not [line for line in pasted if line in page]

    @pytest.mark.parametrize(
        ("content", "said"), [(b"x", "a.pem is not a PEM file."), (b"", "The submitted file is empty.")]
    )
    def test_what_is_wrong_with_a_file_stands_beside_the_field_of_the_file(
        self, ada: Client, content: bytes, said: str
    ) -> None:
        sent = {"certificate_file": SimpleUploadedFile("a.pem", content), "key": issued().key_pem}
        page = ada.post(f"{PAGE}install/", sent).content.decode()
        assert f'id="certificate-file-wrong">{said}</span>' in page
        assert 'id="certificate-wrong"' not in page

    @both
    def test_one_is_removed(self, ada: Client, root: Actor, own: TlsCertificate, headers: dict[str, str]) -> None:
        installed = put(issued(), root)
        answer: Any = ada.post(f"{PAGE}{installed.pk}/remove/", {"reason": "old"}, headers=headers)
        assert answer.get("HX-Redirect", answer.get("Location")) == PAGE
        assert door_of() == own.chain
        assert AuditEvent.objects.get(verb="certificate.removed").reason == "old"

    def test_a_refusal_of_the_envoy_is_told(self, ada: Client) -> None:
        refused = {"version": "v.0", "content": "v", "times": 1, "reason": "Bad <b>.", "at": "2026-11-25"}
        GatewayNode.objects.update(refused={"secrets/door": refused}, accepted={})
        page = ada.get(PAGE).content.decode()
        assert "What it says: <bdi>Bad &lt;b&gt;.</bdi>" in page


@pytest.mark.parametrize("path", [PATH, PAGE, "/portal/"])
def test_more_doors_cost_no_more_questions(
    rest: Callable[..., APIClient],
    log_in: Callable[..., Client],
    administrator: User,
    root: Actor,
    own: TlsCertificate,
    path: str,
) -> None:
    reader: Any = rest(Scope.GATEWAY_READ) if path == PATH else log_in(administrator)
    costs = []
    for number in (1, 2, 3, 4, 5):
        node, _ = remote_nodes.make(f"hall-{number}", by=root)
        put(issued(), root, node=node)
        GatewayNode.objects.update(last_seen=timezone.now())
        if number in (1, 5):
            reader.get(path)  # What is kept in memory is kept now.
            with CaptureQueriesContext(connection) as asked:
                assert reader.get(path).status_code == 200
            costs.append(len(asked))
    assert costs[0] == costs[1], costs
