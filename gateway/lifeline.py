"""A process that ends when its parent ends, however that happened, so that no orphan holds a port or a socket."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec nothing may be loaded.
_libc = ctypes.CDLL(None, use_errno=True)


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it is gone. Linux only, as Gatehouse is."""
    parent = os.getppid()
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # It was gone before we asked.
