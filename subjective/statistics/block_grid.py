"""The grid of blocks into which a picture is divided; `subjective.statistics.blocks` measures the blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Grid = tuple[int, int]
"""Numbers of blocks along the height and along the width of a picture."""

WHOLE: Grid = (1, 1)
"""The grid with one block, which is the whole picture."""


def choose_blocks(size: Sequence[int], sources: Sequence[Sequence[int]], share: float, most: int = 16) -> Grid:
    """Choose the grid with the most blocks that are at least ``share`` times as high and as wide as a source.

    Args:
        size: (height, width) of the picture.
        sources: (height, width) of each source.
        share: shortest side of a block, as a share of the same side of a source. For several sources, the shortest
            height and the shortest width count. 0 gives one block, the whole picture.
        most: largest number of blocks along a side of the picture.
    """
    if share == 0 or not sources:
        return WHOLE
    sides = [share * min(source[axis] for source in sources) for axis in (0, 1)]
    rows, columns = (int(np.clip(length // side, 1, most)) for length, side in zip(size, sides, strict=True))
    return rows, columns
