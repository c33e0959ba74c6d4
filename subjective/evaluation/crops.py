"""Crops of the sources and parts of a picture for evaluation.

A crop of a source is compared with the other crops of that source; this gives the reference. A part of a picture is
compared with the crops of all sources together. Crops and parts have the same size, because chance alone brings the
statistics of a larger piece closer to the source.
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

FEWER_CROPS, MOST_CROP_PIXELS = 4, 2**20
"""If all crops together have more pixels, only so many are cut: the network takes seconds for a megapixel."""

MOST_PIXELS = 2**18
"""Largest number of pixels whose colors are compared, in all crops together."""

Item = TypeVar("Item")
Array = NDArray[np.floating]


def crop_size(sources: Sequence[Image], shape: tuple[int, ...]) -> tuple[int, int]:
    """Choose (height, width) of the crops: that of the picture, but at most half the height and width of any source.

    Args:
        sources: images.
        shape: shape of the picture, height and width first.
    """
    height, width = (min(shape[axis], *(source.shape[axis] // 2 for source in sources)) for axis in (0, 1))
    return height, width


def cut_crops(source: Image, size: tuple[int, int]) -> list[Image]:
    """Cut crops out of a source, evenly spread. They do not overlap; there are at most `MOST_CROPS`."""
    counts = [length // part for length, part in zip(source.shape[:2], size, strict=True)]
    most = min(MOST_CROPS, max(FEWER_CROPS, MOST_CROP_PIXELS // (size[0] * size[1])))
    return [source[crop] for crop in place_evenly(source.shape, size, counts, most)]


def cut_parts(image: Image, size: tuple[int, int]) -> list[Image]:
    """Cut a picture into parts, evenly spread. The parts cover the picture if `MOST_PARTS` parts are enough."""
    return [image[part] for part in place_parts(image.shape, size)]


def place_parts(shape: tuple[int, ...], size: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Return the rows and columns of the parts that `cut_parts` cuts out of a picture of a shape."""
    counts = [-(-length // part) for length, part in zip(shape[:2], size, strict=True)]
    return place_evenly(shape, size, counts, MOST_PARTS)


@dataclass(frozen=True)
class Crops:
    """Crops of all sources. All crops have the same size.

    Attributes:
        by_source: for each source, its crops.
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
        """How much each crop counts, in the order of `flatten`. The weights of all crops add up to one."""
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
        """Measure each crop, and return the mean, weighted by `weights`."""
        return float(np.average(flatten(self.measure_each(measure)), weights=self.weights))


def pool_pixels(crops: Sequence[Image], weights: Array | None = None) -> Image:
    """Collect the pixels of several crops; choose pixels at random if there are more than `MOST_PIXELS`.

    Args:
        crops: images.
        weights: how much each crop counts; equal if None. The number of pixels from a crop is proportional to this.

    Returns:
        The pixels as a picture of one column.
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
        weights: weights of the groups; equal if None.
        most: number of samples that each group has.
        total: largest number of samples to take from all groups together.

    Returns:
        Number of samples to take from each group, at least 1.
    """
    shares = np.ones(len(most)) if weights is None else np.asarray(weights, np.float64)
    scale = min(total / shares.sum(), *(has / share for has, share in zip(most, shares, strict=True) if share > 0))
    return [max(int(scale * share + 1e-6), 1) for share in shares]


def flatten(items: Sequence[Sequence[Item]]) -> list[Item]:
    """Collect the items of all sources in one list."""
    return [item for group in items for item in group]


def pair_with_rest(items: Sequence[Sequence[Item]]) -> list[tuple[Item, list[Item]]]:
    """Pair each item with the other items of the same source, never with items of another source."""
    return [(one, [*group[:i], *group[i + 1 :]]) for group in items for i, one in enumerate(group)]


def root_mean_square(values: Sequence[Any], weights: Array | None = None) -> Array:
    """Return the root mean square over the first axis."""
    return np.asarray(np.sqrt(np.average(np.square(values), axis=0, weights=weights)))
