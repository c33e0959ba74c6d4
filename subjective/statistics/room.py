"""How large a picture must be, so that all statistics can be measured at all octaves and layers."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from subjective.checks import InputError, count_of, setting
from subjective.choices import Padding
from subjective.network.vgg import Params, feature_size
from subjective.pyramid import CONTRAST_MARGIN, octave_size
from subjective.statistics.terms import PICTURE_LAYERS, Analysis, Term

Side = tuple[int, Padding]
"""The shorter side of a picture in pixels, and the padding with which the picture is measured."""


def map_size(size: int, layer: str, padding: Padding, params: Iterable[str]) -> int:
    """Return the length of a side of a layer's map. The layer may be one of `PICTURE_LAYERS`.

    Args:
        size: length of the side of the octave's picture.
        layer: name of the layer.
        padding: padding of the network, and of ``band`` and ``contrast``.
        params: the network, or the names of its convolutions.

    Returns:
        Length in pixels; 0 or less if the picture is too small for the layer.
    """
    if layer in PICTURE_LAYERS:
        lost = {"band": 2, "contrast": CONTRAST_MARGIN}.get(layer, 0) if padding == "valid" else 0
        return size - 2 * lost
    return feature_size(size, layer, padding, params)


def fits(size: int, term: Term, octave: int, padding: Padding, params: Iterable[str]) -> bool:
    """Return whether a picture is large enough for a term at an octave. ``size`` is the shorter side in pixels."""
    side = octave_size(size, octave, padding)
    least = term.statistic.smallest_sides[padding != "circular"]
    return all(map_size(side, layer, padding, params) >= least for layer in term.layers)


def smallest_picture(analysis: Analysis, params: Iterable[str]) -> int:
    """Return the shortest side in pixels that a picture may have, to be large enough for the whole analysis."""
    names, padding = tuple(params), analysis.padding
    needs = {(octave, layer): 1 for octave in analysis.octaves for layer in analysis.compared_at(octave)}
    for term in analysis.terms:
        for octave in analysis.octaves:
            for layer in term.layers:
                if term.applies_at(octave, layer):
                    least = term.statistic.smallest_sides[padding != "circular"]
                    needs[octave, layer] = max(needs.get((octave, layer), 1), least)

    def enough(size: int) -> bool:
        return all(
            map_size(octave_size(size, octave, padding), layer, padding, names) >= least
            for (octave, layer), least in needs.items()
        )

    most = 1
    while not enough(most):
        most *= 2
    return bisect_left(range(most + 1), True, key=enough)


def has_room(analysis: Analysis, sides: Sequence[Side], params: Params) -> bool:
    """Return whether all pictures are large enough for an analysis, each with its padding in ``sides``."""
    return all(
        side >= smallest_picture(dataclasses.replace(analysis, padding=padding), params) for side, padding in sides
    )


def place_terms(
    terms: Sequence[Term], octaves: tuple[int, ...], sides: Sequence[Side], params: Params
) -> tuple[Term, ...]:
    """Leave out each statistic at the octaves where at least one picture is too small for the statistic.

    Args:
        terms: statistics and layers.
        octaves: octaves of the analysis.
        sides: sides of all pictures.
        params: the network.

    Returns:
        The terms that are left. A statistic that can measure a map of one pixel is kept at all octaves; if a picture
        is too small even for one pixel, `check_size` refuses the picture.
    """
    placed = []
    for term in terms:
        room = tuple(o for o in octaves if all(fits(side, term, o, padding, params) for side, padding in sides))
        everywhere = max(term.statistic.smallest_sides) == 1 or room == octaves
        placed.append(term if everywhere else dataclasses.replace(term, octaves=room))
    return tuple(term for term in placed if term.octaves is None or term.octaves)


def count_octaves(
    analyze_at: Callable[[int], tuple[Analysis, Sequence[Side]]], most: int, least_side: int, params: Params
) -> int:
    """Return the largest number of octaves for which all pictures are large enough; at least 1.

    Args:
        analyze_at: ``analyze_at(octaves)`` returns the analysis with this number of octaves, and the sides of all
            pictures. The first of the sides belongs to the picture that is made.
        most: upper limit of the result.
        least_side: shortest side in pixels that is allowed at the coarsest octave of the picture that is made.
        params: the network.
    """
    for octaves in range(most, 1, -1):
        analysis, sides = analyze_at(octaves)
        side, padding = sides[0]
        if octave_size(side, octaves - 1, padding) >= least_side and has_room(analysis, sides, params):
            return octaves
    return 1


def check_size(name: str, size: tuple[int, int], analysis: Analysis, params: Params) -> None:
    """Refuse a picture that is too small for its octaves and layers, before anything is compiled.

    Args:
        name: name of the picture, for the message.
        size: (height, width) in pixels.
        analysis: octaves, layers and padding.
        params: the network.

    Raises:
        InputError: the picture is too small. The message gives a sufficient size and, if one exists, a number of
            octaves that fits.
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
    remedy = f"use {setting('octaves')} {enough[-1]}" if enough else "use shallower layers"
    raise InputError(
        f"{name} of {size[1]}x{size[0]} pixels is too small for {count_of(octaves, 'octave')} of "
        f"{', '.join(analysis.layers)}: wanted at least {smallest} pixels a side; enlarge it or {remedy}"
    )
