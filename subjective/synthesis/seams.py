"""Lay pieces of sources over the worst seams of a picture, and cut them where they are not seen.

A picture of patches has seams wherever two patches beside each other come from different places of the sources: joints
end there, and stones grow together. Here a whole window of a source is laid over the worst of them, one after the
other, and cut along the line on which it differs least from what is there.

References:
    Kwatra, Schödl, Essa, Turk and Bobick, "Graphcut textures: image and video synthesis using graph cuts", SIGGRAPH
    2003.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from subjective.synthesis.patch_search import SIDE, SPREAD, Indices, Numbers, Patches
from subjective.synthesis.sheet import MIDDLE, Sheet, gather_places, make_sheet, spread_places

MOST_WINDOWS = 300
"""Largest number of windows that are laid over a picture: where a source is small, its windows are, too."""

SEEN = 0.02
"""What each pixel of a seam costs besides the squared difference of colors, in multiples of the sources' variance:
short seams are preferred."""

INSIDE = 0.3
"""How much the inner half of a window counts against its rim when places are compared: the seam is there, and what is
there now is no model."""

STALE = 0.15
"""Share of a window from which on a place of the sources counts as what is there already."""

REUSED = 1.0
"""How much worse a place is, as a share, for each time that the picture has it more often than half of the mean."""

EVEN = 1e-3
"""What is added to the squared distance of a place, in multiples of the sources' variance: among places that are as
good as equal, those that the picture has less often are preferred."""

TIRED = 0.3
"""Factor for the seams around a window for which no better place was found, until something around them changes."""

AGAIN = 0.3
"""What it costs that a picture has a pixel of the sources once more than others, in multiples of the sources' variance,
for a pixel of mean rarity. One half counts for all pixels alike, the other by their rarity: a striking stone that is
seen twice gives a picture away."""

BROAD = 3.0
"""Standard deviation, in pixels, of the bell under which colors are averaged that may be rare."""

RAREST = 10.0
"""Largest squared distance of a color from the mean that counts, in multiples of the variance."""

LEAST_GAIN = 1e-3
"""Share of a window's seams by which a new place must be better."""

UNITS = 1000
"""Steps in which costs are counted, for a seam as strong as the sources' standard deviation."""

STRONGEST = 1e4
"""Largest cost of a seam's pixel, in multiples of the sources' variance: a hundred times as much in `UNITS` still fits
into an integer of 32 bits."""

Mask = NDArray[np.bool_]


class Windows(NamedTuple):
    """Which windows are laid over a picture.

    Attributes:
        sides: one after the other, as a share of the smallest source's shorter side.
        covers: number of windows, in multiples of those that cover the picture once.
    """

    sides: tuple[float, ...]
    covers: float

    def list_sides(self, source: int, size: tuple[int, int]) -> list[int]:
        """Return the sides of the windows in pixels, for a source with that shorter side and a picture of that size."""
        most = min(source - 2 * SIDE, min(size) - 2)
        sides = [side for side in (min(round(share * source), most) for share in self.sides) if side > SIDE]
        if not sides:
            return []
        count = min(round(self.covers * size[0] * size[1] / np.mean(np.square(sides))), MOST_WINDOWS)
        return [sides[number % len(sides)] for number in range(count)]


