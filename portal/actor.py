"""Whoever asks for a change: a person in the browser, a token, an app, a device, a command or the worker."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from portal.roles import SCOPES
from portal.scopes import Scope

Kind = Literal["person", "token", "app", "device", "command", "worker", "nobody"]


@dataclass(frozen=True)
class Actor:
    """A name for the history and the scopes to judge by.

    `owner` is the key of the person behind it, where there is one: the person, or the owner of the token.
    `credential` is what was shown, such as the id of the token; `addresses` are the networks that it is bound to, none
    meaning all. `tenant` is the one whose data an app's access token opens.
    """

    name: str
    kind: Kind
    scopes: frozenset[str] = field(default=frozenset(), repr=False)
    address: str = ""
    owner: Any = None
    credential: str = ""
    addresses: tuple[str, ...] = ()
    tenant: str = ""

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    def __str__(self) -> str:
        return self.name if self.kind == "person" else f"{self.kind} {self.name}"

    @classmethod
    def person(cls, user: Any, address: str = "") -> "Actor":
        """The person who is logged in, with the scopes of their role."""
        return cls(user.username, "person", SCOPES.get(user.role, frozenset()), address, owner=user.pk)

    @classmethod
    def token(
        cls,
        name: str,
        scopes: Iterable[str],
        *,
        owner: Any,
        credential: str,
        address: str = "",
        addresses: Iterable[str] = (),
    ) -> "Actor":
        """The API token `name`; `scopes` are those it holds and its owner still holds too."""
        return cls(name, "token", frozenset(scopes), address, owner, credential, tuple(addresses))

    @classmethod
    def app(cls, name: str, scopes: Iterable[str], *, credential: str, tenant: str = "", address: str = "") -> "Actor":
        """An app by its client id; there is no person behind it."""
        return cls(name, "app", frozenset(scopes), address, credential=credential, tenant=tenant)

    @classmethod
    def device(cls, device_id: str, address: str = "") -> "Actor":
        return cls(device_id, "device", address=address)

    @classmethod
    def command(cls, name: str) -> "Actor":
        """An operator at the machine; whoever may run a command there may do everything."""
        return cls(name, "command", frozenset(Scope))

    @classmethod
    def worker(cls) -> "Actor":
        return cls("worker", "worker", frozenset(Scope))


NOBODY = Actor("nobody", "nobody")
