"""Files that are wholly there or not at all, whoever else writes them at once and whenever the power fails."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write(
    path: Path,
    text: str,
    *,
    mode: int = 0o600,
    is_lasting: bool = True,
    put: Callable[[Path, Path], None] = os.replace,
) -> None:
    """Write a draft and `put` it in its place once it is on the disk; nothing is left of a draft that failed.

    What is thrown away with its folder need not be lasting: the disk is then not waited for.
    """
    # Two threads write at once as well as two processes do.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_new(draft, text, mode=mode, is_lasting=is_lasting)
        put(draft, path)
        if is_lasting:
            keep_names(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_new(path: Path, text: str, *, mode: int = 0o600, is_lasting: bool = True) -> None:
    """Write a file where there is none, and wait until its contents are on the disk; its name may not yet be."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
        if is_lasting:
            file.flush()
            os.fsync(file.fileno())


def keep_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
