"""Lock files against other processes. A lock ends with its process, however that ends."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""Error numbers of the operating system that mean that another process holds a lock."""

WAIT = 0.05
"""Seconds between two attempts to take a lock that another process holds."""

if sys.platform == "win32":
    import msvcrt

    def _take(file: BinaryIO) -> None:
        """Lock a byte far behind the text, because Windows lets no other process read what is locked."""
        file.seek(2**30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: BinaryIO) -> None:
        """Lock a file."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(file: BinaryIO) -> bool | None:
    """Lock an open file until it is closed.

    Returns:
        Whether this process has the lock now; None if the file system has no locks.
    """
    try:
        _take(file)
    except OSError as error:
        return False if error.errno in HELD else None
    return True


def wait_for_lock(file: BinaryIO, seconds: float) -> bool | None:
    """Lock an open file, and wait while another process holds it.

    Args:
        file: the file.
        seconds: the longest wait.

    Returns:
        As `try_lock`; False if the other process still holds the file.
    """
    end = time.monotonic() + seconds
    while (got := try_lock(file)) is False and time.monotonic() < end:
        time.sleep(WAIT)
    return got


def is_at(file: BinaryIO, path: Path) -> bool:
    """Return whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except FileNotFoundError:
        return False
