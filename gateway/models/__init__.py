"""What is remembered about the doors: the Envoys that ask here, their certificates, the CAs they trust, the routes."""

from gateway.models.certificates import DeviceCA, IssuedCertificate, Role, TlsCertificate
from gateway.models.node import GatewayNode, NodeKind
from gateway.models.route import HostHeader, Origin, Route, RouteEntryRefusal, RouteTraffic, TrafficReading

__all__ = [
    "DeviceCA",
    "GatewayNode",
    "HostHeader",
    "IssuedCertificate",
    "NodeKind",
    "Origin",
    "Role",
    "Route",
    "RouteEntryRefusal",
    "RouteTraffic",
    "TlsCertificate",
    "TrafficReading",
]
