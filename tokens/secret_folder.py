"""Secrets as files for whoever carries them on, `<client id>.secret` of mode 0600, each wholly there or not at all.

A secret is first put down beside its place, and takes it once its rotation has committed: so a file in its place is
never void, whenever the run was killed. What a run left beside is put right by the next one.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from portal import whole_file
from portal.refusal import Refusal
from tokens.models import CredentialSecret

_WAITING = re.compile(r"\.(?P<client_id>[a-z0-9._-]+)\.(?P<secret>[0-9A-Za-z]{12})\.waiting", re.ASCII)


class Unwritable(Refusal):
    """The folder or a file in it cannot be written."""

    code = "folder_unwritable"

    def __init__(self, path: Path, why: OSError) -> None:
        super().__init__(f"{path} cannot be written ({why.strerror}); name a folder of yours with room in it.")


class Obstructed(Refusal):
    """Where the secret belongs stands something that a file does not replace."""

    code = "place_obstructed"

    def __init__(self, place: Path) -> None:
        super().__init__(f"{place} is a folder, so no secret can take its place; move it away.")


class NotInPlace(Refusal):
    """The secret counts, and is beside its place."""

    code = "secret_not_in_place"

    def __init__(self, place: Path, beside: Path, why: OSError) -> None:
        super().__init__(
            f"{place} cannot be written ({why.strerror}); its secret counts already and is in {beside}: clear the way, "
            "and the next run moves it."
        )


class InUse(Refusal):
    code = "folder_in_use"


@dataclass(frozen=True)
class SecretFolder:
    """A folder that nobody else writes into meanwhile; `amiss` is what of an earlier run could not be put right."""

    path: Path
    amiss: list[Refusal] = field(default_factory=list)

    def place(self, client_id: str) -> Path:
        return self.path / f"{client_id}.secret"

    def put_down(self, client_id: str, secret: str, text: str) -> None:
        """Write the secret with this id beside its place, safe from a power cut; refused if it could not take that."""
        path, place = self._beside(client_id, secret), self.place(client_id)
        if place.is_dir() and not place.is_symlink():
            raise Obstructed(place)
        try:
            whole_file.write_new(path, text)
            whole_file.keep_names(self.path)
        except OSError as why:
            self.pick_up(client_id, secret)
            raise Unwritable(path, why) from why

    def pick_up(self, client_id: str, secret: str) -> None:
        """Remove what was put down; its rotation did not commit."""
        with suppress(OSError):
            self._beside(client_id, secret).unlink(missing_ok=True)

    def take_place(self, client_id: str, secret: str) -> None:
        """Let the secret, whose rotation has committed, take the place of the one before."""
        place, beside = self.place(client_id), self._beside(client_id, secret)
        try:
            beside.replace(place)
            whole_file.keep_names(self.path)
        except OSError as why:
            raise NotInPlace(place, beside, why) from why

    def put_right(self) -> None:
        """What a run that was killed has left beside its place takes it, if its rotation has committed, or goes.

        One that cannot is in nobody's way.
        """
        for path in sorted(self.path.iterdir()):
            if left := _WAITING.fullmatch(path.name):
                if CredentialSecret.objects.filter(pk=left["secret"], slot__isnull=False).exists():
                    try:
                        self.take_place(left["client_id"], left["secret"])
                    except NotInPlace as obstructed:
                        self.amiss.append(obstructed)
                else:
                    self.pick_up(left["client_id"], left["secret"])

    def _beside(self, client_id: str, secret: str) -> Path:
        return self.path / f".{client_id}.{secret}.waiting"


@contextmanager
def opened(path: Path) -> Iterator[SecretFolder]:
    """The folder, made if there is none, with what was left in it put right."""
    folder = SecretFolder(path)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as why:
        raise Unwritable(path, why) from why
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.put_right()
        yield folder
    except BlockingIOError as taken:
        raise InUse(f"Another run writes into {path}; wait until it is done.") from taken
    finally:
        os.close(descriptor)
