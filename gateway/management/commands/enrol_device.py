"""Sign a certificate for a device and print it as PEM; whether the device may enter, its admission says."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway import certificate_requests, device_certificates
from portal.actor import Actor
from portal.commands import counts_once_shown, refusals_exit_1


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", help="the id of the device, which is the common name (CN) of the request")
        parser.add_argument("--csr", required=True, metavar="FILE", help="the certificate request as PEM; - is stdin")
        parser.add_argument(
            "--days", type=int, default=device_certificates.USUAL_DAYS, help="how long it lives (default: %(default)s)"
        )

    @refusals_exit_1
    def handle(self, *, id: str, csr: str, days: int, **options: Any) -> None:
        request = _read(csr)
        with counts_once_shown(self):
            signed = device_certificates.sign(id, request, days=days, by=Actor.command("enrol_device"))
            self.stdout.write(signed.certificate, ending="")


def _read(path: str) -> str:
    """One byte more than is taken at most, so that a longer one is refused as such."""
    most = certificate_requests.MAX_BYTES + 1
    try:
        if path == "-":
            return sys.stdin.buffer.read(most).decode("ascii", "replace")
        with Path(path).open(encoding="ascii", errors="replace") as file:
            return file.read(most)
    except OSError as failed:
        raise CommandError(f"{path} cannot be read: {failed.strerror}.") from failed
