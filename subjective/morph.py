"""Which source counts how much at each frame: around a closed path of keyframes, or as a table says."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

Ease = Literal["smooth", "linear"]

Weights = Float[np.ndarray, "frames sources"]


def around(frames: int, keyframes: int, ease: Ease = "smooth") -> Weights:
    """Weights on the way from each keyframe to the next and from the last back to the first.

    Args:
        frames: of the loop; the first frame is the first keyframe.
        keyframes: how many, one or more.
        ease: ``smooth`` rests at each keyframe (half a cosine), ``linear`` goes on at one speed.

    Returns:
        ``(frames, keyframes)``, each row adding up to 1.
    """
    weights = np.zeros((frames, keyframes))
    for frame in range(frames):
        place = frame * keyframes / frames
        key, part = int(place), place - int(place)
        share = part if ease == "linear" else (1 - math.cos(math.pi * part)) / 2
        weights[frame, key] += 1 - share
        weights[frame, (key + 1) % keyframes] += share
    return weights


def read_weights(path: str, frames: int, sources: int) -> Weights:
    """A table of weights, a line a frame and a column a source; a head of words is passed over.

    Returns:
        ``(frames, sources)``, each row divided by its sum.

    Raises:
        ValueError: no such file, other numbers of lines or columns, or weights that cannot be meant.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"--frame-weights is {path!r}, which cannot be read ({error}); wanted a CSV file") from None
    name = Path(path).name
    if rows and not any(_is_number(cell) for cell in rows[0]):
        rows = rows[1:]
    if len(rows) != frames or any(len(row) != sources for row in rows):
        columns = sorted({len(row) for row in rows})
        raise ValueError(
            f"{name!r} has {len(rows)} lines of {' or '.join(map(str, columns)) or 'no'} numbers; wanted {frames} of "
            f"{sources}: a line for each frame (--count), a number for each source"
        )
    for number, row in enumerate(rows, 1):
        if not all(_is_number(cell) and 0 <= float(cell) < math.inf for cell in row) or not sum(map(float, row)) > 0:
            raise ValueError(
                f"line {number} of {name!r} is {', '.join(row)}; wanted numbers of 0 or more, not all of them 0"
            )
    weights = np.asarray([[float(cell) for cell in row] for row in rows])
    return weights / weights.sum(axis=1, keepdims=True)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
