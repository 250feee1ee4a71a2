"""The certificate of the TLS door as a file: for everybody who is logged in, as soon as there is one."""

from collections.abc import Callable

from django.test import Client

from gateway import certificates
from gateway.models import Role, TlsCertificate
from portal.actor import Actor
from portal.models import User

PATH = "/portal/door-certificate/"


def test_it_is_the_chain_that_the_door_shows(log_in: Callable[..., Client], viewer: User, root: Actor) -> None:
    client = log_in(viewer)
    missing = client.get(PATH)
    assert missing.status_code == 404
    assert "has no certificate yet" in missing.content.decode()
    certificates.ensure_default(by=root)
    answer = client.get(PATH)
    shown = TlsCertificate.objects.shown(Role.DOOR)
    assert shown
    assert answer.content.decode() == shown.chain
    assert answer["Content-Disposition"] == 'attachment; filename="gatehouse.pem"'
    assert answer["Content-Type"] == "application/x-pem-file"


def test_nobody_gets_it_who_is_not_logged_in(client: Client) -> None:
    assert client.get(PATH).status_code == 302
