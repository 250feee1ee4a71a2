"""Agents of a simulated fleet: what they do with shutdowns, what their apps do, and how both are counted."""

import base64
import json
import math
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from devices.models import Device
from gateway import certificates
from gateway import certsips as certsips_file
from gateway.fleet import installations
from gateway.fleet.agent import Agent
from gateway.fleet.agents import Agents, Plan
from gateway.fleet.app_files import AppDoor, AppFiles
from gateway.fleet.conversation import Answer, Call, Conversation, Outcome, Verdict
from gateway.fleet.crew import Crew, Speaker
from gateway.fleet.devices import device
from gateway.fleet.door import Door, Lost
from gateway.fleet.edge_app import SHUTDOWN, EdgeApp
from gateway.fleet.ledger import Ledger, Stage
from gateway.fleet.power import Power
from gateway.fleet.shutdown_jobs import NEXT, Jobs, Kind, Manner
from gateway.models import TlsCertificate
from portal.actor import Actor
from tests.certificates import self_signed
from tokens.models import InstalledApp

NAME = "edge-iot-core.proxy-redirect"
JOB = "3b0c5d1e-7a52-4f3e-9c1d-6a2f8e4b9d10"
OTHER = "9d1e4b0c-5a52-4f3e-9c1d-6a2f8e4b7a52"
NOTHING = Answer(204, retry_after=5)


def said(status: int, **members: Any) -> Answer:
    return Answer(status, "application/json", json.dumps(members).encode())


def refused(status: int, code: str, retry_after: float | None = None) -> Answer:
    return Answer(status, "application/json", json.dumps({"error": "No.", "code": code}).encode(), retry_after)


def offer(job: str = JOB, expires_in: int = 800) -> Answer:
    members = {
        "id": job, "kind": "shutdown", "execute_now": False, "max_ack_seconds": 30, "expires_in": expires_in,
        "reason": "Filter change.", "requested_by": "ada",
    }  # fmt: skip
    return Answer(200, "application/json", json.dumps(members).encode(), 5)


def claimed(seconds: int = 30, job: str = JOB) -> Answer:
    return said(200, id=job, state="claimed", ack_seconds=seconds, apps=[])


def progress(*, proceed: bool) -> Answer:
    return said(200, id=JOB, state="claimed", ack_seconds=9, apps=[], proceed=proceed)


def reported(state: str) -> Answer:
    return said(200, id=JOB, state=state)


