"""`subjective enlarge`: make a larger picture of a picture, with finer detail."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, check_weights, setting
from subjective.cli.editing import LOSSLESS
from subjective.cli.inputs import describe_plugins, read_kept_profile, read_network, read_start
from subjective.cli.options import count_variants
from subjective.cli.outputs import check_out, copy_pictures
from subjective.cli.pictures import PictureSession, check_files, forecast_end, plan_run
from subjective.cli.report import Judge
from subjective.encoding import check_depth
from subjective.evaluation.scores import report
from subjective.images import find_images, read_image, read_stored
from subjective.runs.provenance import describe_file
from subjective.runs.result_files import PictureFiles
from subjective.synthesis import coarse_to_fine
from subjective.synthesis.detail import average_squares
from subjective.synthesis.enlarge import choose_examples, fit_config, prepare
from subjective.synthesis.forecast import Phase
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job, sizes_of


def run(options: Any, resume: Path | None = None) -> int:
    """Run the command.

    Args:
        options: options of the command, a `subjective.cli.commands.editing.EnlargeCommand`.
        resume: the folder of the run that is resumed, if any.
    """
    began, options = time.monotonic(), count_variants(options)
    check_out(options, suffixes=LOSSLESS, count=options.count, resume=resume)
    network = read_network(options, raw=options.raw_weights)
    [file] = find_images([options.picture], "picture")
    picture, opacity, depth = read_stored(file)
    icc = read_kept_profile(file, options.out)
    if (opacity < 1).any():
        raise InputError(
            f"{options.picture!r} has pixels that are not opaque; fill them first, with `subjective repair`"
        )
    if options.out is not None:
        check_depth(f"{setting('out')} {options.out!r}", Path(options.out).suffix.lower(), depth)
    files = find_images(options.source) if options.source else []
    check_weights("source_weights", options.source_weights, max(len(files), 1), "source")
    sources = [read_image(each) for each in files] or None
    asked = {"output_width": options.output_width, "output_height": options.output_height}
    options = fit_config(picture, options)
    examples = choose_examples(picture, options, sources)
    sizes = sizes_of(examples)
    options = make_plan(options, network.params, sizes).config
    init, of_start = read_start(options)
    read = [describe_file(file, "picture"), *(describe_file(each, "source") for each in files), *of_start]
    facts = {**describe_plugins(options), "pictures": read, "weights": network.facts}
    check_files(options.config, facts, resume)
    scored = options.evaluate and sources is not None

    def prepare_job(options: Any) -> Job:
        return prepare(picture, options, network.params, sources, init)

    def phases_after(pixel_seconds: float) -> list[Phase]:
        return forecast_end(examples, options, options.count if scored else 0, pixel_seconds)

    planned = plan_run(options, network.params, sizes, prepare_job, resume, began, phases_after)
    if planned is None:
        return 0
    options, job = planned.options, planned.job
    judge = None
    if sources is not None:
        judge = Judge(examples, network.judge, job.analysis.layers, options.source_weights, tiles=False)
    files_of = PictureFiles(depth, icc)
    with PictureSession("enlarge", planned, facts, resume, asked=asked, files=files_of, judge=judge) as session:
        results = coarse_to_fine.run(job, session.on_step, session.begin())
        session.finish(results)
        made = [np.clip(np.asarray(result.value), 0, 1) for result in results]
        if options.out is not None:
            out, force = options.out, options.force
            copy_pictures(session.result_files, out, force=force, resume=resume, pictures=made, depth=depth, icc=icc)
        session.score(
            lambda: _measure(picture, made, judge if options.evaluate else None, options, session.result_names)
        )
        if options.seeds is not None:
            session.add_sheet([picture, *(sources or ())])
    return session.status


def _measure(
    picture: np.ndarray,
    made: Sequence[np.ndarray],
    judge: Judge | None,
    options: Any,
    names: Sequence[str],
) -> tuple[list[dict[str, Any]], str]:
    """Return what ``summary.json`` says about how much of the picture is kept, and about scores; the same in words."""
    found: list[dict[str, Any]] = []
    words = ""
    for one in made:
        apart = average_squares(one, options.scale) - picture
        off = {"rms": float(np.sqrt(np.mean(apart**2))), "largest": float(np.abs(apart).max())}
        found.append({"kept": off})
        levels = f"{255 * off['rms']:.2f} of 255 levels from the picture, at most {255 * off['largest']:.1f}"
        words += f"means of squares: {levels}\n"
    if judge is not None:
        scores = [judge.score(one) for one in made]
        for entry, judged in zip(found, scores, strict=True):
            entry["made"] = judged.to_json()
        words += report(dict(zip(names, scores, strict=True)))
    return found, words
