"""A device with nothing but openssl and curl: README's own lines, and a person who decides in the browser."""

import http.client
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.site import Site

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()
# The commands of the step that makes a certificate: each a block of lines that are indented by seven.
STEP = re.search(r"^5\. A device with nothing but.*?^6\. ", README, re.MULTILINE | re.DOTALL)
BLOCKS = [block.strip() for block in re.findall(r"(?:^ {7}.+\n)+", STEP[0] if STEP else "", re.MULTILINE)]


class Machine:
    """The device's own folder, and a shell in it that knows where this installation is."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site, self.folder = site, folder

    def run(self, lines: str, **environment: str) -> str:
        """What README's lines print here, whose addresses and paths are those of a new installation."""
        served = self.site.served
        for written, here in (
            (".venv/bin/python manage.py", f"{sys.executable} {ROOT}/manage.py"),
            ("var/run/", f"{served.data_dir}/run/"),
            ("localhost:8444", f"localhost:{served.device_port}"),
            ("localhost:8000", f"127.0.0.1:{served.http_port}"),
            ("curl ", "curl --silent --max-time 20 "),
        ):
            lines = lines.replace(written, here)
        done = subprocess.run(
            ["bash", "-e", "-c", lines], cwd=self.folder, env=served.env | environment, capture_output=True, text=True,
            timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open(self) -> http.client.HTTPSConnection:
        """A connection of the device that stays open."""
        context = self.site.served.trusted()
        context.load_cert_chain(self.folder / "press-1.pem", self.folder / "press-1.key")
        return http.client.HTTPSConnection("localhost", self.site.served.device_port, timeout=60, context=context)


@pytest.fixture
def machine(site: Site, tmp_path: Path) -> Machine:
    return Machine(site, tmp_path)


def ask(connection: http.client.HTTPSConnection) -> Any:
    connection.request("GET", "/device")
    answer = connection.getresponse()
    said = json.loads(answer.read())
    return said.get("code", answer.status)


def test_it_gets_a_certificate_waits_is_accepted_sends_data_is_denied_and_restored(
    open_page: Open, machine: Machine
) -> None:
    certificate, send, over_rest = BLOCKS
    first = json.loads(machine.run(certificate))
    assert (first["code"], first["device"]) == ("device_pending", "press-1")

    page: Page = open_page("/portal/devices/press-1/")
    grouped = page.locator("#fingerprint").inner_text().replace(" ", "").replace("\n", "")
    assert first["fingerprint"] == grouped
    expect(page.locator("#waiting")).not_to_be_hidden()
    page.locator("#device").get_by_role("button", name="Accept this device").click()
    expect(page.locator("#device .chip").first).to_have_text("accepted")

    assert "204" in machine.run(send).splitlines()[0]
    page.reload()
    expect(page.locator("#device")).to_contain_text("line-3-v7")
    expect(page.locator("#device")).to_contain_text("10.20.3.7")

    connection = machine.open()
    assert ask(connection) == 200
    open_connection = connection.sock
    page.locator("#device").get_by_role("button", name="Deny this device").click()
    expect(page.locator("#device .chip").first).to_have_text("denied")
    assert ask(connection) == "device_denied"
    page.locator("#device").get_by_role("button", name="Restore this device").click()
    expect(page.locator("#device .chip").first).to_have_text("accepted")
    assert ask(connection) == 200
    assert connection.sock is open_connection
    expect(page.locator("#device")).not_to_contain_text("10.20.3.7")

    token = machine.site.served.manage(
        "issue_token", "signer", "--owner=ada", "--scope=devices:enrol", "--days=1"
    ).strip()  # fmt: skip
    signed = json.loads(machine.run(over_rest, TOKEN=token))
    assert signed["certificate"].startswith("-----BEGIN CERTIFICATE-----")
