"""The way to a door: HTTP/1.1 over connections that stay open, in clear or over TLS."""

import http.client
import os
import socket
import ssl
from abc import ABC, abstractmethod
from pathlib import Path
from urllib.parse import urlsplit

from gateway.fleet.conversation import Answer, Call

TIMEOUT = 30.0
CHUNK = 512
LEAF_END = "-----END CERTIFICATE-----"


class Lost(Exception):
    """No answer came; the text says why in a few words."""


class Doorway(ABC):
    """What somebody may speak through."""

    url: str
    remedy = ""  # What would help whoever does not trust the certificate.

    def line(self, shown: str = "") -> "Line":
        """A connection; `shown` is the certificate with its key, as PEM, of the device that it is for alone."""
        return Line(self, shown)

    @abstractmethod
    def connection(self, shown: str) -> http.client.HTTPConnection:
        """A connection that is not open yet."""

    def distrust(self) -> None:  # noqa: B027  # Most trust what they trusted before.
        """Take it that the door showed a certificate which is not trusted."""


class Door(Doorway):
    """A door by its URL. Over TLS it is verified by the PEM file `certificate` or the machine's roots.

    With `is_ours` the file begins with the door's own certificate: that very one is believed, whatever it is called,
    and nothing else, not even what the rest of its chain has signed.
    """

    remedy = "what helps: --url or --device-url with a name that it holds, --certificate of its issuer, or --insecure"

    def __init__(
        self, url: str, *, certificate: str | None = None, insecure: bool = False, is_ours: bool = False
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"{url} is no URL of a door; write one such as https://localhost:8443.")
        self.url, self.host, self.port = url.rstrip("/"), parts.hostname, parts.port
        self.certificate, self.insecure, self.is_ours = certificate, insecure, is_ours
        self.tls = self._context() if parts.scheme == "https" else None

    def connection(self, shown: str) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
        tls = self._context(shown) if shown else self.tls
        return http.client.HTTPSConnection(self.host, self.port, timeout=TIMEOUT, context=tls)

    def _context(self, shown: str = "") -> ssl.SSLContext:
        if self.certificate and self.is_ours:
            leaf, end, _ = Path(self.certificate).read_text().partition(LEAF_END)
            context = ssl.create_default_context(cadata=leaf + end)
            context.check_hostname = False  # A certificate that was installed need not name this machine's address.
        else:
            context = ssl.create_default_context(cafile=self.certificate)
        if self.certificate:
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # It need not be a CA's; the door's own will do.
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if shown:
            _load(context, shown)
        return context


class Line:
    """One connection to a door, opened at the first call and again when the door has closed it."""

    def __init__(self, door: Doorway, shown: str = "") -> None:
        self._door, self._shown = door, shown
        self._connection: http.client.HTTPConnection | None = None

    def say(self, call: Call) -> Answer:
        """Send a call and read the whole answer, or raise Lost. A connection that has gone stale is replaced once."""
        was_open = self._connection is not None and self._connection.sock is not None
        try:
            return self._say(call)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError) as gone:
            self.close()
            if not was_open:
                raise Lost("connection closed") from gone
        except (OSError, http.client.HTTPException) as failed:
            self.close()
            if isinstance(failed, ssl.SSLCertVerificationError):
                self._connection = None
                self._door.distrust()
                raise Lost(_untrusted(failed, self._door.remedy)) from failed
            raise Lost(_in_words(failed)) from failed
        return self.say(call)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _say(self, call: Call) -> Answer:
        if self._connection is None:
            self._connection = self._door.connection(self._shown)
        connection = self._connection
        headers = {"User-Agent": "gatehouse-simulated-fleet", **call.headers}
        if call.chunked:
            pieces = [call.body[at : at + CHUNK] for at in range(0, len(call.body), CHUNK)]
            connection.request(
                call.method, call.path, iter(pieces), {**headers, "Transfer-Encoding": "chunked"}, encode_chunked=True
            )
        else:
            connection.request(call.method, call.path, call.body or None, headers)
        response = connection.getresponse()
        body = response.read()
        retry_after = response.getheader("Retry-After", "")
        return Answer(
            response.status,
            response.getheader("Content-Type", ""),
            body,
            float(retry_after) if retry_after.isdecimal() else None,
            response.getheader("ETag", ""),
        )


def _load(context: ssl.SSLContext, shown: str) -> None:
    """`ssl` reads keys from files alone; this one is in memory, in no folder, and gone afterwards."""
    descriptor = os.memfd_create("certificate")
    with os.fdopen(descriptor, "w") as file:
        file.write(shown)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")


def _untrusted(failed: ssl.SSLCertVerificationError, remedy: str) -> str:
    why = failed.verify_message.rstrip(".")
    return f"certificate not trusted ({why}; {remedy})" if remedy else f"certificate not trusted ({why})"


def _in_words(failed: Exception) -> str:
    match failed:
        case ssl.SSLError():
            return "TLS failed"
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused"
        case socket.gaierror():
            return "host not found"
        case _:
            return f"connection broken ({type(failed).__name__})"
