"""Make the pictures of README.md: `python -m tests.browser.screenshots` serves a fleet and photographs it."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.chromium import launched
from tests.browser.site import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "static" / "screenshots"
PORT = 8893
PAGES = {
    "overview": "/portal/",
    "devices": "/portal/devices/",
    "tokens": "/portal/tokens/",
    "credential": "/portal/apps/credentials/{credential}/",
}
WIDTHS = {"": (1280, 760), "-phone": (390, 844)}

FLEET = """
import json
from datetime import timedelta
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone
from devices import admission, denial, identity, introduction, keys
from devices.models import Status
from portal import outbox, people, tally
from portal.actor import Actor
from portal.models import User
from portal.roles import Role
from tokens import credentials, overlap, registration, shown_secrets
if not User.objects.filter(username="ada").exists():
    people.create("ada", PASSWORD, Role.ADMINISTRATOR, by=Actor.command("create_admin"))
ada = Actor.person(User.objects.get(username="ada"), "10.20.0.4")
kinds = ["PRESS", "OVEN", "LATHE", "PUMP", "ROBOT", "CONVEYOR"]
fleet = []
for number in range(17):
    serial, mac = f"{kinds[number % 6]}-{4711 + number}", f"00:1b:44:11:3a:{number + 160:02x}"
    said = {"serial": serial, "mac": mac, "site": "Hall 3"}
    public = Ed25519PrivateKey.generate().public_key()
    key = keys.read(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
    fleet.append(introduction.introduce(identity.read(json.dumps(said)), key, address=f"10.20.3.{number + 20}").device)
for device in fleet[:10]:
    admission.decide(device, Status.ACCEPTED, by=ada)
admission.decide(fleet[10], Status.REJECTED, by=ada, reason="belongs to the other plant")
denial.deny(fleet[11], by=ada, reason="stolen from hall 3")
outbox.hand_on()
for ago in range(1, 24):
    then = timezone.now() - timedelta(hours=ago)
    busy = 3 if 6 <= then.hour <= 18 else 1
    for name, number in {"device.pending": ago * 7 % 5, "device.accepted": ago * 5 % 4}.items():
        tally.add(name, number * busy, then)
    for name, number in {"request.answered": 900 + ago * 131 % 400, "request.refused": ago * 17 % 60}.items():
        tally.add(name, number * busy, then)
app = registration.register("historian", title="Historian of hall 3", by=ada)
version = registration.add_version(app, "v1.0.0", scopes=["users:read", "devices:read"], by=ada)
issued = credentials.issue(version, by=ada, owner=User.objects.get(username="ada"), instance="hall3", days=20)
client_id = issued.holder.client_id
shown_secrets.of_client(client_id, issued.text, address="10.20.3.7")
rotated = overlap.rotate(issued.holder, by=ada, grace_hours=168, reason="before it expires")
shown_secrets.of_client(client_id, rotated.text, address="10.20.3.7")
print(issued.holder.pk)
"""


def main() -> int:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gatehouse-pictures-") as folder:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("GATEHOUSE_", "DJANGO_"))}
        environment = {**ours, "GATEHOUSE_DATA_DIR": folder}
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)
        fleet = [*manage, "shell", "-v", "0", "-c", f"PASSWORD = {PASSWORD!r}\n{FLEET}"]
        made = subprocess.run(fleet, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        # The pictures need pages and no door.
        serving = [*manage, "runserver", "--noreload", f"127.0.0.1:{PORT}"]
        server = subprocess.Popen(
            serving, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(f"http://localhost:{PORT}/healthz")
            photograph(f"http://localhost:{PORT}", credential=made.stdout.strip())
        finally:
            server.terminate()
            server.wait()
    return 0


def wait_for(url: str) -> None:
    for _ in range(150):
        try:
            urllib.request.urlopen(url).close()
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    sys.exit("The portal did not start.")


def photograph(url: str, **names: str) -> None:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        for suffix, (width, height) in WIDTHS.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
            page = context.new_page()
            page.goto(f"{url}/portal/login/")
            page.get_by_label("Name").fill("ada")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url("**/portal/")
            for name, path in PAGES.items():
                page.goto(url + path.format(**names))
                page.screenshot(path=PICTURES / f"{name}{suffix}.png")
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
