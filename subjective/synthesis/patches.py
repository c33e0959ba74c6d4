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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from subjective.devices import one_blas_thread
from subjective.images import resize_planes
from subjective.synthesis.leveling import level_seams
from subjective.synthesis.palette import COLORS, enlarge_wrapped, match_colors, match_large, nudge_colors
from subjective.synthesis.patch_places import add_places, keep_places
from subjective.synthesis.patch_search import (
    SIDE,
    Indices,
    Patches,
    collect_patches,
    count_uses,
    find_nearest,
    follow_neighbors,
)
from subjective.synthesis.seams import Windows, mend_seams
from subjective.synthesis.survey import Waves

COARSEST = 16
"""Smallest side, in pixels, of the first and smallest picture that is made."""

RATIO = 2**-0.5
"""Size of a picture over the size of the next one."""

ROUNDS = 6
"""How often, at each size up to `DENSE`, every patch is replaced by the most similar patch of the sources."""

SETTLED = 48
"""Largest side, in pixels, of pictures in which every pixel's color is matched. In larger ones, colors are matched in
the picture reduced to this size: larger pictures are softer than the sources, and stronger colors instead of sharper
detail would make bright and dark places."""

FOLLOWING = 48
"""Largest side, in pixels, of pictures in which no patch continues a neighbor's: up to there nearly all patches of the
sources are known, and each place can have the most similar one."""

DENSE = 96
"""Largest side, in pixels, of pictures in which every patch is replaced. In larger ones, every second patch of every
second row is, which takes a quarter of the time."""

SPARSE_ROUNDS = 4
"""`ROUNDS` for pictures larger than `DENSE`."""

SEARCHED = 256
"""Largest side, in pixels, of pictures for which patches are searched in the whole sources. In larger ones each patch
is one that was chosen before, or continues a neighbor's: what a search of so many patches finds changes little."""

FOLLOWED_ROUNDS = 2
"""`ROUNDS` for pictures larger than `SEARCHED`."""

MENDED = ((192, Windows((0.8, 0.6, 0.4), 12)), (384, Windows((0.3, 0.2), 3)))
"""Largest side, in pixels, of pictures of one source whose seams are mended, and with which windows: once where large
shapes are in one window, and once more where thin lines are seen. Of several sources, windows of one and of the other
would lie side by side, and the statistics, which are those of a mixture, would take long to agree with that."""

FIRST_ROUNDS = 20
"""The same at the smallest size, where the order of the whole picture is found."""

