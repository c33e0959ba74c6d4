"""Patches of sources: choose them, compare them with the patches of a picture, and find the most similar ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

SIDE = 7
"""Side of a patch in pixels."""

COMPONENTS = 24
"""Number of principal components by which patches are compared."""

MOST_PATCHES = 8192
"""Number of patches of the sources, chosen at random, with which each patch of the picture is compared."""

CHUNK = 128
"""Number of patches of the picture that a thread compares with the sources' patches at once: 4 MB of distances, which
stay in a processor's own cache."""

SHIFTS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""From which neighbors a patch may take over, in rows and columns."""

FOLLOWED = 0.25
"""Factor for the squared distance of a patch that was chosen before, or that continues a neighbor's: below 1, it is
preferred to a nearer one."""

MOST_FOLLOWED = 4096
"""Number of patches that a thread describes at once."""

OVERUSED = 1.0
"""How much larger the squared distance of a patch becomes, as a share, for each time that the picture has the patch
more often than others. Without it the same few stones may stand beside each other again and again."""

SPREAD = 2.0
"""Standard deviation, in pixels, of the bell in which uses of a patch count for the patches around it."""

COMPLETENESS = 0.005
"""Number that is added to the distance of a source's patch from the picture, as a share of the patches' variance. The
smaller the number, the more the patches that are missing in the picture are preferred."""

Numbers = NDArray[np.float32]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Patches:
    """Patches of the sources.

    Attributes:
        pixels: the pixels of all sources one after the other, ``(pixels, channels)``.
        shapes: first pixel of each source in ``pixels``, and its height and width, ``(sources, 3)``.
        at: source, row and column of the first pixel of each patch, ``(3, patches)``.
        mean: mean of the patches, ``(SIDE² * channels,)``.
        axes: the patches' principal axes, ``(SIDE² * channels, COMPONENTS)``.
        components: the patches along the axes, ``(patches, COMPONENTS)``, and where in the period they are.
        phases: where in the period a patch of the source is, from its rows and columns; see ``patch_places.py``.
        places: where in the period the patches of the picture are, ``(height, width, components)``.
        used: how often the picture has the patch at each pixel of the sources, as a multiple of the mean,
            ``(pixels,)``; None if nothing is known of it.
    """

    pixels: Numbers
    shapes: Indices
    at: Indices
    mean: Numbers
    axes: Numbers
    components: Numbers
    phases: Callable[[Indices, Indices], Numbers] | None = None
    places: Numbers | None = None
    used: Numbers | None = None

    def take(self, down: int, right: int, at: Indices | None = None) -> Numbers:
        """Return one pixel of each patch, or of the patches that are ``at`` such places, ``(3, ...)``."""
        return self.pixels[self._pixel(self.at if at is None else at, down, right)]

    def _pixel(self, at: Indices, down: int = 0, right: int = 0) -> Indices:
        """Return the number in `pixels` of one pixel of each patch at such places, ``(3, ...)``."""
        source, rows, columns = at
        begin, _, width = self.shapes[source].T
        return np.asarray(begin.T + (rows + down) * width.T + columns + right)

    def is_inside(self, at: Indices) -> NDArray[np.bool_]:
        """Return which of the places are those of patches that lie in their sources as a whole."""
        source, rows, columns = at
        _, height, width = np.moveaxis(self.shapes[source], -1, 0)
        return np.asarray((rows >= 0) & (columns >= 0) & (rows <= height - SIDE) & (columns <= width - SIDE))

    def overuse(self, at: Indices) -> Numbers:
        """Return the factor for the squared distances of patches at such places ``(3, ...)``; 1 for those that the
        picture has no more often than others."""
        if self.used is None:
            return np.ones(at.shape[1:], np.float32)
        return np.asarray(1 + OVERUSED * np.maximum(self.used[self._pixel(at)] - 1, 0), np.float32)


def count_uses(patches: Patches, at: Indices, weights: Sequence[float]) -> Patches:
    """Count how often a picture has each patch of the sources, so that no place of a source is seen again and again.

    Args:
        patches: the patches.
        at: where the picture's patches are, ``(3, rows, columns)``.
        weights: how much each source counts.

    Returns:
        The patches with `Patches.used`.

    References:
        Kaspar, Neubert, Lischinski, Pauly and Kopf, "Self tuning texture optimization", Eurographics 2015.
    """
    used, shares = [], np.asarray(weights, np.float64) / np.sum(weights)
    for number, (_, height, width) in enumerate(patches.shapes):
        own = at[1:, at[0] == number]
        counts = np.zeros((height, width), np.float32)
        np.add.at(counts, tuple(own), 1)
        room = np.zeros((height, width), np.float32)
        room[: height - SIDE + 1, : width - SIDE + 1] = 1
        smooth, of = (scipy.ndimage.gaussian_filter(one, SPREAD, mode="constant") for one in (counts, room))
        expected = shares[number] * at[0].size / room.sum()
        used.append((smooth / np.maximum(of, 1e-6) / max(expected, 1e-12)).ravel())
    return dataclasses.replace(patches, used=np.concatenate(used).astype(np.float32))


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
    at, shapes, begin = [], [], 0
    for number, (source, share) in enumerate(zip(sources, shares, strict=True)):
        height, width = source.shape[:2]
        rows, columns = np.mgrid[: height - SIDE + 1, : width - SIDE + 1].reshape(2, -1)
        count = max(int(share * total), 1) if share else 0
        if chances is None:
            kept = random.permutation(len(rows))[:count]
        else:
            chance = chances[number][rows + SIDE // 2, columns + SIDE // 2].astype(np.float64)
            kept = random.choice(len(rows), count, p=chance / chance.sum())
        at.append(np.stack([np.full(len(kept), number), rows[kept], columns[kept]]))
        shapes.append((begin, height, width))
        begin += height * width
    pixels = np.concatenate([np.asarray(source, np.float32).reshape(-1, source.shape[2]) for source in sources])
    nothing = np.zeros(0, np.float32)
    found = Patches(pixels, np.array(shapes, np.intp), np.concatenate(at, axis=1), nothing, nothing, nothing)
    values = np.concatenate([found.take(down, right) for down in range(SIDE) for right in range(SIDE)], axis=1)
    mean = values.mean(axis=0)
    centered = values - mean
    axes = principal_axes(centered)
    return dataclasses.replace(found, mean=mean, axes=axes, components=centered @ axes)


def principal_axes(centered: Numbers) -> Numbers:
    """Return the `COMPONENTS` directions along which rows of numbers vary most, the strongest first, as columns.

    Args:
        centered: the rows without their mean, ``(rows, numbers)``.
    """
    _, axes = np.linalg.eigh(centered.T.astype(np.float64) @ centered)
    return axes[:, : -COMPONENTS - 1 : -1].astype(np.float32)


class Nearest(NamedTuple):
    """The most similar patches of the sources for the patches of a picture.

    Attributes:
        numbers: which of the sources' patches they are, ``(rows, columns)``.
        scale: factor for the squared distance of each, ``(rows, columns)``: large for a patch that was missing.
        missed: squared distance of each of the sources' patches from the picture, ``(patches,)``.
    """

    numbers: Indices
    scale: Numbers
    missed: Numbers


def find_nearest(
    patches: Patches, picture: Numbers, missed: Numbers, threads: ThreadPoolExecutor, stride: int = 1
) -> Nearest:
    """Find the most similar patch of the sources for patches of a picture that wraps.

    Args:
        patches: the patches of the sources.
        picture: the picture.
        missed: squared distance of each of the sources' patches from the picture, ``(patches,)``. Distances from a
            patch are divided by this number, so that a patch that the picture does not have is preferred.
        threads: do the work.
        stride: rows and columns from one patch of the picture to the next.
    """
    ours, theirs = _project(patches, picture, stride), patches.components
    scale = _weigh(patches, missed) * patches.overuse(patches.at)
    # ours @ keys is |our - their|^2 * scale: one matrix product instead of three sums over all pairs of patches.
    keys = np.concatenate([-2 * theirs, np.sum(theirs**2, axis=1)[:, None], np.ones((len(theirs), 1), np.float32)], 1)
    keys = (keys * scale[:, None]).T.copy()
    ours = np.concatenate([ours, np.ones((len(ours), 1), np.float32), np.sum(ours**2, axis=1)[:, None]], axis=1)

    def compare(start: int) -> tuple[Indices, Numbers]:
        distances = ours[start : start + CHUNK] @ keys
        return distances.argmin(axis=1), distances.min(axis=0)

    found, closest = zip(*threads.map(compare, range(0, len(ours), CHUNK)), strict=True)
    nearest = np.concatenate(found).reshape(picture[::stride, ::stride].shape[:2])
    return Nearest(nearest, _weigh(patches, missed)[nearest], np.maximum(np.min(closest, axis=0) / scale, 0))


def _weigh(patches: Patches, missed: Numbers) -> Numbers:
    """Return the factor for the squared distances from each patch: large for a patch that the picture does not have."""
    least = COMPLETENESS * float(np.sum(np.var(patches.components, axis=0))) + 1e-12
    return np.asarray(1 / (missed + least), np.float32)


def follow_neighbors(
    patches: Patches,
    picture: Numbers,
    nearest: Nearest | None,
    threads: ThreadPoolExecutor,
    stride: int = 1,
    before: Indices | None = None,
) -> Indices:
    """Let each patch of the picture continue the patch that was found for its neighbor, wherever that is near enough.

    `find_nearest` knows at most `MOST_PATCHES` patches. The one that continues a neighbor's is most often not among
    them, but only that one agrees with the neighbor's where both overlap: with it, edges go on and details stay sharp.

    Args:
        patches: as in `find_nearest`.
        picture: as in `find_nearest`.
        nearest: from `find_nearest`; None to choose only among the patches ``before`` and those that continue them.
        threads: do the work.
        stride: as in `find_nearest`.
        before: where the patches were until now, like what is returned; None if nothing is known of them.

    Returns:
        Where the patches are, ``(3, rows, columns)`` as in `Patches.at`.

    References:
        Ashikhmin, "Synthesizing natural textures", I3D 2001, for patches that continue their neighbors'. Barnes and
        others, "PatchMatch", SIGGRAPH 2009, for the search from neighbor to neighbor.
    """
    shape = picture[::stride, ::stride].shape[:2]
    ours = _project(patches, picture, stride).reshape(*shape, -1)
    if nearest is None:
        nowhere, scale = np.full((3, *shape), -SIDE), np.ones(shape, np.float32)
        chosen = _Chosen(nowhere, scale, np.full(shape, np.inf, np.float32))
    else:
        scale = nearest.scale
        at = patches.at[:, nearest.numbers]
        costs = np.sum((ours - patches.components[nearest.numbers]) ** 2, axis=2) * scale * patches.overuse(at)
        chosen = _Chosen(at, scale, costs)
    if before is not None:
        chosen = _try(chosen, before, scale, patches, ours, threads)
    for shift in SHIFTS:
        at = np.roll(chosen.at, shift, axis=(1, 2)) + stride * np.array([0, *shift])[:, None, None]
        chosen = _try(chosen, at, np.roll(chosen.scale, shift, axis=(0, 1)), patches, ours, threads)
    return chosen.at


class _Chosen(NamedTuple):
    """The patches of the sources that are chosen for the patches of a picture.

    Attributes:
        at: where they are, ``(3, rows, columns)`` as `Patches.at`.
        scale: factor for their squared distances, ``(rows, columns)``.
        costs: their squared distances times the factor; those of patches that were chosen before, or that continue a
            neighbor's, are also multiplied by `FOLLOWED`, ``(rows, columns)``.
    """

    at: Indices
    scale: Numbers
    costs: Numbers


def _try(
    chosen: _Chosen,
    at: Indices,
    scale: Numbers,
    patches: Patches,
    ours: Numbers,
    threads: ThreadPoolExecutor,
) -> _Chosen:
    """Choose other patches of the sources wherever the costs are lower.

    Args:
        chosen: what is chosen.
        at: where the others are, ``(3, rows, columns)``; those that are not inside a source are left out.
        scale: factor for their squared distances, ``(rows, columns)``.
        patches: the patches of the sources.
        ours: components of the picture's patches, ``(rows, columns, components)``.
        threads: do the work.
    """
    tried = patches.is_inside(at) & np.any(at != chosen.at, axis=0)
    places = at[:, tried]
    starts = range(0, places.shape[1], MOST_FOLLOWED)
    parts = threads.map(lambda start: _describe(patches, places[:, start : start + MOST_FOLLOWED]), starts)
    theirs = np.concatenate([np.zeros((0, ours.shape[2]), np.float32), *parts])
    costs = np.full(tried.shape, np.inf, np.float32)
    costs[tried] = FOLLOWED * np.sum((ours[tried] - theirs) ** 2, axis=1) * scale[tried] * patches.overuse(places)
    taken = costs < chosen.costs
    return _Chosen(
        np.where(taken, at, chosen.at), np.where(taken, scale, chosen.scale), np.minimum(costs, chosen.costs)
    )


def _describe(patches: Patches, at: Indices) -> Numbers:
    """Return the components of the patches at such places, ``(patches, components)``."""
    values = np.concatenate([patches.take(down, right, at) for down, right in np.ndindex(SIDE, SIDE)], axis=1)
    components = (values - patches.mean) @ patches.axes
    return components if patches.phases is None else np.concatenate([components, patches.phases(*at[1:])], axis=1)


def _project(patches: Patches, picture: Numbers, stride: int) -> Numbers:
    """Return the components of patches of a picture that wraps, row by row: ``(number of patches, components)``."""
    height, width, channels = picture.shape
    wrapped = np.pad(picture, ((0, SIDE - 1), (0, SIDE - 1), (0, 0)), mode="wrap")
    total = np.tile(-patches.mean @ patches.axes, (picture[::stride, ::stride, 0].size, 1))
    for number, (down, right) in enumerate(np.ndindex(SIDE, SIDE)):
        pixels = wrapped[down : down + height : stride, right : right + width : stride].reshape(-1, channels)
        total += pixels @ patches.axes[channels * number : channels * (number + 1)]
    if patches.places is None:
        return total
    return np.concatenate([total, patches.places[::stride, ::stride].reshape(len(total), -1)], axis=1)
