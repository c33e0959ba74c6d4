"""Patches of sources: choose them, compare them with the patches of a picture, and find the most similar ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subjective.synthesis.survey import Waves

SIDE = 7
"""Side of a patch in pixels."""

COMPONENTS = 24
"""Number of principal components by which patches are compared."""

MOST_PATCHES = 8192
"""Number of patches of the sources, chosen at random, with which each patch of the picture is compared."""

CHUNK = 128
"""Number of patches of the picture that a thread compares with the sources' patches at once: 4 MB of distances, which
stay in a processor's own cache."""

LATTICE = 3.0
"""Weight of the place in the period of a regular source, as a share of the patches' variance: patches come from where
the source is at the same place in its period as the picture. At 0.3 some joints of tiles still bend."""

LEAST_PERIOD = 3.0
"""Shortest period, in pixels, by which patches are chosen: shorter ones are lost at a small picture's size."""

COMPLETENESS = 0.005
"""Number that is added to the distance of a source's patch from the picture, as a share of the patches' variance. The
smaller the number, the more the patches that are missing in the picture are preferred."""

Numbers = NDArray[np.float32]


@dataclass(frozen=True)
class Patches:
    """Patches of the sources.

    Attributes:
        pixels: the pixels of all sources one after the other, ``(pixels, channels)``.
        corners: where the first pixel of each patch is in ``pixels``, ``(patches,)``.
        strides: number of pixels in a row of the patch's source, ``(patches,)``.
        mean: mean of the patches, ``(SIDE² * channels,)``.
        axes: the patches' principal axes, ``(SIDE² * channels, COMPONENTS)``.
        components: the patches along the axes, ``(patches, COMPONENTS)``, and where in the period they are.
        places: where in the period the patches of the picture are, ``(height, width, components)``; see `add_places`.
    """

    pixels: Numbers
    corners: NDArray[np.intp]
    strides: NDArray[np.intp]
    mean: Numbers
    axes: Numbers
    components: Numbers
    places: Numbers

    def take(self, down: int, right: int, chosen: NDArray[np.intp] | slice = slice(None)) -> Numbers:
        """Return one pixel of each patch, or of the chosen patches."""
        return self.pixels[self.corners[chosen] + (down * self.strides[chosen] + right)]