WIDE, NARROW = 1.4, 1.0
"""Standard deviation, in pixels, of the bell by which the pixels of a patch count: up to `SETTLED`, and above. A narrow
bell keeps details sharp and colors strong; a wide one lets patches agree."""

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
        keeps_pieces: whether pieces of the sources stay as they are while the picture grows, so that lines run on. If
            not, each place finds its patches anew at each size: nothing is copied, but long lines break.
        channels: number of channels of each of the maps that lie one after the other: 3 are colors. The values of each
            map are matched by themselves.
    """

    multiple: int = 1
    keep: Callable[[Image], Image] = lambda picture: picture
    waves: Waves | None = None
    chances: Callable[[Image], Numbers] | None = None
    keeps_pieces: bool = True
    channels: Sequence[int] = COLORS

    @property
    def is_free(self) -> bool:
        """Whether any patch may be anywhere, so that all patches of the sources can come up equally often."""
        return self.multiple == 1 and self.chances is None


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
        nearest = find_nearest(patches, picture, none_missed, threads, stride=2)
        at = follow_neighbors(patches, picture, nearest, threads, stride=2)
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
    chosen: _Placed | None = None
    mended = False  # from then on, patches come from the pieces that were laid, which others would break
    # Of the last picture whose every pixel's color was matched:
    matched_at, colors = size, np.zeros((0, sum(form.channels)), np.float32)
    for level in range(levels, -1, -1):
        here = _scale(size, RATIO**level, form.multiple)
        reduced = [resize_planes(source, _scale(source.shape, RATIO**level)) if level else source for source in sources]
        chances = None if form.chances is None else [form.chances(source) for source in reduced]
        patches = collect_patches(reduced, weights, random, chances)
        if form.waves is not None:
            patches = add_places(patches, form.waves, reduced[0].shape, here)
        stride = 1 if max(here) <= DENSE else 2
        picture = _lay_tiles(patches, here, random) if picture is None else enlarge_wrapped(picture, here)
        follows, before = max(here) > FOLLOWING, None
        if follows and form.keeps_pieces and chosen is not None:
            before = keep_places(patches, _enlarge_places(chosen, here, patches.shapes, stride), stride)
            patches = count_uses(patches, before, weights) if form.is_free else patches
            picture = form.keep(_average(patches, before, here, stride))
        own, missed = patches.take(SIDE // 2, SIDE // 2), np.zeros(patches.at.shape[1], np.float32)
        for _ in range(FIRST_ROUNDS if level == levels else _rounds(here, form)):
            nearest = None
            if not mended and (before is None or max(here) <= SEARCHED):
                nearest = find_nearest(patches, picture, missed, threads, stride)
                at, missed = patches.at[:, nearest.numbers], nearest.missed
            if follows:
                at = follow_neighbors(patches, picture, nearest, threads, stride, before)
                before = at if form.keeps_pieces else None
            picture = form.keep(_average(patches, at, here, stride))
            patches = count_uses(patches, at, weights) if form.is_free else patches
            if max(here) <= SETTLED or level == levels:
                matched_at, colors, picture = here, own, match_colors(picture, own, random, form.channels)
            else:
                picture = match_large(picture, own, matched_at, colors, random, form.channels)
        windows = _windows(here, level == 0) if follows and form.keeps_pieces and form.is_free else None
        if windows is not None and np.count_nonzero(weights) == 1:
            at, mended = mend_seams(patches, at, here, stride, windows), True
            picture = form.keep(_average(patches, at, here, stride))
            picture = match_large(picture, own, matched_at, colors, random, form.channels)
        chosen = _Placed(at, here, patches.shapes, stride)
    assert picture is not None
    if form.keeps_pieces and form.is_free and max(size) > SETTLED:
        # Pieces are as sharp as their sources. Where tiles share parts, other colors would show the parts' borders.
        picture = form.keep(_average(patches, at, size, stride))
        picture = level_seams(patches, at, picture, stride) if mended else picture  # borders of two sources stay sharp
        picture = nudge_colors(picture, own, random, form.channels)
    return picture


def _rounds(size: tuple[int, int], form: Form) -> int:
    """Return the number of rounds in which a picture of (height, width) pixels is made, unless it is the smallest."""
    if max(size) <= DENSE:
        return ROUNDS
    return SPARSE_ROUNDS if max(size) <= SEARCHED or not form.keeps_pieces else FOLLOWED_ROUNDS


def _windows(size: tuple[int, int], is_last: bool) -> Windows | None:
    """Return with which windows the seams of a picture of (height, width) pixels are mended; None if they are not."""
    for largest, windows in MENDED:
        if max(size) <= largest and (is_last or max(size) > largest * RATIO):
            return windows
    return None


class _Placed(NamedTuple):
    """Which patches of the sources a picture is made of.

    Attributes:
        at: where they are, ``(3, rows, columns)`` as `Patches.at`.
        size: (height, width) of the picture.
        shapes: see `Patches`.
        stride: rows and columns of pixels from one patch of the picture to the next.
    """

    at: Indices
    size: tuple[int, int]
    shapes: Indices
    stride: int


def _enlarge_places(placed: _Placed, size: tuple[int, int], shapes: Indices, stride: int) -> Indices:
    """Return where the patches of a picture are once picture and sources are larger.

    A piece of a source that the smaller picture has stays a piece of that source, and gets its finer detail.

    Args:
        placed: of the smaller picture.
        size: (height, width) of the larger one.
        shapes: of the larger sources, see `Patches`.
        stride: rows and columns of pixels from one patch of the larger picture to the next.

    Returns:
        ``(3, rows, columns)`` as in `Patches.at`; all patches are inside their sources.
    """
    nearest, beyond = [], []
    for side, before, count in zip(size, placed.size, placed.at.shape[1:], strict=True):
        here = np.arange(0, side, stride)
        patch = np.round(here * before / side / placed.stride).astype(np.intp)
        nearest.append(patch % count)
        beyond.append(here - patch * placed.stride * side / before)
    source, rows, columns = placed.at[:, nearest[0][:, None], nearest[1]]
    growth = (shapes[:, 1:] / placed.shapes[:, 1:])[source]
    last = shapes[source, 1:] - SIDE
    moved = np.stack([rows, columns], axis=-1) * growth + np.stack(np.meshgrid(*beyond, indexing="ij"), axis=-1)
    return np.concatenate([source[None], np.moveaxis(np.clip(np.round(moved), 0, last).astype(np.intp), -1, 0)])


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
    width = WIDE if max(size) <= SETTLED else NARROW
    bell = np.exp(-(np.arange(-(SIDE // 2), SIDE // 2 + 1) ** 2) / (2 * width**2)).astype(np.float32)
    total, weight = np.zeros((*size, patches.pixels.shape[1]), np.float32), np.zeros((*size, 1), np.float32)
    for down, right in np.ndindex(SIDE, SIDE):
        rows, columns = ((np.arange(0, side, stride) + by) % side for side, by in zip(size, (down, right), strict=True))
        share = bell[down] * bell[right]
        total[rows[:, None], columns] += share * patches.take(down, right, at)
        weight[rows[:, None], columns] += share
    return total / weight
