"""The trace of a run: a file with one line of JSON for each step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from subjective.checks import InputError, file_errors
from subjective.files import open_plainly, read_plainly, write_bytes
from subjective.terminal import note

TRACE_FILE = "trace.jsonl"
"""Name of the file in a run folder that holds the trace."""

LARGEST_TRACE = 2**30
"""Most bytes of a trace; a larger one is damaged."""

DEEPEST = 50
"""Most objects and lists in each other of a file of JSON that is read; the files of a run have less than ten."""


class Trace:
    """Writes the trace of a run.

    Attributes:
        lines: number of lines in the file.
    """

    def __init__(self, folder: Path):
        """Prepare to write ``trace.jsonl`` in a folder; the first line opens the file."""
        self._path = folder / TRACE_FILE
        self._file: TextIOWrapper | None = None
        self.lines = 0

    def add(self, line: dict[str, Any]) -> None:
        """Append a line."""
        if self._file is None:
            self._file = TextIOWrapper(open_plainly(self._path, "ab"), encoding="utf-8")
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        self.lines += 1

    def sync(self) -> None:
        """Wait until all lines are on the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def cut(self, count: int, is_sound: Callable[[Any], bool]) -> list[dict[str, Any]]:
        """Keep the sound ones of the first ``count`` lines, and return them.

        Args:
            count: number of lines that belong to the steps before the run continues.
            is_sound: returns whether a value is what `add` writes.

        Raises:
            FileError: the file cannot be read or written.
            InputError: the file is a link or a special file.
        """
        self.close()
        with file_errors("read", self._path):
            size = self._path.lstat().st_size if os.path.lexists(self._path) else 0
            data = read_plainly(self._path, LARGEST_TRACE) if 0 < size <= LARGEST_TRACE else b""
        texts = data.decode("utf-8", "replace").split("\n")[:count]
        read = [(text, _read_line(text)) for text in texts]
        sound = [(text, line) for text, line in read if is_sound(line)]
        if len(sound) < count:
            note(f"note: {TRACE_FILE} is damaged: {count - len(sound)} of its first {count} lines are lost")
        write_bytes(self._path, "".join(f"{text}\n" for text, _ in sound).encode())
        self.lines = len(sound)
        return [line for _, line in sound]

    def close(self) -> None:
        """Close the file, if it is open."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _read_line(text: str) -> Any:
    """Return the value of a line of JSON; None if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return None if is_deep(found) else found


def is_count(value: Any) -> bool:
    """Return whether a value of a file is a number of steps, pixels or the like; larger ones are damage."""
    return type(value) is int and 0 <= value < 2**63


def is_number(value: Any) -> bool:
    """Return whether a value of a file is a finite number with which floats can be calculated."""
    return type(value) in (int, float) and abs(value) < 1e300


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a file that holds a JSON object; return None if there is none, or if it is damaged."""
    try:
        found = json.loads(read_plainly(path))
    except (OSError, ValueError, RecursionError, InputError):
        return None
    return found if isinstance(found, dict) and not is_deep(found) else None


def is_deep(value: Any, left: int = DEEPEST) -> bool:
    """Return whether more than ``left`` objects and lists lie in each other."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is not None and (not left or any(is_deep(one, left - 1) for one in inner))
