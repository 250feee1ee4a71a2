"""Install a certificate at the TLS door of a node, live without a restart; print what the door shows from then on."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gateway import certificate_installation, certificate_pem, remote_nodes
from gateway.certificate_pem import KeyNotPem
from gateway.nodes import LOCAL
from portal.actor import Actor
from portal.commands import refusals_exit_1
from portal.rfc3339 import written


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--cert", required=True, metavar="FILE", help="the chain as PEM, the server's first")
        parser.add_argument("--key", required=True, metavar="FILE", help="its private key as PEM, without a password")
        parser.add_argument(
            "--node", default=LOCAL, metavar="NAME", help="the gateway node whose door shows it (default: local)"
        )
        parser.add_argument("--any-name", action="store_true", help="also without the host of GATEHOUSE_PUBLIC_URL")

    @refusals_exit_1
    def handle(self, *, cert: str, key: str, node: str, any_name: bool, **options: Any) -> None:
        door = remote_nodes.door(node)
        by = Actor.command("install_certificate")
        pair = certificate_pem.from_file(cert), certificate_pem.from_file(key, KeyNotPem)
        shown = certificate_installation.install(*pair, by=by, node=door, any_name=any_name)
        for warning in certificate_installation.warnings(shown):
            self.stderr.write(f"Warning: {warning}")
        if names := certificate_installation.strangers(shown):
            self.stderr.write(
                f"Warning: The nodes {', '.join(names)} come to the portal by this door; one that does not know this "
                "certificate goes on with what it holds until envoy_bootstrap NAME --rotate --ca FILE."
            )
        told = {
            "fingerprint": shown.fingerprint,
            "subject": shown.subject,
            "not_after": written(shown.not_after),
            "names": shown.names,
            "live": certificate_installation.wait_until_live(shown),
        }
        self.stdout.write(json.dumps(told))
