"""Files that grow with what is kept, written while they are sent: one at a time in each process of the portal.

Whoever fetches one slowly holds a thread for as long, and pages must not wait for the last of them. Other work on all
that is kept shares their turn.
"""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from django.http import StreamingHttpResponse

from portal.refusal import Refusal

_free = threading.Lock()


class Busy(Refusal):
    """Another file is on its way, or what shares the turn of files."""

    status, code = 503, "download_busy"
    retry_after = 10

    def __init__(self) -> None:
        super().__init__(
            "Another file is being sent or the audit trail is being checked at the moment; try again in a few seconds."
        )


@contextmanager
def turn() -> Iterator[None]:
    """Do what takes as long as a file does; refused while one is on its way, as a file is meanwhile."""
    _begin()
    try:
        yield
    finally:
        _free.release()


def _begin() -> None:
    if not _free.acquire(blocking=False):
        raise Busy


class _Lines:
    """The lines of a file, whose turn ends with its last line, or when nobody waits for it any more.

    An answer in whose place a middleware puts another, as when no session can be saved, is dropped and not closed.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        _begin()
        self._lines, self._end = lines, weakref.finalize(self, _free.release)

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self._lines
        finally:
            self.close()

    def close(self) -> None:
        self._end()  # Only the first time.


def download(lines: Iterator[str], name: str, kind: str) -> StreamingHttpResponse:
    """An answer that a browser saves under this name; refused while another is on its way."""
    answer = StreamingHttpResponse(_Lines(lines), content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
