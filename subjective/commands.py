"""The commands that make pictures: read, call the library, keep what comes out in a run folder."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from subjective import images, normalization, plan, synthesis
from subjective.command_config import NoveltyCommand, SynthesizeCommand
from subjective.evaluation_commands import scores_of_run
from subjective.job import prepared, prepared_novelty
from subjective.making import announce, fitted, load_params, picture_record, run, starting_picture
from subjective.optimize import Result
from subjective.position import OnStep, Position


def synthesize(config: SynthesizeCommand, begun: Callable[[Path], None] = announce, resume: Path | None = None) -> int:
    """`subjective synthesize`: textures out of source pictures.

    Args:
        config: what was asked.
        begun: told the run's folder.
        resume: folder of such a run, to be gone on with.
    """
    config.check()
    files = images.find_images(config.source)
    if config.source_weights is not None and len(config.source_weights) != len(files):
        raise ValueError(
            f"--source-weights got {len(config.source_weights)} numbers for {len(files)} pictures; give one for each"
        )
    network, params, origin = load_params(config)
    sources = [config.read_source(file) for file in files]
    records = [picture_record(file, "source") for file in files]
    sizes = [(source.shape[0], source.shape[1]) for source in sources]
    config = plan.with_octaves(config, params, sizes)
    analysis = plan.analysis_of(config, params, sizes)
    plan.check_size("the picture", config.size, analysis, params)
    for file, source in zip(files, sources, strict=True):
        of_source = dataclasses.replace(analysis, padding="valid")
        plan.check_size(f"source {str(file)!r}", source.shape[:2], of_source, params)
    init = starting_picture(config)
    config = fitted(config, params, sizes, lambda config: prepared(sources, config, params), resume)
    analysis = plan.analysis_of(config, params, sizes)
    for text in plan.left_out(config, params, analysis):
        sys.stderr.write(f"subjective: note: no octave has room for {text}; it is left out\n")

    if config.dry_run:
        return 0

    def work(on_step: OnStep, position: Callable[[], Position | None]) -> list[Result]:
        return synthesis.synthesize(sources, config, params=params, init=init, on_step=on_step, resume=position())

    def score(results: list[Result]) -> list[Any]:
        pictures = [np.asarray(result.value) for result in results]
        # By the network that `subjective evaluate` takes, so that figures compare whatever the run was made with.
        judge = normalization.params_of(network, raw=network.scales is None)
        return scores_of_run(pictures, sources, judge, analysis.layers)

    scoring = score if config.evaluate else None
    return run("synthesize", config, config.count, work, scoring, begun, resume, pictures=records, weights=origin)


def novelty(config: NoveltyCommand, resume: Path | None = None) -> int:
    """`subjective novelty`: pictures unlike each other, out of nothing; arguments as of `synthesize`."""
    config.check()
    _, params, origin = load_params(config)
    config = plan.with_octaves(config, params)
    plan.check_size("the picture", config.size, plan.analysis_of(config, params), params)
    init = starting_picture(config)
    config = fitted(config, params, (), lambda config: prepared_novelty(config, params), resume)
    if config.dry_run:
        return 0

    def work(on_step: OnStep, position: Callable[[], Position | None]) -> list[Result]:
        return [synthesis.invent(config, params=params, init=init, on_step=on_step, resume=position())]

    return run("novelty", config, config.together, work, None, announce, resume, weights=origin)
