"""A process that ends when its parent ends, however that happened, so that no orphan holds a port or a socket."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec nothing may be loaded.
_libc = ctypes.CDLL(None, use_errno=True)


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it is gone. Linux only, as Gatehouse is.

    `parent` is the id of the process that started this one, as that one knew it: one that died before this process
    came to ask has left it to another parent already.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
