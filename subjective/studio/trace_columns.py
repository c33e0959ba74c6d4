"""Read the trace of a run as columns for curves. What was read before is not read again."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from subjective.checks import InputError
from subjective.files import open_plainly
from subjective.runs.trace import TRACE_FILE

MOST_POINTS = 1000
"""Most points of a curve. Of more steps, evenly spread ones are taken, and the last."""

MOST_LINES = 200_000
"""Most lines of a trace that are read."""

LONGEST_LINE = 2**20
"""Most bytes of a line; where a longer one is, the trace is damaged and ends."""

MOST_STEPS = 2**53
"""Largest number of a step; browsers know no larger whole numbers."""

KEPT = 8
"""Number of traces that are kept in memory."""


class Traces:
    """The traces that were asked for last."""

    def __init__(self) -> None:
        """Begin without any trace."""
        self._kept: OrderedDict[Path, _Trace] = OrderedDict()
        self._lock = threading.Lock()

    def columns(self, folder: Path, picture: int = 0) -> dict[str, Any]:
        """Return the curves of a picture of a run.

        Args:
            folder: folder of the run.
            picture: number of the picture.

        Returns:
            ``steps``, ``seconds``, ``sizes`` (height and width at each step) and ``series``: the values of each curve
            by its name, with ``loss`` first and then each part, such as ``texture/0/pool1/gram``, whose number is that
            of the octave. A value that is not finite, or missing, is None.
        """
        with self._lock:
            trace = self._kept.pop(folder, None) or _Trace(folder / TRACE_FILE)
            self._kept[folder] = trace
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            trace.read_on()
            return _to_columns([line for line in trace.lines if line.get("picture", 0) == picture])


class _Trace:
    """The lines of one trace so far."""

    def __init__(self, path: Path):
        self.lines: list[dict[str, Any]] = []
        self._path, self._file, self._end = path, (0, 0), 0

    def read_on(self) -> None:
        """Read the lines that have come since; all of them, if the file is another one or has become shorter."""
        try:
            with open_plainly(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                if (status.st_dev, status.st_ino) != self._file or status.st_size < self._end:
                    self.lines, self._file, self._end = [], (status.st_dev, status.st_ino), 0
                file.seek(self._end)
                while line := file.readline(LONGEST_LINE):
                    if not line.endswith(b"\n") or len(self.lines) >= MOST_LINES:  # still being written
                        break
                    self._end += len(line)
                    self._add(line)
        except (OSError, InputError):
            return

    def _add(self, line: bytes) -> None:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(found, dict) and type(found.get("step")) is int and 0 <= found["step"] <= MOST_STEPS:
            self.lines.append(found)


def _to_columns(lines: list[dict[str, Any]]) -> dict[str, Any]:
    stride = max(1, math.ceil(len(lines) / MOST_POINTS))
    chosen = lines[::stride]
    if lines and chosen[-1] is not lines[-1]:
        chosen.append(lines[-1])
    flat = [{"loss": line.get("loss"), **_flatten(line.get("parts"))} for line in chosen]
    names = dict.fromkeys(name for values in flat for name in values)
    return {
        "steps": [line["step"] for line in chosen],
        "seconds": [finite(line.get("seconds")) for line in chosen],
        "sizes": [_size(line.get("size")) for line in chosen],
        "series": {name: [finite(values.get(name)) for values in flat] for name in names},
    }


def _flatten(parts: Any, place: str = "", depth: int = 0) -> dict[str, Any]:
    """Return the numbers in nested objects and lists, by their places joined with slashes."""
    if isinstance(parts, (Mapping, list)) and depth < 8:
        items = parts.items() if isinstance(parts, Mapping) else enumerate(parts)
        found: dict[str, Any] = {}
        for name, part in items:
            found |= _flatten(part, f"{place}/{name}" if place else str(name), depth + 1)
        return found
    return {place: parts} if place else {}


def _size(value: Any) -> list[int] | None:
    """Return (height, width); None for anything else."""
    is_size = isinstance(value, list) and len(value) == 2 and all(type(side) is int for side in value)
    return value if is_size else None


def finite(value: Any) -> float | None:
    """Return a number; None for anything that a curve cannot show."""
    return value if isinstance(value, (int, float)) and abs(value) <= sys.float_info.max else None
