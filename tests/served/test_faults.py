"""What breaks at run time, really broken: killed processes, and a portal that is not there."""

import base64
import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from gateway import supervisor
from tests.served.installation import ANSWERED_WITHIN, PATIENCE, Served, free_ports, lives, serving, wait_for

pytestmark = pytest.mark.long


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def workers(served: Served) -> list[int]:
    """The portal's app server first, then its workers."""
    return served.children("gateway.portal_app")


def test_an_envoy_that_was_killed_is_back_within_seconds(portal: Served) -> None:
    (envoy,) = portal.children("_bin/envoy")
    kill(envoy)
    wait_for(lambda: portal.is_ready() and envoy not in portal.children("_bin/envoy"))


def test_a_killed_worker_of_the_portal_is_replaced_and_hardly_noticed(portal: Served) -> None:
    _, worker, *others = workers(portal)
    kill(worker)
    statuses = [portal.ask("GET", "/readyz")[0] for _ in range(20)]
    assert set(statuses) <= {200, 503}
    assert statuses.count(503) <= 2  # A request may have been in its hands.
    wait_for(lambda: len(workers(portal)) == len(others) + 2)


def test_while_the_portal_is_down_the_door_says_so_and_serves_again_without_a_restart(portal: Served) -> None:
    (envoy,) = portal.children("_bin/envoy")
    master, *rest = workers(portal)
    kill(*rest, master)
    asked, refused = ("/readyz", "/api/management/v1/admission/devices"), {}
    for path in asked * 100:
        status, headers, body = portal.ask("GET", path, headers={"X-Correlation-ID": "story"})
        if status == 503:
            refused[path] = (headers, json.loads(body))
        if len(refused) == len(asked):
            break
    headers, said = refused[asked[1]]
    assert (said["error"], headers["Retry-After"]) == ("service unavailable", "2")
    headers, said = refused[asked[0]]
    assert (said["code"], headers["Retry-After"], headers["X-Correlation-ID"]) == ("portal_unavailable", "2", "story")
    assert said["request_id"] == headers["X-Request-Id"]
    wait_for(portal.is_ready)
    assert portal.children("_bin/envoy") == [envoy]


def test_a_killed_background_worker_is_started_again(portal: Served) -> None:
    (worker,) = portal.children("run_worker")
    kill(worker)
    wait_for(lambda: len(set(portal.children("run_worker")) - {worker}) == 1)


@pytest.mark.parametrize("is_starting", [False, True])
def test_nothing_outlives_a_serve_that_was_killed_and_the_next_needs_no_repair(
    portal: Served, is_starting: bool
) -> None:
    if is_starting:
        _, worker, *_ = former = workers(portal)
        kill(worker)
        wait_for(lambda: len(set(workers(portal)) - set(former)) == 1)
    family = portal.children()
    assert len(family) >= 5
    kill(portal.process.pid)
    portal.process.wait()
    wait_for(lambda: not any(lives(pid) for pid in family))
    portal.start()
    portal.wait_ready()


