"""What the worker does for the doors."""

from gateway import certificates, device_certificates
from portal.actor import Actor
from portal.schedule import every


@every(3600, "renew the door's certificate")
def renew() -> None:
    if certificates.renew_due(by=Actor.worker()):
        certificates.publish()


every(24 * 3600, "forget certificates that ended long ago")(device_certificates.forget)
