"""Planning: choose octaves, statistics, stages and optimizer by the sizes; refuse pictures that are too small."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from subjective.checks import InputError, Message, setting
from subjective.choices import Padding, Schedule
from subjective.network.vgg import Params, resolve_layers
from subjective.optimize.creation import create_optimizer
from subjective.optimize.protocol import Optimizer
from subjective.pyramid import octave_size
from subjective.statistics.room import Side, check_size, count_octaves, place_terms
from subjective.statistics.terms import Analysis, Comparison, Term, index_terms, network_layers, parse_term
from subjective.statistics.tiling import choose_tiling
from subjective.synthesis.config import PictureConfig, SynthesisConfig, TransferConfig
from subjective.synthesis.preconditioner import apply_octave_gains
from subjective.synthesis.stages import Stage, plan_stages, stage_size

SOURCE_PADDING: Padding = "valid"
"""A source is always analyzed with this padding, because nothing is known about what lies outside a photograph."""

MOST_OCTAVES = 5
"""Largest number of octaves that is chosen if a config leaves the number open."""

LEAST_OCTAVE = 32
"""If the number of octaves is chosen, the picture's coarsest octave has at least this number of pixels a side."""

FIRST_STAGE = 128
"""Smallest side of the first stage's picture if the config leaves it open, and full size is at least twice as large."""

Config = TypeVar("Config", bound=PictureConfig)
Size = tuple[int, int]


@dataclass(frozen=True)
class Plan(Generic[Config]):
    """A config whose number of octaves is chosen, and what follows from the config for the given sources.

    Attributes:
        config: the config with its number of octaves.
        analysis: how the full picture is measured.
        stages: the stages of the picture, coarsest first.
        notes: one line for each setting without effect, and for each statistic that is left out at all octaves.
    """

    config: Config
    analysis: Analysis
    stages: tuple[Stage, ...]
    notes: tuple[Message, ...]


def make_plan(
    config: Config,
    params: Params,
    sources: Sequence[Size] = (),
    *,
    by_regions: bool = False,
    picture: str = "the picture",
    names: Sequence[str] | None = None,
) -> Plan[Config]:
    """Choose octaves, statistics and stages, and check that every picture is large enough.

    Args:
        config: settings.
        params: the network.
        sources: (height, width) of each source.
        by_regions: whether the picture has regions, each with a source of its own.
        picture: name of the picture that is made, for messages.
        names: names of the sources, for messages; ``source 1`` and so on if None.

    Raises:
        InputError: the network lacks a layer, a statistic cannot be measured in regions or tiles, or a picture is too
            small.
    """
    config = choose_octaves(config, params, sources)
    analysis = analysis_of(config, params, sources, by_regions=by_regions)
    check_size(config.name_with_size(picture), config.size, analysis, params)
    of_source = dataclasses.replace(analysis, padding=SOURCE_PADDING, comparison=None)
    for number, size in enumerate(sources, 1):
        check_size(names[number - 1] if names else f"source {number}", size, of_source, params)
    schedule: Schedule = "plain"
    first_stage = 1
    if isinstance(config, SynthesisConfig):
        schedule, first_stage = config.schedule, config.first_stage or _first_stage(config)
    stages = plan_stages(schedule, config.size, analysis, params, config.steps, first_stage)
    return Plan(config, analysis, tuple(stages), _notes(config, dropped_statistics(config, params, analysis)))


def _first_stage(config: SynthesisConfig) -> int:
    """Return the smallest side of the first stage's picture if the config leaves it open; at most half of full size."""
    return min(FIRST_STAGE, stage_size(min(config.size), 1))


def choose_octaves(config: Config, params: Params, sources: Sequence[Size] = ()) -> Config:
    """Choose the number of octaves if the config leaves the number open.

    Args:
        config: settings.
        params: the network.
        sources: (height, width) of each source.

    Returns:
        The config with as many octaves as all pictures have room for, at most `MOST_OCTAVES`. The coarsest octave of
        the picture has at least `LEAST_OCTAVE` pixels a side.
    """
    if config.octaves is not None:
        return config

    def analyze_at(octaves: int) -> tuple[Analysis, list[Side]]:
        chosen = dataclasses.replace(config, octaves=octaves)  # a margin may grow with the octaves
        return analysis_of(chosen, params, sources), _sides(chosen, sources)

    octaves = count_octaves(analyze_at, MOST_OCTAVES, LEAST_OCTAVE, params)
    return dataclasses.replace(config, octaves=octaves)


def _sides(config: PictureConfig, sources: Sequence[Size]) -> list[Side]:
    """Return the smaller side and the padding: of the picture, then of each source."""
    return [(min(config.size), config.padding_mode), *((min(size), SOURCE_PADDING) for size in sources)]


