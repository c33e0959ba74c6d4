"""`subjective repair`, `tileable` and `expand`: make a part of a picture, and keep the rest."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import check_weights, setting
from subjective.choices import Depth
from subjective.cli.commands.editing import ExpandCommand, RepairCommand, TileableCommand
from subjective.cli.inputs import LossNetwork, describe_plugins, read_kept_profile, read_network, read_start
from subjective.cli.options import count_variants
from subjective.cli.outputs import check_out, copy_pictures
from subjective.cli.pictures import PictureSession, check_files, forecast_end, plan_run
from subjective.cli.report import Judge
from subjective.encoding import check_depth
from subjective.evaluation.criteria import COPY
from subjective.evaluation.pixels import seam
from subjective.evaluation.scores import Scores, report
from subjective.images import find_images, read_image, read_stored
from subjective.runs.provenance import describe_file
from subjective.runs.result_files import PictureFiles
from subjective.synthesis import coarse_to_fine, editing, expand, repair, tileable
from subjective.synthesis.editing import Edit
from subjective.synthesis.enough import ends_when_near
from subjective.synthesis.forecast import Phase
from subjective.synthesis.inputs import read_mask_of
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job, sizes_of

LOSSLESS = (".png", ".tif", ".tiff", ".bmp")
"""Suffixes of the formats that keep every pixel."""

SEAMS = ("between top and bottom", "between left and right")
"""The seams of a picture, by the axis that it wraps along."""

EDITS: dict[type, tuple[str, Callable[..., Edit]]] = {
    RepairCommand: ("repair", repair.edit_of),
    TileableCommand: ("tileable", tileable.edit_of),
    ExpandCommand: ("expand", expand.edit_of),
}
"""Name of each command by the class of its options, and what makes its `Edit`: a function of the picture, its opacity,
the options, and of the masks and other sources that the user names."""


def run(options: Any, resume: Path | None = None) -> int:
    """Run one of the commands of `EDITS`; ``resume`` is the folder of the run that is resumed, if any."""
    command, make_edit = EDITS[type(options)]
    began, options = time.monotonic(), count_variants(options)
    check_out(options, suffixes=LOSSLESS, count=options.count, resume=resume)
    network = read_network(options, raw=options.raw_weights)
    edit, depth, icc, pictures = _read_edit(options, make_edit)
    editing.check_edit(edit)
    asked = {"output_width": options.output_width, "output_height": options.output_height}
    options = editing.fit_config(edit, options)
    sizes = sizes_of(edit.sources)
    options = make_plan(options, network.params, sizes, by_regions=True).config
    init, of_start = read_start(options)
    facts = {**describe_plugins(options), "pictures": pictures + of_start, "weights": network.facts}
    check_files(options.config, facts, resume)

    def prepare(options: Any) -> Job:
        return editing.prepare(edit, options, network.params, init)

    def phases_after(pixel_seconds: float) -> list[Phase]:
        return forecast_end(edit.sources, options, options.count if options.evaluate else 0, pixel_seconds)

    near = ends_when_near(options, len(edit.sources))
    planned = plan_run(options, network.params, sizes, prepare, resume, began, phases_after, ends_near=near)
    if planned is None:
        return 0
    options, job = planned.options, planned.job
    judge = _judge_of(edit, network, job, options)
    files = PictureFiles(depth, icc)
    with PictureSession(command, planned, facts, resume, asked=asked, files=files, judge=judge) as session:
        results = coarse_to_fine.run(job, session.on_step, session.begin(), session.schedule)
        session.finish(results)
        made = [np.asarray(result.value) for result in results]
        if options.out is not None:
            out, force = options.out, options.force
            copy_pictures(session.result_files, out, force=force, resume=resume, pictures=made, depth=depth, icc=icc)
        if options.evaluate or any(edit.wraps):
            session.score(lambda: _measure(edit, made, judge if options.evaluate else None, session.result_names))
        if options.seeds is not None:
            session.add_sheet([edit.picture])
    return session.status


def _read_edit(options: Any, make_edit: Callable[..., Edit]) -> tuple[Edit, Depth, bytes | None, list[dict[str, str]]]:
    """Read the files of an edit.

    Returns:
        The edit, depth and color profile of its picture, and what ``config.json`` says about the files.

    Raises:
        InputError: the picture cannot be read, or has more bits than --out can store.
    """
    [file] = find_images([options.picture], "picture")
    image, opacity, depth = read_stored(file)
    if options.out is not None:
        check_depth(f"{setting('out')} {options.out!r}", Path(options.out).suffix.lower(), depth)
    facts = [describe_file(file, "picture")]
    chosen: dict[str, Any] = {}
    for name in ("fill", "keep", "sample"):
        if given := getattr(options, name, None):
            chosen[name] = read_mask_of(given, name, image.shape)
            facts.append(describe_file(Path(given), "mask"))
    files = find_images(options.source) if getattr(options, "source", ()) else []
    check_weights("source_weights", options.source_weights, max(len(files), 1), "source")
    facts += [describe_file(each, "source") for each in files]
    if files:
        chosen["sources"] = [read_image(each) for each in files]
    return make_edit(image, opacity, options, **chosen), depth, read_kept_profile(file, options.out), facts


def _measure(
    edit: Edit, made: Sequence[np.ndarray], judge: Judge | None, names: Sequence[str]
) -> tuple[list[dict[str, Any]], str]:
    """Return what ``summary.json`` says about seams and about scores of the made part, and the same in words."""
    found: list[dict[str, Any]] = [{} for _ in made]
    words = ""
    for axis in [axis for axis, wraps in enumerate(edit.wraps) if wraps]:
        before = seam(edit.picture, axis)
        for entry, picture in zip(found, made, strict=True):
            after = seam(np.clip(picture, 0, 1), axis)
            entry[f"seam_{('rows', 'columns')[axis]}"] = {"before": _to_json(before), "after": _to_json(after)}
            words += f"seam {SEAMS[axis]}: score {before[2]:.2f} before, {after[2]:.2f} after\n"
    if judge is not None:
        scores = [_leave_out_copies(judge.score(picture)) for picture in made]
        for entry, one in zip(found, scores, strict=True):
            entry["made"] = one.to_json()
        words += report(dict(zip(names, scores, strict=True)))
    return found, words


def _leave_out_copies(scores: Scores) -> Scores:
    """Return scores without what is copied: a made part consists of pieces of its picture, which is no fault."""
    return Scores(one for one in scores.values() if one.measure is not COPY) if scores else scores


def _to_json(measured: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(("value", "reference", "score"), measured, strict=True))


def _judge_of(edit: Edit, network: LossNetwork, job: Job, options: Any) -> Judge:
    """Return what scores the largest rectangle of what is made against the sources, whose parts are completed."""
    find_sides = functools.cache(lambda: editing.find_rectangle(edit.made, edit.wraps))

    def cut(picture: np.ndarray, octave: int) -> np.ndarray:
        rows, columns = (side[:: 2**octave] // 2**octave for side in find_sides())
        return np.take(np.take(picture, rows, axis=0), columns, axis=1)

    return Judge(edit.completed, network.judge, job.analysis.layers, options.source_weights, tiles=False, part=cut)
