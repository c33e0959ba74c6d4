"""`subjective synthesize`: make textures from source pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, check_weights, setting
from subjective.cli import material
from subjective.cli.commands.pictures import SynthesizeCommand
from subjective.cli.distributed import note_shares, share_job, share_options
from subjective.cli.inputs import LossNetwork, describe_plugins, read_mask, read_network, read_start
from subjective.cli.options import count_variants
from subjective.cli.outputs import check_out, copy_pictures
from subjective.cli.pictures import PictureSession, check_files, forecast_end, plan_run
from subjective.cli.report import Judge
from subjective.evaluation.scores import report
from subjective.images import find_images, read_image
from subjective.runs.provenance import describe_file
from subjective.statistics.regions import complete_masks
from subjective.synthesis import coarse_to_fine, texture
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.enough import ends_when_near
from subjective.synthesis.forecast import Phase
from subjective.synthesis.guide import Guide, read_guide
from subjective.synthesis.layout import choose_first_stage
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job, region_areas, sizes_of
from subjective.terminal import note


@dataclass(frozen=True)
class TextureInputs:
    """The inputs of a command that makes textures, as read from files.

    Attributes:
        network: the network for the loss and the scores.
        sources: images ``(height, width, 3)``.
        masks: the region of each source, ``(height, width, sources)``; None without regions.
        init: starting picture; None if ``--init`` names no file.
        facts: what ``config.json`` says about the files and the network.
        names: name of each source in messages.
        guide: labels; None without.
    """

    network: LossNetwork
    sources: list[np.ndarray]
    masks: np.ndarray | None
    init: np.ndarray | None
    facts: dict[str, Any]
    names: list[str]
    guide: Guide | None = None


def read_texture_inputs(options: Any, files: Sequence[Path], apart: str) -> TextureInputs:
    """Read the network, the sources, the masks and the starting picture of a command.

    Args:
        options: options of the command.
        files: the source files.
        apart: what a note says to a user who named a folder and may not want one blend of all its pictures.
    """
    check_weights("source_weights", options.source_weights, len(files), "source")
    if options.source and len(files) > len(options.source):  # a folder or a pattern
        note(f"note: the {len(files)} sources are joined into one blend; {apart}")
    network = read_network(options, raw=options.raw_weights)
    sources = [options.read_source(file) for file in files]
    facts = [describe_file(file, "source") for file in files]
    masks = None
    if options.blend_map:
        given = [read_mask(name, options.output_size) for name in options.blend_map]
        masks = complete_masks(given, len(sources), "blend_map")
        facts += [describe_file(Path(name), "mask") for name in options.blend_map]
    guide = None
    labels: Sequence[str] = getattr(options, "guide", ())
    if labels:
        if len(sources) != 1:
            raise InputError(f"{setting('guide')} is for one source; got {len(sources)}")
        guide = read_guide([read_image(Path(name)) for name in labels], sources[0].shape, options.output_size)
        facts += [describe_file(Path(name), "labels") for name in labels]
    init, of_start = read_start(options)
    names = [f"source {str(file)!r}" for file in files]
    recorded = {**describe_plugins(options), "pictures": facts + of_start, "weights": network.facts}
    return TextureInputs(network, sources, masks, init, recorded, names, guide)


def run(options: SynthesizeCommand, resume: Path | None = None, begun: Callable[[Path], None] | None = None) -> int:
    """Run the command.

    Args:
        options: options of the command.
        resume: the folder of the run that is resumed, if any.
        begun: see `PictureSession`.
    """
    if options.map:
        return material.run(material.of_texture(options), begun=begun)
    began, options, asked = time.monotonic(), count_variants(options), {"devices": options.devices}
    options = share_options(options)
    check_out(options, count=options.count, resume=resume)
    files = find_images(options.source)
    inputs = read_texture_inputs(options, files, "`subjective batch` makes a texture of each")
    sources, params, masks = inputs.sources, inputs.network.params, inputs.masks
    by_regions, sizes = masks is not None or inputs.guide is not None, sizes_of(sources)
    options = choose_first_stage(options, sources, has_layouts=masks is None and inputs.init is None)
    options = make_plan(options, params, sizes, by_regions=by_regions, names=inputs.names).config
    check_files(options.config, inputs.facts, resume)
    note_shares(options, params, sizes)

    def prepare(options: SynthesizeCommand) -> Job:
        return texture.prepare(sources, options, params, masks, inputs.init, inputs.guide)

    def phases_after(pixel_seconds: float) -> list[Phase]:
        return forecast_end(sources, options, options.count if options.evaluate else 0, pixel_seconds)

    ends_near = not by_regions and ends_when_near(options, len(sources))
    planned = plan_run(options, params, sizes, share_job(prepare), resume, began, phases_after, ends_near=ends_near)
    if planned is None:
        return 0
    options, job = planned.options, planned.job

    judge = judge_of(inputs, job, options, options.source_weights)

    with PictureSession("synthesize", planned, inputs.facts, resume, asked=asked, begun=begun, judge=judge) as session:
        results = coarse_to_fine.run(job, session.on_step, session.begin(), session.schedule)
        session.finish(results)
        pictures = [np.asarray(result.value) for result in results]
        if options.out is not None:
            out, force, depth = options.out, options.force, options.depth
            copy_pictures(session.result_files, out, force=force, resume=resume, pictures=pictures, depth=depth)
        if options.evaluate:
            session.score(lambda: _score(pictures, judge, session))
        if options.seeds is not None:
            session.add_sheet(sources)
    return session.status


def _score(pictures: Sequence[np.ndarray], judge: Judge, session: PictureSession) -> tuple[list[dict[str, Any]], str]:
    """Write the maps; return what ``summary.json`` says about the scores of each picture, and the same in words."""
    found = [judge.score(picture) for picture in pictures]
    session.add_maps(pictures, found)
    return [scores.to_json() for scores in found], report(dict(zip(session.result_names, found, strict=True)))


def judge_of(
    inputs: TextureInputs, job: Job, options: SynthesisConfig, source_weights: Sequence[float] | None
) -> Judge:
    """Return what scores pictures against the sources.

    Args:
        inputs: inputs of the command.
        job: the job that makes the pictures. The scores leave out the layers that it matches, but only at
            whole octaves (scales 1, 1/2, 1/4 and so on), and keep them at the half octaves between.
        options: settings of the job. Seams are faults if the picture wraps, but not if there are masks, which need not
            wrap; seams are not measured if the picture does not wrap.
        source_weights: how much each source counts. With masks, the area of a source's region counts instead.
    """
    if inputs.masks is not None:
        source_weights = region_areas(inputs.masks)
    wraps = options.padding_mode == "circular"
    tiles = None if wraps and inputs.masks is not None else wraps
    return Judge(job.scored, inputs.network.judge, job.analysis.layers, source_weights, tiles=tiles)