@dataclass
class Hand:
    """A clock that is set by hand."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def ledger(hand: Hand) -> Ledger:
    return Ledger(hand)


@pytest.fixture
def make_jobs(hand: Hand, ledger: Ledger) -> Callable[..., Jobs]:
    nonces = iter(f"nonce-of-16-signs-{number}" for number in range(9))

    def make(kind: Kind = Kind.GOOD, **manner: float) -> Jobs:
        return Jobs("press-1", kind, Power(hand), ledger, Manner(**manner), nonces=lambda: next(nonces))

    return make


def path_of(talk: Jobs) -> str:
    return talk.call().path.replace(JOB, "*")


def sent(call: Call) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(call.body)
    return members


def claims(jobs: Jobs, answer: Answer, *, expires_in: int = 800) -> Verdict:
    """The device sees an order, claims it and is answered so."""
    assert path_of(jobs) == NEXT
    jobs.hear(offer(expires_in=expires_in))
    assert path_of(jobs) == "/jobs/*/claim"
    return jobs.hear(answer)


class TestADevice:
    def test_polls_as_it_is_told_or_as_often_as_its_share_of_that_says(self, make_jobs: Callable[..., Jobs]) -> None:
        for poll, again in ((1, 5), (0.1, 0.5)):
            jobs = make_jobs(poll=poll)
            assert path_of(jobs) == NEXT
            assert jobs.hear(NOTHING) == Verdict(Outcome.SERVED, again)

    def test_claims_waits_for_its_apps_says_that_it_powers_off_and_reports_once_it_is_back(
        self, make_jobs: Callable[..., Jobs], ledger: Ledger, hand: Hand
    ) -> None:
        jobs = make_jobs(off_for=60)
        assert claims(jobs, claimed(30)).again == 0
        assert path_of(jobs) == "/jobs/*"
        assert jobs.hear(progress(proceed=False)).again == 1
        hand.at += 1
        assert jobs.hear(progress(proceed=True)).again == 0
        assert (path_of(jobs), sent(jobs.call())["state"]) == ("/jobs/*/report", "executing")
        assert jobs.hear(reported("executing")) == Verdict(Outcome.SERVED, 60, hangs_up=True)
        assert jobs.power.off_for == 60
        hand.at += 60
        assert (path_of(jobs), sent(jobs.call())["state"]) == ("/jobs/*/report", "succeeded")
        jobs.hear(reported("succeeded"))
        assert path_of(jobs) == NEXT
        told = ledger.as_dict()
        assert (told["executed"], told["doubled"], told["states"]["succeeded"], told["longest_s"]) == (1, 0, 1, 61)

    def test_powers_off_at_its_own_deadline_even_if_the_portal_is_gone(
        self, make_jobs: Callable[..., Jobs], ledger: Ledger, hand: Hand
    ) -> None:
        jobs = make_jobs()
        claims(jobs, claimed(3))
        for _ in range(3):
            assert path_of(jobs) == "/jobs/*"
            assert jobs.lose("no answer in time") == Verdict(Outcome.ERROR, 1, "no answer in time")
            hand.at += 1
        assert path_of(jobs) == "/jobs/*/report"
        assert jobs.lose("no answer in time").hangs_up
        assert ledger.as_dict()["executed"] == 1
        assert ledger.disallowed == 0

    def test_does_not_ask_its_apps_at_all_when_there_is_no_time_for_them(self, make_jobs: Callable[..., Jobs]) -> None:
        jobs = make_jobs()
        claims(jobs, claimed(0))
        assert sent(jobs.call())["state"] == "executing"

    def test_asks_for_a_lost_claim_with_the_same_nonce_and_for_another_order_with_another(
        self, make_jobs: Callable[..., Jobs], ledger: Ledger
    ) -> None:
        jobs = make_jobs()
        jobs.hear(offer())
        first = sent(jobs.call())
        assert jobs.lose("no answer in time").again == 1
        assert sent(jobs.call()) == first
        jobs.hear(refused(410, "job_cancelled"))
        jobs.hear(offer(OTHER))
        assert sent(jobs.call())["claim"] != first["claim"]
        assert ledger.as_dict()["executed"] == 0

    def test_gives_a_lost_claim_up_when_the_order_has_expired(
        self, make_jobs: Callable[..., Jobs], ledger: Ledger, hand: Hand
    ) -> None:
        jobs = make_jobs()
        jobs.hear(offer(expires_in=120))
        hand.at += 120
        jobs.lose("no answer in time")
        assert path_of(jobs) == NEXT
        assert ledger.as_dict()["executed"] == 0

    @pytest.mark.parametrize(
        "refusal", [(409, "already_claimed"), (410, "job_expired"), (410, "job_cancelled")], ids=str
    )
    def test_does_nothing_when_its_claim_is_refused(
        self, make_jobs: Callable[..., Jobs], ledger: Ledger, refusal: tuple[int, str]
    ) -> None:
        jobs = make_jobs()
        claims(jobs, refused(*refusal))
        assert path_of(jobs) == NEXT
        told = ledger.as_dict()
        assert (told["executed"], told["refused_claims"], told["disallowed"]) == (0, {refusal[1]: 1}, {})
        assert told["states"]["refused"] == 1

    def test_that_cannot_shut_down_reports_that_and_stays_on(
        self, make_jobs: Callable[..., Jobs], ledger: Ledger
    ) -> None:
        jobs = make_jobs(Kind.FAILING)
        claims(jobs, claimed())
        assert (sent(jobs.call())["state"], sent(jobs.call())["code"]) == ("failed", "not_supported")
        jobs.lose("connection refused")
        assert sent(jobs.call())["state"] == "failed"
        jobs.hear(reported("failed"))
        assert path_of(jobs) == NEXT
        told = ledger.as_dict()
        assert (jobs.power.off_for, told["executed"], told["states"]["failed"]) == (0, 0, 1)

    def test_that_crashed_after_its_claim_knows_nothing_of_it_and_has_not_shut_down(
        self, make_jobs: Callable[..., Jobs], ledger: Ledger
    ) -> None:
        jobs = make_jobs(Kind.CRASHING, off_for=4)
        assert claims(jobs, claimed()) == Verdict(Outcome.SERVED, 4, hangs_up=True)
        assert path_of(jobs) == NEXT
        assert "nonce-of" not in repr(jobs)
        told = ledger.as_dict()
        assert (told["executed"], told["states"]["crashed"]) == (0, 1)

    def test_takes_it_that_the_portal_has_made_up_its_mind_meanwhile(
        self, make_jobs: Callable[..., Jobs], ledger: Ledger
    ) -> None:
        jobs = make_jobs()
        claims(jobs, claimed(0))
        path_of(jobs)
        assert jobs.hear(refused(409, "already_reported")).hangs_up
        jobs.hear(refused(409, "already_reported"))
        assert (path_of(jobs), ledger.disallowed) == (NEXT, 0)

    def test_that_is_denied_asks_again_soon_and_one_that_asks_too_often_as_late_as_it_is_told(
        self, make_jobs: Callable[..., Jobs]
    ) -> None:
        jobs = make_jobs()
        assert jobs.hear(refused(403, "device_denied", 3600)) == Verdict(Outcome.REFUSED, 5)
        assert jobs.hear(refused(429, "too_many_requests", 30)) == Verdict(Outcome.REFUSED, 30)

    def test_that_is_denied_after_its_claim_keeps_to_it(
        self, make_jobs: Callable[..., Jobs], ledger: Ledger, hand: Hand
    ) -> None:
        jobs = make_jobs()
        claims(jobs, claimed(2))
        assert jobs.hear(refused(429, "too_many_requests", 30)).again == 2
        hand.at += 2
        path_of(jobs)
        assert jobs.hear(refused(403, "device_denied", 3600)).hangs_up
        assert ledger.as_dict()["executed"] == 1

    @pytest.mark.parametrize(
        ("answers", "kind"),
        [
            ([Answer(204)], "/jobs/next answered 204 unusable"),
            ([Answer(200, "application/json", b'{"id": "x"}', 5)], "/jobs/next answered 200 unusable"),
            ([offer(), refused(500, "internal_error")], "claim answered 500 internal_error"),
            ([offer(), refused(404, "shutdown_not_found")], "claim answered 404 shutdown_not_found"),
            ([offer(), claimed(job=OTHER)], "claim answered 200 unusable"),
            ([offer(), said(200, id=JOB, state="claimed", ack_seconds="30", apps=[])], "claim answered 200 unusable"),
            ([offer(), claimed(), claimed()], "progress answered 200 unusable"),
            ([offer(), claimed(0), refused(409, "not_claimed")], "report answered 409 not_claimed"),
        ],
    )
    def test_counts_what_the_door_may_not_answer(
        self, make_jobs: Callable[..., Jobs], ledger: Ledger, answers: list[Answer], kind: str
    ) -> None:
        jobs = make_jobs()
        for answer in answers:
            jobs.call()
            jobs.hear(answer)
        assert ledger.as_dict()["disallowed"] == {kind: 1}

    def test_whose_claim_was_answered_by_nonsense_does_nothing(
        self, make_jobs: Callable[..., Jobs], ledger: Ledger
    ) -> None:
        jobs = make_jobs()
        claims(jobs, refused(500, "internal_error"))
        assert (path_of(jobs), ledger.as_dict()["executed"]) == (NEXT, 0)


@pytest.fixture
def make_agent(make_jobs: Callable[..., Jobs], ledger: Ledger) -> Callable[..., Agent]:
    def make(kind: Kind = Kind.GOOD, **manner: float) -> Agent:
        known = device(2, seed="test", by="certificate")
        return Agent(known, make_jobs(kind, **manner), ledger=ledger, every=30)

    return make


def settle(agent: Agent) -> Verdict:
    """Let it in, and answer all that it reports first."""
    answers = {"/device": Answer(200, "application/json", b'{"uuid": "sim-test-0003"}'), "/config": Answer(204)}
    verdict = agent.hear(answers[agent.call().path])
    while not agent.is_settled:
        verdict = agent.hear(answers.get(agent.call().path, Answer(200)))
    return verdict


class TestAnAgent:
    def test_polls_once_it_has_reported_and_goes_on_checking_in(
        self, make_agent: Callable[..., Agent], hand: Hand
    ) -> None:
        agent = make_agent()
        assert settle(agent).again == 0
        assert agent.call().path == NEXT
        assert agent.hear(NOTHING).again == 5
        paths = []
        for _ in range(9):
            hand.at += 5
            paths.append(agent.call().path)
            agent.hear(Answer(200, "application/json", b'{"uuid": "sim-test-0003"}') if "v" in paths[-1] else NOTHING)
        assert paths.count("/device") == 1
        assert set(paths) == {NEXT, "/device", "/config"}

    def test_that_waits_to_be_let_in_does_not_poll(self, make_agent: Callable[..., Agent]) -> None:
        agent = make_agent()
        assert agent.hear(refused(403, "device_pending", 3)).again == 3
        assert agent.call().path == "/device"

    def test_says_nothing_while_it_is_off(self, make_agent: Callable[..., Agent], hand: Hand) -> None:
        agent = make_agent(off_for=60)
        settle(agent)
        agent.call()
        for answer in (offer(), claimed(0)):
            agent.hear(answer)
            agent.call()
        assert agent.hear(reported("executing")) == Verdict(Outcome.SERVED, 60, hangs_up=True)
        assert agent.rests_for == 60
        hand.at += 60
        assert (agent.rests_for, agent.call().path) == (0, f"/jobs/{JOB}/report")

    def test_that_is_offline_is_never_heard_again_once_it_has_been_let_in(
        self, make_agent: Callable[..., Agent]
    ) -> None:
        agent = make_agent(Kind.OFFLINE)
        assert settle(agent).again is None
        assert agent.rests_for == math.inf

    def test_takes_a_portal_that_is_out_of_order_for_no_answer(
        self, make_agent: Callable[..., Agent], ledger: Ledger
    ) -> None:
        agent = make_agent()
        assert agent.hear(refused(503, "portal_unavailable", 2)).kind == "out of order"
        assert ledger.disallowed == 0
        agent.hear(refused(503, "portal_unavailable"))
        assert ledger.as_dict()["disallowed"] == {"/device answered 503": 1}


@pytest.fixture
def files(tmp_path: Path) -> AppFiles:
    files = AppFiles(tmp_path / "press-1" / "simapp1")
    files.write(token='{"appPrimaryToken":"gate_app_x"}\n', certsips=certsips())
    return files


def certsips(trusted: str = "") -> str:
    chain = base64.b64encode(trusted.encode()).decode()
    return json.dumps(
        {
            "auth-api-path": "a.service/api/v3",
            "cert-chain": base64.b64encode(b"no certificate").decode(),
            "edge-certificates": {"certificate-chain": chain, "service-name": NAME},
            "edge-ips": "",
            "secure-storage-api-path": "/device/edge/iert/api/v1/secure-storage",
        }
    )


BOUGHT = said(200, access_token="a.b.c", expires_in=3600, token_type="Bearer")


def pending(*, acknowledged: bool = False) -> Answer:
    facts = {"jobId": JOB, "state": "WAITING_FOR_ACK", "reason": "x", "deadline": "2026-01-01T00:00:00.000Z"}
    return said(200, **facts, secondsLeft=27, acknowledged=acknowledged)


ACKED = said(200, jobId=JOB, acknowledged=True, acknowledgedAt="2026-01-01T00:00:00.000Z", waitingFor=[])


def edge(status: int, code: str, retry_after: float | None = None) -> Answer:
    body = json.dumps({"errors": [{"code": code, "message": "No.", "logref": "1"}]}).encode()
    return Answer(status, "application/json", body, retry_after)


class TestAnApp:
    @pytest.fixture
    def power(self, hand: Hand) -> Power:
        return Power(hand)

    @pytest.fixture
    def app(self, files: AppFiles, power: Power, ledger: Ledger) -> EdgeApp:
        return EdgeApp(files, power, ledger, delays=lambda: 1.5)

    def test_buys_a_token_with_its_file_as_it_is_at_the_path_that_it_joins(self, app: EdgeApp) -> None:
        call = app.call()
        assert call.path == "/device/edge/a.service/api/v3/token/permit"
        assert call.body == b'{"appPrimaryToken":"gate_app_x"}\n'
        assert app.hear(BOUGHT) == Verdict(Outcome.SERVED, 0)
        assert (app.call().path, app.call().headers["Authorization"]) == (f"{SHUTDOWN}/pending", "Bearer a.b.c")
        assert app.hear(Answer(204)).again == 2

    def test_acknowledges_after_its_delay_and_once(self, app: EdgeApp, hand: Hand, ledger: Ledger) -> None:
        app.call()
        app.hear(BOUGHT)
        app.call()
        assert app.hear(pending()).again == 1.5
        hand.at += 1.5
        assert app.call().path == f"{SHUTDOWN}/{JOB}/ack"
        app.hear(ACKED)
        assert app.call().path == f"{SHUTDOWN}/pending"
        app.hear(pending(acknowledged=True))
        assert app.call().path == f"{SHUTDOWN}/pending"
        assert ledger.as_dict()["acknowledged"] == 1

    def test_that_is_mute_never_does(self, files: AppFiles, power: Power, ledger: Ledger, hand: Hand) -> None:
        app = EdgeApp(files, power, ledger, delays=None)
        app.call()
        app.hear(BOUGHT)
        for _ in range(3):
            assert app.call().path == f"{SHUTDOWN}/pending"
            assert app.hear(pending()).again == 2
            hand.at += 2

    def test_that_came_too_late_did_nothing_wrong(self, app: EdgeApp, hand: Hand, ledger: Ledger) -> None:
        app.call()
        app.hear(BOUGHT)
        app.call()
        app.hear(pending())
        hand.at += 2
        app.call()
        app.hear(edge(409, "edge.shutdown.tooLate"))
        assert (ledger.disallowed, ledger.as_dict()["acknowledged"]) == (0, 0)

    def test_renews_its_token_when_three_quarters_of_its_life_are_over(self, app: EdgeApp, hand: Hand) -> None:
        app.call()
        app.hear(BOUGHT)
        hand.at += 2699
        assert app.call().path.endswith("/pending")
        hand.at += 1
        assert app.call().path.endswith("/token/permit")

    def test_begins_anew_when_its_device_was_off_and_is_silent_meanwhile(
        self, app: EdgeApp, power: Power, hand: Hand
    ) -> None:
        app.call()
        app.hear(BOUGHT)
        power.cut(60)
        assert app.rests_for == 60
        hand.at += 60
        assert app.rests_for == 0
        assert app.call().path.endswith("/token/permit")

    def test_that_is_not_installed_yet_says_nothing(self, tmp_path: Path, power: Power, ledger: Ledger) -> None:
        assert EdgeApp(AppFiles(tmp_path / "none"), power, ledger, delays=None).rests_for > 0

    def test_whose_access_token_is_dead_buys_another_at_once_and_is_turned_away_for_a_while(
        self, app: EdgeApp, ledger: Ledger
    ) -> None:
        app.call()
        app.hear(BOUGHT)
        app.call()
        assert app.hear(edge(401, "edge.auth.invalidToken")) == Verdict(Outcome.REFUSED, 0)
        assert app.call().path.endswith("/token/permit")
        assert app.hear(edge(401, "edge.auth.revokedToken")) == Verdict(Outcome.REFUSED, 5)
        assert app.hear(edge(403, "edge.auth.deviceRefused")) == Verdict(Outcome.REFUSED, 5)
        assert app.hear(edge(429, "edge.tooManyRequests", 30)) == Verdict(Outcome.REFUSED, 30)
        assert app.hear(edge(503, "edge.unavailable", 2)).outcome == Outcome.ERROR
        assert ledger.disallowed == 0

    @pytest.mark.parametrize(
        ("answers", "kind"),
        [
            ([edge(404, "edge.wrongPath")], "permit answered 404 edge.wrongPath"),
            ([Answer(503)], "permit answered 503 unusable"),
            ([said(200, access_token="a.b.c", token="a.b.c", expires_in=1, token_type="Bearer")],
             "permit answered 200 unusable"),
            ([BOUGHT, Answer(200)], "pending answered 200 unusable"),
            ([BOUGHT, edge(500, "edge.internal")], "pending answered 500 edge.internal"),
            ([BOUGHT, pending(), edge(409, "edge.shutdown.notClaimed")],
             "ack answered 409 edge.shutdown.notClaimed"),
        ],
    )  # fmt: skip
    def test_counts_what_the_door_may_not_answer(
        self, app: EdgeApp, hand: Hand, ledger: Ledger, answers: list[Answer], kind: str
    ) -> None:
        for answer in answers:
            app.call()
            app.hear(answer)
            hand.at += 2
        assert ledger.as_dict()["disallowed"] == {kind: 1}


class Deaf(BaseHTTPRequestHandler):
    """A door of apps at which nothing is pending."""

    protocol_version = "HTTP/1.1"
    hosts: list[str]

    def do_GET(self) -> None:
        self.hosts.append(self.headers["Host"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def make_door(tmp_path: Path) -> Iterator[Callable[[], tuple[type[Deaf], int, str, ssl.SSLContext]]]:
    """A door with a certificate of its own for the name that apps call."""
    servers = []

    def make() -> tuple[type[Deaf], int, str, ssl.SSLContext]:
        both = tmp_path / f"door-{len(servers)}.pem"
        both.write_bytes(self_signed(NAME))
        handler = type("Handler", (Deaf,), {"hosts": []})
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        certificate, _, _ = both.read_text().partition("-----BEGIN PRIVATE KEY-----")
        return handler, server.server_port, certificate, context

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


class TestTheFilesOfAnApp:
    def test_are_readable_for_nobody_else(self, files: AppFiles) -> None:
        assert {path.name: path.stat().st_mode & 0o777 for path in files.folder.iterdir()} == {
            ".apptoken": 0o600,
            "certsips.json": 0o600,
        }
        assert files.folder.stat().st_mode & 0o777 == 0o700

    def test_lead_to_the_door_by_its_name_and_to_nothing_else_that_is_trusted(
        self, files: AppFiles, make_door: Callable[[], tuple[type[Deaf], int, str, ssl.SSLContext]]
    ) -> None:
        handler, port, certificate, _ = make_door()
        files.renew(certsips=certsips(certificate))
        line = AppDoor(files, ("127.0.0.1", port)).line()
        assert line.say(Call("GET", "/x", b"", {}, chunked=False)).status == 204
        line.close()
        assert handler.hosts == [f"{NAME}:{port}"]
        with pytest.raises(Lost, match="certificate not trusted"):
            AppDoor(files, ("127.0.0.1", make_door()[1])).line().say(Call("GET", "/x", b"", {}, chunked=False))

    def test_are_read_again_once_the_door_is_not_trusted_any_more(
        self, files: AppFiles, make_door: Callable[[], tuple[type[Deaf], int, str, ssl.SSLContext]], tmp_path: Path
    ) -> None:
        _, port, certificate, context = make_door()
        call = Call("GET", "/x", b"", {}, chunked=False)
        files.renew(certsips=certsips(certificate))
        line = AppDoor(files, ("127.0.0.1", port)).line()
        line.say(call)
        line.close()
        both = tmp_path / "next.pem"
        both.write_bytes(self_signed(NAME))
        context.load_cert_chain(both)
        files.renew(certsips=certsips(both.read_text().partition("-----BEGIN PRIVATE KEY-----")[0]))
        with pytest.raises(Lost, match="certificate not trusted"):
            line.say(call)
        assert line.say(call).status == 204
        line.close()


@pytest.mark.django_db
class TestInstallations:
    @pytest.fixture(autouse=True)
    def _door(self, root: Actor) -> None:
        certificates.ensure_default(by=root)

    def test_of_two_apps_one_declares_that_it_shuts_devices_down(self, root: Actor) -> None:
        for _ in range(2):  # A second run finds them.
            first, second = installations.versions(2, by=root)
            assert (first.app.name, first.features) == ("simapp1", ["API.Shutdown"])
            assert (second.app.name, second.features) == ("simapp2", [])

    def test_an_app_has_its_files_and_where_it_is_already_a_new_token(
        self, make_device: Callable[..., Device], root: Actor, tmp_path: Path
    ) -> None:
        make_device("press-1", status="accepted")
        [version] = installations.versions(1, by=root)
        tokens = []
        for run in ("first", "second"):
            files = AppFiles(tmp_path / run)
            assert not files.are_there
            installations.install(version, "press-1", files, by=root)
            tokens.append(json.loads(files.token_file)["appPrimaryToken"])
            assert files.service_name == NAME
            assert files.trusted.startswith("-----BEGIN CERTIFICATE-----")
        assert InstalledApp.objects.count() == 1
        assert tokens[0] != tokens[1]
        assert tokens[0].startswith("gate_app_")

    def test_devices_get_their_apps_once_they_are_let_in_and_another_file_when_the_door_has_another_certificate(
        self, make_device: Callable[..., Device], root: Actor, tmp_path: Path
    ) -> None:
        fleet = [device(number, seed="test", by="certificate") for number in range(2)]
        agents = Agents(Plan(failing=0, mute=0, offline=0), tmp_path, Door("http://localhost"), ("localhost", 1), root)
        speakers = list(agents.speakers([(each, "") for each in fleet], 2))
        assert [type(each.conversation) for each in speakers] == [Agent, EdgeApp, EdgeApp] * 2
        assert (agents.look_after(), agents.waiting) == ([], 2)
        for each in speakers:
            if isinstance(each.conversation, Agent):
                each.conversation.is_settled = True
        make_device(fleet[0].name, status="accepted")
        make_device(fleet[1].name, status="rejected")
        assert all("is rejected" in sentence for sentence in agents.look_after())
        apps = [each.conversation.files for each in speakers if isinstance(each.conversation, EdgeApp)]
        assert (agents.waiting, [each.are_there for each in apps]) == (0, [True, True, False, False])

        before = apps[0].trusted
        other = self_signed(NAME).decode().partition("-----BEGIN PRIVATE KEY-----")[0]
        TlsCertificate.objects.update(chain=other)
        agents.renew_files()
        assert apps[0].trusted == other != before
        assert not apps[2].folder.exists()

    def test_without_a_door_that_apps_would_trust_nothing_begins(self, root: Actor, tmp_path: Path) -> None:
        TlsCertificate.objects.all().delete()
        agents = Agents(Plan(), tmp_path, Door("http://localhost"), ("localhost", 1), root)
        with pytest.raises(certsips_file.NameNotCovered):
            list(agents.speakers([], 0))


class TestTheLedger:
    def test_tells_of_a_shutdown_that_was_executed_twice(self, ledger: Ledger, hand: Hand) -> None:
        for stage in (Stage.SEEN, Stage.CLAIMED, Stage.EXECUTING, Stage.SEEN, Stage.EXECUTING):
            ledger.note("press-1", JOB, stage)
        ledger.note("press-2", JOB, Stage.SEEN)
        hand.at += 7
        ledger.note("press-1", JOB, Stage.SUCCEEDED)
        told = ledger.as_dict()
        assert (told["seen"], told["executed"], told["doubled"], told["longest_s"]) == (2, 1, 1, 7)
        assert "1 executed, 1 more than once" in str(ledger)

    def test_of_nothing_says_none(self, ledger: Ledger) -> None:
        assert str(ledger).startswith("0 shutdowns seen: none;")
        assert str(ledger).endswith("answers that are not allowed: none")


class TestPlan:
    def test_shares_are_of_all_devices_and_the_same_ones_for_a_seed(self) -> None:
        plan = Plan(mute=0.05, failing=0.02, offline=0.05, crashing=0.01)
        kinds = plan.kinds(200)
        counts = {kind: kinds.count(kind) for kind in Kind}
        assert counts == {Kind.MUTE: 10, Kind.FAILING: 4, Kind.OFFLINE: 10, Kind.CRASHING: 2, Kind.GOOD: 174}
        assert kinds == plan.kinds(200)
        assert kinds != Plan(mute=0.05, failing=0.02, offline=0.05, crashing=0.01, seed="another").kinds(200)

    def test_shares_that_are_all_leave_nobody_over(self) -> None:
        assert len(Plan(mute=0.25, failing=0.25, offline=0.25, crashing=0.25).kinds(2)) == 2

    def test_an_app_takes_its_time_between_the_two_ends_and_the_same_for_a_seed(self) -> None:
        plan = Plan(ack_delay=(1, 2))
        first, again, other = plan.delays("press-1", 0), plan.delays("press-1", 0), plan.delays("press-1", 1)
        drawn = [first() for _ in range(20)]
        assert drawn == [again() for _ in range(20)]
        assert drawn != [other() for _ in range(20)]
        assert all(1 <= delay <= 2 for delay in drawn)


class Speech(Conversation):
    """Says what it is told to, with what it makes of the answers."""

    def __init__(self, verdicts: list[Verdict], rests: list[float]) -> None:
        super().__init__()
        self.verdicts, self.rests = verdicts, rests

    @property
    def is_let_in(self) -> bool:
        return True

    @property
    def rests_for(self) -> float:
        return self.rests.pop(0) if self.rests else 0

    def call(self) -> Call:
        return Call("GET", "/x", b"", {}, chunked=False)

    def hear(self, answer: Answer) -> Verdict:
        return self.verdicts.pop(0)


class Counted(Deaf):
    """Counts its connections."""

    def setup(self) -> None:
        super().setup()
        self.hosts.append("connection")


@pytest.fixture
def counted_door() -> Iterator[tuple[Door, list[str]]]:
    handler = type("Handler", (Counted,), {"hosts": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Door(f"http://127.0.0.1:{server.server_port}"), handler.hosts
    server.shutdown()
    server.server_close()


class TestCrew:
    @pytest.mark.parametrize(
        ("hangs_up", "rests", "connections"), [(False, [], 1), (True, [], 2), (False, [0, 0.01], 2)]
    )
    def test_who_hangs_up_or_has_nothing_to_say_holds_no_connection(
        self, counted_door: tuple[Door, list[str]], hangs_up: bool, rests: list[float], connections: int
    ) -> None:
        door, heard = counted_door
        verdicts = [Verdict(Outcome.SERVED, 0, hangs_up=hangs_up), Verdict(Outcome.SERVED, None)]
        crew = Crew([Speaker(Speech(verdicts, rests), door)], connections=1)
        crew.start()
        assert crew.wait(60)
        assert heard.count("connection") == connections
        assert len(heard) == connections + 2

    def test_who_never_speaks_again_is_not_waited_for(self, counted_door: tuple[Door, list[str]]) -> None:
        crew = Crew([Speaker(Speech([], [math.inf]), counted_door[0])], connections=1)
        crew.start()
        assert crew.wait(60)
        assert counted_door[1] == []


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "why"),
        [
            (["--apps=2", "--once"], "end them with Ctrl-C"),
            (["--apps=2", "--by=both"], "leave out --by"),
            (["--mute=0.6", "--fail=0.5"], "together they are 1 at most"),
        ],
    )
    def test_what_makes_no_sense_is_misuse(self, options: list[str], why: str) -> None:
        with pytest.raises(CommandError, match=why) as misuse:
            call_command("simulate_fleet", "--devices=1", *options, stdout=StringIO(), stderr=StringIO())
        assert misuse.value.returncode == 2

    @pytest.mark.parametrize(
        "option",
        ["--mute=2", "--fail=x", "--ack-delay=3-1", "--ack-delay=0-inf", "--off-for=0", "--apps=9", "--poll=nan"],
    )
    def test_what_is_no_number_of_its_kind_is_misuse(self, option: str) -> None:
        with pytest.raises(CommandError, match="argument"):
            call_command("simulate_fleet", "--devices=1", option, stdout=StringIO(), stderr=StringIO())
