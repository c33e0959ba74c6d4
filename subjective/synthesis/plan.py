"""What a config means for pictures of given sizes: how many octaves, which statistics where; and what is too small."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import jax.numpy as jnp
import numpy as np

from subjective.network.vgg import Params, resolve_layers
from subjective.pyramid import Padding, octave_size
from subjective.statistics.registry import parse_term
from subjective.statistics.terms import Analysis, Term, fits, network_layers, places_of, smallest_picture
from subjective.statistics.tiling import tiling_of
from subjective.synthesis.picture_config import PictureConfig

VALID: Padding = "valid"
"""A source is always analyzed with this padding: a photograph has no outside."""

MOST_OCTAVES = 5
LEAST_OCTAVE = 32
"""Octaves at most, and pixels a side of the last of them at least, where their number is not given."""

Config = TypeVar("Config", bound=PictureConfig)


def analysis_of(config: PictureConfig, params: Params, sources: Sequence[tuple[int, int]] = ()) -> Analysis:
    """The `Analysis` that a config asks for; that of the sources is the same with ``valid`` padding.

    A statistic that needs a map of some size (the spectrum: 32 pixels a side) is left out at the octaves where the
    picture, or a source, is too small for it, and altogether if that holds for all; see `left_out`.

    Args:
        config: settings; layers by name or number.
        params: the network, which says what layers there are.
        sources: (height, width) of each source.

    Raises:
        ValueError: a layer that the network lacks, a statistic that does not add up over the tiles, or nothing that
            any octave is large enough for.
    """
    terms = _terms(config, params)
    places_of(terms)
    placed = [_where_it_fits(term, config, sources, params) for term in terms]
    kept = tuple(term for term in placed if term.octaves is None or term.octaves)
    if not kept:
        smallest = min(min(size) for size in (config.size, *sources))
        needs = "; ".join(f"{term.statistic.name} maps of {max(term.statistic.least)}" for term in terms)
        raise ValueError(
            f"no octave of a {smallest} pixel picture has room for any statistic, which need pixels a side: {needs}; "
            "enlarge it or match another, such as gram"
        )
    how = (config.padding_mode, config.pooling, config.tile, config.sharing, config.precision, config.blocks(sources))
    analysis = Analysis(config.octave_indices, kept, *how)
    for octave in analysis.octaves:
        tiling_of(analysis, octave, octave_size(config.size[0], octave, config.padding_mode), params)
    return analysis


def left_out(config: PictureConfig, params: Params, analysis: Analysis) -> tuple[str, ...]:
    """Those of a config's statistics that its analysis has no room for at any octave."""
    kept = places_of(analysis.terms)
    return tuple(
        text
        for text, term in zip(config.statistic, _terms(config, params), strict=False)  # then come further terms
        if (term.layers[0], term.statistic.name) not in kept
    )


def without_effect(config: PictureConfig) -> tuple[str, ...]:
    """Flags of a config that others have made mean nothing, each with the reason."""
    found = []
    usual = {field.name: field.default for field in dataclasses.fields(config)}
    named = [flag for flag in ("layers", "layer_weights") if getattr(config, flag) != usual[flag]]
    if named and all("@" in text for text in config.statistic):
        found += [f"--{flag.replace('_', '-')}, since each --statistic names its own layers" for flag in named]
    if getattr(config, "schedule", "") == "plain":
        of_stages = [flag for flag in ("coarse_iter", "first_stage") if getattr(config, flag) != usual[flag]]
        found += [f"--{flag.replace('_', '-')}, since a plain --schedule has no coarse stages" for flag in of_stages]
    return tuple(found)


def _terms(config: PictureConfig, params: Params) -> list[Term]:
    weights = config.layer_weights or (1.0,) * len(config.layers)
    terms = []
    given = [parse_term(text, config.layers, weights) for text in config.statistic]
    for term in (*given, *config.further_terms):
        named = network_layers(term.layers)
        found = dict(zip(named, resolve_layers(named, params), strict=True)) if named else {}
        terms.append(dataclasses.replace(term, layers=tuple(found.get(layer, layer) for layer in term.layers)))
    return terms


def with_octaves(config: Config, params: Params, sources: Sequence[tuple[int, int]] = ()) -> Config:
    """The config with its number of octaves chosen, if it leaves that open.

    Args:
        config: settings.
        params: the network.
        sources: (height, width) of each source.

    Returns:
        As many octaves as all pictures have room for, from `MOST_OCTAVES` down; the smallest octave of the picture to
        be made keeps `LEAST_OCTAVE` pixels.
    """
    if config.octaves is not None:
        return config
    for octaves in range(MOST_OCTAVES, 1, -1):
        chosen = dataclasses.replace(config, octaves=octaves)
        analysis = analysis_of(chosen, params, sources)
        of_source = dataclasses.replace(analysis, padding=VALID)
        if (
            octave_size(min(config.size), octaves - 1, config.padding_mode) >= LEAST_OCTAVE
            and min(config.size) >= smallest_picture(analysis, params)
            and all(min(size) >= smallest_picture(of_source, params) for size in sources)
        ):
            return chosen
    return dataclasses.replace(config, octaves=1)


def _where_it_fits(term: Term, config: PictureConfig, sources: Sequence[tuple[int, int]], params: Params) -> Term:
    if max(term.statistic.least) == 1:
        return term  # then `check_size` says what is too small
    pictures = [(min(config.size), config.padding_mode), *((min(size), VALID) for size in sources)]
    octaves = tuple(
        octave
        for octave in config.octave_indices
        if all(fits(side, term, octave, padding, params) for side, padding in pictures)
    )
    return term if octaves == config.octave_indices else dataclasses.replace(term, octaves=octaves)


def check_size(name: str, size: tuple[int, int], analysis: Analysis, params: Params) -> None:
    """Refuse a picture too small for its octaves and layers, before anything is compiled.

    Args:
        name: of the picture, for the message.
        size: (height, width) in pixels.
        analysis: octaves, layers and padding.
        params: the network.

    Raises:
        ValueError: saying what size, or what number of octaves, would do.
    """
    smallest = smallest_picture(analysis, params)
    if min(size) >= smallest:
        return
    octaves = max(analysis.octaves) + 1
    enough = [
        last + 1
        for last in range(octaves - 1)
        if min(size) >= smallest_picture(dataclasses.replace(analysis, octaves=tuple(range(last + 1))), params)
    ]
    remedy = f"use --octaves {enough[-1]}" if enough else "use shallower layers"
    raise ValueError(
        f"{name} of {size[1]}x{size[0]} pixels is too small for {octaves} octaves of {', '.join(analysis.layers)} "
        f"with padding {analysis.padding}: wanted at least {smallest} pixels a side; enlarge it or {remedy}"
    )


def check_image(name: str, image: np.ndarray, size: tuple[int, int] | None = None) -> None:
    """Refuse what is no image in the sense of this package.

    Args:
        name: of the image, for the message.
        image: anything with a shape and a dtype.
        size: (height, width) that it must have, if any.

    Raises:
        TypeError: not of a floating dtype.
        ValueError: of another shape or size, or not finite.
    """
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise TypeError(f"{name} is of dtype {image.dtype}; wanted floats in [0, 1]: divide 8-bit integers by 255")
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"{name} has shape {image.shape}; wanted (height, width, 3)")
    if size is not None and tuple(image.shape[:2]) != size:
        raise ValueError(f"{name} is {image.shape[1]}x{image.shape[0]} pixels; wanted {size[1]}x{size[0]}: resize it")
    if not np.isfinite(image).all():
        raise ValueError(f"{name} holds NaN or infinite values; wanted floats in [0, 1]")
