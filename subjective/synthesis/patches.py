"""Make a small picture of a texture from patches of its sources; the statistics then add the detail.

Statistics say which shapes and colors there are, but hardly how far they lie apart: from noise, bricks become heaps of
stones, and colors that drift slowly become spots. In the small picture each patch looks like a patch of a source, at
sizes from the whole picture down, so that rows stay rows and tints stay tints.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.ndimage
from numpy.typing import NDArray

from subjective.colors import OPPONENT
from subjective.devices import one_blas_thread
from subjective.images import resize_planes

SIDE = 7
"""Side of a patch in pixels."""

COARSEST = 16
"""Smallest side, in pixels, of the first and smallest picture that is made."""

RATIO = 2**-0.5
"""Size of a picture over the size of the next one."""

ROUNDS = 6
"""How often, at each size, every patch is replaced by the most similar patch of the sources."""

SETTLED = 48
"""Largest side, in pixels, of pictures in which every patch is replaced and every pixel's color is matched. In larger
ones, every second patch of every second row is replaced, which takes a quarter of the time, and colors are matched in
the picture reduced to this size: larger pictures are softer than the sources, and stronger colors instead of sharper
detail would make bright and dark places."""

SPARSE_ROUNDS = 4
"""`ROUNDS` for pictures larger than `SETTLED`."""

FIRST_ROUNDS = 20
"""The same at the smallest size, where the order of the whole picture is found."""

WIDE, NARROW = 1.4, 1.0
"""Standard deviation, in pixels, of the bell by which the pixels of a patch count: where every patch is replaced, and
where every second one is. A narrow bell keeps details sharp and colors strong; a wide one lets patches agree."""

MOST_GAIN = 2.0
"""Largest factor by which detail is made stronger, where overlapping patches have made it weak."""

COMPONENTS = 24
"""Number of principal components by which patches are compared."""

MOST_PATCHES = 8192
"""Number of patches of the sources, chosen at random, with which each patch of the picture is compared."""

CHUNK = 128
"""Number of patches of the picture that a thread compares with the sources' patches at once: 4 MB of distances, which
stay in a processor's own cache."""

COMPLETENESS = 0.005
"""Number that is added to the distance of a source's patch from the picture, as a share of the patches' variance. The
smaller the number, the more the patches that are missing in the picture are preferred."""

QUANTILES = 65
"""Number of quantiles of the colors that are matched, from the smallest to the largest value."""

TURNS = 4
"""How many times three axes are chosen along which the colors are matched."""

COLORS = (3,)
"""The channels of a picture that has only colors, see `join_patches`."""

Image = NDArray[np.float32]
Key = np.random.SeedSequence
Numbers = NDArray[np.float32]


def join_patches(
    sources: Sequence[Any],
    weights: Sequence[float],
    size: tuple[int, int],
    key: Key,
    channels: Sequence[int] = COLORS,
) -> Image:
    """Make a picture that wraps, in which every patch looks like a patch of a source.

    The picture grows from a few pixels to its size. At each size, every patch is replaced by the most similar patch of
    the sources, several times, and overlapping patches are averaged. Patches that are still missing in the picture are
    preferred.

    Args:
        sources: images ``(height, width, channels)`` in [0, 1], reduced by the same factor as the picture. Patches are
            compared in all channels at once; a channel that varies more counts more.
        weights: how much each source counts; numbers from 0 on, not all 0.
        size: (height, width) of the picture, in pixels.
        key: from `subjective.synthesis.starts.key_of`; all choices come from the key.
        channels: number of channels of each of the maps that lie one after the other: 3 are colors. The values of each
            map are matched by themselves.

    Returns:
        Image ``(height, width, channels)``.

    References:
        Kwatra, Essa, Bobick and Kwatra, "Texture optimization for example-based synthesis", SIGGRAPH 2005. Granot,
        Feinstein, Shocher, Bagon and Irani, "Drop the GAN: in defense of patches nearest neighbors as single image
        generative models", CVPR 2022, for the preference of missing patches.
    """
    # BLAS's own threads wait for each other after each product, which takes ten times as long beside another program.
    with one_blas_thread(), ThreadPoolExecutor() as threads:
        return _grow(sources, weights, size, np.random.default_rng(key), threads, channels)