def collect_patches(
    sources: Sequence[Any],
    weights: Sequence[float],
    random: np.random.Generator,
    chances: Sequence[Numbers] | None = None,
) -> Patches:
    """Choose patches of sources at random, at most `MOST_PATCHES`, and find their principal axes.

    Args:
        sources: images ``(height, width, channels)``.
        weights: how much each source counts.
        random: all choices come from it.
        chances: how likely the patch around each pixel of each source is chosen, ``(height, width)``, once or several
            times; if None, each is chosen once or not at all.
    """
    shares = np.asarray(weights, np.float64) / np.sum(weights)
    room = [(source.shape[0] - SIDE + 1) * (source.shape[1] - SIDE + 1) for source in sources]
    total = min(MOST_PATCHES, *(has / share for has, share in zip(room, shares, strict=True) if share > 0))
    corners, strides, begin = [], [], 0
    for number, (source, share) in enumerate(zip(sources, shares, strict=True)):
        height, width = source.shape[:2]
        rows, columns = np.mgrid[: height - SIDE + 1, : width - SIDE + 1].reshape(2, -1)
        count = max(int(share * total), 1) if share else 0
        if chances is None:
            kept = random.permutation(len(rows))[:count]
        else:
            chance = chances[number][rows + SIDE // 2, columns + SIDE // 2].astype(np.float64)
            kept = random.choice(len(rows), count, p=chance / chance.sum())
        corners.append(begin + rows[kept] * width + columns[kept])
        strides.append(np.full(len(kept), width))
        begin += height * width
    pixels = np.concatenate([np.asarray(source, np.float32).reshape(-1, source.shape[2]) for source in sources])
    found = Patches(pixels, np.concatenate(corners), np.concatenate(strides), *(np.zeros(0, np.float32),) * 4)
    values = np.concatenate([found.take(down, right) for down in range(SIDE) for right in range(SIDE)], axis=1)
    mean = values.mean(axis=0)
    centered = values - mean
    _, axes = np.linalg.eigh(centered.T.astype(np.float64) @ centered)
    axes = axes[:, : -COMPONENTS - 1 : -1].astype(np.float32)
    return dataclasses.replace(found, mean=mean, axes=axes, components=centered @ axes)


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
    spread = np.sqrt(LATTICE * float(np.sum(np.var(patches.components, axis=0))) / 2 / np.count_nonzero(is_seen))

    def places(cycles: NDArray[np.float64], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Numbers:
        turns = 2 * np.pi * (rows[..., None] * cycles[:, 0] + columns[..., None] * cycles[:, 1])
        return np.asarray(spread * np.concatenate([np.cos(turns), np.sin(turns)], axis=-1), np.float32)

    theirs = places(waves.source[is_seen] / source[:2], *np.divmod(patches.corners, patches.strides))
    ours = places(waves.picture[is_seen] / picture, *np.indices(picture))
    return dataclasses.replace(patches, components=np.concatenate([patches.components, theirs], axis=1), places=ours)


def find_nearest(
    patches: Patches, picture: Numbers, missed: Numbers, threads: ThreadPoolExecutor, stride: int = 1
) -> tuple[NDArray[np.intp], Numbers]:
    """Find the most similar patch of the sources for patches of a picture that wraps.

    Args:
        patches: the patches of the sources.
        picture: the picture.
        missed: squared distance of each of the sources' patches from the picture, ``(patches,)``. Distances from a
            patch are divided by this number, so that a patch that the picture does not have is preferred.
        threads: do the work.
        stride: rows and columns from one patch of the picture to the next.

    Returns:
        The numbers of the most similar patches, ``(rows, columns)``, and ``missed`` for this picture.
    """
    ours, theirs = _project(patches, picture, stride), patches.components
    least = COMPLETENESS * float(np.sum(np.var(theirs, axis=0))) + 1e-12
    scale = (1 / (missed + least)).astype(np.float32)
    # ours @ keys is |our - their|^2 * scale: one matrix product instead of three sums over all pairs of patches.
    keys = np.concatenate([-2 * theirs, np.sum(theirs**2, axis=1)[:, None], np.ones((len(theirs), 1), np.float32)], 1)
    keys = (keys * scale[:, None]).T.copy()
    ours = np.concatenate([ours, np.ones((len(ours), 1), np.float32), np.sum(ours**2, axis=1)[:, None]], axis=1)

    def compare(start: int) -> tuple[NDArray[np.intp], Numbers]:
        distances = ours[start : start + CHUNK] @ keys
        return distances.argmin(axis=1), distances.min(axis=0)

    found, closest = zip(*threads.map(compare, range(0, len(ours), CHUNK)), strict=True)
    nearest = np.concatenate(found)
    return nearest.reshape(picture[::stride, ::stride].shape[:2]), np.maximum(np.min(closest, axis=0) / scale, 0)


def _project(patches: Patches, picture: Numbers, stride: int) -> Numbers:
    """Return the components of patches of a picture that wraps, row by row: ``(number of patches, components)``."""
    height, width, channels = picture.shape
    wrapped = np.pad(picture, ((0, SIDE - 1), (0, SIDE - 1), (0, 0)), mode="wrap")
    total = np.tile(-patches.mean @ patches.axes, (picture[::stride, ::stride, 0].size, 1))
    for number, (down, right) in enumerate(np.ndindex(SIDE, SIDE)):
        pixels = wrapped[down : down + height : stride, right : right + width : stride].reshape(-1, channels)
        total += pixels @ patches.axes[channels * number : channels * (number + 1)]
    if not patches.places.size:
        return total
    return np.concatenate([total, patches.places[::stride, ::stride].reshape(len(total), -1)], axis=1)
