"""What a run and those who watch it say to each other, through small hidden files in the run folder.

The run writes a picture and a few numbers now and then; see `subjective.runs.live`. Whoever watches may write requests,
which the run reads between two steps. So both work for a run of another process, and on another machine whose disk is
mounted. The files are removed when the run ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from subjective.checks import InputError
from subjective.files import open_plainly, write_bytes

PREVIEW_FILE = ".preview.jpg"
"""Name of the file in a run folder that holds the picture as it is made, reduced."""

LIVE_FILE = ".live.json"
"""Name of the file in a run folder that says how far the run is."""

CONTROL_FILE = ".control.json"
"""Name of the file in a run folder that holds requests to the run."""

Request = Literal["stop", "checkpoint", "save"]
"""What a run can be asked for: to stop and keep what it has made, to write a checkpoint, or to save its picture."""

REQUESTS: tuple[str, ...] = get_args(Request)

LARGEST = 4096
"""Most bytes of the file of requests that a run reads."""


def ask(folder: Path, request: Request) -> None:
    """Ask a run for something. Requests that the run has not yet read are kept.

    Args:
        folder: the run folder.
        request: what is asked for.

    Raises:
        FileError: the file cannot be written.
    """
    requests = sorted(_read(folder / CONTROL_FILE) | {request})
    write_bytes(folder / CONTROL_FILE, (json.dumps({"requests": requests}) + "\n").encode())


def take(folder: Path) -> frozenset[str]:
    """Return what a run is asked for, and remove the requests. A request that cannot be removed is not followed."""
    path = folder / CONTROL_FILE
    if not os.path.lexists(path):
        return frozenset()
    try:
        requests = _read(path)
        path.unlink()
    except OSError:
        return frozenset()
    return requests


def remove(folder: Path, names: Iterable[str] = (PREVIEW_FILE, LIVE_FILE, CONTROL_FILE)) -> None:
    """Remove the files of a run that has ended. What cannot be removed stays."""
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError:
            continue


def _read(path: Path) -> frozenset[str]:
    """Return the requests in a file; empty if there is no file, or none that `ask` has written."""
    try:
        with open_plainly(path, "rb") as file:
            found = json.loads(file.read(LARGEST))["requests"]
        return frozenset(REQUESTS).intersection(found)
    except (OSError, InputError, ValueError, LookupError, TypeError, RecursionError):
        return frozenset()
