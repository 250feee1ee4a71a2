"""The gateway app; tells the portal what the doors know and how a no is written in its dialects."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "gateway"

    def ready(self) -> None:
        import gateway.certsips
        import gateway.device_sections
        import gateway.dialects.industrial_edge_paths
        import gateway.dialects.insights_hub
        import gateway.dialects.mender
        import gateway.dialects.oauth_openapi
        import gateway.expiring
        import gateway.kept_digests
        import gateway.overview
        import gateway.pruning
        import gateway.route_scopes
        import gateway.rule_choices
        import gateway.subjects  # noqa: F401
