"""A queue of commands on the disk. It outlives the server and the machine; `subjective.studio.worker` empties it.

Each entry is a file, ``000001.json``. Whoever changes an entry locks the queue meanwhile, since the server and the
worker are processes of their own.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from subjective.checks import InputError, file_errors
from subjective.files import locked, open_plainly, write_bytes
from subjective.runs.trace import read_json

WAITING, RUNNING = "waiting", "running"
OPEN = (WAITING, RUNNING)
"""What an entry can be that is not over."""

MOST_ENTRIES = 1000
"""Most entries of a queue."""

NAME = re.compile(r"(\d{6})\.json", re.ASCII)

Entry = dict[str, Any]
"""An entry: ``number``, ``words`` after ``subjective``, ``status`` (``waiting``, ``running``, ``finished``,
``interrupted`` or ``failed``), ``added`` and ``ended`` (seconds since 1970), ``run`` (path of its run folder),
``process``, ``stop`` (whether it was asked to stop) and ``reason``."""


class Queue:
    """The entries in a folder.

    Attributes:
        folder: the folder, which is made when something is first added.
    """

    def __init__(self, folder: Path):
        """Prepare to read and change a queue."""
        self.folder = folder
        self._workers: list[subprocess.Popen[bytes]] = []
        self._known: dict[str, tuple[tuple[int, int, int], Entry | None]] = {}

    def list_entries(self) -> list[Entry]:
        """Return all entries, oldest first. A file that holds no entry is left out."""
        found = []
        with contextlib.suppress(OSError):
            for path in sorted(self.folder.iterdir()):
                entry = self._read(path) if NAME.fullmatch(path.name) else None
                if entry is not None and _is_entry(entry):
                    found.append({**entry, "number": int(path.stem)})
        return found

    def _read(self, path: Path) -> Entry | None:
        """Read an entry, unless its file is the one that was read before."""
        status = path.lstat()
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._known.get(path.name)
        if known is None or known[0] != version:
            known = self._known[path.name] = (version, read_json(path))
        return known[1]

    def add(self, words: Sequence[str]) -> int:
        """Add a command at the end.

        Args:
            words: its words after ``subjective``.

        Returns:
            The number of the entry.

        Raises:
            InputError: the queue is full.
            FileError: the entry cannot be written.
        """
        with file_errors("make", self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            numbers = [int(path.stem) for path in self.folder.iterdir() if NAME.fullmatch(path.name)]
            if len(numbers) >= MOST_ENTRIES:
                raise InputError(f"the queue has {MOST_ENTRIES} entries; remove some that are over")
            number = max(numbers, default=0) + 1
            self._write(number, {"words": [*words], "status": WAITING, "added": time.time()})
        return number

    def take(self) -> Entry | None:
        """Mark the oldest entry that waits as running, and return it; None if none waits."""
        with self._locked():
            for entry in self.list_entries():
                if entry["status"] == WAITING:
                    taken = entry | {"status": RUNNING}
                    self._write(entry["number"], taken)
                    return taken
        return None

    def change(self, number: int, **fields: Any) -> None:
        """Change fields of an entry.

        Raises:
            InputError: there is no such entry.
            FileError: the entry cannot be written.
        """
        with self._locked():
            self._write(number, self.find(number) | fields)

    def find(self, number: int) -> Entry:
        """Return an entry.

        Raises:
            InputError: there is no such entry.
        """
        for entry in self.list_entries():
            if entry["number"] == number:
                return entry
        raise InputError("there is no such entry in the queue")

    def remove(self, number: int) -> None:
        """Remove an entry that does not run, with what its command has said.

        Raises:
            InputError: there is no such entry, or it runs.
        """
        with self._locked():
            if self.find(number)["status"] == RUNNING:
                raise InputError("the command runs; stop it first")
            for path in (self._path(number), self.said_path(number), self.made_path(number)):
                with file_errors("remove", path):
                    path.unlink(missing_ok=True)

    def said_path(self, number: int) -> Path:
        """Return the path of what an entry's command writes on stderr."""
        return self.folder / f"{number:06d}.log"

    def made_path(self, number: int) -> Path:
        """Return the path of what an entry's command writes on stdout."""
        return self.folder / f"{number:06d}.out"

    def last_lines(self, number: int, count: int = 12) -> str:
        """Return the last lines that an entry's command has written on stderr."""
        try:
            with open_plainly(self.said_path(number), "rb") as file:
                file.seek(max(file.seek(0, 2) - 8192, 0))
                text = file.read().decode(errors="replace")
        except (OSError, InputError):
            return ""
        return "\n".join(line.rpartition("\r")[2] for line in text.splitlines()[-count:])

    def start_worker(self) -> None:
        """Start a process that empties the queue, if there is something to do. Only one at a time does so."""
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        if any(entry["status"] in OPEN for entry in self.list_entries()):
            command = [sys.executable, "-m", "subjective.studio.worker", str(self.folder)]
            apart, none = sys.platform != "win32", subprocess.DEVNULL
            worker = subprocess.Popen(command, stdin=none, stdout=none, stderr=none, start_new_session=apart)
            self._workers.append(worker)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"

    def _write(self, number: int, entry: Entry) -> None:
        write_bytes(self._path(number), json.dumps(entry).encode())

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return locked(self.folder / "queue")


def _is_entry(entry: Entry) -> bool:
    words = entry.get("words")
    return isinstance(words, list) and all(isinstance(word, str) for word in words) and "status" in entry


def show_command(words: Sequence[str]) -> str:
    """Return an entry's command as one types it in a shell."""
    return shlex.join(["subjective", *words])
