"""What of pictures is held against what: crops of the sources against the rest of them, parts of a picture against all.

Crops and parts are of one size, since a whole that is larger than a crop is closer by chance alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from subjective.evaluation.pixels import Image, spread

MOST_PARTS = 16
"""Parts of a picture that are held to the sources."""

MOST_CROPS = 9
"""Crops of a source, all over it."""

MOST_PIXELS = 2**18
"""Pixels whose colors are compared."""

Item = TypeVar("Item")
Array = NDArray[np.floating]


def crop_size(sources: Sequence[Image], shape: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) at which pictures of a shape are compared: their own, but at most half of the smallest source."""
    height, width = (min(shape[axis], *(source.shape[axis] // 2 for source in sources)) for axis in (0, 1))
    return height, width


def crops_of(source: Image, size: tuple[int, int]) -> list[Image]:
    """Crops of a source that do not overlap, evenly spread, at most `MOST_CROPS`."""
    counts = [length // part for length, part in zip(source.shape[:2], size, strict=True)]
    return [source[crop] for crop in spread(source.shape, size, counts, MOST_CROPS)]


def parts_of(image: Image, size: tuple[int, int]) -> list[Image]:
    """Parts of a picture that cover it, evenly spread, at most `MOST_PARTS`."""
    counts = [-(-length // part) for length, part in zip(image.shape[:2], size, strict=True)]
    return [image[part] for part in spread(image.shape, size, counts, MOST_PARTS)]


@dataclass(frozen=True)
class Crops:
    """Crops of one size of every source.

    Attributes:
        by_source: of each.
        shares: how much each source counts, adding up to one.
    """

    by_source: Sequence[Sequence[Image]]
    shares: Sequence[float]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of each."""
        height, width = self.by_source[0][0].shape[:2]
        return height, width

    @property
    def weights(self) -> Array:
        """How much each of them all counts, adding up to one."""
        return np.concatenate(
            [np.full(len(crops), share / len(crops)) for crops, share in zip(self.by_source, self.shares, strict=True)]
        )

    def each(self, measure: Callable[[Image], Item]) -> list[list[Item]]:
        """What is measured of each, by source."""
        return [[measure(crop) for crop in crops] for crops in self.by_source]

    def mean(self, measure: Callable[[Image], float]) -> float:
        """What is measured of each, on average."""
        return float(np.average(flat(self.each(measure)), weights=self.weights))


def pooled(crops: Sequence[Image], weights: Array | None = None) -> Image:
    """Pixels of several as one picture of one column, at random where not all are taken.

    Args:
        crops: images.
        weights: how much each counts; equal if not given.
    """
    pixels, random = [crop.reshape(-1, 1, 3) for crop in crops], np.random.default_rng(0)
    counts = allot(weights, [len(own) for own in pixels], MOST_PIXELS)
    return np.concatenate(
        [
            own if count == len(own) else own[random.choice(len(own), count, replace=False)]
            for own, count in zip(pixels, counts, strict=True)
        ]
    )


def allot(weights: Array | None, most: Sequence[int], total: int) -> list[int]:
    """How many to take of each: in proportion to the weights, no more than each has, no more than a total.

    Args:
        weights: of each; equal if not given.
        most: that each has.
        total: of all.
    """
    shares = np.ones(len(most)) if weights is None else np.asarray(weights, np.float64)
    scale = min(total / shares.sum(), *(has / share for has, share in zip(most, shares, strict=True) if share > 0))
    return [max(int(scale * share + 1e-6), 1) for share in shares]


def flat(items: Sequence[Sequence[Item]]) -> list[Item]:
    """Those of all sources."""
    return [item for group in items for item in group]


def each_and_rest(items: Sequence[Sequence[Item]]) -> list[tuple[Item, list[Item]]]:
    """Each of all sources, and the others of its own; sources are not held against each other, however unlike."""
    return [(one, [*group[:i], *group[i + 1 :]]) for group in items for i, one in enumerate(group)]


def root_mean_square(values: Sequence[Any], weights: Array | None = None) -> Array:
    """Over the first axis."""
    return np.asarray(np.sqrt(np.average(np.square(values), axis=0, weights=weights)))
