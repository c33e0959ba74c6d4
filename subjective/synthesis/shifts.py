"""Fill the unknown pixels of a picture with shifted copies of its sources, cut where the copies are alike.

Each unknown pixel comes from a place of a source that lies a shift away. Neighbors have the same shift wherever
possible, so that rows stay rows and stones stay whole; where the shift changes, both copies show nearly the same. The
shifts that are tried are those that continue what is known at the border.

References:
    Kwatra, Schödl, Essa, Turk and Bobick, "Graphcut textures", SIGGRAPH 2003. Pritch, Kav-Venaki and Peleg, "Shift-map
    image editing", ICCV 2009. Boykov, Veksler and Zabih, "Fast approximate energy minimization via graph cuts", 2001:
    `_expand`, the move in which any number of pixels take one shift. Departure: the shifts to try come from windows at
    the border of the unknown part, compared with every place of the sources.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.ndimage
from scipy.sparse import csr_matrix, diags
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from scipy.sparse.linalg import cg, splu

from subjective.synthesis.candidates import WINDOW, list_shifts
from subjective.synthesis.held import Held, Image, Integers, Mask, Numbers

MOST_UNKNOWN = 3072
"""Largest number of unknown pixels among which all shifts are chosen. A picture with more is reduced first; at the
finer sizes, the cuts move by some pixels only."""

SWEEPS = 3
"""How often all shifts are tried."""

HELD_COLOR = 0.002
"""Weight of the copies' own colors where steps of color are spread: a step fades over some
1/√HELD_COLOR pixels."""

MOST_FACTORED = 2**20
"""Largest number of unknown pixels for which steps are spread by factors of the matrix, some 900 bytes a pixel. More
are spread by conjugate gradients, which take seven times as long and next to no memory."""

BLEND_TOLERANCE = 1e-5
"""Share of the steps that may be left when they are spread by conjugate gradients."""

BAND = 3
"""Distance in pixels by which a cut may move at each finer size."""

OUTSIDE = 100.0
"""Cost of a pixel that comes from outside the source or its part: larger than that of any cut. The cost of a cut is the
distance of two colors, at most 3.5."""

UNIT = 1e-4
"""Costs are whole multiples of this number."""

Key = np.random.SeedSequence


def fill_by_shifts(held: Held, sources: Sequence[Held], key: Key, *, blends: bool = False) -> Image:
    """Fill the unknown pixels of a picture.

    Args:
        held: the picture.
        sources: the pictures that pixels come from, at the scale of the picture. Only known pixels are taken. The
            picture itself may be one of them.
        key: from `subjective.synthesis.starts.key_of`; all choices come from the key.
        blends: whether steps of color at the cuts and at the border are spread over some pixels.

    Returns:
        Image ``(height, width, 3)``. The known pixels are those of ``held``.
    """
    random = np.random.default_rng(key)
    octaves = max(math.ceil(math.log2(max((~held.known).sum(), 1) / MOST_UNKNOWN) / 2), 0)
    while octaves and min(min(source.known.shape) for source in sources) < 2 * WINDOW * 2**octaves:
        octaves -= 1
    cut: _Cut | None = None
    for octave in range(octaves, -1, -1):
        here, theirs = held.reduce(octave), [source.reduce(octave) for source in sources]
        if cut is None:
            cut = _Cut(here, theirs, list_shifts(here, theirs, random))
            cut.choose(np.arange(len(cut.rows)), random)
        else:
            cut = cut.enlarge(here, theirs)
            cut.align(random)
            cut.choose(cut.find_band(), random)
    assert cut is not None
    return cut.blend() if blends else cut.compose()


class _Cut:
    """The choice of a shift for each unknown pixel.

    Attributes:
        rows: row of each unknown pixel, ``(pixels,)``.
        columns: the columns.
        shifts: see `subjective.synthesis.candidates.list_shifts`.
        chosen: number of each unknown pixel's shift.
    """

    def __init__(self, held: Held, sources: Sequence[Held], shifts: Integers, chosen: Integers | None = None):
        """List the unknown pixels, and the pairs of neighbors among them and at their border."""
        self._held, self._sources, self.shifts = held, sources, shifts
        self.rows, self.columns = np.nonzero(~held.known)
        self.chosen = np.zeros(len(self.rows), np.intp) if chosen is None else chosen
        self._starts = np.cumsum([0, *(source.known.size for source in sources)])[:-1]
        self._sizes = np.array([source.known.shape for source in sources])
        self._colors = np.concatenate([source.picture.reshape(-1, 3) for source in sources])
        self._known = np.concatenate([source.known.reshape(-1) for source in sources])
        height, width = held.known.shape
        number = np.full((height, width), -1)
        number[self.rows, self.columns] = np.arange(len(self.rows))
        pairs, border = [], []
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            rows, columns = self.rows + down, self.columns + right
            inside = (held.wraps[0] | ((rows >= 0) & (rows < height))) & (
                held.wraps[1] | ((columns >= 0) & (columns < width))
            )
            rows, columns = rows % height, columns % width
            other = np.where(inside, number[rows, columns], -2)
            own = np.nonzero(other == -1)[0]
            border.append((own, rows[own], columns[own], np.full(len(own), down), np.full(len(own), right)))
            own = np.nonzero(other >= 0)[0]
            if down + right > 0:
                pairs.append((own, other[own], np.full(len(own), down), np.full(len(own), right)))
        self._pairs = [np.concatenate(parts) for parts in zip(*pairs, strict=True)]
        self._border = [np.concatenate(parts) for parts in zip(*border, strict=True)]

    def _look(
        self, pixels: Integers, chosen: Integers, down: Integers | int = 0, right: Integers | int = 0
    ) -> Integers:
        """Return where in all sources' pixels the copies lie from which pixels, or their neighbors, come; or -1."""
        number, rows, columns = self.shifts[chosen].T
        rows, columns = rows + self.rows[pixels] + down, columns + self.columns[pixels] + right
        height, width = self._sizes[number].T
        at = self._starts[number] + np.clip(rows, 0, height - 1) * width + np.clip(columns, 0, width - 1)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & self._known[at]
        return np.where(inside, at, ~at)

    def _see(self, *arguments: Integers | int) -> Numbers:
        at = self._look(*arguments)  # type: ignore[arg-type]
        return self._colors[np.where(at < 0, ~at, at)]

    def _cost_of_pixels(self, pixels: Integers, chosen: Integers) -> Numbers:
        """Return how little the copies of some pixels are worth: by themselves, and beside known pixels."""
        total = np.where(self._look(pixels, chosen) < 0, OUTSIDE, 0.0)
        place = np.full(len(self.rows), -1)
        place[pixels] = np.arange(len(pixels))
        own, rows, columns, down, right = (part[place[self._border[0]] >= 0] for part in self._border)
        here = place[own]
        step = self._see(own, chosen[here], down, right) - self._held.picture[rows, columns]
        np.add.at(total, here, 2 * np.linalg.norm(step, axis=1))
        return total

    def _cost_of_pairs(self, one: Integers, other: Integers, which: Mask) -> Numbers:
        """Return how visible the cut between neighbors is if they have these shifts."""
        first, second, down, right = (part[which] for part in self._pairs)
        at_first = self._see(first, one) - self._see(second, other, -down, -right)
        at_second = self._see(first, one, down, right) - self._see(second, other)
        return np.linalg.norm(at_first, axis=1) + np.linalg.norm(at_second, axis=1)

    def choose(self, free: Integers, random: np.random.Generator) -> None:
        """Choose the shifts of some unknown pixels so that the cuts are least visible; the others keep theirs."""
        if not len(free):
            return
        place = np.full(len(self.rows), -1)
        place[free] = np.arange(len(free))
        touched = (place[self._pairs[0]] >= 0) | (place[self._pairs[1]] >= 0)
        tried = np.arange(len(self.shifts)) if len(free) == len(self.rows) else np.unique(self.chosen)
        costs = np.stack([self._cost_of_pixels(free, np.full(len(free), shift)) for shift in tried], axis=1)
        if len(free) == len(self.rows):
            self.chosen = tried[costs.argmin(axis=1)]
        for _ in range(SWEEPS):
            moved = [
                self._expand(shift, free, place, costs, tried, touched)
                for shift in random.permutation(len(tried)).tolist()
            ]
            if not any(moved):
                break

    def _expand(
        self, shift: int, free: Integers, place: Integers, costs: Numbers, tried: Integers, touched: Mask
    ) -> bool:
        """Give one shift to all free pixels for which that makes the whole better; return whether there are any."""
        first, second = self._pairs[0][touched], self._pairs[1][touched]
        one, other, new = self.chosen[first], self.chosen[second], np.full(len(first), tried[shift])
        stay, follow, lead, join = (
            self._cost_of_pairs(here, there, touched)
            for here, there in ((one, other), (one, new), (new, other), (new, new))
        )
        index = np.searchsorted(tried, self.chosen[free])
        own = costs[:, shift] - costs[np.arange(len(free)), index]
        change = own.copy()
        p, q = place[first], place[second]
        both = (p >= 0) & (q >= 0)
        np.add.at(change, p[both], (lead - stay)[both])
        np.add.at(change, q[both], (join - lead)[both])
        only = (p >= 0) & (q < 0)  # the second one keeps its shift
        np.add.at(change, p[only], (lead - stay)[only])
        only = (p < 0) & (q >= 0)
        np.add.at(change, q[only], (follow - stay)[only])
        between = np.maximum(follow + lead - stay - join, 0)  # below 0 only where the picture wraps
        count = len(free)
        rows = np.concatenate([p[both], np.full(count, count), np.arange(count)])
        columns = np.concatenate([q[both], np.arange(count), np.full(count, count + 1)])
        capacities = np.concatenate([between[both], np.maximum(change, 0), np.maximum(-change, 0)])
        whole = np.round(capacities / UNIT).astype(np.int32)
        graph = csr_matrix((whole[whole > 0], (rows[whole > 0], columns[whole > 0])), shape=(count + 2, count + 2))
        rest = graph - maximum_flow(graph, count, count + 1).flow
        rest.data[rest.data < 0] = 0
        rest.eliminate_zeros()
        moves = np.ones(count + 2, bool)
        moves[breadth_first_order(rest, count, return_predecessors=False)] = False
        moves = moves[:count] & (self.chosen[free] != tried[shift])
        of_first, of_second = ((at >= 0) & moves[np.maximum(at, 0)] for at in (p, q))
        after = np.select([of_first & of_second, of_first, of_second], [join, lead, follow], stay)
        if own[moves].sum() + (after - stay).sum() > -UNIT:
            return False
        self.chosen[free[moves]] = tried[shift]
        return bool(moves.any())

    def enlarge(self, held: Held, sources: Sequence[Held]) -> _Cut:
        """Return the same choice at twice the size."""
        shifts = self.shifts * np.array([1, 2, 2])
        whole = np.full(self._held.known.shape, -1)
        whole[self.rows, self.columns] = self.chosen
        nearest = scipy.ndimage.distance_transform_edt(whole < 0, return_distances=False, return_indices=True)
        whole = whole[tuple(nearest)]
        rows, columns = np.nonzero(~held.known)
        return _Cut(held, sources, shifts, whole[rows // 2, columns // 2])

    def align(self, random: np.random.Generator) -> None:
        """Move each shift in use by at most one pixel, so that the cuts around its pixels are less visible."""
        for shift in random.permutation(np.unique(self.chosen)):
            pixels = np.nonzero(self.chosen == shift)[0]
            touched = (self.chosen[self._pairs[0]] == shift) ^ (self.chosen[self._pairs[1]] == shift)
            before, found = self.shifts[shift].copy(), []
            for move in np.ndindex(3, 3):
                self.shifts[shift] = before + np.array([0, *move]) - np.array([0, 1, 1])
                one, other = self.chosen[self._pairs[0][touched]], self.chosen[self._pairs[1][touched]]
                cost = self._cost_of_pixels(pixels, self.chosen[pixels]).sum()
                found.append((cost + self._cost_of_pairs(one, other, touched).sum(), tuple(self.shifts[shift])))
            self.shifts[shift] = min(found)[1]

    def find_band(self) -> Integers:
        """Return the unknown pixels near a cut, near the border or with a copy from outside."""
        near = np.zeros(self._held.known.shape, bool)
        first, second = self._pairs[:2]
        for pixels in (
            *(side[self.chosen[first] != self.chosen[second]] for side in (first, second)),
            self._border[0],
            np.nonzero(self._look(np.arange(len(self.rows)), self.chosen) < 0)[0],
        ):
            near[self.rows[pixels], self.columns[pixels]] = True
        near = scipy.ndimage.binary_dilation(near, iterations=BAND)
        return np.nonzero(near[self.rows, self.columns])[0]

    def compose(self) -> Image:
        """Return the picture."""
        picture = self._held.picture.copy()
        picture[self.rows, self.columns] = self._see(np.arange(len(self.rows)), self.chosen)
        return picture

    def blend(self) -> Image:
        """Return the picture with the copies' steps from pixel to pixel instead of their colors.

        References:
            Pérez, Gangnet and Blake, "Poisson image editing", SIGGRAPH 2003. Departure: the colors count a little too.
        """
        picture, count = self.compose(), len(self.rows)
        if not count:
            return picture
        first, second, down, right = self._pairs
        one, other = self.chosen[first], self.chosen[second]
        step = (self._see(first, one, down, right) - self._see(first, one)) / 2
        step = step + (self._see(second, other) - self._see(second, other, -down, -right)) / 2
        own, rows, columns, beside, below = self._border
        copied = self._see(own, self.chosen[own], beside, below) - self._see(own, self.chosen[own])
        colors = picture[self.rows, self.columns].astype(np.float64)
        wanted = HELD_COLOR * colors
        np.add.at(wanted, first, -step)
        np.add.at(wanted, second, step)
        np.add.at(wanted, own, self._held.picture[rows, columns] - copied)
        neighbors = np.bincount(np.concatenate([first, second, own]), minlength=count)
        across = csr_matrix((-np.ones(len(first)), (first, second)), shape=(count, count))
        matrix = across + across.T + diags(HELD_COLOR + neighbors)
        if count <= MOST_FACTORED:
            # The matrix is symmetric and positive definite: it needs no pivots, and this order keeps the factors small.
            factors = splu(matrix.tocsc(), "MMD_AT_PLUS_A", diag_pivot_thresh=0, options={"SymmetricMode": True})
            colors = factors.solve(wanted)
        else:
            for channel in range(3):
                colors[:, channel] = cg(matrix, wanted[:, channel], x0=colors[:, channel], rtol=BLEND_TOLERANCE)[0]
        picture[self.rows, self.columns] = np.clip(colors, 0, 1)
        return picture
