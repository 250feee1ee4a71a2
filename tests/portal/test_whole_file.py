"""A file is wholly there or not at all, and nothing else is left in its folder."""

import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from portal import whole_file


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("is_lasting", [True, False])
def test_of_many_threads_that_write_at_once_each_does_and_one_is_last(tmp_path: Path, is_lasting: bool) -> None:
    path, texts = tmp_path / "door.pem", [str(number) * 10_000 for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda text: whole_file.write(path, text, is_lasting=is_lasting), texts * 4))
    assert path.read_text() in texts
    assert names(tmp_path) == ["door.pem"]


def test_only_its_owner_reads_it_unless_another_mode_is_named(tmp_path: Path) -> None:
    whole_file.write(tmp_path / "token", "x")
    whole_file.write(tmp_path / "chain", "x", mode=0o640)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)}
    assert modes == {"token": 0o600, "chain": 0o640}


def test_what_cannot_be_written_leaves_what_was_there_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "token"
    whole_file.write(path, "before")
    with pytest.raises(UnicodeEncodeError):
        whole_file.write(path, "a" * 100_000 + "\ud800")
    with pytest.raises(FileExistsError):
        whole_file.write(path, "after", put=os.link)
    assert (path.read_text(), names(tmp_path)) == ("before", ["token"])


def test_it_takes_its_place_only_when_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, done, real = tmp_path / "token", list[str](), os.fsync

    def seen(what: str, step: Callable[..., None]) -> Callable[..., None]:
        return lambda *args: (done.append(what), step(*args))[1]

    monkeypatch.setattr(os, "fsync", seen("synced", real))
    whole_file.write(path, "x", put=seen("put", os.replace))
    assert done == ["synced", "put", "synced"]
