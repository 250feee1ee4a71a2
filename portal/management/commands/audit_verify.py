"""Verify the audit chain from its first row to its last; exit 1 names the first row that does not fit."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal import audit
from portal.commands import refusals_exit_1


class Command(BaseCommand):
    help = __doc__ or ""

    @refusals_exit_1
    def handle(self, **options: Any) -> None:
        verdict = audit.verify()
        if not verdict.holds:
            raise CommandError(f"The audit chain is broken at row {verdict.broken_at}; compare it with your backup.")
        self.stdout.write(json.dumps({"rows": verdict.rows, "mac": verdict.mac, "holds": True}))
