"""How good a picture is, by other measures than it was made by.

Each measure comes with a reference: what a crop of the source scores against the rest of the source. Scores are the two
set side by side, so that 1 means "as close as the source is to itself", whatever the source and the measure.
Pictures may come from any tool; how they were made is not asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from subjective.checks import InputError, check_image, normalize_weights
from subjective.evaluation.criteria import Score, criteria
from subjective.evaluation.crops import Crops, crop_size, crops_of, parts_of
from subjective.evaluation.features import LEAST
from subjective.evaluation.pixels import Image
from subjective.network.vgg import Params


def evaluate(
    image: Image,
    sources: Sequence[Image],
    params: Params,
    *,
    source_weights: Sequence[float] | None = None,
    matched: Collection[str] = (),
    portilla_simoncelli: bool | None = None,
) -> dict[str, Score]:
    """Measure a picture against its source; for several of one `crop_size` make a `Yardstick` once.

    Args:
        image: ``(height, width, 3)``, RGB; what lies outside [0, 1] is clipped, as in a file.
        sources: images that it is to look like, at the scale at which it was made; several are taken together, so that
            a picture with a region of each is far from them.
        params: the network; it is best normalized.
        source_weights: how much each source counts; equal if None.
        matched: layers that the picture was made by, left out at whole octaves.
        portilla_simoncelli: take these statistics as well, by plenoptic; if None, where it is installed.

    Returns:
        By name: ``gram`` and ``sliced_wasserstein`` (features at `features.LAYERS` and `features.scales_of`: relative
        distance of Gram matrices, and of distributions in standard deviations), ``portilla_simoncelli`` (where
        plenoptic is installed: relative distance of those statistics), ``spectrum`` (dB), ``peak`` (log10 of the
        strongest isolated peak over its ring's median), ``color`` and ``opponent`` (levels of 255),
        ``seam_rows`` and ``seam_columns`` (step over those inside, which is the score, too; its reference is the spread
        that chance gives it), ``repetition`` (highest autocorrelation off center, up to half of the picture) and
        ``copied`` (share of patches).

    Raises:
        TypeError: no floats.
        ValueError: a picture below 32 pixels a side, or a source below 64; no picture, or not finite; weights
            that do not fit.
        ImportError: plenoptic is wanted and not installed.
    """
    for name, picture in [("the picture", image), *(("a source", source) for source in sources)]:
        check_image(name, picture)
    sources, source_weights = counted_sources(sources, source_weights)
    check_sizes(image, sources)
    yardstick = Yardstick(
        sources,
        image.shape,
        params,
        source_weights=source_weights,
        matched=matched,
        portilla_simoncelli=portilla_simoncelli,
    )
    return yardstick.scores(image)


class Yardstick:
    """What crops of each source score against the rest of it, for pictures to be held against."""

    def __init__(
        self,
        sources: Sequence[Image],
        shape: tuple[int, ...],
        params: Params,
        *,
        source_weights: Sequence[float] | None = None,
        matched: Collection[str] = (),
        portilla_simoncelli: bool | None = None,
    ):
        """Measure the sources.

        Args:
            sources: as in `evaluate`.
            shape: of a picture, height and width first; any others must have its `crop_size`.
            params: the network.
            source_weights: as in `evaluate`.
            matched: as in `evaluate`.
            portilla_simoncelli: as in `evaluate`.

        Raises:
            ValueError: weights that do not fit.
        """
        sources, source_weights = counted_sources(sources, source_weights)
        self._sources = [np.asarray(source, np.float32) for source in sources]
        self._part = crop_size(self._sources, shape)
        crops = Crops([crops_of(source, self._part) for source in self._sources], source_weights)
        self._criteria = criteria(crops, self._sources, params, matched, portilla_simoncelli)

    def scores(self, image: Image) -> dict[str, Score]:
        """Hold a picture against it; see `evaluate`.

        Raises:
            ValueError: a picture whose `crop_size` is another.
        """
        if crop_size(self._sources, image.shape) != self._part:
            raise InputError(f"the picture has shape {image.shape}; its crops are not of {self._part}, as was said")
        image = np.clip(np.asarray(image, np.float32), 0, 1)
        parts = parts_of(image, self._part)
        return {name: score for one in self._criteria for name, score in one.scores(image, parts).items()}


def counted_sources(
    sources: Sequence[Image], source_weights: Sequence[float] | None
) -> tuple[list[Image], list[float]]:
    """Keep the sources that count at all, and how much each of them counts.

    Args:
        sources: as in `evaluate`.
        source_weights: as in `evaluate`.

    Returns:
        The sources with a weight above 0, and their weights, which add up to 1.

    Raises:
        InputError: weights that do not fit.
    """
    if not sources:
        return [], []
    weights = normalize_weights("source_weights", source_weights, len(sources), "source")
    kept = [(source, weight) for source, weight in zip(sources, weights, strict=True) if weight > 0]
    return [source for source, _ in kept], [weight for _, weight in kept]


def check_sizes(image: Image, sources: Sequence[Image], name: str = "the picture") -> None:
    """Refuse pictures too small to be measured; ``name`` is what the picture is called.

    Raises:
        ValueError: see `evaluate`.
    """
    if not sources:
        raise InputError("no source to compare with; give at least one")
    for which, picture, least in [(name, image, LEAST), *(("a source", s, 2 * LEAST) for s in sources)]:
        if min(picture.shape[:2]) < least:
            raise InputError(
                f"{which} of {picture.shape[1]}x{picture.shape[0]} pixels cannot be measured; wanted {least} a side"
            )
