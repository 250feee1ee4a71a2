"""A mail server for tests: SMTP on a real socket of loopback, with STARTTLS or TLS from the start, if it has keys."""

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default


@dataclass
class Taken:
    """A mail as it was handed in, and how."""

    sender: str
    recipients: list[str]
    data: bytes
    login: str
    is_encrypted: bool

    @property
    def mail(self) -> Message:
        return message_from_bytes(self.data, policy=default)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        return self.mail.get_payload(decode=True).decode()  # type: ignore[union-attr]


@dataclass
class MailServer:
    """`answers` overrides what is said to a command, such as `{"RCPT": "550 Unknown"}`; `hangs` says nothing at all.

    `is_met` from the first connection on.
    """

    context: ssl.SSLContext | None = None
    is_smtps: bool = False
    hangs: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    port: int = 0
    is_met: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._take, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.is_met.set()
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self.hangs:
                connection.recv(1)
                return
            if self.is_smtps and self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            self._converse(connection, is_encrypted=self.is_smtps)

    def _converse(self, connection: socket.socket, *, is_encrypted: bool, greets: bool = True) -> None:
        lines = connection.makefile("rb")

        def say(text: str) -> None:
            connection.sendall(f"{text}\r\n".encode())

        sender, recipients, login = "", list[str](), ""
        if greets:
            say("220 test ESMTP")
        while line := lines.readline().decode().strip():
            verb = line.upper().split(" ")[0]
            if verb in self.answers:
                say(self.answers[verb])
            elif verb in ("EHLO", "HELO"):
                offers = ["250-test", "250-AUTH PLAIN"]
                offers += ["250-STARTTLS"] if self.context and not is_encrypted else []
                say("\r\n".join([*offers, "250 HELP"]))
            elif verb == "STARTTLS" and self.context:
                say("220 go ahead")
                encrypted = self.context.wrap_socket(connection, server_side=True)
                return self._converse(encrypted, is_encrypted=True, greets=False)
            elif verb == "AUTH":
                login = base64.b64decode(line.split(" ")[2]).decode().replace("\0", " ").strip()
                say("235 welcome")
            elif verb == "MAIL":
                sender = line.partition("<")[2].partition(">")[0]
                say("250 ok")
            elif verb == "RCPT":
                recipients.append(line.partition("<")[2].partition(">")[0])
                say("250 ok")
            elif verb == "DATA":
                say("354 go on")
                data = b"".join(iter(lines.readline, b".\r\n"))
                self.taken.append(Taken(sender, recipients, data, login, is_encrypted))
                say("250 taken")
            elif verb == "QUIT":
                return say("221 bye")
            else:
                say("250 ok")


@contextmanager
def mail_server(
    context: ssl.SSLContext | None = None, *, port: int = 0, is_smtps: bool = False
) -> Iterator[MailServer]:
    server = MailServer(context, is_smtps=is_smtps, port=port)
    try:
        yield server
    finally:
        server.close()
