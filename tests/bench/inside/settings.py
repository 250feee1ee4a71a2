"""The settings of an installation, and beside ours the peer that is measured against.

Nothing here has to outlive a power cut: how quick the disk is says nothing about us or the peer.
"""

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from portal.settings import *  # noqa: F403
from portal.settings import DATABASES, INSTALLED_APPS, ON_SERVER, SIMPLE_JWT

INSTALLED_APPS = [*INSTALLED_APPS, "rest_framework.authtoken"]
if not ON_SERVER:
    options = DATABASES["default"]["OPTIONS"]
    options["init_command"] = f"{options['init_command']} PRAGMA synchronous = OFF;"
# What simplejwt signs with by itself; ours has its ring of keys.
_pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SIMPLE_JWT = {
    **SIMPLE_JWT,
    "SIGNING_KEY": _pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    "VERIFYING_KEY": _pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
}
