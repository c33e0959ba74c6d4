"""A lock on a run folder, so that no two processes write one run. The lock ends with its process, however that ends."""

from __future__ import annotations

import os
import socket
from io import TextIOWrapper
from pathlib import Path

from subjective.checks import InputError, file_errors

try:
    import fcntl
except ImportError:  # Windows has no such locks; there, a run folder is not locked
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = ".lock"
"""Name of the file in a run folder that a process holds while it writes the folder."""


class FolderLock:
    """Holds a run folder for this process."""

    def __init__(self, folder: Path):
        """Lock a folder.

        Raises:
            InputError: another process holds the folder.
            FileError: the folder cannot be written.
        """
        self._path = folder / LOCK_FILE
        with file_errors("write", folder):
            self._file: TextIOWrapper | None = open(self._path, "a+", encoding="utf-8")  # noqa: SIM115 (held)
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.seek(0)
                holder = self._file.read().strip() or "another process"
                self._file.close()
                raise InputError(
                    f"the run in {str(folder)!r} still goes on ({holder}); stop that process first, or wait for its end"
                ) from None
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let other processes take the folder."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


def refuse_locked(folder: Path) -> None:
    """Refuse a run folder that another process writes.

    Raises:
        InputError: another process holds the folder.
    """
    if (folder / LOCK_FILE).exists():
        FolderLock(folder).release()
