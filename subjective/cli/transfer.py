"""`subjective transfer`: make a picture with the content of one picture and the style of others."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, check_weights, count_of, setting
from subjective.cli.commands.pictures import TransferCommand
from subjective.cli.inputs import describe_plugins, read_mask, read_network, read_start
from subjective.cli.outputs import check_out, copy_pictures
from subjective.cli.pictures import PictureSession, check_files, forecast_end, plan_run
from subjective.cli.report import Judge
from subjective.conversion import Image
from subjective.evaluation.scores import report
from subjective.images import find_images, read_image, resize
from subjective.optimize.minimizer import Result
from subjective.runs.provenance import describe_file
from subjective.statistics.regions import complete_masks
from subjective.synthesis import coarse_to_fine, transfer
from subjective.synthesis.config import TransferConfig
from subjective.synthesis.forecast import Phase
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job, fuse_sources, region_areas, sizes_of
from subjective.terminal import note

SMALLEST_PART = 1e-3
"""Smallest mean of a style mask. A darker mask is refused, because it leaves no part of the style."""


def run(options: TransferCommand, resume: Path | None = None) -> int:
    """Run the command; ``resume`` is the folder of the run that is resumed, if any."""
    began = time.monotonic()
    check_out(options, resume=resume)
    content_file, files = _find_files(options)
    network = read_network(options, raw=options.raw_weights)
    params = network.params
    whole = read_image(content_file)
    content = _resize_content(whole, options)
    if content.shape[1] < whole.shape[1] and options.output_width == TransferConfig.output_width:
        wide = f"the content is {whole.shape[1]} pixels wide, and the result {content.shape[1]}"
        note(f"note: {wide}; --width {whole.shape[1]} keeps the width")
    size = (content.shape[0], content.shape[1])
    asked = {"output_height": options.output_height}
    options = dataclasses.replace(options, output_height=size[0], output_width=size[1])
    options.check()
    styles = [options.read_source(file) for file in files]
    pictures = [describe_file(content_file, "content"), *(describe_file(file, "style") for file in files)]
    masks = None
    if options.content_mask:
        given = [read_mask(name, size) for name in options.content_mask]
        masks = complete_masks(given, len(styles), "content_mask")
    parts = [_read_part(name, own) for name, own in zip(options.style_mask, sizes_of(styles), strict=False)] or None
    pictures += [describe_file(Path(name), "mask") for name in (*options.content_mask, *options.style_mask)]
    names = [f"style {str(file)!r}" for file in files]
    plan = make_plan(
        options, params, sizes_of(styles), by_regions=masks is not None, picture="the content", names=names
    )
    init, of_start = read_start(plan.config)
    facts = {**describe_plugins(options), "pictures": pictures + of_start, "weights": network.facts}
    check_files(options.config, facts, resume)

    def prepare(options: TransferCommand) -> Job:
        return transfer.prepare(content, styles, options, params, masks, parts, init)

    def phases_after(pixel_seconds: float) -> list[Phase]:
        return forecast_end(styles, options, 1 if options.evaluate else 0, pixel_seconds)

    planned = plan_run(plan.config, params, sizes_of(styles), prepare, resume, began, phases_after)
    if planned is None:
        return 0
    options, job = planned.options, planned.job

    weights = options.source_weights if masks is None else region_areas(masks)
    matched = [layer for term in job.analysis.terms for layer in term.layers]
    judge = Judge(
        fuse_sources(styles, options), network.judge, matched, weights, tiles=options.padding_mode == "circular"
    )

    with PictureSession("transfer", planned, facts, resume, asked=asked, judge=judge) as session:
        results = coarse_to_fine.run(job, session.on_step, session.begin(), session.schedule)
        session.finish(results)
        if options.out is not None:
            copy_pictures(session.result_files, options.out, force=options.force, resume=resume)
        session.score(lambda: _score(results[0], judge if options.evaluate else None))
    return session.status


def _find_files(options: TransferCommand) -> tuple[Path, list[Path]]:
    """Find the files of the content and of the styles, and check the numbers of style weights and style masks."""
    content, *more = find_images([options.content], "content")
    if more:
        raise InputError(f"{options.content!r} stands for {1 + len(more)} pictures; give the content as one file")
    styles = find_images(options.source)
    check_weights("source_weights", options.source_weights, len(styles), "style")
    if options.style_mask and len(options.style_mask) != len(styles):
        got = f"{setting('style_mask')} got {count_of(len(options.style_mask), 'picture')}"
        raise InputError(f"{got} for {count_of(len(styles), 'style')}; give one for each style")
    return content, styles


def _score(result: Result, judge: Judge | None) -> tuple[list[dict[str, Any]], str]:
    """Return what ``summary.json`` says about the result, and the same in words: parts of the loss, and scores."""
    found = _losses(result)
    words = f"content loss {found['content_loss']:.4g}, style loss {found['style_loss']:.4g}\n"
    if judge is not None:
        scores = judge.score(np.asarray(result.value))
        found["style"] = scores.to_json()
        words += report({"against the style": scores})
    return [found], words


def _resize_content(content: Image, options: TransferCommand) -> np.ndarray:
    """Resize the content to the output's width and height. Without a height, the content keeps its proportions."""
    height, width = content.shape[:2]
    rows = options.output_height or max(1, round(options.output_width * height / width))
    return resize(content, (rows, options.output_width))


def _read_part(name: str, size: tuple[int, int]) -> np.ndarray:
    part = read_mask(name, size)
    if part.mean() < SMALLEST_PART:
        raise InputError(f"{setting('style_mask')}: {name!r} leaves nothing of its style; wanted white where it counts")
    return part


def _losses(result: Result) -> dict[str, Any]:
    """Return the content's part and the style's part of the loss, summed over octaves and layers."""
    content = style = 0.0
    octaves: Sequence[dict[str, dict[str, float]]] = result.parts["features"]
    for octave in octaves:
        for there in octave.values():
            for name, part in there.items():
                if name.startswith("content"):
                    content += float(part)
                else:
                    style += float(part)
    return {"content_loss": content, "style_loss": style}
