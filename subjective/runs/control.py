"""What a run and those who watch it say to each other, through small hidden files in the run folder.

The run writes a picture and a few numbers now and then; see `subjective.runs.live`. Whoever watches may write requests,
which the run reads between two steps. So both work for a run of another process, and on another machine whose disk is
mounted. The files are removed when the run ends.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from subjective.checks import InputError
from subjective.files import open_plainly, write_bytes
from subjective.synthesis.reweigh import MOST_WEIGHTS, SEVERAL, SINGLE, STATISTIC

PREVIEW_FILE = ".preview.jpg"
"""Name of the file in a run folder that holds the picture as it is made, reduced."""

LIVE_FILE = ".live.json"
"""Name of the file in a run folder that says how far the run is."""

CONTROL_FILE = ".control.json"
"""Name of the file in a run folder that holds requests to the run."""

Request = Literal["stop", "checkpoint", "save", "score"]
"""What a run can be asked for: to stop and keep what it has made, to write a checkpoint, to save its picture, or to
score it."""

REQUESTS: tuple[str, ...] = get_args(Request)

LARGEST = 16384
"""Most bytes of the file of requests that a run reads."""


@dataclass(frozen=True)
class Asked:
    """What a run is asked for.

    Attributes:
        requests: some of `REQUESTS`.
        weights: new weights by the name of the setting; see `subjective.synthesis.reweigh`.
    """

    requests: frozenset[str] = frozenset()
    weights: Mapping[str, Sequence[float]] = field(default_factory=dict)


def ask(folder: Path, request: Request | None = None, weights: Mapping[str, Sequence[float]] | None = None) -> None:
    """Ask a run for something. Requests that the run has not yet read are kept.

    Args:
        folder: the run folder.
        request: what is asked for.
        weights: see `Asked.weights`.

    Raises:
        InputError: the weights are no numbers of 0 or more.
        FileError: the file cannot be written.
    """
    if not _are_weights(weights or {}):
        raise InputError("wanted the weights of a setting: numbers of 0 or more")
    before = _read(folder / CONTROL_FILE)
    requests = sorted(before.requests | ({request} if request else set()))
    wanted = {"requests": requests, "weights": {**before.weights, **(weights or {})}}
    write_bytes(folder / CONTROL_FILE, (json.dumps(wanted) + "\n").encode())


def take(folder: Path) -> Asked:
    """Return what a run is asked for, and remove the requests. A request that cannot be removed is not followed."""
    path = folder / CONTROL_FILE
    if not os.path.lexists(path):
        return Asked()
    try:
        asked = _read(path)
        path.unlink()
    except OSError:
        return Asked()
    return asked


def remove(folder: Path, names: Iterable[str] = (PREVIEW_FILE, LIVE_FILE, CONTROL_FILE)) -> None:
    """Remove the files of a run that has ended. What cannot be removed stays."""
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError:
            continue


def _read(path: Path) -> Asked:
    """Return the requests in a file; empty if there is no file, or none that `ask` has written."""
    try:
        with open_plainly(path, "rb") as file:
            found = json.loads(file.read(LARGEST))
        requests, weights = frozenset(REQUESTS).intersection(found["requests"]), found.get("weights", {})
    except (OSError, InputError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Asked()
    return Asked(requests, weights if _are_weights(weights) else {})


def _are_weights(weights: Any) -> bool:
    """Return whether a value is what `Asked.weights` may be."""

    def is_weight(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf

    return isinstance(weights, Mapping) and all(
        name in (STATISTIC, *SEVERAL, *SINGLE)
        and isinstance(values, list)
        and 0 < len(values) <= MOST_WEIGHTS
        and all(map(is_weight, values))
        for name, values in weights.items()
    )