def carry_maps(source: Image, maps: Image, picture: Image, key: Key, channels: Sequence[int]) -> Image:
    """Give a picture the maps of its source: at each place, those of the source's patch that is most similar there.

    Args:
        source: image ``(height, width, 3)``.
        maps: the maps of the source, ``(height, width, channels)``.
        picture: image ``(rows, columns, 3)`` that wraps, of the same scale.
        key: as in `join_patches`.
        channels: as in `join_patches`, of ``maps``.

    Returns:
        ``(rows, columns, channels)``.
    """
    with one_blas_thread(), ThreadPoolExecutor() as threads:
        random = np.random.default_rng(key)
        patches = _collect([source], (1.0,), random)
        none_missed = np.zeros(len(patches.corners), np.float32)
        nearest, _ = _find_nearest(patches, picture, none_missed, threads, stride=2)
        carried = dataclasses.replace(patches, pixels=np.asarray(maps, np.float32).reshape(-1, maps.shape[2]))
        made = _average(carried, nearest, (picture.shape[0], picture.shape[1]), stride=2)
        return _match_colors(made, carried.pixels, random, channels)


def _grow(
    sources: Sequence[Any],
    weights: Sequence[float],
    size: tuple[int, int],
    random: np.random.Generator,
    threads: ThreadPoolExecutor,
    channels: Sequence[int],
) -> Image:
    """Make the picture of `join_patches`."""
    least = min(min(size), *(min(source.shape[:2]) for source in sources))
    levels = max(math.floor(math.log(COARSEST / least) / math.log(RATIO)), 0)
    picture: Image | None = None
    at, colors = (
        size,
        np.zeros((0, sum(channels)), np.float32),
    )  # of the last picture whose every pixel's color was matched
    for level in range(levels, -1, -1):
        here = _scale(size, RATIO**level)
        reduced = [resize_planes(source, _scale(source.shape, RATIO**level)) if level else source for source in sources]
        patches = _collect(reduced, weights, random)
        picture = _lay_tiles(patches, here, random) if picture is None else _enlarge(picture, here)
        own, missed = patches.take(SIDE // 2, SIDE // 2), np.zeros(len(patches.corners), np.float32)
        stride, rounds = (1, ROUNDS) if max(here) <= SETTLED else (2, SPARSE_ROUNDS)
        for _ in range(rounds if level < levels else FIRST_ROUNDS):
            nearest, missed = _find_nearest(patches, picture, missed, threads, stride)
            picture = _average(patches, nearest, here, stride)
            if max(here) <= SETTLED or level == levels:
                at, colors, picture = here, own, _match_colors(picture, own, random, channels)
            else:
                picture = _match_large(picture, own, at, colors, random, channels)
    assert picture is not None
    return picture


def _scale(shape: tuple[int, ...], factor: float) -> tuple[int, int]:
    """Return height and width of a picture of another scale, at least a patch and a pixel."""
    height, width = (max(round(side * factor), SIDE + 1) for side in shape[:2])
    return height, width


@dataclass(frozen=True)
class _Patches:
    """Patches of the sources.

    Attributes:
        pixels: the pixels of all sources one after the other, ``(pixels, channels)``.
        corners: where the first pixel of each patch is in ``pixels``, ``(patches,)``.
        strides: number of pixels in a row of the patch's source, ``(patches,)``.
        mean: mean of the patches, ``(SIDE² * channels,)``.
        axes: the patches' principal axes, ``(SIDE² * channels, COMPONENTS)``.
        components: the patches along the axes, ``(patches, COMPONENTS)``.
    """

    pixels: Numbers
    corners: NDArray[np.intp]
    strides: NDArray[np.intp]
    mean: Numbers
    axes: Numbers
    components: Numbers

    def take(self, down: int, right: int, chosen: NDArray[np.intp] | slice = slice(None)) -> Numbers:
        """Return one pixel of each patch, or of the chosen patches."""
        return self.pixels[self.corners[chosen] + (down * self.strides[chosen] + right)]


def _collect(sources: Sequence[Any], weights: Sequence[float], random: np.random.Generator) -> _Patches:
    """Choose patches of sources at random, at most `MOST_PATCHES`, and find their principal axes."""
    shares = np.asarray(weights, np.float64) / np.sum(weights)
    room = [(source.shape[0] - SIDE + 1) * (source.shape[1] - SIDE + 1) for source in sources]
    total = min(MOST_PATCHES, *(has / share for has, share in zip(room, shares, strict=True) if share > 0))
    corners, strides, begin = [], [], 0
    for source, share in zip(sources, shares, strict=True):
        height, width = source.shape[:2]
        rows, columns = np.mgrid[: height - SIDE + 1, : width - SIDE + 1].reshape(2, -1)
        kept = random.permutation(len(rows))[: max(int(share * total), 1) if share else 0]
        corners.append(begin + rows[kept] * width + columns[kept])
        strides.append(np.full(len(kept), width))
        begin += height * width
    pixels = np.concatenate([np.asarray(source, np.float32).reshape(-1, source.shape[2]) for source in sources])
    found = _Patches(pixels, np.concatenate(corners), np.concatenate(strides), *(np.zeros(0, np.float32),) * 3)
    values = np.concatenate([found.take(down, right) for down in range(SIDE) for right in range(SIDE)], axis=1)
    mean = values.mean(axis=0)
    centered = values - mean
    _, axes = np.linalg.eigh(centered.T.astype(np.float64) @ centered)
    axes = axes[:, : -COMPONENTS - 1 : -1].astype(np.float32)
    return _Patches(found.pixels, found.corners, found.strides, mean, axes, centered @ axes)


def _find_nearest(
    patches: _Patches, picture: Image, missed: Numbers, threads: ThreadPoolExecutor, stride: int = 1
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


def _project(patches: _Patches, picture: Image, stride: int) -> Numbers:
    """Return the components of patches of a picture that wraps, row by row: ``(number of patches, COMPONENTS)``."""
    height, width, channels = picture.shape
    wrapped = np.pad(picture, ((0, SIDE - 1), (0, SIDE - 1), (0, 0)), mode="wrap")
    total = np.tile(-patches.mean @ patches.axes, (picture[::stride, ::stride, 0].size, 1))
    for number, (down, right) in enumerate(np.ndindex(SIDE, SIDE)):
        pixels = wrapped[down : down + height : stride, right : right + width : stride].reshape(-1, channels)
        total += pixels @ patches.axes[channels * number : channels * (number + 1)]
    return total


def _lay_tiles(patches: _Patches, size: tuple[int, int], random: np.random.Generator) -> Image:
    """Cover a picture of (height, width) pixels with random patches side by side."""
    rows, columns = (-(-side // SIDE) for side in size)
    chosen = random.integers(len(patches.corners), size=rows * columns)
    tiles = np.stack([patches.take(down, right, chosen) for down, right in np.ndindex(SIDE, SIDE)])
    tiles = tiles.reshape(SIDE, SIDE, rows, columns, -1).transpose(2, 0, 3, 1, 4)
    return tiles.reshape(rows * SIDE, columns * SIDE, -1)[: size[0], : size[1]]


def _match_large(
    picture: Image,
    here: Numbers,
    at: tuple[int, int],
    colors: Numbers,
    random: np.random.Generator,
    channels: Sequence[int],
) -> Image:
    """Match the colors of a picture that is larger than `SETTLED`.

    The picture, reduced to the size ``at``, gets the ``colors`` of the sources at that scale. What is finer gets the
    variance that it has in the sources, whose pixels are ``here``, along each opponent axis and in each channel that is
    no color.
    """
    axes = axes_of(channels)
    small = resize_planes(picture, at)
    matched = _match_colors(small, colors, random, channels)
    detail = (picture - _enlarge(small, picture.shape[:2])) @ axes.T
    missing = np.var(here @ axes.T, axis=0) - np.var(matched @ axes.T, axis=(0, 1))
    gain = np.sqrt(np.clip(missing / (np.var(detail, axis=(0, 1)) + 1e-12), 1, MOST_GAIN**2))
    return np.asarray(_enlarge(matched, picture.shape[:2]) + detail * gain @ axes, np.float32)


def axes_of(channels: Sequence[int]) -> NDArray[np.float64]:
    """Return the axes along which maps vary independently: those of `OPPONENT` for colors, each channel for the others.

    Args:
        channels: as in `join_patches`.

    Returns:
        Orthonormal rows, ``(all channels, all channels)``.
    """
    return scipy.linalg.block_diag(*(OPPONENT if count == 3 else np.eye(count) for count in channels))


def _enlarge(picture: Image, size: tuple[int, ...]) -> Image:
    """Enlarge a picture that wraps to (height, width) pixels."""
    factors = (size[0] / picture.shape[0], size[1] / picture.shape[1], 1)
    return np.asarray(scipy.ndimage.zoom(picture, factors, order=1, mode="grid-wrap", grid_mode=True), np.float32)


def _match_colors(
    picture: Image, colors: Numbers, random: np.random.Generator, channels: Sequence[int] = COLORS
) -> Image:
    """Give a picture's pixels, as a whole, the colors of the sources' pixels; the same for each map by itself.

    Averages of patches have fewer strong colors than the patches. Along as many axes as
    a map has channels, each quantile of the
    pixels moves to the same quantile of the source's pixels; axes in several directions match the colors jointly.

    References:
        Pitié, Kokaram and Dahyot, "Automated colour grading using colour distribution transfer", 2007.
    """
    pixels = picture.reshape(-1, colors.shape[1])
    for _ in range(TURNS):
        turns = [np.linalg.qr(random.standard_normal((count, count)))[0].astype(np.float32) for count in channels]
        axes = scipy.linalg.block_diag(*turns)
        ours, theirs = pixels @ axes, colors @ axes
        apart = np.linspace(-1e-6, 1e-6, QUANTILES)[:, None]  # one color becomes the middle one of the sources
        quantiles = zip(ours.T, (_quantiles(ours) + apart).T, _quantiles(theirs).T, strict=True)
        moved = [np.interp(values, own, other) for values, own, other in quantiles]
        pixels = np.stack(moved, axis=1).astype(np.float32) @ axes.T
    return pixels.reshape(picture.shape)


def _quantiles(values: Numbers) -> Numbers:
    """Return `QUANTILES` quantiles of each column, ``(QUANTILES, columns)``."""
    ordered = np.sort(values, axis=0)
    return ordered[np.linspace(0, len(ordered) - 1, QUANTILES).round().astype(np.intp)]


def _average(patches: _Patches, nearest: NDArray[np.intp], size: tuple[int, int], stride: int) -> Image:
    """Lay patches on a picture that wraps, and average where they overlap. The middle of a patch counts most."""
    width = WIDE if stride == 1 else NARROW
    bell = np.exp(-(np.arange(-(SIDE // 2), SIDE // 2 + 1) ** 2) / (2 * width**2)).astype(np.float32)
    total, weight = np.zeros((*size, patches.pixels.shape[1]), np.float32), np.zeros((*size, 1), np.float32)
    for down, right in np.ndindex(SIDE, SIDE):
        rows, columns = ((np.arange(0, side, stride) + by) % side for side, by in zip(size, (down, right), strict=True))
        share = bell[down] * bell[right]
        total[rows[:, None], columns] += share * patches.take(down, right, nearest)
        weight[rows[:, None], columns] += share
    return total / weight
