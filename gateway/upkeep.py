"""What the worker does for the doors."""

from gateway import certificates, device_certificates, route_traffic, route_watch
from portal.actor import Actor
from portal.schedule import beside, every


@every(3600, "renew the doors' certificates")
def renew() -> None:
    certificates.renew_due(by=Actor.worker())
    # One that was installed at another replica is published here too.
    certificates.publish()


every(24 * 3600, "forget certificates that ended long ago")(device_certificates.forget)
every(3600, "forget old traffic of routes")(route_traffic.forget)
beside("route targets")(route_watch.run)
beside("route traffic")(route_traffic.run)
