"""Certificates of simulated devices: signed here, as for any device, since the command runs on the machine itself."""

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from devices.admission import Denied
from gateway import device_certificates
from gateway.fleet.devices import SimulatedDevice
from portal.actor import Actor

# Longer than a fleet lives, and no longer than that, for its keys are known to whoever knows its seed.
DAYS = 14


def obtain(device: SimulatedDevice, *, by: Actor) -> str:
    """The device's certificate, signed now, with its key, as PEM; empty if the device is denied, for it gets none.

    One device a transaction: a lock on many devices at once would stand in the way of those who decide on them.
    """
    try:
        signed = device_certificates.sign(device.name, _request(device), days=DAYS, by=by)
    except Denied:
        return ""
    key = device.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return key + signed.certificate


def _request(device: SimulatedDevice) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device.name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(device.private, SHA256())
    return request.public_bytes(Encoding.PEM).decode()
