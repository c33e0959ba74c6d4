"""What the folders of all runs have in common: settings, trace, summary, a lock, and the removal of strays."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from subjective.checks import InputError
from subjective.files import sweep, write_bytes
from subjective.runs import control
from subjective.runs.lock import FolderLock
from subjective.runs.provenance import CONFIG_FILE, VERSION, describe_run
from subjective.runs.trace import Trace, read_json

SUMMARY_FILE = "summary.json"
"""Name of the file in a run folder that says how the run ended."""

TRACEBACK_FILE = "traceback.txt"
"""Name of the file in a run folder that holds the traceback of a fault of this program."""

RESERVE_FILE = ".reserve"
"""Name of the file that reserves room for the last pictures."""


class TracedFolder:
    """A run folder with ``config.json``, ``trace.jsonl`` and ``summary.json``.

    Attributes:
        folder: path of the folder.
        config: content of ``config.json``.
    """

    def __init__(self, folder: Path):
        """Lock a folder that exists.

        Raises:
            InputError: another process writes the folder, or has finished its run.
            FileError: the folder cannot be written.
        """
        self.folder = folder
        self.config: dict[str, Any] = {}
        self._started = time.monotonic()
        self._seconds_before = 0.0
        self._lock = FolderLock(folder)
        if _is_finished(folder):
            self._lock.release()
            raise InputError(f"the run in {str(folder)!r} is finished; there is nothing to resume")
        control.remove(folder)  # requests to a process before this one
        self._trace = Trace(folder)

    def describe(self, command: str, settings: dict[str, Any], **facts: Any) -> None:
        """Write ``config.json``; `subjective.runs.provenance.describe_run` explains the arguments."""
        self.config = describe_run(command, settings, **facts)
        self._write_json(CONFIG_FILE, self.config)

    @property
    def seconds(self) -> float:
        """Seconds that the run has taken so far, including the time before the run was resumed."""
        return self._seconds_before + time.monotonic() - self._started

    def _conclude(self, status: str, reason: str | None, **facts: Any) -> None:
        """Write ``summary.json``, the last file of a run: whoever reads "finished" finds everything else complete."""
        # A disk that is full, or a limit on the size of files, also refuses the rest of the last line.
        with contextlib.nullcontext() if status == "finished" else contextlib.suppress(OSError):
            self._trace.close()
        summary = {"version": VERSION, "status": status, "reason": reason, "seconds": round(self.seconds, 3)}
        self._write_json(SUMMARY_FILE, summary | facts)

    def _release(self) -> None:
        """Remove what only a run that goes on needs, and let other processes take the folder."""
        with contextlib.suppress(OSError):
            self._trace.close()
        tidy(self.folder)
        self._lock.release()

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        write_bytes(self.folder / name, (json.dumps(content, indent=2) + "\n").encode())


def tidy(folder: Path) -> None:
    """Remove what killed processes have left in a folder that this process holds. What cannot be removed stays."""
    sweep(folder)
    control.remove(folder)
    with contextlib.suppress(OSError):
        (folder / RESERVE_FILE).unlink(missing_ok=True)


def refuse_finished(folder: Path) -> None:
    """Refuse a run that has written everything, and remove what a kill in its last moments has left.

    Raises:
        InputError: the run is finished, or another process holds the folder.
    """
    if not _is_finished(folder):
        return
    from subjective.runs import checkpoints  # imports JAX, which help and most refusals do not wait for

    with contextlib.suppress(OSError):  # a folder that can only be read
        lock = FolderLock(folder)
        checkpoints.remove(folder, 0)
        tidy(folder)
        lock.release()
    raise InputError(f"the run in {str(folder)!r} is finished; there is nothing to resume")


def _is_finished(folder: Path) -> bool:
    summary = read_json(folder / SUMMARY_FILE)
    return summary is not None and summary.get("status") == "finished"
