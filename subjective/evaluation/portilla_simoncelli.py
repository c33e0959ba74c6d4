"""The criterion of Portilla and Simoncelli's statistics, which needs the package plenoptic."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from subjective.checks import MissingPackageError
from subjective.evaluation import pixels
from subjective.evaluation.crops import Array, Crops, flatten, pair_with_rest, root_mean_square
from subjective.evaluation.pixels import Image
from subjective.evaluation.scores import LEAST_SHARE, Measure, Score

WAVELETS = Measure(
    key="portilla_simoncelli",
    name="wavelet statistics (P&S)",
    unit="relative distance",
    figures="{value:.0%} apart",
    aspect="structure",
)


class PortillaSimoncelli:
    """Distance of the statistics of Portilla and Simoncelli, which plenoptic computes.

    The value is the mean of the relative distances of all kinds of statistics, such as variances and correlations.

    References:
        Portilla and Simoncelli, "A parametric texture model based on joint statistics of complex wavelet
        coefficients", 2000. Duong and others, "Plenoptic: a platform for synthesizing model-optimized visual stimuli",
        2023.
    """

    def __init__(self, crops: Crops):
        """Measure the crops of each source in square windows.

        The side of a window is the crops' smaller side, rounded down so that plenoptic's pyramid can halve it at each
        scale.

        Raises:
            MissingPackageError: plenoptic is not installed.
        """
        try:
            import plenoptic
        except ImportError:
            raise MissingPackageError(
                "this measure needs plenoptic; install it with pip install 'subjective[evaluate]'"
            ) from None
        side = min(crops.size)
        scales = min(4, int(math.log2(side / 16)))
        self._side = side // 2**scales * 2**scales
        self._model = plenoptic.models.PortillaSimoncelli((self._side, self._side), n_scales=scales)
        plenoptic.remove_grad(self._model)
        self._model.eval()
        found = crops.measure_each(self._measure)
        self._crops, self._weights = flatten(found), crops.weights
        self._reference = root_mean_square([self._distances(*pair) for pair in pair_with_rest(found)], crops.weights)

    def score(self, image: Image, parts: Sequence[Image]) -> list[Score]:
        """Judge a picture, as `Criterion.score`."""
        found = root_mean_square([self._distances(self._measure(part), self._crops, self._weights) for part in parts])
        each = found / np.maximum(self._reference, LEAST_SHARE)
        details = dict(zip(self._crops[0], each.tolist(), strict=True))
        return [Score(WAVELETS, float(np.mean(found)), float(np.mean(self._reference)), float(np.mean(each)), details)]

    def _measure(self, picture: Image) -> dict[str, Array]:
        """Return each kind of statistic (such as means, variances, correlations), averaged over windows."""
        import torch

        squares = pixels.place_windows(picture.shape, self._side)
        gray = np.stack([pixels.luminance(picture[square]) for square in squares])[:, None]
        found = self._model(torch.as_tensor(gray, dtype=torch.float32)).mean(dim=(0, 1), keepdim=True)
        kinds = self._model.convert_to_dict(found).items()
        # A kind that compares two scales has no values if there is only one scale; such a kind is left out.
        return {kind: values[~values.isnan()].double().numpy() for kind, values in kinds if values.numel()}

    @staticmethod
    def _distances(found: dict[str, Array], others: Sequence[dict[str, Array]], weights: Array | None = None) -> Array:
        """Return the relative distance of each kind of statistic to the weighted mean of the ``others``."""
        wanted = {kind: np.average([other[kind] for other in others], axis=0, weights=weights) for kind in found}
        return np.array(
            [np.linalg.norm(found[k] - wanted[k]) / max(float(np.linalg.norm(wanted[k])), _LEAST_NORM) for k in found]
        )


_LEAST_NORM = 1e-12
"""Smallest norm by which a distance is divided, because some statistics of a flat picture are 0."""
