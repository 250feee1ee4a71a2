"""Make a gateway node on another host, and write the files that its Envoy starts with."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from gateway import certificate_pem, remote_bootstrap, remote_nodes
from portal.actor import Actor
from portal.commands import folder_named, refusals_exit_1


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the name of the node")
        parser.add_argument("--portal", required=True, metavar="URL", help="where the TLS door of the portal is")
        parser.add_argument("--out", type=folder_named, required=True, metavar="DIR", help="the folder of the files")
        parser.add_argument("--ca", metavar="FILE", help="the CA of the portal's certificate (default: what it shows)")
        parser.add_argument(
            "--poll", type=seconds, metavar="5s", help="how often it asks for what changes (default: 1s)"
        )
        parser.add_argument(
            "--poll-revocations",
            type=seconds,
            metavar="0.5s",
            help="how often it asks what was revoked (default: 0.5s)",
        )
        parser.add_argument("--bind", metavar="ADDRESS", help="the address of its TLS door (default: 0.0.0.0)")
        parser.add_argument("--port", type=int, metavar="N", help="the port of its TLS door (default: 8443)")
        parser.add_argument(
            "--name", action="append", default=[], dest="names", metavar="HOST",
            help="a host name or an address for its own certificate; may be given again",
        )  # fmt: skip
        parser.add_argument("--rotate", action="store_true", help="a new token for a node that is there already")

    @refusals_exit_1
    def handle(self, *, name: str, portal: str, out: Path, ca: str | None, rotate: bool, **options: Any) -> None:
        trusted = certificate_pem.from_file(ca) if ca is not None else None
        place = remote_bootstrap.judge(out, portal, trusted, overwrite=rotate)
        facts = {
            "bind": options["bind"],
            "port": options["port"],
            "poll_s": options["poll"],
            "revocations_poll_s": options["poll_revocations"],
        }
        rule = remote_nodes.rotate if rotate else remote_nodes.make
        node, token = rule(name, names=options["names"], by=Actor.command("envoy_bootstrap"), **facts)
        self.stdout.write(json.dumps({"node": node.name, "start": remote_bootstrap.write(place, node, token)}))


def seconds(text: str) -> float:
    """`5s`, `0.5s` or `500ms`."""
    number, size = (text.removesuffix("ms"), 1000) if text.endswith("ms") else (text.removesuffix("s"), 1)
    if not number.isascii() or not number.replace(".", "", 1).isdigit():
        raise ArgumentTypeError(f"{text!r} is no time; write it as 5s or 0.5s.")
    return float(number) / size