def test_sigterm_ends_everything_and_lets_a_request_end(portal: Served) -> None:
    family = portal.children()
    with socket.create_connection(("127.0.0.1", portal.http_port), ANSWERED_WITHIN) as slow:
        slow.sendall(b"PUT /api/devices/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert slow.recv(4096).startswith(b"HTTP/1.1 100")  # Envoy has it in its hands.
        slow.sendall(b"{")
        portal.process.terminate()
        time.sleep(0.5)
        slow.sendall(b"}")
        assert slow.recv(4096).startswith(b"HTTP/1.1 404")
    assert portal.process.wait(PATIENCE) == 0
    assert supervisor.STOPPED_WITHIN < 10
    assert not any(lives(pid) for pid in family)
    portal.start()
    portal.wait_ready()


def test_the_fresh_certificate_of_a_restart_is_of_the_same_key(portal: Served) -> None:
    door = portal.data_dir / "run" / "door.pem"
    before = door.read_text()
    assert portal.stop() == 0
    portal.start()
    portal.wait_ready()
    assert door.read_text() == before


def test_a_certificate_that_envoy_refuses_leaves_the_last_good_one_in_place_and_is_told(portal: Served) -> None:
    """Only somebody who writes into the database can do this; our own rules do not."""
    key = "from cryptography.hazmat.primitives.asymmetric import ec; k = ec.generate_private_key(ec.SECP256R1()); "
    key += "from gateway.certificates import _pem; from portal import sealing; from gateway.models import *; "
    keep = "print(TlsCertificate.objects.get().sealed_key)"
    good = portal.manage("shell", "-v", "0", "-c", key + keep).strip()
    spoil = "TlsCertificate.objects.update(sealed_key=sealing.seal(_pem(k)))"
    portal.manage("shell", "-v", "0", "-c", key + spoil)

    def told(what: str) -> dict[str, str]:
        code = f"from gateway.models import *; import json; print(json.dumps(GatewayNode.objects.get().{what}))"
        recorded = json.loads(portal.manage("shell", "-v", "0", "-c", code))
        found: dict[str, str] = recorded.get("secrets/door", {})
        return found

    wait_for(lambda: bool(told("refused")), otherwise=lambda: portal.log[-2000:])
    reason = told("refused")["reason"]
    assert "private key" in reason.lower()
    assert "BEGIN" not in reason
    with socket.create_connection(("127.0.0.1", portal.tls_port), ANSWERED_WITHIN) as plain:
        portal.trusted().wrap_socket(plain, server_hostname="localhost").close()

    portal.manage("shell", "-v", "0", "-c", key + f"TlsCertificate.objects.update(sealed_key={good!r})")
    wait_for(lambda: told("accepted").get("version", "").endswith(".1"), otherwise=lambda: portal.log[-2000:])


class TestServeRefuses:
    """In one sentence on stderr, with exit 1."""

    def refused(self, served: Served, *, sentence: str, printed: str = "") -> None:
        done = served.start_command("serve")
        assert done.returncode == 1
        assert done.stdout.strip("=\n") == printed
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1

    def test_a_second_serve_on_the_same_folder(self, portal: Served) -> None:
        self.refused(portal, sentence=f"Another serve runs on {portal.data_dir}; stop it first")

    def test_a_port_that_is_taken_naming_its_setting(self, tmp_path: Path) -> None:
        for setting, address in (("HTTP_PORT", "127.0.0.1"), ("HTTP_PORT", "::1"), ("TLS_PORT", "127.0.0.1")):
            if address == "::1" and not Path("/proc/net/if_inet6").exists():
                continue
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.create_server((address, 0), family=family) as other:
                port = other.getsockname()[1]
                served = Served(tmp_path / "d", **{f"GATEHOUSE_{setting}": str(port)})
                self.refused(served, sentence=f"Port {port} on {address} is taken by another program; stop it or set")

    def test_a_master_key_that_did_not_seal_what_is_stored(self, portal: Served) -> None:
        portal.stop()
        portal.env["GATEHOUSE_MASTER_KEY"] = base64.urlsafe_b64encode(os.urandom(32)).decode()
        self.refused(portal, sentence="does not open with this GATEHOUSE_MASTER_KEY; give back the key")
        del portal.env["GATEHOUSE_MASTER_KEY"]
        portal.start()
        portal.wait_ready()

    def test_a_damaged_secret_file(self, tmp_path: Path) -> None:
        served = Served(tmp_path / "d")
        peppers = served.data_dir / "secrets" / "peppers"
        peppers.parent.mkdir(parents=True)
        peppers.write_text("x")
        self.refused(served, sentence=f"{peppers} is damaged; put the file of your backup back in its place.")

    def test_an_address_that_is_not_here(self, tmp_path: Path) -> None:
        served = Served(tmp_path / "d", GATEHOUSE_BIND="203.0.113.9")
        self.refused(served, sentence="GATEHOUSE_BIND is 203.0.113.9, which is no address of this machine.")

    def test_an_envoy_that_is_not_there(self, tmp_path: Path) -> None:
        served = Served(tmp_path / "d", GATEHOUSE_ENVOY="/nowhere/envoy")
        self.refused(served, sentence="There is no Envoy at /nowhere/envoy; check GATEHOUSE_ENVOY.")

    def test_an_envoy_that_takes_nothing(self, tmp_path: Path) -> None:
        served = Served(tmp_path / "d", GATEHOUSE_ENVOY="/bin/false")
        # The administrator is there already, and the next start says no more of them.
        made = "The first administrator is admin, the password in GATEHOUSE_ADMIN_PASSWORD"
        sentence = "The Envoy at /bin/false does not take its configuration"
        self.refused(served, sentence=sentence, printed=made)
        self.refused(served, sentence=sentence)

    def test_a_folder_too_deep_for_a_unix_socket(self, tmp_path: Path) -> None:
        served = Served(tmp_path / ("d" * 100))
        self.refused(
            served, sentence="too long for the path of a unix socket; set GATEHOUSE_DATA_DIR to a shorter one."
        )

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        served = Served(tmp_path / "file" / "data")
        self.refused(served, sentence="check GATEHOUSE_DATA_DIR and who owns it.")


def test_the_first_start_tells_the_password_and_the_addresses_and_a_second_only_the_addresses() -> None:
    with serving(GATEHOUSE_ADMIN_PASSWORD="") as served:
        assert served.said.count("The first administrator is admin, password ") == 1
        wait_for(lambda: f"https://localhost:{served.tls_port}/portal/" in served.said)
        served.stop()
        served.start()
        served.wait_ready()
        wait_for(lambda: f"http://localhost:{served.http_port}/portal/" in served.said)
        assert "administrator" not in served.said


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_clear_text_door_is_on_loopback_and_nowhere_else(portal: Served, address: str) -> None:
    if address == "::1" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    socket.create_connection((address, portal.http_port), 5).close()
    assert portal.http_port not in free_ports(1)
