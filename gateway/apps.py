"""The gateway app; tells the overview, the page of a device and the enrolment rules what the doors know."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "gateway"

    def ready(self) -> None:
        import gateway.device_sections
        import gateway.overview
        import gateway.rule_choices  # noqa: F401
