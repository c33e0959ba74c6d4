"""Guides: pictures of labels say which part of a source is seen in which part of the picture.

Each color of the labels is a region: its statistics and its patches are those of the source under the same color. Gray
labels may also be a progression, such as from wet to dry: they are cut into a few bands with soft borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from subjective.checks import InputError, count_of, setting
from subjective.images import PictureLike, as_image, resize_planes
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.layout import (
    SMALLEST_SOURCE,
    SOURCE_SIDES,
    Layouts,
    begins_with_patches,
    held_octave,
    keeps_pieces,
    layout_octave,
)
from subjective.synthesis.patches import Form, Key, join_patches
from subjective.synthesis.stages import padding_of_pyramid, reduce_by, stage_size

MOST_LABELS = 16
"""Largest number of colors of labels. Gray labels with more values are a progression."""

BANDS = 4
"""Number of bands into which a progression is cut."""

LEAST_SHARE = 1e-3
"""Smallest share of a picture that a region must have."""

LABEL = 0.3
"""Contrast of labels where patches are compared, beside colors between 0 and 1. At 0.5, rings of alike patches follow
the borders, whose form is found nowhere in the source."""

Shares = NDArray[np.float32]


@dataclass(frozen=True)
class Guide:
    """How much each pixel belongs to each region.

    Attributes:
        source: shares of the source's pixels, ``(height, width, regions)``. A pixel of a label that the picture lacks
            belongs to no region; the others add up to 1.
        picture: shares of the picture's pixels, which add up to 1.
    """

    source: Shares
    picture: Shares

    @property
    def parts(self) -> list[Shares]:
        """How much each pixel of the source counts for each region, ``(height, width)`` each."""
        return [self.source[:, :, region] for region in range(self.source.shape[2])]


def read_guide(
    labels: Sequence[PictureLike], source: tuple[int, ...], picture: tuple[int, ...], name: str = "guide"
) -> Guide:
    """Read the labels of a source and those of the picture.

    Args:
        labels: two pictures, in any form that `as_image` takes.
        source: height and width of the source first.
        picture: height and width of the picture.
        name: name of the setting, for messages.

    Raises:
        InputError: there are not two pictures, their sizes do not fit, they have too many colors, or the picture's
            labels have a color that the source's lack.
    """
    if not isinstance(labels, (list, tuple)) or len(labels) != 2:
        raise InputError(f"{setting(name)} got no two pictures; give the source's labels, and the picture's labels")
    found = []
    for what, one, size in zip(("source", "picture"), labels, (source, picture), strict=True):
        image = as_image(one, f"the {what}'s labels")
        if image.shape[:2] != tuple(size[:2]):
            given = f"{setting(name)}: the {what}'s labels are of {image.shape[1]}x{image.shape[0]} pixels"
            raise InputError(f"{given}; wanted {size[1]}x{size[0]}, the size of the {what}")
        found.append(np.rint(255 * image).astype(np.int64) @ np.array([65536, 256, 1]))
    theirs, ours = (np.unique(one) for one in found)
    if max(len(theirs), len(ours)) <= MOST_LABELS:
        return _by_color(found[0], found[1], theirs, ours, name)
    if any((one != 0x010101 * (one % 256)).any() for one in (theirs, ours)):
        given = f"{setting(name)}: the labels have {max(len(theirs), len(ours))} colors"
        raise InputError(f"{given}; wanted at most {MOST_LABELS}, saved without smoothing as PNG, or gray ones")
    return _by_band(found[0] % 256, found[1] % 256)


def _by_color(
    source: NDArray[Any], picture: NDArray[Any], theirs: NDArray[Any], ours: NDArray[Any], name: str
) -> Guide:
    """Return a guide in which each color of the picture's labels is a region."""
    if missing := sorted(set(ours.tolist()) - set(theirs.tolist())):
        lacking = f"the source's labels have no {', '.join(f'#{color:06x}' for color in missing)}"
        known = ", ".join(f"#{color:06x}" for color in theirs)
        raise InputError(f"{setting(name)}: {lacking}, which the picture's labels have; wanted only {known}")
    shares = [np.stack([labels == color for color in ours], axis=2) for labels in (source, picture)]
    for color, share in zip(ours, shares[0].mean(axis=(0, 1)), strict=True):
        if share < LEAST_SHARE:
            given = f"{setting(name)}: #{color:06x} marks {count_of(int(share * source.size), 'pixel')} of the source"
            raise InputError(f"{given}; wanted a thousandth of it or more, for its statistics")
    return Guide(*(one.astype(np.float32) for one in shares))


def _by_band(source: NDArray[Any], picture: NDArray[Any]) -> Guide:
    """Return a guide for a progression. A pixel belongs to the two bands between which its gray value lies.

    The bands lie so that the source has about as many pixels between each two.
    """
    middles = np.unique(np.quantile(source, np.linspace(0, 1, BANDS)))
    if len(middles) < 2:
        middles = np.array([middles[0], middles[0] + 1])
    shares = []
    for values in (source, picture):
        place = np.interp(values, middles, np.arange(len(middles)))
        shares.append(np.clip(1 - np.abs(place[:, :, None] - np.arange(len(middles))), 0, 1))
    used = np.logical_and(*(one.mean(axis=(0, 1)) >= LEAST_SHARE for one in shares))
    total = np.maximum(shares[1][:, :, used].sum(axis=2, keepdims=True), 1e-6)
    ours = np.where(total > LEAST_SHARE, shares[1][:, :, used] / total, 1 / used.sum())
    return Guide(shares[0][:, :, used].astype(np.float32), ours.astype(np.float32))


def guide_layouts(source: np.ndarray, guide: Guide, config: SynthesisConfig) -> Layouts | None:
    """Return layouts whose patches come from where the source has the labels of the picture.

    Args:
        source: image ``(height, width, 3)``.
        guide: the labels.
        config: as in `subjective.synthesis.layout.join_layouts`.

    Returns:
        None if the config asks for another start, or the source is tiny.
    """
    if not begins_with_patches(config, [source]):
        return None
    smallest = max(min(source.shape[:2]), SMALLEST_SOURCE)
    octave = layout_octave(config.size, smallest)
    labeled = np.concatenate([source, LABEL * guide.source], axis=2)
    reduced = np.asarray(reduce_by(jnp.asarray(labeled), octave, SOURCE_SIDES))
    regions = guide.picture.shape[2]
    wanted = guide.picture.mean(axis=(0, 1)) / np.maximum(guide.source.mean(axis=(0, 1)), 1e-9)

    def keep(picture: np.ndarray) -> np.ndarray:
        labels = resize_planes(guide.picture, picture.shape[:2])
        return np.concatenate([picture[:, :, :3], np.float32(LABEL) * labels], axis=2, dtype=np.float32)

    def chances(labeled: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip(labeled[:, :, 3:], 0, None) @ wanted + 1e-6 * wanted.max(), np.float32)

    form = Form(keep=keep, chances=chances, keeps_pieces=keeps_pieces(config, 1), channels=(3, *(1,) * regions))
    size = (stage_size(config.size[0], octave), stage_size(config.size[1], octave))

    def make(key: Key) -> np.ndarray:
        return join_patches([reduced], (1.0,), size, key, form)[:, :, :3]

    return Layouts(
        make,
        [reduced[:, :, :3]],
        config,
        size=config.size,
        octave=octave,
        held=held_octave(config.size, smallest),
        padding=padding_of_pyramid(config.padding_mode),
    )
