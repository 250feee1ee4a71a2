"""An authenticator of software: it makes a passkey and answers with it as the browser's JSON has it (WebAuthn)."""

import json
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import sha256, websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

PRESENT = AuthenticatorData.FLAG.USER_PRESENT


class SoftAuthenticator:
    """One passkey, in a browser that stands at `origin`."""

    def __init__(self, origin: str) -> None:
        self.origin, self.key, self.raw_id = origin, generate_private_key(SECP256R1()), secrets.token_bytes(32)

    @property
    def id(self) -> str:
        return str(websafe_encode(self.raw_id))

    def made(self, asked: Any) -> str:
        """The new passkey, for what a site asked for."""
        public = ES256.from_cryptography_key(self.key.public_key())
        credential = AttestedCredentialData.create(Aaguid(bytes(16)), self.raw_id, public)
        flags = PRESENT | AuthenticatorData.FLAG.ATTESTED
        data = AuthenticatorData.create(sha256(asked["rp"]["id"].encode()), flags, 0, credential)
        attestation = AttestationObject.create("none", data, {})
        parts = {"clientDataJSON": self._client("webauthn.create", asked), "attestationObject": attestation}
        return self._told(parts)

    def proof(self, asked: Any, *, spoiled: bool = False) -> str:
        """The answer with this passkey, whatever the site knows of it."""
        data = AuthenticatorData.create(sha256(asked["rpId"].encode()), PRESENT, 1)
        client = self._client("webauthn.get", asked)
        signed = data + sha256(client) + (b"x" if spoiled else b"")
        parts = {"clientDataJSON": client, "authenticatorData": data}
        return self._told({**parts, "signature": self.key.sign(signed, ECDSA(SHA256()))})

    def _client(self, kind: str, asked: Any) -> bytes:
        return json.dumps({"type": kind, "challenge": asked["challenge"], "origin": self.origin}).encode()

    def _told(self, parts: dict[str, bytes]) -> str:
        response = {name: websafe_encode(part) for name, part in parts.items()}
        told = {"id": self.id, "rawId": self.id, "type": "public-key", "response": response}
        return json.dumps({**told, "clientExtensionResults": {}})
