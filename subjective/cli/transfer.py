"""`subjective transfer`: the content of one picture in the style of others."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subjective import images
from subjective.cli.evaluate import one_line, scores_of_run
from subjective.cli.making import (
    announce,
    check_sources,
    fitted,
    judge_of,
    load_params,
    picture_record,
    read_mask,
    run,
    shares_of,
    starting_picture,
)
from subjective.cli.options import TransferCommand
from subjective.optimize.minimizer import Result
from subjective.statistics.regions import whole_masks
from subjective.synthesis import plan, texture
from subjective.synthesis.position import OnStep, Position
from subjective.synthesis.problem import Job, prepared_transfer

SMALLEST = 1e-3
"""Share of a style that its mask leaves at least."""


def command(config: TransferCommand, resume: Path | None = None) -> int:
    """Do it; ``resume`` is the folder of such a run, to be gone on with."""
    config.check()
    content_file, *more = images.find_images([config.content], "content")
    if more:
        raise ValueError(f"{config.content!r} stands for {1 + len(more)} pictures; give the content as one file")
    files = images.find_images(config.source)
    for flag, given in (("--source-weights", config.source_weights), ("--style-mask", config.style_mask)):
        if given and len(given) != len(files):
            raise ValueError(f"{flag} got {len(given)} for {len(files)} styles; give one for each")
    network, params, origin = load_params(config)
    content = _sized(images.read_image(content_file), config)
    size = (content.shape[0], content.shape[1])
    asked = {"output_height": config.output_height}
    config = dataclasses.replace(config, output_height=size[0], output_width=size[1])
    config.check()
    styles = [config.read_source(file) for file in files]
    sizes = [(style.shape[0], style.shape[1]) for style in styles]
    pictures = [picture_record(content_file, "content"), *(picture_record(file, "style") for file in files)]
    masks = None
    if config.content_mask:
        grey = [read_mask(name, size) for name in config.content_mask]
        masks = whole_masks(grey, len(styles), "--content-mask")
    parts = [_part(name, size) for name, size in zip(config.style_mask, sizes, strict=False)] or None
    pictures += [picture_record(Path(name), "mask") for name in (*config.content_mask, *config.style_mask)]
    config = plan.with_octaves(config, params, sizes)
    analysis = check_sources("the content", "style", files, sizes, config, params)
    init = starting_picture(config)

    def prepare(config: TransferCommand) -> Job:
        return prepared_transfer(content, styles, config, params, masks, parts)

    config, job = fitted(config, params, sizes, prepare, resume)
    if config.dry_run:
        return 0

    def work(on_step: OnStep, position: Callable[[], Position | None]) -> list[Result]:
        how: dict[str, Any] = {"masks": masks, "parts": parts, "init": init, "job": job}
        return [texture.transfer(content, styles, config, params=params, **how, on_step=on_step, resume=position())]

    def score(folder: Path, results: list[Result]) -> Iterator[tuple[Any, str]]:
        if config.out is not None:
            shutil.copyfile(folder / "result.png", config.out)
        found = _losses(results[0])
        words = f"content loss {found['content_loss']:.4g}, style loss {found['style_loss']:.4g}"
        if config.evaluate:
            matched = [layer for term in analysis.terms if not term.statistic.against for layer in term.layers]
            picture, shares = np.asarray(results[0].value), shares_of(config, masks)
            (found["style"],) = scores_of_run([picture], styles, judge_of(network), matched, shares)
            words += f"; of the style, {one_line(found['style'])}"
        yield found, words

    return run("transfer", config, 1, work, score, announce, resume, asked, pictures=pictures, weights=origin)


def _sized(content: images.Image, config: TransferCommand) -> np.ndarray:
    """The content at the width asked for, and the height, or that which goes with it."""
    height, width = content.shape[:2]
    rows = config.output_height or max(1, round(config.output_width * height / width))
    return images.resize(content, (rows, config.output_width))


def _part(name: str, size: tuple[int, int]) -> np.ndarray:
    part = read_mask(name, size)
    if part.mean() < SMALLEST:
        raise ValueError(f"--style-mask: {name!r} leaves nothing of its style; wanted white where it counts")
    return part


def _losses(result: Result) -> dict[str, Any]:
    """Content and style in the loss."""
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
