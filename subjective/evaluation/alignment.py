"""How well the maps of a material are aligned: whether one map has its edges and values where the albedo has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from subjective.colors import LUMA
from subjective.pyramid import reduce

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


@dataclass(frozen=True)
class Alignment:
    """How a map goes with the albedo, at each octave from full size on.

    Attributes:
        edges: correlation of the strengths of edges.
        edges_in_source: the same in the source.
        information: mutual information in bits of the map's values and the albedo's luminance.
        information_in_source: the same in the source.
    """

    edges: tuple[float, ...]
    edges_in_source: tuple[float, ...]
    information: tuple[float, ...]
    information_in_source: tuple[float, ...]

    @property
    def loss(self) -> float:
        """The largest loss of correlation against the source, of the octaves where the source has any; 0 if none."""
        pairs = zip(self.edges, self.edges_in_source, strict=True)
        return max([source - own for own, source in pairs if source > CLEAR] + [0.0])

    def to_json(self) -> dict[str, Any]:
        """Return what ``summary.json`` says."""
        return {
            "edges": [round(value, 4) for value in self.edges],
            "edges_in_source": [round(value, 4) for value in self.edges_in_source],
            "information_bits": [round(value, 4) for value in self.information],
            "information_bits_in_source": [round(value, 4) for value in self.information_in_source],
        }


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
        edges, information = [], []
        for pyramids in (made, given):
            pairs = list(zip(pyramids["albedo"][:octaves], pyramids[kind][:octaves], strict=True))
            edges.append(tuple(_correlate(_edges(albedo), _edges(own)) for albedo, own in pairs))
            information.append(tuple(_information(albedo, own) for albedo, own in pairs))
        found[kind] = Alignment(edges[0], edges[1], information[0], information[1])
    return found


def _pyramids(maps: Mapping[str, Any]) -> dict[str, list[NDArray[np.float32]]]:
    """Return each map at each octave, ``(height, width, channels)``; the albedo as luminance."""
    found = {}
    for kind, planes in maps.items():
        image = np.atleast_3d(np.asarray(planes, np.float32))
        octaves = [(image @ LUMA[:, None]).astype(np.float32) if kind == "albedo" else image]
        while len(octaves) < OCTAVES and min(octaves[-1].shape[:2]) >= 2 * SMALLEST:
            octaves.append(np.asarray(reduce(jnp.asarray(octaves[-1]), "same")))
        found[kind] = octaves
    return found


def _edges(planes: NDArray[np.float32]) -> Plane:
    """Return the strength of the edges of a map: the length of the gradient over all its channels."""
    down, right = (np.diff(planes.astype(np.float64), axis=axis) for axis in (0, 1))
    return np.asarray(np.sqrt(np.sum(down[:, :-1] ** 2, axis=2) + np.sum(right[:-1] ** 2, axis=2)))


def _correlate(one: Plane, other: Plane) -> float:
    one, other = one - one.mean(), other - other.mean()
    strength = float(np.sqrt(np.sum(one**2) * np.sum(other**2)))
    return float(np.sum(one * other)) / strength if strength > 1e-12 else 0.0


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


def report_alignment(materials: Sequence[dict[str, Alignment]]) -> str:
    """Say in words how the maps are aligned with the albedo, one line for each map."""
    lines = []
    for number, found in enumerate(materials, 1):
        which = f" of material {number}" if len(materials) > 1 else ""
        for kind, alignment in found.items():
            pairs = zip(alignment.edges, alignment.edges_in_source, strict=True)
            edges = ", ".join(f"{own:.2f} ({source:.2f})" for own, source in pairs)
            fault = f"; misses {alignment.loss:.2f}" if alignment.loss > CLEAR else ""
            lines.append(f"{kind}{which}: edges go with the albedo's by {edges}{fault}")
    if lines:
        lines.append("correlations at full size, 1/2, 1/4 and so on; of the source in brackets")
    return "\n".join(lines)
