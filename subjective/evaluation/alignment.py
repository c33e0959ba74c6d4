"""How well the maps of a material are aligned: whether one map has its edges and values where the albedo has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subjective.colors import LUMA

OCTAVES = 4
"""Number of octaves at which maps are compared, full size first."""

SMALLEST = 32
"""Smallest side in pixels at which maps are compared."""

BINS = 8
"""Number of bins of each value in a joint histogram. Each bin has the same number of pixels."""

CLEAR = 0.1
"""A correlation in the source below this number is chance: the map does not go with the albedo there."""

Plane = NDArray[np.float64]
"""``(height, width)``."""

Octaves = tuple[float, ...]
"""A number for each octave, full size first."""


@dataclass(frozen=True)
class Alignment:
    """How a map goes with the albedo, at each octave.

    The luminance of the albedo, its slopes down and to the right and the strength of its edges are correlated with
    each channel of the map, the channel's slopes, and the strength of the map's edges.

    Attributes:
        edges: correlation of the strengths of edges.
        edges_in_source: the same in the source.
        strongest: the correlation that is the strongest in the source; above 0 if it has the source's sign.
        strongest_in_source: the same in the source, without its sign.
        information: mutual information in bits of the albedo's luminance and the map's most telling channel.
        information_in_source: the same in the source.
    """

    edges: Octaves
    edges_in_source: Octaves
    strongest: Octaves
    strongest_in_source: Octaves
    information: Octaves
    information_in_source: Octaves

    @property
    def loss(self) -> float:
        """How much weaker the strongest correlation is than in the source, at the worst octave where there is any."""
        pairs = zip(self.strongest, self.strongest_in_source, strict=True)
        return max([source - own for own, source in pairs if source > CLEAR] + [0.0])

    def to_json(self) -> dict[str, list[float]]:
        """Return what ``summary.json`` says."""
        return {name: [round(value, 4) for value in values] for name, values in asdict(self).items()}


def measure_alignment(maps: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Alignment]:
    """Measure how each map but the albedo goes with the albedo.

    Args:
        maps: the maps that were made by their kinds, ``(height, width)`` or ``(height, width, channels)``, of one size.
        source: the maps of the source.

    Returns:
        The alignment of each map.
    """
    found = {}
    made, given = _pyramids(maps), _pyramids(source)
    octaves = min(len(made["albedo"]), len(given["albedo"]))
    for kind in maps:
        if kind == "albedo":
            continue
        ours, theirs = (
            [_compare(albedo, own) for albedo, own in zip(p["albedo"][:octaves], p[kind][:octaves], strict=True)]
            for p in (made, given)
        )
        places = [np.unravel_index(np.argmax(np.abs(table)), table.shape) for table, _ in theirs]
        signs = [np.sign(table[place]) for (table, _), place in zip(theirs, places, strict=True)]
        columns: list[Octaves] = []
        for pairs in (ours, theirs):
            columns.append(tuple(float(table[-1, -1]) for table, _ in pairs))
            columns.append(
                tuple(float(s * table[place]) for (table, _), place, s in zip(pairs, places, signs, strict=True))
            )
            columns.append(tuple(float(information) for _, information in pairs))
        edges, strongest, information, *source_columns = columns
        found[kind] = Alignment(edges, source_columns[0], strongest, source_columns[1], information, source_columns[2])
    return found


def _pyramids(maps: Mapping[str, Any]) -> dict[str, list[NDArray[np.float32]]]:
    """Return each map at each octave, ``(height, width, channels)``; the albedo as luminance."""
    found = {}
    for kind, planes in maps.items():
        image = np.atleast_3d(np.asarray(planes, np.float32))
        octaves = [(image @ LUMA[:, None]).astype(np.float32) if kind == "albedo" else image]
        while len(octaves) < OCTAVES and min(octaves[-1].shape[:2]) >= 2 * SMALLEST:
            octaves.append(_halve(octaves[-1]))
        found[kind] = octaves
    return found


def _halve(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of squares of 2 x 2 pixels; a last odd row or column is left out."""
    rows, columns = (side // 2 for side in planes.shape[:2])
    squares = planes[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, -1)
    return np.asarray(squares.mean(axis=(1, 3)))


def _compare(albedo: NDArray[np.float32], planes: NDArray[np.float32]) -> tuple[Plane, float]:
    """Return the correlations of each feature of the albedo with each of a map; the edges are the last of both.

    And return the mutual information.
    """
    ours, theirs = (_features(each) for each in (albedo, planes))
    return ours @ theirs.T, _information(albedo, planes)


def _features(planes: NDArray[np.float32]) -> Plane:
    """Return each channel, its slopes down and right, and the strength of edges over all channels.

    ``(features, pixels)``; each feature has mean 0 and length 1, or is 0 everywhere.
    """
    exact = planes.astype(np.float64)
    down, right = np.diff(exact, axis=0)[:, :-1], np.diff(exact, axis=1)[:-1]
    edges = np.sqrt(np.sum(down**2 + right**2, axis=2, keepdims=True))
    every = np.concatenate([exact[:-1, :-1], down, right, edges], axis=2)
    found = every.reshape(-1, every.shape[2]).T
    found = found - found.mean(axis=1, keepdims=True)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.where(length > 1e-9, found / np.maximum(length, 1e-9), 0.0)


def _information(albedo: NDArray[np.float32], planes: NDArray[np.float32]) -> float:
    """Return the mutual information of luminance and the map's most telling channel, without the bias of chance.

    References:
        Miller, "Note on the bias of information estimates", 1955.
    """
    ranks = _bin(albedo[:, :, 0])
    bias = (BINS - 1) ** 2 / (2 * ranks.size * np.log(2))
    return max(_information_of(ranks, _bin(plane)) - bias for plane in np.moveaxis(planes, 2, 0))


def _bin(plane: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the number of each pixel's bin. Pixels of one value share a bin."""
    edges = np.quantile(plane, np.arange(1, BINS) / BINS)
    return np.searchsorted(edges, plane.ravel(), side="right")


def _information_of(one: NDArray[np.intp], other: NDArray[np.intp]) -> float:
    joint = np.bincount(one * BINS + other, minlength=BINS**2).reshape(BINS, BINS) / one.size
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log2(joint[seen] / apart[seen])))


def report_alignment(materials: Sequence[Mapping[str, Alignment]]) -> str:
    """Say in words how the maps are aligned with the albedo, one line for each map."""
    lines = []
    for number, found in enumerate(materials, 1):
        which = f" of material {number}" if len(materials) > 1 else ""
        for kind, alignment in found.items():
            pairs = zip(alignment.strongest, alignment.strongest_in_source, strict=True)
            values = ", ".join(f"{own:.2f} ({source:.2f})" for own, source in pairs)
            fault = f"; {alignment.loss:.2f} are missing" if alignment.loss > CLEAR else ""
            lines.append(f"{kind}{which}: goes with the albedo by {values}{fault}")
    if lines:
        lines.append("The strongest correlation at full size, 1/2, 1/4 and so on; in brackets, that of the source.")
    return "\n".join(lines)