def analysis_of(
    config: PictureConfig, params: Params, sources: Sequence[Size] = (), *, by_regions: bool = False
) -> Analysis:
    """Return the analysis of the picture that a config asks for.

    Some statistics need a map of some size (the spectrum needs 32 pixels a side). Such a statistic is left out at the
    octaves where the picture or a source is too small; see `dropped_statistics`.

    Args:
        config: settings with the number of octaves chosen; layers by name or number.
        params: the network, whose layers the config may name.
        sources: (height, width) of each source.
        by_regions: whether the picture has regions; a picture with regions is not measured in blocks.

    Raises:
        InputError: the network lacks a layer, a statistic cannot be computed as a sum over tiles, a statistic cannot
            be measured of a region, or no octave has room for any statistic.
    """
    terms = _terms(config, params)
    index_terms(terms)
    kept = place_terms(terms, config.octave_indices, _sides(config, sources), params)
    if not kept:
        smallest = min(min(size) for size in (config.size, *sources))
        needs = "; ".join(f"{term.statistic.name} maps of {max(term.statistic.smallest_sides)}" for term in terms)
        raise InputError(
            f"no octave of a {smallest} pixel picture has room for any statistic, which need pixels a side: {needs}; "
            "enlarge it or match another, such as gram"
        )
    if by_regions:
        check_regions(kept)
    analysis = Analysis(
        config.octave_indices,
        kept,
        config.padding_mode,
        config.pooling,
        config.tile,
        config.row_shards,
        config.map_precision,
        Analysis.blocks if by_regions else config.blocks(sources),
        _comparison(config, params),
    )
    for octave in analysis.octaves:
        choose_tiling(analysis, octave, octave_size(config.size[0], octave, config.padding_mode), params)
    return analysis


def check_regions(terms: Sequence[Term]) -> None:
    """Refuse statistics that have no meaning for a part of a picture.

    Raises:
        InputError: there is such a statistic. The message names it.
    """
    for term in terms:
        if not (term.statistic.by_region or term.statistic.whole_with_regions):
            raise InputError(
                f"{term.statistic.name} cannot be taken of a part of a picture; leave out the masks, or match gram, "
                "covariance, gaussian or spectrum"
            )


def dropped_statistics(config: PictureConfig, params: Params, analysis: Analysis) -> tuple[str, ...]:
    """Return the texts of the config's statistics that the analysis leaves out at all octaves."""
    kept = index_terms(analysis.terms)
    return tuple(
        text
        for text, term in zip(config.statistic, _terms(config, params), strict=True)
        if (term.layers[0], term.statistic.name) not in kept
    )


def _notes(config: PictureConfig, dropped: Sequence[str]) -> tuple[Message, ...]:
    """Say which statistics are left out, and which settings have no effect because of other settings."""
    found = [f"no octave has room for {text}; it is left out" for text in dropped]
    usual = {field.name: field.default for field in dataclasses.fields(config)}

    def changed(*names: str) -> list[str]:
        return [name for name in names if getattr(config, name) != usual[name]]

    if all("@" in text for text in config.statistic):
        reason = f"because every {setting('statistic')} names its own layers"
        found += [f"{setting(name)} has no effect, {reason}" for name in changed("layers", "layer_weights")]
    if isinstance(config, SynthesisConfig) and config.schedule == "plain":
        reason = f"because a plain {setting('schedule')} has no coarse stages"
        found += [f"{setting(name)} has no effect, {reason}" for name in changed("coarse_iter", "first_stage")]
    return tuple(map(Message, found))


def _terms(config: PictureConfig, params: Params) -> list[Term]:
    weights = config.layer_weights or (1.0,) * len(config.layers)
    terms = [parse_term(text, config.layers, weights) for text in config.statistic]
    return [dataclasses.replace(term, layers=_resolve(term.layers, params)) for term in terms]


def _comparison(config: PictureConfig, params: Params) -> Comparison | None:
    if not isinstance(config, TransferConfig):
        return None
    layers = _resolve(config.content_layers, params)
    return Comparison(
        layers, (config.content_weight / len(layers),) * len(layers), config.content_statistic == "content"
    )


def _resolve(layers: Sequence[str], params: Params) -> tuple[str, ...]:
    """Return names of layers: replace the 2017 program's numbers by names, and keep `PICTURE_LAYERS` unchanged."""
    named = network_layers(layers)
    found = dict(zip(named, resolve_layers(named, params), strict=True)) if named else {}
    return tuple(found.get(layer, layer) for layer in layers)


def choose_optimizer(config: PictureConfig, *, full_size: bool = True) -> Optimizer:
    """Create the optimizer that `PictureConfig.optimizer_name` names, with the config's settings.

    Args:
        config: settings.
        full_size: whether the optimizer is for a stage of full size. At earlier stages L-BFGS begins without the gains
            of `subjective.synthesis.preconditioner`, unless `PictureConfig.preconditioned_early`: with the gains, large
            patches of color are the last to change, and these patches must settle while the picture is small
            (`experiments/LOG.md`, 2026-11-27).
    """
    preconditioned = config.preconditioned if full_size else config.preconditioned_early
    return create_optimizer(
        config.optimizer_name,
        history=config.history,
        history_type=config.history_type,
        bounds=(0.0, 1.0) if config.bounds else None,
        preconditioner=apply_octave_gains if preconditioned else None,
    )
