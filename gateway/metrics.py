"""What Gatehouse counts, for Prometheus; read from the database at each scrape, so that every replica says the same."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from rest_framework.request import Request

from devices import counts, shutdown_counts
from devices.models import KeyChange, KeyChangeRequest, Status
from gateway.models import GatewayNode, Route, TrafficReading
from portal import audit_counts, expiry
from portal.access import HasScope
from portal.models import FailedAttempts, Letter, Outbox
from portal.rest import Endpoint
from portal.scopes import Scope
from tokens.models import ApiToken

LOOPBACK = ("127.0.0.1", "::1")


class LoopbackOrScope(HasScope):
    """A scraper on this machine needs no token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.META.get("REMOTE_ADDR") in LOOPBACK or super().has_permission(request, view)


@extend_schema(exclude=True)
class MetricsView(Endpoint):
    """The metrics as Prometheus text."""

    scopes: ClassVar = {"get": Scope.METRICS_READ}
    reads = None  # A scraper may send parameters of its own.
    permission_classes = (LoopbackOrScope,)

    def get(self, request: Request) -> HttpResponse:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Figures())
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Figures(Collector):
    """One scrape's figures."""

    def collect(self) -> Iterator[Metric]:
        yield from self.fleet()
        yield from self.changes()
        yield from self.shutdowns()
        yield from self.keys()
        yield from self.nodes()
        yield from self.routes()

    def fleet(self) -> Iterator[Metric]:
        devices = GaugeMetricFamily("gatehouse_devices", "Devices by admission status.", labels=["status"])
        numbers = counts.by_tab()
        for status in (*Status.values, counts.DENIED):
            devices.add_metric([status], numbers[status])
        yield devices
        open_changes = KeyChangeRequest.objects.filter(state=KeyChange.OPEN).count()
        yield GaugeMetricFamily("gatehouse_key_changes_open", "Key changes that wait for a decision.", open_changes)

    def changes(self) -> Iterator[Metric]:
        changes = CounterMetricFamily("gatehouse_changes", "Changes in the audit trail by verb.", labels=["verb"])
        for verb, count in sorted(audit_counts.by_verb().items()):
            changes.add_metric([verb], count)
        yield changes
        yield GaugeMetricFamily("gatehouse_outbox_waiting", "Messages not handed on yet.", Outbox.objects.count())
        waits = FailedAttempts.objects.filter(wait_until__gt=timezone.now()).count()
        yield GaugeMetricFamily("gatehouse_addresses_waiting", "Addresses slowed down after failures.", waits)

    def shutdowns(self) -> Iterator[Metric]:
        targets = GaugeMetricFamily("gatehouse_shutdown_targets", "Devices of shutdowns by state.", labels=["state"])
        for state, number in shutdown_counts.by_state().items():
            targets.add_metric([state], number)
        yield targets

    def keys(self) -> Iterator[Metric]:
        now = timezone.now()
        live = ApiToken.objects.live(now)
        yield GaugeMetricFamily("gatehouse_api_tokens_live", "API tokens neither expired nor revoked.", live.count())
        first = GaugeMetricFamily("gatehouse_days_to_expiry", "Days until one of a kind expires.", labels=["kind"])
        for source in expiry.sources():
            if ends_at := source.first_end(now):
                first.add_metric([source.kind], (ends_at - now).total_seconds() / 86400)
        yield first
        unsent = Letter.objects.filter(sent_at=None).count()
        yield GaugeMetricFamily("gatehouse_mails_waiting", "Mails that no server has taken yet.", unsent)

    def nodes(self) -> Iterator[Metric]:
        seen = GaugeMetricFamily("gatehouse_node_seen_seconds", "Seconds since an Envoy asked.", labels=["node"])
        now = timezone.now()
        for name, last_seen in GatewayNode.objects.values_list("name", "last_seen"):
            if last_seen:
                seen.add_metric([name], (now - last_seen).total_seconds())
        yield seen

    def routes(self) -> Iterator[Metric]:
        """As each Envoy has counted since it began; of routes through which nothing has passed there is nothing."""
        requests = CounterMetricFamily(
            "gatehouse_route_requests", "Requests that reached the service of a route.", labels=["node", "route"]
        )
        errors = CounterMetricFamily(
            "gatehouse_route_errors",
            "Answers of 400 and more by their first digit.",
            labels=["node", "route", "status"],
        )
        prefixes = dict(Route.objects.values_list("pk", "prefix"))
        for node, counted in TrafficReading.objects.values_list("node__name", "counts"):
            for number, count in counted.items():
                if prefix := prefixes.get(int(number)):
                    requests.add_metric([node, prefix], count["requests"])
                    errors.add_metric([node, prefix, "4xx"], count["client_errors"])
                    errors.add_metric([node, prefix, "5xx"], count["server_errors"])
        yield requests
        yield errors
