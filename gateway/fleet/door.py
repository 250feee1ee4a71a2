"""The way to a door: HTTP/1.1 over connections that stay open, in clear or over TLS."""

import http.client
import socket
import ssl
from urllib.parse import urlsplit

from gateway.fleet.conversation import Answer, Call

TIMEOUT = 30.0
CHUNK = 512


class Lost(Exception):
    """No answer came; the text says why in a few words."""


class Door:
    """A door by its URL. Over TLS it is verified by the PEM file `certificate` or the machine's roots."""

    def __init__(self, url: str, *, certificate: str | None = None, insecure: bool = False) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"{url} is no URL of a door; write one such as https://localhost:8443.")
        self.url, self.host, self.port = url.rstrip("/"), parts.hostname, parts.port
        self.tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self.tls = ssl.create_default_context(cafile=certificate)
            if insecure:
                self.tls.check_hostname = False
                self.tls.verify_mode = ssl.CERT_NONE

    def line(self) -> "Line":
        return Line(self)


class Line:
    """One connection to a door, opened at the first call and again when the door has closed it."""

    def __init__(self, door: Door) -> None:
        self.connection = (
            http.client.HTTPSConnection(door.host, door.port, timeout=TIMEOUT, context=door.tls)
            if door.tls
            else http.client.HTTPConnection(door.host, door.port, timeout=TIMEOUT)
        )

    def say(self, call: Call) -> Answer:
        """Send a call and read the whole answer, or raise Lost. A connection that has gone stale is replaced once."""
        was_open = self.connection.sock is not None
        try:
            return self._say(call)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as gone:
            self.close()
            if not was_open:
                raise Lost("connection closed") from gone
        except (OSError, http.client.HTTPException) as failed:
            self.close()
            raise Lost(_in_words(failed)) from failed
        return self.say(call)

    def close(self) -> None:
        self.connection.close()

    def _say(self, call: Call) -> Answer:
        headers = {"User-Agent": "gatehouse-simulated-fleet", **call.headers}
        if call.chunked:
            pieces = [call.body[at : at + CHUNK] for at in range(0, len(call.body), CHUNK)]
            self.connection.request(
                call.method, call.path, iter(pieces), {**headers, "Transfer-Encoding": "chunked"}, encode_chunked=True
            )
        else:
            self.connection.request(call.method, call.path, call.body, headers)
        response = self.connection.getresponse()
        body = response.read()
        retry_after = response.getheader("Retry-After", "")
        return Answer(
            response.status,
            response.getheader("Content-Type", ""),
            body,
            float(retry_after) if retry_after.isdecimal() else None,
        )


def _in_words(failed: Exception) -> str:
    match failed:
        case ssl.SSLCertVerificationError():
            return "certificate not trusted"
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
