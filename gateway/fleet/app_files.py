"""The two files of an app on a simulated device, and the door that it finds by them (contracts: industrial edge, A)."""

import base64
import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Any

from gateway.fleet.door import TIMEOUT, Doorway
from portal import whole_file

TOKEN, CERTSIPS = ".apptoken", "certsips.json"


class AppFiles:
    """A folder of the app's own. Nothing is read before both files are there, and the token not kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, *, token: str, certsips: str) -> None:
        """Put them there, each whole or not at all; the token last, for with it the app begins."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._put(CERTSIPS, certsips)
        self._put(TOKEN, token)

    def renew(self, *, certsips: str) -> None:
        """Put another `certsips.json` there, if the app has been installed."""
        if self.are_there:
            self._put(CERTSIPS, certsips)

    @property
    def are_there(self) -> bool:
        return (self.folder / TOKEN).exists()

    @property
    def token_file(self) -> bytes:
        return (self.folder / TOKEN).read_bytes()

    @property
    def certsips(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / CERTSIPS).read_bytes())
        return found

    @property
    def permit_path(self) -> str:
        """The path in the file has no slash in front; the one that is for secure storage has."""
        return f"/device/edge/{self.certsips['auth-api-path']}/token/permit"

    @property
    def service_name(self) -> str:
        return str(self.certsips["edge-certificates"]["service-name"])

    @property
    def trusted(self) -> str:
        """The PEM of what apps trust, which is this chain alone; decoded once, for the PEM is base64 inside itself."""
        return base64.b64decode(self.certsips["edge-certificates"]["certificate-chain"], validate=True).decode()

    def _put(self, name: str, text: str) -> None:
        whole_file.write(self.folder / name, text, is_lasting=False)


class AppDoor(Doorway):
    """The door by the name in the file, whose address the device's resolver would know.

    The file is read again once the door is not trusted any more, as after it has got another certificate.
    """

    def __init__(self, files: AppFiles, address: tuple[str, int]) -> None:
        self.files, self.address = files, address
        self.url = f"https://{address[0]}:{address[1]}"
        self._trusting: ssl.SSLContext | None = None

    def connection(self, shown: str) -> http.client.HTTPConnection:
        if self._trusting is None:
            self._trusting = ssl.create_default_context(cadata=self.files.trusted)
            self._trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return _Resolved(self.files.service_name, self.address, self._trusting)

    def distrust(self) -> None:
        self._trusting = None


class _Resolved(http.client.HTTPSConnection):
    """A connection by name to an address that no resolver of this machine knows."""

    def __init__(self, name: str, address: tuple[str, int], trusting: ssl.SSLContext) -> None:
        super().__init__(name, address[1], timeout=TIMEOUT, context=trusting)
        self._address, self._trusting = address, trusting

    def connect(self) -> None:
        plain = socket.create_connection(self._address, TIMEOUT)
        try:
            self.sock = self._trusting.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
