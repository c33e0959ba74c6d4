"""Make a small picture of a texture from patches of its sources; the statistics then add the detail.

Statistics say which shapes and colors there are, but hardly how far they lie apart: from noise, bricks become heaps of
stones, and colors that drift slowly become spots. In the small picture each patch looks like a patch of a source, at
sizes from the whole picture down, so that rows stay rows and tints stay tints.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subjective.devices import one_blas_thread
from subjective.images import resize_planes
from subjective.synthesis.palette import COLORS, enlarge_wrapped, match_colors, match_large
from subjective.synthesis.patch_search import (
    SIDE,
    Indices,
    Patches,
    add_places,
    collect_patches,
    find_nearest,
    follow_neighbors,
)
from subjective.synthesis.survey import Waves

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

Image = NDArray[np.float32]
Key = np.random.SeedSequence
Numbers = NDArray[np.float32]


@dataclass(frozen=True)
class Form:
    """What a joined picture must be like besides.

    Attributes:
        multiple: the sides of the picture, at each size, are multiples of this number of pixels.
        keep: takes a picture of any of these sizes; returns the nearest picture that is as it must be.
        waves: how the source, of which there is one then, and the picture repeat themselves.
        chances: takes a source at one of these sizes; returns how likely each of its places is taken, see
            `collect_patches`.
        channels: number of channels of each of the maps that lie one after the other: 3 are colors. The values of each
            map are matched by themselves.
    """

    multiple: int = 1
    keep: Callable[[Image], Image] = lambda picture: picture
    waves: Waves | None = None
    chances: Callable[[Image], Numbers] | None = None
    channels: Sequence[int] = COLORS


ANY_FORM = Form()
"""Of a picture in colors that wraps, of any size."""


def join_patches(
    sources: Sequence[Any],
    weights: Sequence[float],
    size: tuple[int, int],
    key: Key,
    form: Form = ANY_FORM,
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
        form: what the picture must be like besides.

    Returns:
        Image ``(height, width, channels)``.

    References:
        Kwatra, Essa, Bobick and Kwatra, "Texture optimization for example-based synthesis", SIGGRAPH 2005. Granot,
        Feinstein, Shocher, Bagon and Irani, "Drop the GAN: in defense of patches nearest neighbors as single image
        generative models", CVPR 2022, for the preference of missing patches.
    """
    # BLAS's own threads wait for each other after each product, which takes ten times as long beside another program.
    with one_blas_thread(), ThreadPoolExecutor() as threads:
        return _grow(sources, weights, size, np.random.default_rng(key), threads, form)


def carry_maps(source: Image, maps: Image, picture: Image, key: Key, channels: Sequence[int]) -> Image:
    """Give a picture the maps of its source: at each place, those of the source's patch that is most similar there.

    Args:
        source: image ``(height, width, 3)``.
        maps: the maps of the source, ``(height, width, channels)``.
        picture: image ``(rows, columns, 3)`` that wraps, of the same scale.
        key: as in `join_patches`.
        channels: as in `Form`, of ``maps``.

    Returns:
        ``(rows, columns, channels)``.
    """
    with one_blas_thread(), ThreadPoolExecutor() as threads:
        random = np.random.default_rng(key)
        patches = collect_patches([source], (1.0,), random)
        none_missed = np.zeros(patches.at.shape[1], np.float32)
        nearest, _ = find_nearest(patches, picture, none_missed, threads, stride=2)
        at = follow_neighbors(patches, picture, nearest, none_missed, threads, stride=2)
        carried = dataclasses.replace(patches, pixels=np.asarray(maps, np.float32).reshape(-1, maps.shape[2]))
        made = _average(carried, at, (picture.shape[0], picture.shape[1]), stride=2)
        return match_colors(made, carried.pixels, random, channels)


def _grow(
    sources: Sequence[Any],
    weights: Sequence[float],
    size: tuple[int, int],
    random: np.random.Generator,
    threads: ThreadPoolExecutor,
    form: Form,
) -> Image:
    """Make the picture of `join_patches`."""
    least = min(min(size), *(min(source.shape[:2]) for source in sources))
    levels = max(math.floor(math.log(COARSEST / least) / math.log(RATIO)), 0)
    picture: Image | None = None
    # Of the last picture whose every pixel's color was matched:
    matched_at, colors = size, np.zeros((0, sum(form.channels)), np.float32)
    for level in range(levels, -1, -1):
        here = _scale(size, RATIO**level, form.multiple)
        reduced = [resize_planes(source, _scale(source.shape, RATIO**level)) if level else source for source in sources]
        chances = None if form.chances is None else [form.chances(source) for source in reduced]
        patches = collect_patches(reduced, weights, random, chances)
        if form.waves is not None:
            patches = add_places(patches, form.waves, reduced[0].shape, here)
        picture = _lay_tiles(patches, here, random) if picture is None else enlarge_wrapped(picture, here)
        own, missed = patches.take(SIDE // 2, SIDE // 2), np.zeros(patches.at.shape[1], np.float32)
        stride, rounds = (1, ROUNDS) if max(here) <= SETTLED else (2, SPARSE_ROUNDS)
        for _ in range(rounds if level < levels else FIRST_ROUNDS):
            preferred = missed
            nearest, missed = find_nearest(patches, picture, preferred, threads, stride)
            at = patches.at[:, nearest]
            if max(here) > SETTLED:  # below, nearly all patches of the sources are known
                at = follow_neighbors(patches, picture, nearest, preferred, threads, stride)
            picture = form.keep(_average(patches, at, here, stride))
            if max(here) <= SETTLED or level == levels:
                matched_at, colors, picture = here, own, match_colors(picture, own, random, form.channels)
            else:
                picture = match_large(picture, own, matched_at, colors, random, form.channels)
    assert picture is not None
    return picture


def _scale(shape: tuple[int, ...], factor: float, multiple: int = 1) -> tuple[int, int]:
    """Return height and width of a picture of another scale, at least a patch and a pixel."""
    least = -(-(SIDE + 1) // multiple)
    height, width = (max(round(side * factor / multiple), least) * multiple for side in shape[:2])
    return height, width


def _lay_tiles(patches: Patches, size: tuple[int, int], random: np.random.Generator) -> Image:
    """Cover a picture of (height, width) pixels with random patches side by side."""
    rows, columns = (-(-side // SIDE) for side in size)
    chosen = patches.at[:, random.integers(patches.at.shape[1], size=rows * columns)]
    tiles = np.stack([patches.take(down, right, chosen) for down, right in np.ndindex(SIDE, SIDE)])
    tiles = tiles.reshape(SIDE, SIDE, rows, columns, -1).transpose(2, 0, 3, 1, 4)
    return tiles.reshape(rows * SIDE, columns * SIDE, -1)[: size[0], : size[1]]


def _average(patches: Patches, at: Indices, size: tuple[int, int], stride: int) -> Image:
    """Lay patches on a picture that wraps, and average where they overlap. The middle of a patch counts most."""
    width = WIDE if stride == 1 else NARROW
    bell = np.exp(-(np.arange(-(SIDE // 2), SIDE // 2 + 1) ** 2) / (2 * width**2)).astype(np.float32)
    total, weight = np.zeros((*size, patches.pixels.shape[1]), np.float32), np.zeros((*size, 1), np.float32)
    for down, right in np.ndindex(SIDE, SIDE):
        rows, columns = ((np.arange(0, side, stride) + by) % side for side, by in zip(size, (down, right), strict=True))
        share = bell[down] * bell[right]
        total[rows[:, None], columns] += share * patches.take(down, right, at)
        weight[rows[:, None], columns] += share
    return total / weight
