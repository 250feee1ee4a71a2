"""HTTP/2 as it is spoken when nobody corrects what is sent: any bytes for a path, a thousand requests at once."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events


@dataclass
class Answered:
    """One stream: `status` is 0 where it was reset, or its connection closed."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_over: bool = False


class Http2:
    """One connection to a TLS door."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        context.set_alpn_protocols(["h2"])
        self.socket = context.wrap_socket(
            socket.create_connection(("127.0.0.1", port), 15), server_hostname="localhost"
        )
        config = h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.state = h2.connection.H2Connection(config)
        self.state.initiate_connection()
        self.streams: dict[int, Answered] = {}
        self.is_open = True
        self._flush()

    def ask(self, path: bytes, *headers: tuple[bytes, bytes], method: bytes = b"GET") -> Answered:
        """Send a request without a body, and wait for its answer."""
        answered = self.send(path, *headers, method=method)
        self.wait(lambda: answered.is_over)
        return answered

    def send(self, path: bytes, *headers: tuple[bytes, bytes], method: bytes = b"GET") -> Answered:
        number = self.state.get_next_available_stream_id()
        first = [(b":method", method), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path)]
        answered = self.streams[number] = Answered()
        self.state.send_headers(number, [*first, *headers], end_stream=True)
        self._flush()
        return answered

    def wait(self, holds: Callable[[], bool]) -> None:
        while self.is_open and not holds():
            self._hear()

    def listen(self, seconds: float) -> None:
        """Hear what has come, or comes within these seconds."""
        self.socket.settimeout(seconds)
        with suppress(TimeoutError):
            self._hear()

    def close(self) -> None:
        self.socket.close()

    def _hear(self) -> None:
        try:
            heard = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            heard = b""
        if not heard:
            return self._end()
        for event in self.state.receive_data(heard):
            number = getattr(event, "stream_id", None)
            answered = self.streams.get(number or 0, Answered())
            if isinstance(event, h2.events.ResponseReceived):
                answered.headers = dict(event.headers)  # type: ignore[arg-type]
                answered.status = int(answered.headers[":status"])
            elif isinstance(event, h2.events.DataReceived):
                answered.body += event.data
                self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                answered.is_over = True
            elif isinstance(event, h2.events.StreamReset):
                answered.is_over, answered.status = True, 0
            elif isinstance(event, h2.events.ConnectionTerminated):
                self._end()
        self._flush()

    def _end(self) -> None:
        self.is_open = False
        for answered in self.streams.values():
            answered.is_over = True

    def _flush(self) -> None:
        if self.is_open and (waiting := self.state.data_to_send()):
            try:
                self.socket.sendall(waiting)
            except (ConnectionError, ssl.SSLError):
                self._end()
