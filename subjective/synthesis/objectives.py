"""What each kind of work minimizes. The same arguments give the same function, whose compiled form is found again."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

from subjective.losses import Loss, texture_loss, variation_loss, weighted_sum
from subjective.statistics.terms import Analysis
from subjective.synthesis.frames import Distances, interframe_loss, mean_over_frames


@lru_cache(maxsize=32)
def synthesis_loss(analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool) -> Loss:
    """The loss of a synthesis, as ``loss(image, {"texture": (targets, params)})``, and guides if it has regions."""
    return weighted_sum({"texture": (1.0, texture_loss(analysis, octave_weights, relative=relative))})


@lru_cache(maxsize=32)
def apart_loss(analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool) -> Loss:
    """The mean of the losses of several pictures, each of its own targets, as ``loss(pictures, {"texture": ...})``."""
    texture = texture_loss(dataclasses.replace(analysis, in_loop=True), octave_weights, relative=relative)
    return weighted_sum({"texture": (1.0, mean_over_frames(texture, 1, True))})


@lru_cache(maxsize=32)
def transfer_loss(
    analysis: Analysis, octave_weights: tuple[float, ...] | None, relative: bool, variation: float, wraps: bool
) -> Loss:
    """As ``loss(image, {"features": (targets, params, guides, contents), "variation": ()})``."""
    features = texture_loss(analysis, octave_weights, relative=relative)
    terms: dict[str, tuple[float, Loss]] = {"features": (1.0, features)}
    if variation:
        terms["variation"] = (variation, variation_loss(1.25, wraps))
    return weighted_sum(terms)


@lru_cache(maxsize=32)
def animation_loss(texture: Loss, weight: float, distances: Distances) -> Loss:
    """The loss of a loop, as ``loss(frames, {"texture": (targets, params), "interframe": (least, most)})``."""
    return weighted_sum({"texture": (1.0, texture), "interframe": (weight, interframe_loss(distances))})
