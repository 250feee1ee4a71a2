"""Nodes on other hosts: what each is told, the files it starts with, its token, and every face about them."""

import gc
import json
import weakref
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from gateway import certificates, discovery, memory, nodes, remote_nodes, route_fields, trial
from gateway.envoy import clusters, routes, tree, validate
from gateway.models import GatewayNode, Role, Route, TlsCertificate
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, User
from portal.refusal import Invalid
from portal.scopes import Scope
from tests.pki import Authority

pytestmark = pytest.mark.django_db
PATH, PAGE = "/api/v1/nodes", "/portal/gateway/nodes/"
HTMX = {"HX-Request": "true"}
both = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])


@pytest.fixture(autouse=True)
def local(root: Actor) -> GatewayNode:
    certificates.ensure_default(by=root)
    return nodes.local(by=root)[0]


@pytest.fixture
def hall(root: Actor) -> GatewayNode:
    return remote_nodes.make("hall-3", bind="127.0.0.2", port=9443, names=["hall-3.example"], by=root)[0]


@pytest.fixture
def line() -> Route:
    route: Route = Route.objects.create(
        prefix="line", target="http://10.0.0.5:80", scope="gateway:line", methods=["GET"]
    )
    return route


class TestMany:
    """What nodes are told is made once, however many there are."""

    @pytest.fixture
    def halls(self, root: Actor, monkeypatch: pytest.MonkeyPatch) -> list[GatewayNode]:
        monkeypatch.setattr(memory, "LEAST", 2)
        return [remote_nodes.make(f"hall-{n}", bind=f"127.0.1.{n}", poll_s=n, by=root)[0] for n in range(1, 7)]

    @pytest.mark.parametrize(("kind", "names"), [("listeners", ()), ("secrets", ("door",))])
    def test_its_own_is_made_once_for_each(self, halls: list[GatewayNode], kind: str, names: tuple[str, ...]) -> None:
        first, then = ([discovery.offer(kind, names, node) for node in halls] for _ in range(2))
        assert len({offer.content for offer in first}) == len(halls)
        assert [id(offer) for offer in first] == [id(offer) for offer in then]

    @pytest.mark.parametrize(("kind", "names"), [("clusters", ()), ("routes", ("doors",))])
    def test_what_is_alike_everywhere_is_made_once_for_all(
        self, halls: list[GatewayNode], line: Route, kind: str, names: tuple[str, ...]
    ) -> None:
        assert len({id(discovery.offer(kind, names, node)) for node in halls}) == 1
        for node in halls:
            plan = replace(discovery.plan(node), routes=(route_fields.planned(line),))
            made = {"clusters": clusters.clusters, "routes": routes.routes}[kind](plan)
            assert made == discovery.offer(kind, names, node).resources

    def test_there_is_an_end_to_what_is_kept(self, halls: list[GatewayNode], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "MOST", 3)
        offers = [weakref.ref(discovery.offer("secrets", ("door",), node)) for node in halls]
        gc.collect()
        assert [offer() is not None for offer in offers] == [False, False, False, True, True, True]


class TestMaking:
    def test_it_has_a_token_and_a_certificate_of_its_own(self, root: Actor, hall: GatewayNode) -> None:
        own = TlsCertificate.objects.shown(Role.DOOR, hall)
        assert own
        assert {"hall-3", "hall-3.example", "127.0.0.2"} <= set(own.names)
        assert own.sealed_key != TlsCertificate.objects.get(node=None).sealed_key
        assert AuditEvent.objects.get(verb="node.made", subject_id="hall-3").after["port"] == 9443
        assert Outbox.objects.get(topic="node.made").body["node"] == "hall-3"

    @pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "ä", "x" * 64])
    def test_names_that_are_none(self, root: Actor, name: str) -> None:
        with pytest.raises(Invalid, match="A node's name"):
            remote_nodes.make(name, by=root)

    @pytest.mark.parametrize(
        "facts",
        [{"bind": "hall-3"}, {"bind": "fe80::1%eth0"}, {"port": 0}, {"port": 65536}, {"poll_s": 0.4}, {"poll_s": 61.0},
         {"revocations_poll_s": 0.0}, {"names": ["a b"]}, {"names": ["fe80::1%eth0"]}],
    )  # fmt: skip
    def test_facts_that_make_no_sense(self, root: Actor, facts: dict[str, Any]) -> None:
        with pytest.raises(Invalid):
            remote_nodes.make("hall-4", by=root, **facts)
        assert not GatewayNode.objects.filter(name="hall-4").exists()

    @pytest.mark.parametrize("name", ["local", "hall-3"])
    def test_a_name_is_taken_once(self, root: Actor, hall: GatewayNode, name: str) -> None:
        with pytest.raises(remote_nodes.Exists, match="give it a new token with --rotate"):
            remote_nodes.make(name, by=root)


