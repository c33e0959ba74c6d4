"""A lock on a run folder, so that no two processes write one run. The lock ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from typing import BinaryIO

from subjective.checks import InputError, file_errors
from subjective.files import open_plainly
from subjective.locks import is_at, try_lock

LOCK_FILE = ".lock"
"""Name of the file in a run folder that a process locks while it writes the folder."""


class FolderLock:
    """Holds a run folder for this process."""

    def __init__(self, folder: Path):
        """Lock a folder. A file system without locks leaves the folder unlocked.

        Raises:
            InputError: another process holds the folder (the message names the process), or the lock file is a link.
            FileError: the folder cannot be written.
        """
        self._path = folder / LOCK_FILE
        with file_errors("write", folder):
            self._file = self._open_locked()
            self._file.truncate(0)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            self._file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode())

    def _open_locked(self) -> BinaryIO:
        """Open and lock the lock file."""
        while True:
            file = open_plainly(self._path, "ab+", buffering=0)
            if try_lock(file) is False:
                holder = _read_holder(file)
                file.close()
                raise InputError(
                    f"the run in {str(self._path.parent)!r} still goes on ({holder}); stop that process first, or "
                    "wait for its end"
                )
            if is_at(file, self._path):
                return file
            file.close()  # the process that held the folder removed the file after this process had opened it

    def release(self) -> None:
        """Let other processes take the folder."""
        if not self._file.closed:
            with contextlib.suppress(OSError):  # Windows lets nobody remove an open file; there it stays
                self._path.unlink(missing_ok=True)
            self._file.close()


def _read_holder(file: BinaryIO) -> str:
    """Return what the process that holds a lock says about itself."""
    file.seek(0)
    return file.read().decode(errors="replace").strip() or "another process"


def refuse_locked(folder: Path) -> None:
    """Refuse a run folder that another process writes.

    Raises:
        InputError: another process holds the folder.
    """
    if (folder / LOCK_FILE).exists():
        FolderLock(folder).release()
