"""Crops of one size for evaluation.

Crops of a source are compared with the rest of that source (the reference); parts of a picture with the whole source.
Crops and parts are of one size, because chance alone makes a larger picture closer to the source than a crop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from subjective.evaluation.pixels import Image, place_evenly

MOST_PARTS = 16
"""Largest number of parts of a picture that are compared with the sources."""

MOST_CROPS = 9
"""Largest number of crops of a source."""

MOST_PIXELS = 2**18
"""Largest number of pixels whose colors are compared."""

Item = TypeVar("Item")
Array = NDArray[np.floating]


def crop_size(sources: Sequence[Image], shape: tuple[int, ...]) -> tuple[int, int]:
    """Choose (height, width) of the crops: those of the picture, but at most half of the smallest source's.

    Args:
        sources: images.
        shape: of the picture, height and width first.
    """
    height, width = (min(shape[axis], *(source.shape[axis] // 2 for source in sources)) for axis in (0, 1))
    return height, width


def cut_crops(source: Image, size: tuple[int, int]) -> list[Image]:
    """Cut crops out of a source that do not overlap: evenly spread, at most `MOST_CROPS`."""
    counts = [length // part for length, part in zip(source.shape[:2], size, strict=True)]
    return [source[crop] for crop in place_evenly(source.shape, size, counts, MOST_CROPS)]


def cut_parts(image: Image, size: tuple[int, int]) -> list[Image]:
    """Cut a picture into parts that cover it: evenly spread, at most `MOST_PARTS`."""
    counts = [-(-length // part) for length, part in zip(image.shape[:2], size, strict=True)]
    return [image[part] for part in place_evenly(image.shape, size, counts, MOST_PARTS)]


@dataclass(frozen=True)
class Crops:
    """Crops of one size of every source.

    Attributes:
        by_source: the crops of each source.
        source_weights: how much each source counts; the weights add up to one.
    """

    by_source: Sequence[Sequence[Image]]
    source_weights: Sequence[float]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of each crop."""
        height, width = self.by_source[0][0].shape[:2]
        return height, width

    @property
    def weights(self) -> Array:
        """How much each crop of any source counts; the weights add up to one."""
        return np.concatenate(
            [
                np.full(len(crops), weight / len(crops))
                for crops, weight in zip(self.by_source, self.source_weights, strict=True)
            ]
        )

    def measure_each(self, measure: Callable[[Image], Item]) -> list[list[Item]]:
        """Measure each crop of each source."""
        return [[measure(crop) for crop in crops] for crops in self.by_source]

    def average(self, measure: Callable[[Image], float]) -> float:
        """Measure each crop, and return the weighted mean."""
        return float(np.average(flatten(self.measure_each(measure)), weights=self.weights))


def pool_pixels(crops: Sequence[Image], weights: Array | None = None) -> Image:
    """Collect the pixels of several crops, at random if there are too many.

    Args:
        crops: images.
        weights: how much each crop counts; equal if None.

    Returns:
        A picture of one column.
    """
    columns, random = [crop.reshape(-1, 1, 3) for crop in crops], np.random.default_rng(0)
    counts = allot(weights, [len(column) for column in columns], MOST_PIXELS)
    return np.concatenate(
        [
            column if count == len(column) else column[random.choice(len(column), count, replace=False)]
            for column, count in zip(columns, counts, strict=True)
        ]
    )


def allot(weights: Array | None, most: Sequence[int], total: int) -> list[int]:
    """Choose how many samples to take from each of several groups, in proportion to the groups' weights.

    Args:
        weights: of the groups; equal if None.
        most: number of samples that each group has.
        total: largest number of samples of all groups together.

    Returns:
        Numbers of samples, at least 1 from each group.
    """
    shares = np.ones(len(most)) if weights is None else np.asarray(weights, np.float64)
    scale = min(total / shares.sum(), *(has / share for has, share in zip(most, shares, strict=True) if share > 0))
    return [max(int(scale * share + 1e-6), 1) for share in shares]


def flatten(items: Sequence[Sequence[Item]]) -> list[Item]:
    """Collect the items of all sources in one list."""
    return [item for group in items for item in group]


def pair_with_rest(items: Sequence[Sequence[Item]]) -> list[tuple[Item, list[Item]]]:
    """Pair each item with the other items of the same source; sources are never compared with each other."""
    return [(one, [*group[:i], *group[i + 1 :]]) for group in items for i, one in enumerate(group)]


def root_mean_square(values: Sequence[Any], weights: Array | None = None) -> Array:
    """Return the root mean square over the first axis."""
    return np.asarray(np.sqrt(np.average(np.square(values), axis=0, weights=weights)))
