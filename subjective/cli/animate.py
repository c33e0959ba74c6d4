"""`subjective animate`: make the frames of a loop, as PNG files and as animations."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np

from subjective.checks import InputError, above, at_least, setting
from subjective.cli.inputs import read_frame_weights
from subjective.cli.options import TextureOptions
from subjective.cli.outputs import LOOP_SUFFIXES, check_out, copy_pictures, write_loop
from subjective.cli.pictures import LOOP_SECONDS_PER_PIXEL, PictureSession, check_files, forecast_end, plan_run
from subjective.cli.synthesize import TextureInputs, read_texture_inputs, score_against_sources
from subjective.evaluation import motion
from subjective.evaluation.scores import Scores, average, report
from subjective.files import write_bytes
from subjective.images import WRITTEN_SUFFIXES, find_images
from subjective.runs.pictures import plot_motion
from subjective.runs.provenance import describe_file
from subjective.synthesis import coarse_to_fine, loop
from subjective.synthesis.config import AnimationConfig, SynthesisConfig
from subjective.synthesis.forecast import Phase
from subjective.synthesis.frames import check_moves
from subjective.synthesis.morph import TURN_BY, around
from subjective.synthesis.plan import make_plan
from subjective.synthesis.presets import PRESETS
from subjective.synthesis.problem import Job, sizes_of
from subjective.synthesis.settings import arg
from subjective.videos import FORMATS, Format, write_videos


@dataclass(frozen=True, kw_only=True)
class KeyframeOptions:
    """Options that say how much of each source a frame has."""

    group: ClassVar[str] = "input"

    keyframes: Annotated[tuple[str, ...], arg(metavar="PICTURE...")] = ()
    """Pictures whose textures the loop goes through in order, and back to the first. Replaces --source."""
    frame_weights: Annotated[str | None, arg(metavar="FILE.csv")] = None
    """CSV file with the share of each source in each frame: one line for each frame, one number for each source."""


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """Options that say in which files a loop is written."""

    group: ClassVar[str] = "output"

    fps: Annotated[float, arg(metavar="N"), above(0, 1000)] = 12.0
    """Frames a second."""
    formats: tuple[Format, ...] = FORMATS
    """Formats of the loop: gif, webp, mp4. A PNG for each frame is always written."""


@dataclass(frozen=True, kw_only=True)
class AnimateCommand(TextureOptions, AnimationConfig, KeyframeOptions, VideoOptions):
    """Make the frames of a loop. Every frame has the texture of the sources; with --keyframes, the loop goes from the
    texture of each keyframe to the next, and back to the first."""

    source: Annotated[tuple[str, ...], arg("-s", metavar="PICTURE...")] = ()
    out: Annotated[str | None, arg("-o", "--output", metavar="FILE")] = None
    """Write the loop to this file, besides the run folder. The suffix chooses the format: .mp4, .gif or .webp for all
    frames together; with .png, .jpg, .tif or .bmp each frame gets a file, with a number before the suffix."""
    save_every: Annotated[int, arg("-n", metavar="N"), at_least(0)] = 0
    """Save all frames every N steps. 0 saves only the finished frames."""

    @staticmethod
    def presets() -> dict[str, dict[str, SynthesisConfig]]:
        """Return the flag that names a preset, and the presets."""
        return {"--preset": PRESETS}

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        if bool(self.keyframes) == bool(self.source):
            came = "both" if self.source else "neither"
            raise InputError(f"{setting('source')} and {setting('keyframes')}: {came} came; give one of them")
        if len(self.keyframes) == 1:
            given = f"{setting('keyframes')} got one picture"
            raise InputError(f"{given}; give two or more to go between, or use {setting('source')}")
        kinds = ("keyframes", "frame_weights", "source_weights", "blend_map")
        several = [setting(kind) for kind in kinds if getattr(self, kind)]
        if len(several) > 1:
            raise InputError(f"{' and '.join(several)} all say what the frames are made of; give one of them")
        if self.ease != "smooth" and not self.keyframes:
            raise InputError(
                f"{setting('ease')} {self.ease} needs {setting('keyframes')}, and there are none; leave it out"
            )
        if len(self.keyframes) > self.count:
            wanted = f"{len(self.keyframes)} keyframes; wanted a frame for each"
            raise InputError(f"{setting('count')} is {self.count} for {wanted}")


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
    options, job = planned.options, planned.job
    if options.dry_run:
        return 0

    with PictureSession("animate", planned, inputs.facts, resume) as session:
        results = coarse_to_fine.run(job, session.on_step, session.begin())
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
        found = score_against_sources(inputs, [frames[number] for number in numbers], job, options, weights)
        scores |= zip(numbers, found, strict=True)
    return scores