def mend_seams(patches: Patches, at: Indices, size: tuple[int, int], stride: int, windows: Windows) -> Indices:
    """Replace what lies around the worst seams of a picture by larger pieces of the sources.

    Args:
        patches: the patches of the sources.
        at: where the picture's patches are, ``(3, rows, columns)`` as `Patches.at`.
        size: (height, width) of the picture, which wraps, in pixels.
        stride: rows and columns of pixels from one patch of the picture to the next.
        windows: which windows are laid.

    Returns:
        Like ``at``.
    """
    sheet = make_sheet(patches)
    places = spread_places(sheet.number(at), size, stride, sheet.width)
    costs = [_price(sheet, places, np.roll(places, -1, axis=axis), axis) for axis in (0, 1)]
    fresh = np.ones(size, np.float32)
    uses = _count_uses(sheet, patches, places)
    for side in windows.list_sides(int(np.min(patches.shapes[:, 1:])), size):
        heat = gaussian_filter((costs[0] + costs[1] + uses.excess[places]) * fresh, side / 5, mode="wrap", truncate=2)
        top, left = (int(number) for number in np.unravel_index(np.argmax(heat), size))
        if heat[top, left] <= 0:
            break
        rows, columns = (
            (middle - side // 2 + np.arange(side)) % most for middle, most in zip((top, left), size, strict=True)
        )
        here = np.ix_(rows, columns)
        inner = np.ix_(rows[:-1], columns), np.ix_(rows, columns[:-1])
        old = places[here]
        start = _fit(sheet, patches, uses, old, (int(rows[0]), int(columns[0])))
        if start is not None:
            new = start + sheet.offsets(side)
            more = uses.cost(new, 1) - uses.cost(old, -1)
            takes = _cut(sheet, old, new, more)
            made = np.where(takes, new, old)
            now = _price(sheet, made[:-1], made[1:], 0), _price(sheet, made[:, :-1], made[:, 1:], 1)
            before = sum(float(cost[part].sum()) for cost, part in zip(costs, inner, strict=True))
            after = sum(float(cost.sum()) for cost in now) + float(more[takes].sum())
        if start is None or after >= (1 - LEAST_GAIN) * before:
            fresh *= 1 - (1 - TIRED) * _bell(size, (top, left), side / 4)
            continue
        places[here], (costs[0][inner[0]], costs[1][inner[1]]) = made, now
        fresh[here] = np.minimum(2 * fresh[here], 1)
        uses = uses.change(old, made)
    return sheet.find(gather_places(places, at.shape[1:], stride, sheet.width))


def _price(sheet: Sheet, first: Indices, second: Indices, axis: int) -> Numbers:
    """Return what it costs that pixels have one place and the next ones, below or to the right, another."""
    step = 1 if axis else sheet.width
    after, before = first + step, second - step
    differ = sheet.pixels[first] - sheet.pixels[before]
    other = sheet.pixels[after] - sheet.pixels[second]
    cost = np.einsum("...c,...c", differ, differ) + np.einsum("...c,...c", other, other)
    return np.asarray(np.minimum(cost, STRONGEST) + SEEN * (after != second), np.float32)


@dataclass(frozen=True)
class _Uses:
    """How often a picture has each pixel of a sheet.

    Attributes:
        shape: (height, width) of the sheet.
        counts: the numbers, ``(pixels,)``.
        expected: the mean of the numbers over the pixel's source, ``(pixels,)``.
        rarity: how far a pixel's color is from the mean of all, 1 on average and at least half, ``(pixels,)``.
    """

    shape: tuple[int, int]
    counts: Numbers
    expected: Numbers
    rarity: Numbers

    def change(self, old: Indices, new: Indices) -> _Uses:
        """Return the uses after places of a picture were replaced by others."""
        more, fewer = (np.bincount(places.ravel(), minlength=len(self.counts)) for places in (new, old))
        return replace(self, counts=np.asarray(self.counts + more - fewer, np.float32))

    @cached_property
    def _shares(self) -> Numbers:
        """Return the numbers, averaged with those of the pixels around, in multiples of what is expected."""
        return np.asarray(gaussian_filter(self.counts.reshape(self.shape), SPREAD).ravel() / self.expected, np.float32)

    def cost(self, places: Indices, sign: int) -> Numbers:
        """Return what it costs that a picture has these places once more (sign 1) or not once fewer (-1)."""
        shares = self._shares[places] + 0.5 * sign / self.expected[places]
        return np.asarray(AGAIN * (self.rarity[places] * shares), np.float32)

    @cached_property
    def excess(self) -> Numbers:
        """Return what it costs that a picture has each pixel more often than others, ``(pixels,)``."""
        return np.asarray(AGAIN * self.rarity * np.maximum(self._shares - 1, 0), np.float32)

    def weighed(self) -> Numbers:
        """Return the numbers in multiples of what is expected, times the rarity, ``(height, width)``."""
        return np.asarray(self.counts / self.expected * self.rarity, np.float32).reshape(self.shape)


def _count_uses(sheet: Sheet, patches: Patches, places: Indices) -> _Uses:
    """Count the pixels of a sheet in a picture, and find which of them are rare."""
    shape, inside = (sheet.allowed.shape[0], sheet.width), sheet.allowed > 0
    counts = np.bincount(places.ravel(), minlength=sheet.allowed.size).astype(np.float32)
    expected = np.ones(shape, np.float32)
    for top, height in zip(sheet.begins, patches.shapes[:, 1], strict=True):
        own = np.s_[top : top + height]
        expected[own] = max(float(counts.reshape(shape)[own].sum() / sheet.allowed[own].sum()), 1e-6)
    colors = gaussian_filter(sheet.pixels.reshape(*shape, -1)[:, :, :3], (BROAD, BROAD, 0))
    off = colors - colors[inside].mean(axis=0)
    spread = np.cov(off[inside].T) + 1e-3 * np.eye(off.shape[2])
    far = np.minimum(np.einsum("...c,cd,...d", off, np.linalg.inv(spread), off) / off.shape[2], RAREST)
    rarity = (1 + far / (far[inside].mean() + 1e-12)) / 2
    return _Uses(shape, counts, expected.ravel(), np.asarray(rarity.ravel(), np.float32))


def _fit(sheet: Sheet, patches: Patches, uses: _Uses, old: Indices, corner: tuple[int, int]) -> int | None:
    """Return the first place of the window of the sources that fits best into the picture; None if there is none.

    Args:
        sheet: the sources.
        patches: the same, for the places in the period.
        uses: how often the picture has each pixel of the sheet; rare ones count more.
        old: the window's places until now, ``(side, side)``.
        corner: row and column of the window's first pixel in the picture.
    """
    side, window = len(old), sheet.pixels[old]
    across = np.linspace(-1, 1, side)
    weights = np.where(np.hypot(across[:, None], across) < 0.5, INSIDE, 1.0).astype(np.float32)
    score = sheet.correlate(sheet.waves[-1], weights) + np.sum(weights[..., None] * window**2)
    for channel, waves in enumerate(sheet.waves[:-1]):
        score -= 2 * sheet.correlate(waves, weights * window[..., channel])
    score = np.maximum(score / weights.sum(), 0) + EVEN
    if sheet.phases is not None and patches.places is not None:
        # A window of a regular source stays at its place in the period.
        row, column = ((first - MIDDLE) % most for first, most in zip(corner, patches.places.shape, strict=False))
        off = sheet.phases[: score.shape[0], : score.shape[1]] - patches.places[row, column]
        score += np.sum(off**2, axis=2) / SIDE**2 / sheet.variance
    ones = np.ones((side, side), np.float32)
    often = sheet.correlate(scipy.fft.rfft2(uses.weighed(), sheet.padded), ones) / side**2
    score *= 1 + REUSED * np.maximum(often - 0.5, 0)
    score[sheet.correlate(sheet.room, ones) < side**2 - 0.5] = np.inf
    known, counts = np.unique(old - sheet.offsets(side), return_counts=True)
    for row, column in np.stack(np.divmod(known[counts > STALE * side**2], sheet.width), axis=1):
        score[max(row - 1, 0) : max(row + 2, 0), max(column - 1, 0) : max(column + 2, 0)] = np.inf
    row, column = np.unravel_index(np.argmin(score), score.shape)
    return int(row * sheet.width + column) if np.isfinite(score[row, column]) else None


def _cut(sheet: Sheet, old: Indices, new: Indices, more: Numbers) -> Mask:
    """Return where a window takes its new places, so that the sum of all costs is smallest. Its rim stays as it is.

    This is a smallest cut of a graph. Pixels on the side of the graph's sink take their new places.

    Args:
        sheet: the sources.
        old: the window's places until now, ``(side, side)``.
        new: its new places.
        more: what it costs more, besides seams, that a pixel has its new place, ``(side, side)``.
    """
    side = len(old)
    numbers = np.arange(side * side, dtype=np.int32).reshape(side, side)
    more = np.clip(more, -STRONGEST, STRONGEST)
    tails, heads, costs = [], [], []
    for axis in (0, 1):
        first, second = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        enter, leave = _price(sheet, old[first], new[second], axis), _price(sheet, new[first], old[second], axis)
        # A seam that costs more than two new ones beside it: as much, or the cut would be none of a graph. The
        # smallest cut is still no worse than what is there.
        stay = np.minimum(_price(sheet, old[first], old[second], axis), enter + leave)
        more[first] += leave - stay
        more[second] -= leave
        tails.append(numbers[first].ravel())
        heads.append(numbers[second].ravel())
        costs.append((enter + leave - stay).ravel())
    more[[0, -1]] = more[:, [0, -1]] = 100 * STRONGEST
    source, sink = side * side, side * side + 1
    pays, saves = more > 0, more < 0
    tails += [np.full(np.count_nonzero(pays), source, np.int32), numbers[saves]]
    heads += [numbers[pays], np.full(np.count_nonzero(saves), sink, np.int32)]
    costs += [more[pays], -more[saves]]
    whole = np.round(np.concatenate(costs) * UNITS).astype(np.int32)
    ends = np.concatenate(tails), np.concatenate(heads)
    graph = csr_array((whole, ends), shape=(sink + 1, sink + 1))
    left = graph - maximum_flow(graph, source, sink).flow
    left.data = np.maximum(left.data, 0)
    left.eliminate_zeros()
    takes = np.ones(sink + 1, np.bool_)
    takes[breadth_first_order(left, source, return_predecessors=False)] = False
    return np.asarray(takes[:-2].reshape(side, side))


def _bell(size: tuple[int, int], at: tuple[int, int], width: float) -> Numbers:
    """Return a bell of height 1 around a pixel of a picture that wraps."""
    across = []
    for side, middle in zip(size, at, strict=True):
        away = (np.arange(side) - middle + side // 2) % side - side // 2
        across.append(np.exp(-(away**2) / (2 * width**2)))
    return np.asarray(across[0][:, None] * across[1], np.float32)