class TestToken:
    def test_another_ends_the_former_and_keeps_key_and_facts(self, root: Actor) -> None:
        _, former = remote_nodes.make("hall-3", bind="127.0.0.2", by=root)
        before = TlsCertificate.objects.exclude(node=None).get()
        node, token = remote_nodes.rotate("hall-3", poll_s=5.0, by=root)
        assert nodes.known(f"Bearer {token}") == node
        with pytest.raises(nodes.NotANode):
            nodes.known(f"Bearer {former}")
        assert (node.bind, node.poll_s) == ("127.0.0.2", 5.0)
        assert TlsCertificate.objects.exclude(node=None).get() == before

    def test_that_of_a_deleted_node_opens_nothing(self, root: Actor) -> None:
        node, token = remote_nodes.make("hall-3", by=root)
        remote_nodes.delete(node, by=root, reason="The hall is gone.")
        with pytest.raises(nodes.NotANode):
            nodes.known(f"Bearer {token}")
        assert not TlsCertificate.objects.exclude(node=None).exists()
        assert AuditEvent.objects.get(verb="node.deleted").reason == "The hall is gone."
        for verb in (lambda: remote_nodes.delete(node, by=root), lambda: remote_nodes.rotate("hall-3", by=root)):
            with pytest.raises(remote_nodes.Unknown):
                verb()

    def test_of_a_node_that_is_deleted_while_it_asks_is_refused(self, root: Actor, hall: GatewayNode) -> None:
        remote_nodes.delete(GatewayNode.objects.get(pk=hall.pk), by=root)
        with pytest.raises(nodes.NotANode):
            nodes.judge(hall, nodes.Poll("clusters", ""), "c1", objected=lambda since: None, why=lambda: None)

    def test_the_local_node_is_left_to_serve(self, root: Actor, local: GatewayNode) -> None:
        for verb in (lambda: remote_nodes.delete(local, by=root), lambda: remote_nodes.rotate("local", by=root)):
            with pytest.raises(remote_nodes.IsLocal):
                verb()


class TestTold:
    def offered(self, kind: str, node: GatewayNode, *names: str) -> list[dict[str, Any]]:
        return discovery.offer(kind, names, node).resources

    def test_one_tls_door_and_the_routes_and_nothing_of_the_portal(self, hall: GatewayNode, line: Route) -> None:
        [door] = self.offered("listeners", hall)
        assert door["address"]["socket_address"] == {"address": "127.0.0.2", "port_value": 9443}
        assert [cluster["name"] for cluster in self.offered("clusters", hall)] == [f"route-{line.pk}"]
        [table] = self.offered("routes", hall)
        names = [route["name"] for route in tree.read(table["virtual_hosts"][0]).every()]
        assert "portal" not in names
        assert names[-1] == "route_not_found"
        assert f"route-{line.pk}" in names
        assert [secret["name"] for secret in self.offered("secrets", hall)] == ["door"]
        assert trial.reason_against_all(node=hall) is None

    def test_it_asks_as_often_as_it_was_told_to(self, root: Actor) -> None:
        slow, _ = remote_nodes.make("slow", poll_s=5.0, revocations_poll_s=2.0, by=root)
        text = json.dumps(self.offered("listeners", slow))
        assert {text.count(f'"refresh_delay": "{delay}s"') for delay in ("5.0", "2.0")} == {3, 1}
        usual, _ = remote_nodes.make("usual", by=root)
        text = json.dumps(self.offered("listeners", usual))
        assert [text.count(f'"refresh_delay": "{delay}s"') for delay in ("2.0", "1.9", "1.0", "0.5")] == [1, 1, 1, 1]

    def test_a_refusal_there_is_of_that_node_alone(self, hall: GatewayNode, local: GatewayNode) -> None:
        for _ in range(4):
            hall.refresh_from_db()
            nodes.judge(hall, nodes.Poll("clusters", "x.0"), "b", objected=lambda since: None, why=lambda: "No file.")
        assert GatewayNode.objects.get(name="hall-3").refused["clusters"]["reason"] == "No file."
        local.refresh_from_db()
        assert local.refused == {}

    def test_one_that_asks_seldom_is_not_away_between_two_questions(self, hall: GatewayNode) -> None:
        hall.last_seen = timezone.now() - timedelta(seconds=60)
        assert nodes.is_away(hall)
        hall.revocations_poll_s = 30.0
        assert not nodes.is_away(hall)


