"""The routes of the gateway, what was refused of a list of them, and what passed through each."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from gateway.models.node import GatewayNode


class HostHeader(models.TextChoices):
    """Which name a service hears in `Host`."""

    TARGET = "target", "That of the target"
    CLIENT = "client", "That which the client called"


class Origin(models.TextChoices):
    """Where a route came from."""

    PERSON = "person", "Made by a person or a program"
    BUILT_IN = "built_in", "Built in for EdgeX"
    VARIABLE = "variable", "Entry of EDGEX_ADD_PROXY_ROUTE"
    COMMAND = "command", "Entry of import_routes"


class Route(models.Model):
    """A path of the gateway and the service behind it; `routes` judges what stands here. Times are in seconds.

    `is_edited` says that a person or a program has changed it by hand since it came from its origin; then no entry of a
    list changes it. `rate_per_minute` 0 is no limit; `burst` is what one caller may send at once within it.
    """

    prefix = models.CharField(max_length=255)
    target = models.CharField(max_length=500)
    scope = models.CharField(max_length=263)
    is_enabled = models.BooleanField(default=True)
    methods = models.JSONField(default=list)
    timeout_s = models.PositiveSmallIntegerField(default=30)
    connect_timeout_s = models.PositiveSmallIntegerField(default=2)
    retries = models.PositiveSmallIntegerField(default=1)
    body_limit = models.PositiveIntegerField(default=1024 * 1024)
    host_header = models.CharField(max_length=6, choices=HostHeader, default=HostHeader.TARGET)
    forward_token = models.BooleanField(default=False)
    rate_per_minute = models.PositiveIntegerField(default=0)
    burst = models.PositiveSmallIntegerField(default=20)
    health_path = models.CharField(max_length=500, blank=True)
    websocket = models.BooleanField(default=False)
    websocket_max_s = models.PositiveIntegerField(default=900)
    cors_origins = models.JSONField(default=list)
    cors_credentials = models.BooleanField(default=False)
    target_ca = models.TextField(blank=True)
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.PERSON)
    is_edited = models.BooleanField(default=False)
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("prefix"), name="one_route_per_prefix_in_any_case"),
            models.CheckConstraint(condition=models.Q(host_header__in=HostHeader.values), name="host_header_is_known"),
            models.CheckConstraint(condition=models.Q(timeout_s__lte=600), name="route_timeout_is_bounded"),
            models.CheckConstraint(
                condition=models.Q(connect_timeout_s__gte=1, connect_timeout_s__lte=10),
                name="route_connect_timeout_is_bounded",
            ),
            models.CheckConstraint(condition=models.Q(retries__lte=3), name="route_retries_are_few"),
            models.CheckConstraint(
                condition=models.Q(body_limit__gte=1024, body_limit__lte=64 * 1024 * 1024),
                name="route_body_is_bounded",
            ),
            models.CheckConstraint(condition=models.Q(rate_per_minute__lte=60_000), name="route_rate_is_bounded"),
            models.CheckConstraint(condition=models.Q(burst__gte=1, burst__lte=1000), name="route_burst_is_bounded"),
            models.CheckConstraint(
                condition=models.Q(websocket_max_s__gte=60, websocket_max_s__lte=86_400),
                name="route_socket_life_is_bounded",
            ),
            models.CheckConstraint(condition=models.Q(origin__in=Origin.values), name="route_origin_is_known"),
        ]

    def __str__(self) -> str:
        return self.prefix


class RouteEntryRefusal(models.Model):
    """An entry of EDGEX_ADD_PROXY_ROUTE that was refused at the last start; `entry` shows nothing before an `@`."""

    position = models.PositiveIntegerField(unique=True)
    entry = models.CharField(max_length=300)
    sentence = models.CharField(max_length=500)
    refused_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Entry {self.position} (`{self.entry}`) {self.sentence}"


class RouteTraffic(models.Model):
    """What passed one node on one route in five minutes, as its Envoy counted it; without any, there is no row.

    `latencies` are how many answers of the service took at most so many milliseconds, by the bounds of the statistics.
    """

    route = models.ForeignKey(Route, models.CASCADE, related_name="traffic")
    node = models.ForeignKey(GatewayNode, models.CASCADE, related_name="traffic")
    began_at = models.DateTimeField()
    requests = models.PositiveBigIntegerField(default=0)
    client_errors = models.PositiveBigIntegerField(default=0)
    server_errors = models.PositiveBigIntegerField(default=0)
    latencies = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["route", "node", "began_at"], name="one_count_per_route_node_and_time"),
        ]
        indexes: ClassVar = [models.Index(fields=["began_at"], name="traffic_by_time")]

    def __str__(self) -> str:
        return f"{self.route} at {self.began_at:%Y-%m-%d %H:%M}"


class TrafficReading(models.Model):
    """What a node's Envoy had counted for each route when it was last read; only what is new since then is added.

    `process` names the run of that Envoy, which began to count at nothing. Whoever moves `number` on has added it.
    """

    node = models.OneToOneField(GatewayNode, models.CASCADE, related_name="traffic_reading")
    process = models.CharField(max_length=64, blank=True)
    number = models.PositiveBigIntegerField(default=0)
    counts = models.JSONField(default=dict)
    read_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.node} at {self.read_at:%Y-%m-%d %H:%M:%S}"
