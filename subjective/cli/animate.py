"""`subjective animate`: make the frames of a loop, as PNG files and as animations."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, setting
from subjective.cli.commands.pictures import AnimateCommand
from subjective.cli.inputs import read_frame_weights
from subjective.cli.outputs import LOOP_SUFFIXES, check_out, copy_pictures, write_loop
from subjective.cli.pictures import LOOP_SECONDS_PER_PIXEL, PictureSession, check_files, forecast_end, plan_run
from subjective.cli.synthesize import TextureInputs, judge_of, read_texture_inputs
from subjective.evaluation import motion
from subjective.evaluation.scores import Scores, average, report
from subjective.files import write_bytes
from subjective.images import WRITTEN_SUFFIXES, find_images
from subjective.runs.pictures import plot_motion
from subjective.runs.provenance import describe_file
from subjective.synthesis import coarse_to_fine, loop
from subjective.synthesis.forecast import Phase
from subjective.synthesis.frames import check_moves
from subjective.synthesis.morph import TURN_BY, around
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job, sizes_of
from subjective.videos import write_videos


def run(options: AnimateCommand, resume: Path | None = None) -> int:
    """Run the command; ``resume`` is the folder of the run that is resumed, if any."""
    began = time.monotonic()
    as_loop = options.out is not None and Path(options.out).suffix.lower() in LOOP_SUFFIXES
    suffixes = dict.fromkeys([*LOOP_SUFFIXES, *WRITTEN_SUFFIXES])
    check_out(options, suffixes=suffixes, count=1 if as_loop else options.count, resume=resume)
    if options.keyframes or options.frame_weights is not None:  # chosen here, so that config.json records the choice
        options = dataclasses.replace(options, join_mode=options.join_mode or TURN_BY)
    files = [_keyframe_file(name) for name in options.keyframes] or find_images(options.source)
    inputs = read_texture_inputs(options, files, "--keyframes goes from one to the next")
    frame_weights = _frame_weights(options, inputs)
    sources, params, masks, sizes = inputs.sources, inputs.network.params, inputs.masks, sizes_of(inputs.sources)
    options = make_plan(options, params, sizes, by_regions=masks is not None, names=inputs.names).config
    check_moves(sources, options.frame_shifts, 1)
    check_files(options.config, inputs.facts, resume)

    def prepare(options: AnimateCommand) -> Job:
        return loop.prepare(sources, options, params, frame_weights, masks, inputs.init)

    def phases_after(pixel_seconds: float) -> list[Phase]:
        scored = len(_frames_to_score(options.count)) if options.evaluate else 0
        return forecast_end(sources, options, scored, pixel_seconds, LOOP_SECONDS_PER_PIXEL)

    planned = plan_run(options, params, sizes, prepare, resume, began, phases_after)
    if planned is None:
        return 0
    options, job = planned.options, planned.job

    first = options.source_weights if frame_weights is None else tuple(frame_weights[0].tolist())
    judge = judge_of(inputs, job, options, first)

    with PictureSession("animate", planned, inputs.facts, resume, judge=judge) as session:
        results = coarse_to_fine.run(job, session.on_step, session.begin(), session.schedule)
        session.finish(results)
        frames = np.asarray(results[0].value)
        if options.out is not None and as_loop:
            write_loop(frames, options.out, options.fps, force=options.force, made=session.path, resume=resume)
        elif options.out is not None:
            copy_pictures(session.result_files, options.out, force=options.force, resume=resume)
        session.score(lambda: _score(inputs, frames, job, options, frame_weights, session.path))
    return session.status


def _score(
    inputs: TextureInputs,
    frames: np.ndarray,
    job: Job,
    options: AnimateCommand,
    frame_weights: np.ndarray | None,
    folder: Path,
) -> tuple[list[dict[str, Any]], str]:
    """Write the videos of the loop. If --evaluate is on, also measure the motion and score the frames.

    Returns:
        What ``summary.json`` says of the loop, as a list of one, and the same in words.
    """
    found: dict[str, Any] = {"loops": write_videos(folder, "loop", frames, options.fps, options.formats)}
    words = [f"written: {', '.join(found['loops'])}\n"] if found["loops"] else []
    if options.evaluate:
        moved = motion.measure_motion(frames, inputs.network.params)
        write_bytes(folder / "motion.png", plot_motion(frames, moved))
        scores = _score_frames(inputs, frames, job, options, frame_weights)
        found["motion"] = {name: distances.to_json() for name, distances in moved.items()}
        found["frames"] = [{"frame": number, **one.to_json()} for number, one in scores.items()]
        words.append(report({f"motion in {name}": one.scores for name, one in moved.items()}, motion.MEANING))
        words.append(report({"frames on average": average([*scores.values()])}))
    return [found], "\n".join(words)


def _keyframe_file(name: str) -> Path:
    found = find_images([name])
    if len(found) > 1:
        many = f"{name!r} stands for {len(found)} pictures"
        raise InputError(f"{setting('keyframes')}: {many}; give each keyframe as one file")
    return found[0]


def _frame_weights(options: AnimateCommand, inputs: TextureInputs) -> np.ndarray | None:
    """Return the weight of each source in each frame, ``(frames, sources)``; None if the weights never change."""
    if options.keyframes:
        return around(options.count, len(options.keyframes), options.ease)
    if options.frame_weights is None:
        return None
    table = read_frame_weights(options.frame_weights, options.count, len(inputs.sources))
    inputs.facts["frame_weights"] = table.round(6).tolist()
    inputs.facts["pictures"].append(describe_file(Path(options.frame_weights), "frame weights"))
    return table


SCORED_FRAMES = 4
"""Largest number of frames that are scored, so that scoring takes a small share of a run."""


def _frames_to_score(count: int) -> list[int]:
    """Return the numbers of the frames that are scored, evenly spread over the loop."""
    scored = min(count, SCORED_FRAMES)
    return [index * count // scored for index in range(scored)]


def _score_frames(
    inputs: TextureInputs, frames: np.ndarray, job: Job, options: AnimateCommand, frame_weights: np.ndarray | None
) -> dict[int, Scores]:
    """Score some frames against the sources; return the scores by the number of the frame.

    Each source counts by its weight in the frame, rounded to quarters of the frame's largest weight.
    """
    scores: dict[int, Scores] = {}
    alike: dict[tuple[float, ...] | None, list[int]] = {}  # the sources are measured once for each key
    for number in _frames_to_score(len(frames)):
        weights = options.source_weights
        if frame_weights is not None:
            weights = tuple((np.round(4 * frame_weights[number] / frame_weights[number].max()) / 4).tolist())
        alike.setdefault(weights, []).append(number)
    for weights, numbers in alike.items():
        judge = judge_of(inputs, job, options, weights)
        scores |= {number: judge.score(frames[number]) for number in numbers}
    return scores