class TestFiles:
    @pytest.fixture
    def out(self, tmp_path: Path) -> Path:
        return tmp_path / "hall 3"

    def run(self, out: Path, *words: str, portal: str = "https://localhost:8443", name: str = "hall-3") -> Any:
        printed = StringIO()
        call_command("envoy_bootstrap", name, "--portal", portal, "--out", str(out), *words, stdout=printed)
        return json.loads(printed.getvalue())

    def test_are_written_with_their_modes_and_taken_by_envoy(self, out: Path) -> None:
        told = self.run(out, "--bind", "127.0.0.2", "--port", "9443", "--poll", "5s", "--poll-revocations", "500ms")
        assert told["node"] == "hall-3"
        assert told["start"].startswith(f"envoy -c '{out}/bootstrap.json'")
        modes = {path.name: path.stat().st_mode & 0o777 for path in out.iterdir()}
        assert modes == {"bootstrap.json": 0o644, "node-token.json": 0o600, "ca.pem": 0o644}
        config = json.loads((out / "bootstrap.json").read_text())
        assert config["dynamic_resources"]["lds_config"]["api_config_source"]["refresh_delay"] == "5.0s"
        assert validate.judge(trial.binary(), config) is None
        assert "gate_node_" not in (out / "bootstrap.json").read_text()
        node = GatewayNode.objects.get(name="hall-3")
        assert (node.bind, node.port, node.poll_s, node.revocations_poll_s) == ("127.0.0.2", 9443, 5.0, 0.5)

    def test_know_the_portal_by_its_key_or_by_its_name_and_a_ca(self, out: Path, tmp_path: Path) -> None:
        self.run(out)
        context = self.verified(out)
        assert list(context["validation_context"]) == ["verify_certificate_spki"]
        assert context["tls_params"]["tls_minimum_protocol_version"] == "TLSv1_3"
        ca = tmp_path / "plant.pem"
        ca.write_text(Authority("plant CA").pem)
        self.run(out, "--ca", str(ca), "--rotate", portal="https://gate.example")
        assert self.verified(out)["validation_context"] == {
            "trusted_ca": {"filename": f"{out}/ca.pem"},
            "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "gate.example"}}],
        }
        assert (out / "ca.pem").read_text() == ca.read_text()

    def test_hold_of_a_ca_its_certificates_alone(self, out: Path, tmp_path: Path) -> None:
        first, second, ca = Authority("plant CA"), Authority("works CA"), tmp_path / "plant.pem"
        ca.write_text(f"The plant:\n{first.pem}\nand the works:\n{second.pem}")
        self.run(out, "--ca", str(ca), portal="https://gate.example")
        assert (out / "ca.pem").read_text() == first.pem + second.pem

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            (Authority().key_pem, "plant.pem holds a private key; give the certificates alone"),
            (Authority().key_pem.replace("PRIVATE", "EC PRIVATE"), "plant.pem holds a private key"),
            ("x" * 256 * 1024, "plant.pem is over 256 KiB"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                r"Certificate 2 in plant\.pem cannot be",
            ),
        ],
        ids=["key", "key of EC", "long", "broken"],
    )
    def test_are_not_written_with_a_ca_of_which_something_is_wrong(
        self, out: Path, tmp_path: Path, more: str, said: str
    ) -> None:
        ca = tmp_path / "plant.pem"
        ca.write_text(Authority("plant CA").pem + more)
        with pytest.raises(CommandError, match=said):
            self.run(out, "--ca", str(ca))
        assert not GatewayNode.objects.filter(name="hall-3").exists()
        assert not out.exists()

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "plant.pem is not a PEM file"),
            ("-----BEGIN X-----\nAAAA\n-----END X-----\n", "plant.pem holds no certificate"),
            (None, "plant.pem cannot be read: No such file or directory"),
        ],
    )
    def test_are_not_written_without_the_ca_that_was_named(
        self, out: Path, tmp_path: Path, text: str | None, said: str
    ) -> None:
        ca = tmp_path / "plant.pem"
        if text is not None:
            ca.write_text(text)
        with pytest.raises(CommandError, match=said):
            self.run(out, "--ca", str(ca))
        assert not GatewayNode.objects.filter(name="hall-3").exists()

    def verified(self, out: Path) -> Any:
        [cluster] = json.loads((out / "bootstrap.json").read_text())["static_resources"]["clusters"]
        return cluster["transport_socket"]["typed_config"]["common_tls_context"]

    def test_are_not_overwritten_but_by_rotation(self, out: Path) -> None:
        self.run(out)
        first = (out / "node-token.json").read_text()
        with pytest.raises(CommandError, match="is there already; choose another folder, or renew it with --rotate"):
            self.run(out, name="hall-4")
        assert not GatewayNode.objects.filter(name="hall-4").exists()
        self.run(out, "--rotate")
        assert (out / "node-token.json").read_text() != first

    @pytest.mark.parametrize(
        ("portal", "said"),
        [
            ("http://localhost:8443", "The portal is an https URL"),
            ("https://localhost:8443/x", "The portal is an https URL"),
            ("https://u:p@localhost", "The portal is an https URL"),
            ("https://localhost:99999", "The portal is an https URL"),
            ("https://localhost:0", "The portal is an https URL"),
            ("https://[fe80::1%eth0]:8443", "The portal is an https URL"),
            (
                "https://other.example:8443",
                "The certificate of the TLS door is not for other.example but for localhost",
            ),
        ],
    )
    def test_are_not_written_for_a_portal_that_would_not_be_known(self, out: Path, portal: str, said: str) -> None:
        with pytest.raises(CommandError, match=said):
            self.run(out, portal=portal)
        assert not GatewayNode.objects.filter(name="hall-3").exists()
        assert not out.exists()

    @pytest.mark.parametrize(
        ("place", "said"),
        [
            ("file", "file is no folder; choose another one"),
            ("file/hall", "file is no folder; choose another one"),
            ("nowhere", "nowhere is no folder; choose another one"),
            ("x" * 300, "cannot be looked into"),
        ],
        ids=["file", "below a file", "broken link", "long name"],
    )
    def test_are_not_written_where_no_folder_can_be(self, tmp_path: Path, place: str, said: str) -> None:
        (tmp_path / "file").touch()
        (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
        with pytest.raises(CommandError, match=said):
            self.run(tmp_path / place)
        assert not GatewayNode.objects.filter(name="hall-3").exists()

    def test_are_not_written_into_a_folder_that_nobody_named(self) -> None:
        with pytest.raises(CommandError, match="--out: it is empty; name a folder"):
            call_command("envoy_bootstrap", "hall-3", "--portal", "https://localhost:8443", "--out", "")
        assert not GatewayNode.objects.filter(name="hall-3").exists()

    def test_a_node_that_is_not_there_has_no_token_to_renew(self, out: Path) -> None:
        with pytest.raises(CommandError, match="no gateway node named hall-3"):
            self.run(out, "--rotate")


class TestCertificates:
    def test_the_worker_renews_each_with_its_own_key_and_names(self, root: Actor, hall: GatewayNode) -> None:
        now = timezone.now()
        TlsCertificate.objects.update(not_before=now - timedelta(days=300), not_after=now + timedelta(days=20))
        before = {row.pk: row for row in TlsCertificate.objects.all()}
        assert certificates.renew_due(by=root)
        for row in TlsCertificate.objects.all():
            assert row.not_after > now + timedelta(days=300)
            assert (row.names, row.sealed_key) == (before[row.pk].names, before[row.pk].sealed_key)
            assert certificates.fits(row)
        assert set(AuditEvent.objects.filter(verb="certificate.renewed").values_list("subject_id", flat=True)) == {
            "door", "door of hall-3",
        }  # fmt: skip


class TestRest:
    def test_nodes_are_listed_shown_and_deleted(self, rest: Callable[..., APIClient], hall: GatewayNode) -> None:
        client: Any = rest(Scope.GATEWAY_READ, Scope.GATEWAY_MANAGE)
        listed = client.get(PATH).json()["results"]
        assert [(each["name"], each["kind"], each["away"]) for each in listed] == [
            ("hall-3", "remote", True), ("local", "local", True),
        ]  # fmt: skip
        one = client.get(f"{PATH}/hall-3").json()
        assert (one["revocations_within_s"], one["port"], one["last_seen"]) == (1.1, 9443, None)
        kept = client.delete(f"{PATH}/local")
        assert (kept.status_code, kept.json()["code"]) == (409, "node_is_local")
        assert client.delete(f"{PATH}/hall-3").status_code == 204
        gone = client.get(f"{PATH}/hall-3")
        assert (gone.status_code, gone.json()["code"]) == (404, "node_not_found")


class TestPages:
    @pytest.fixture
    def ada(self, log_in: Callable[..., Client], administrator: User) -> Client:
        return log_in(administrator)

    def test_say_what_each_holds_refuses_and_how_late_it_hears(self, ada: Client, hall: GatewayNode) -> None:
        refused = {
            "version": "b.0",
            "content": "b",
            "times": 1,
            "reason": "No <file>.",
            "at": "2026-11-25T08:00:00+00:00",
        }
        accepted = {"version": "a.0", "at": "2026-11-25T07:00:00+00:00"}
        GatewayNode.objects.filter(name="hall-3").update(
            refused={"routes/doors": refused}, accepted={"routes/doors": accepted}, last_seen=timezone.now(),
            address="10.20.0.9", envoy_version="1.40.0", revocations_poll_s=2.0,
        )  # fmt: skip
        page = ada.get(PAGE).content.decode()
        for words in (
            "hall-3",
            "10.20.0.9",
            "1.40.0",
            "No &lt;file&gt;.",
            "within 4.1 s",
            "beside the portal",
            "refuses",
        ):
            assert words in page
        assert "manage.py envoy_bootstrap hall-3 --portal https://localhost" in page
        page = ada.get(f"{PAGE}hall-3/").content.decode()
        assert "b.0" in page
        assert "a.0" in page
        assert "It goes on with the last good configuration." in page
        for path in (PAGE, f"{PAGE}hall-3/"):
            assert "<html" not in ada.get(path, headers=HTMX).content.decode()

    @both
    def test_a_node_is_deleted_when_its_name_was_typed(self, ada: Client, hall: GatewayNode, headers: Any) -> None:
        wrong = ada.post(f"{PAGE}hall-3/delete/", {"typed": "hall", "reason": "why not"}, headers=headers)
        assert wrong.status_code == 400
        assert "Type hall-3 to confirm this." in wrong.content.decode()
        assert 'value="why not"' in wrong.content.decode()
        done: Any = ada.post(f"{PAGE}hall-3/delete/", {"typed": "hall-3", "reason": "gone"}, headers=headers)
        assert done.get("HX-Redirect", done.get("Location")) == PAGE
        assert not GatewayNode.objects.filter(name="hall-3").exists()
        assert ada.get(f"{PAGE}hall-3/").status_code == 404

    def test_the_local_one_has_no_such_form(self, ada: Client) -> None:
        assert "Type <b>" not in ada.get(f"{PAGE}local/").content.decode()
