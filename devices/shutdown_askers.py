"""Who is behind an order: a person, or an app by its credentials. Who keeps credentials registers here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from portal.actor import Actor
from portal.models import User


@dataclass(frozen=True)
class Credentials:
    """Those of an app that stand: neither revoked nor disabled. `owner` is the key of the person they belong to."""

    owner: Any


@dataclass(frozen=True)
class Asker:
    """The person who orders or to whom the app's credentials belong; None behind credentials that nobody owns.

    `credential` names the credentials of an app, as an Actor does; empty where a person orders, or a command.
    """

    person: Any
    credential: str = ""

    @property
    def is_known(self) -> bool:
        """Whether anybody is behind it whose orders can be counted together."""
        return self.person is not None or self.credential != ""

    def own(self) -> Q:
        """The orders of the same person, those of their apps among them, or of the same credentials."""
        by_credential = Q(credential=self.credential) if self.credential else Q(pk=None)
        if self.person is None:
            return by_credential
        return by_credential | Q(requester=self.person) | Q(credential_owner=self.person)


Keeper = Callable[[str, bool], Credentials | None]
_keepers: list[Keeper] = []


def keeper(find: Keeper) -> Keeper:
    """Register the function that finds credentials that stand by their name, and locks them if it is told to."""
    _keepers.append(find)
    return find


def of(by: Actor, *, lock: bool = False) -> Asker:
    """Who is behind what this actor orders; `lock` lets another order of theirs wait for the end of the transaction."""
    found = Asker(by.owner) if by.kind != "app" else _of_app(by.credential, lock)
    if lock and found.person is not None:
        User.objects.select_for_update().filter(pk=found.person).first()
    return found


def stand(credential: str) -> bool:
    """Whether the credentials that ordered it are still good; where a person ordered it, there are none to be bad."""
    return not credential or _find(credential, lock=False) is not None


def _of_app(credential: str, lock: bool) -> Asker:
    known = _find(credential, lock)
    return Asker(known.owner if known else None, credential)


def _find(credential: str, lock: bool) -> Credentials | None:
    return next((known for find in _keepers if (known := find(credential, lock))), None)
