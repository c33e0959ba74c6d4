"""Where in the period of a regular source patches belong."""

from __future__ import annotations

import dataclasses
import itertools
from functools import partial

import numpy as np
from numpy.typing import NDArray

from subjective.synthesis.patch_search import Indices, Numbers, Patches
from subjective.synthesis.survey import Waves

LATTICE = 3.0
"""Weight of the place in the period of a regular source, as a share of the patches' variance: patches come from where
the source is at the same place in its period as the picture. At 0.3 some joints of tiles still bend."""

FIRM = 8.0
"""Longest period, in pixels, with the weight `LATTICE`. For longer ones it grows with their square, so that a patch
that is a pixel off costs as much at every size: otherwise rings that are 36 pixels apart stand out of line."""

NEARER = 0.9
"""Factor for the squared distance of a patch from its place in the period below which it is moved by a pixel."""

LEAST_PERIOD = 3.0
"""Shortest period, in pixels, by which patches are chosen: shorter ones are lost at a small picture's size."""


def add_places(patches: Patches, waves: Waves, source: tuple[int, ...], picture: tuple[int, int]) -> Patches:
    """Compare patches also by their places in the periods: two components, cosine and sine, for each wave.

    Args:
        patches: of one source.
        waves: how source and picture repeat themselves.
        source: (height, width, 3) of the source at this scale.
        picture: (height, width) of the picture.
    """
    is_seen = np.linalg.norm(waves.picture / picture, axis=1) <= 1 / LEAST_PERIOD
    if not is_seen.any():
        return patches
    periods = 1 / np.linalg.norm(waves.picture[is_seen] / picture, axis=1)
    strength = LATTICE * np.maximum(periods / FIRM, 1) ** 2
    spread = np.sqrt(strength * float(np.sum(np.var(patches.components, axis=0))) / 2 / len(periods))
    spread = np.concatenate([spread, spread])

    def phases(cycles: NDArray[np.float64], rows: Indices, columns: Indices) -> Numbers:
        turns = 2 * np.pi * (rows[..., None] * cycles[:, 0] + columns[..., None] * cycles[:, 1])
        return np.asarray(spread * np.concatenate([np.cos(turns), np.sin(turns)], axis=-1), np.float32)

    of_source = partial(phases, waves.source[is_seen] / source[:2])
    return dataclasses.replace(
        patches,
        components=np.concatenate([patches.components, of_source(*patches.at[1:])], axis=1),
        phases=of_source,
        places=phases(waves.picture[is_seen] / picture, *np.indices(picture)),
    )


def keep_places(patches: Patches, at: Indices, stride: int) -> Indices:
    """Move patches by a pixel wherever they are nearer to their place in the period then.

    A piece of the source that was at its place in a smaller picture may be off by a pixel in a larger one, and wires
    and joints would have a step at its border.

    Args:
        patches: the patches of the sources.
        at: where the picture's patches are, ``(3, rows, columns)`` as `Patches.at`.
        stride: rows and columns of pixels from one patch of the picture to the next.

    Returns:
        Like ``at``; the same unless the source is regular.
    """
    if patches.phases is None or patches.places is None:
        return at
    here = patches.places[::stride, ::stride]
    best, least = at, np.sum((patches.phases(*at[1:]) - here) ** 2, axis=2)
    for shift in itertools.product((0, -1, 1), repeat=2):
        moved = at + np.array([0, *shift])[:, None, None]
        off = np.sum((patches.phases(*moved[1:]) - here) ** 2, axis=2)
        nearer = patches.is_inside(moved) & (off < NEARER * least)
        best, least = np.where(nearer, moved, best), np.where(nearer, off, least)
    return best
