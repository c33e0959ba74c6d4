"""Code that all commands that make pictures share: plan a run for memory and time, then keep its results and scores."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from subjective.checks import InputError, count_of, file_errors, setting
from subjective.choices import INITS
from subjective.cli.arguments import record, render_error
from subjective.cli.outputs import number_files
from subjective.cli.report import Judge, forecast_scores
from subjective.cli.settings_file import is_record
from subjective.devices import mesh_of
from subjective.evaluation.scores import Scores, add_version
from subjective.network.vgg import Params
from subjective.optimize.minimizer import Result
from subjective.optimize.registry import unavailable
from subjective.runs.deadline import Deadline
from subjective.runs.estimate import estimate_run
from subjective.runs.folder import PictureFolder, new_folder
from subjective.runs.live import PictureLive
from subjective.runs.memory import allowed_bytes, format_size, give_back, is_out_of_memory
from subjective.runs.pictures import draw_map
from subjective.runs.preflight import compile_job, fit_to_memory
from subjective.runs.provenance import CONFIG_FILE, changed_files, note_changes, note_environment, read_record
from subjective.runs.rates import read_rates, write_rates
from subjective.runs.result_files import PictureFiles, ResultFiles
from subjective.runs.session import Observer, Session
from subjective.synthesis.coarse_to_fine import Position, check_position
from subjective.synthesis.forecast import Forecast, Phase, fit_to_time, forecast, forecast_plan
from subjective.synthesis.problem import Job
from subjective.synthesis.progress import PictureProgress
from subjective.synthesis.schedule import Schedule
from subjective.terminal import announce, format_duration, note, say, still

PICTURE_SECONDS_PER_PIXEL = 2e-7
"""Seconds of writing a pixel of a picture as PNG."""

LOOP_SECONDS_PER_PIXEL = 2e-6
"""Seconds of writing a pixel of a loop as PNG, GIF, WebP and MP4."""

PictureCommand = Any
"""Options that are both `PictureOptions` and `PictureConfig`; a Python annotation cannot say so."""


def check_files(config: str | None, facts: dict[str, Any], resume: Path | None) -> None:
    """Print a note on what has changed since ``config`` was written; refuse to resume if files have changed.

    Versions, devices or cores that have changed get a note in both cases: the last digits may then differ.

    Args:
        config: the file whose settings the run takes, if any; only the ``config.json`` of a run knows of files.
        facts: what the new ``config.json`` will say about the files and the network.
        resume: the folder of the run that is resumed, if any.

    Raises:
        InputError: the run is resumed, and files that it reads have changed.
    """
    if config is not None and is_record(config):
        note_changes(config, facts, "picture")
    if resume is not None:
        before = read_record(resume / CONFIG_FILE)
        note_environment(before, "the run does not go on bit for bit")
        for name in changed_files(before, facts):
            raise InputError(
                f"cannot resume {str(resume)!r}: {name} has changed since the run started; start a new run with "
                f"{setting('config')}"
            )


@dataclass(frozen=True)
class PlannedRun:
    """A run that is ready for its first step.

    Attributes:
        options: options of the command, with tiles and optimizer chosen.
        job: what the run will do.
        forecast: how long the run will take.
    """

    options: PictureCommand
    job: Job
    forecast: Forecast


def plan_run(
    options: PictureCommand,
    params: Params,
    sizes: Sequence[tuple[int, int]],
    prepare: Callable[[Any], Job],
    resume: Path | None,
    began: float,
    phases_after: Callable[[float], list[Phase]] = lambda pixel_seconds: [],
    *,
    ends_near: bool = False,
) -> PlannedRun | None:
    """Choose tiles and optimizer so that the run fits into memory, prepare the job, and forecast the run's time.

    An estimate is noted first, before anything is compiled. A resumed run keeps the tiles and the optimizer that its
    folder records. Notes go to stderr.

    Args:
        options: options of the command, with the number of octaves chosen.
        params: parameters of the network.
        sizes: (height, width) of each source.
        prepare: makes the job for given options.
        resume: the folder of the run that is resumed, if any.
        began: time at which the command began to read its inputs, from `time.monotonic`.
        phases_after: takes the seconds that an evaluation of the loss takes for a pixel; returns the phases after the
            last step, with their forecasts.
        ends_near: see `forecast_plan`.

    Returns:
        The run; None if this is a dry run, so that nothing is left to do.
    """
    read = time.monotonic()
    mesh_of(options.devices)  # refuses too many devices before anything is compiled
    reading = Phase("reading", read - began)
    if resume is not None:
        note("compiling ...")
        with still("compiling"):
            job = prepare(options)
            evaluation_seconds = compile_job(job).time_evaluations()
        return _say_forecast(options, job, evaluation_seconds, [reading, _time_since(read)], phases_after)
    if options.optimizer_name != options.preferred_optimizer:
        note(f"note: using --optimizer {options.optimizer_name}, because {unavailable('lbfgsb')}")
    if not options.dry_run:  # first, because all else would be in vain if nothing can be written
        with file_errors("make", options.output_dir):
            Path(options.output_dir).mkdir(parents=True, exist_ok=True)
    limit, rates = allowed_bytes(options.memory_limit), read_rates()
    guess = estimate_run(options, params, sizes, limit, rates)
    preparing = Phase("compiling", guess.preparing_seconds)
    after = phases_after(_per_pixel(guess.evaluation_seconds, math.prod(guess.config.size)))
    stages, before = guess.plan.stages, [reading, preparing]
    found = forecast_plan(guess.config, stages, guess.evaluation_seconds, before, after, ends_near=ends_near)
    if not options.compile:
        note(f"estimated: {format_size(guess.peak_bytes)} of memory at most; {found}")
    if options.dry_run and not options.compile:
        for line in guess.plan.notes:
            note(f"note: {render_error(line, type(options))}")
        if options.minutes is not None:
            _fit(guess.config, found)
        if guess.peak_bytes > limit:
            over = f"{format_size(guess.peak_bytes)} is more than the {format_size(limit)} that may be used"
            note(f"note: {over}; the run may be refused once it is compiled, which --compile tries")
        return None
    with still("compiling"):
        fitted = fit_to_memory(options, params, sizes, prepare, limit, note, rates.compiler_bytes)
    if fitted.config == guess.config and jax.process_count() == 1:  # rates are of this machine alone
        prepared = time.monotonic() - read
        write_rates(guess.correct(rates, fitted.evaluation_seconds, prepared, fitted.compiler_bytes))
    for line in fitted.job.notes:
        note(f"note: {render_error(line, type(options))}")
    planned = _say_forecast(
        fitted.config, fitted.job, fitted.evaluation_seconds, [reading, _time_since(read)], phases_after, prepare
    )
    return None if options.dry_run else planned


def _time_since(began: float) -> Phase:
    return Phase("compiling", time.monotonic() - began)


def _per_pixel(evaluation_seconds: Sequence[float], pixels: int) -> float:
    """Return the seconds of an evaluation for each pixel, at full size."""
    return evaluation_seconds[-1] / pixels


def _say_forecast(
    options: PictureCommand,
    job: Job,
    evaluation_seconds: Sequence[float],
    before: Sequence[Phase],
    phases_after: Callable[[float], list[Phase]],
    prepare: Callable[[Any], Job] | None = None,
) -> PlannedRun:
    """Forecast the time of a prepared run, choose fewer steps if it has too little time, and note what was found.

    Args:
        options: options of the command, with tiles and optimizer chosen.
        job: the job.
        evaluation_seconds: measured time of one evaluation at each stage.
        before: the phases that are over.
        phases_after: see `plan_run`.
        prepare: makes the job of other options; None if the steps are not changed, as in a resumed run.
    """
    after = phases_after(_per_pixel(evaluation_seconds, math.prod(job.shape(job.stages[-1])[:-1])))
    found = forecast(job, evaluation_seconds, before, after)
    if options.minutes is not None and prepare is not None:
        options = _fit(options, found)
        if options != job.config:
            job = prepare(options)
            found = forecast(job, evaluation_seconds, before, after)
    note(str(found))
    return PlannedRun(options, job, found)


def _fit(options: PictureCommand, found: Forecast) -> PictureCommand:
    """Return the options with fewer steps if --minutes asks for that; the number of steps is noted."""
    fitted = fit_to_time(options, found, 60 * options.minutes)
    if fitted != options:
        note(f"note: {fitted.max_iter} steps at full size, so that the run takes at most {options.minutes:g} min")
    return fitted


def forecast_end(
    sources: Sequence[np.ndarray],
    options: PictureCommand,
    scored: int,
    pixel_seconds: float,
    written_pixel_seconds: float = PICTURE_SECONDS_PER_PIXEL,
) -> list[Phase]:
    """Forecast the phases after the last step: measuring and writing.

    Args:
        sources: the sources that the pictures are scored against.
        options: options of the command.
        scored: number of pictures that are scored.
        pixel_seconds: seconds of one evaluation of the loss and gradient for each pixel.
        written_pixel_seconds: seconds of writing a pixel.
    """
    height, width = options.output_size
    pixels = options.count * height * width
    measuring = forecast_scores(sources, (height, width), scored, pixel_seconds) if scored else 0.0
    return [Phase("measuring", measuring), Phase("writing", pixels * written_pixel_seconds)]


class PictureSession(Session):
    """The session of a run that makes pictures. The run folder records the settings, and the scores at the end.

    Attributes:
        path: the run folder.
        schedule: how the weights change on the way, by the settings or by hand.
    """

    def __init__(
        self,
        command: str,
        planned: PlannedRun,
        facts: dict[str, Any],
        resume: Path | None = None,
        *,
        asked: dict[str, Any] | None = None,
        begun: Callable[[Path], None] | None = None,
        files: ResultFiles | None = None,
        judge: Judge | None = None,
    ):
        """Make the run folder, or open the folder of the run that is resumed.

        Args:
            command: name of the command.
            planned: the run, from `plan_run`.
            facts: what ``config.json`` holds besides the settings: the files that were read, and the network.
            resume: the folder of the run that is resumed, if any.
            asked: values that the user gave for settings, recorded instead of the computed values in ``options``.
            begun: called with the path of the folder; None for `announce`.
            files: writes the pictures; None for PNG files.
            judge: scores the picture of a step, when the run is asked for that; None if it cannot.
        """
        options, job = planned.options, planned.job
        self.schedule = Schedule(job)
        self.path = resume or new_folder(Path(options.output_dir), options.output_prefix)
        together = options.pictures_per_step
        self._folder = PictureFolder(
            self.path,
            pictures=job.pictures * together,
            save_every=options.save_every,
            checkpoint_every=options.checkpoint_every,
            files=files or PictureFiles("8" if getattr(options, "depth", None) in (None, "8") else "16"),
            changes=self.schedule.at,
        )
        (begun or announce)(self.path)
        self._job, self._forecast, self._judge = job, planned.forecast, judge
        sources = [one["name"] for one in facts.get("pictures", []) if one["use"] in ("source", "style")]
        alone = getattr(options, "blend_map", ()) or getattr(options, "frame_weights", None)
        weighed = () if alone else sources
        can_score = judge is not None
        self._live = PictureLive(self.path, job, planned.forecast, self.schedule, weighed, can_score=can_score)
        observers: list[Observer] = [PictureProgress(job, planned.forecast), self._live]
        if options.minutes is not None and resume is None:
            observers.append(Deadline(job, 60 * options.minutes - planned.forecast.seconds_around))
        super().__init__(self._folder, observers, lambda error: render_error(error, type(options)))
        self._out = options.out
        self._resumes, self._size = resume is not None, options.output_size
        changes = {"weights": facts["weights"]["use"], **(asked or {})}
        if options.init not in INITS:
            changes["init"] = str(Path(options.init).absolute())
        self._description = (command, record(options, **changes), facts)

    def begin(self) -> Position | None:
        """Write ``config.json`` for a new run, and reserve room on the disk.

        Returns:
            The position at which a resumed run continues; None for a new run, or without a checkpoint. The caller must
            not keep the position, whose arrays fill as much memory as the run itself.
        """
        if not self._resumes:
            command, settings, facts = self._description
            self._folder.describe(command, settings, **facts)
        self._folder.reserve(self._size)
        return self._folder.resume(self._check_position) if self._resumes else None

    def reweigh(self, weights: Mapping[str, Sequence[float]], *event: Any) -> None:
        """See `Session.reweigh`. The change is on the disk before a step is made with it."""
        picture, step = event
        try:
            added = self.schedule.add(picture, step.step, weights)
        except InputError as error:
            self._live.told = self._render(error)
            note(f"note: other weights were asked for and are not taken: {self._live.told}")
            return
        self._live.told = ""
        self._folder.record_changes(added, self.schedule.changes)
        for change in added:
            note(f"note: changed by hand: {change}")

    def score_step(self, *event: Any) -> None:
        """See `Session.score_step`. The scores are shown on the page, and told in one sentence on stderr."""
        picture, step = event
        if self._judge is None or not isinstance(step.position, Position):
            super().score_step(*event)
            return
        try:
            scores = self._judge.score(step.value, self._job.stages[step.position.stage].octave)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            scores = Scores([], "not measured: there is too little memory beside the run")
        self._live.show_scores(picture, step.step, add_version(scores.to_json()))
        note(f"step {step.step}: {scores.sentence}")

    def _check_position(self, position: Position) -> None:
        check_position(self._job, position)

    def finish(self, result: list[Result]) -> None:
        """See `Session.finish`; then say on stderr how each picture's optimization ended."""
        super().finish(result)
        for one in result:
            effort = f"{count_of(one.steps, 'step')}, {count_of(one.evaluations, 'evaluation')}"
            say(f"loss {one.loss:.6g} after {effort}: {one.message}")

    @property
    def result_names(self) -> list[str]:
        """Names of the files of a finished run's pictures: those that --out names, or else those in the run folder."""
        made = self._folder.result_names
        return made if self._out is None else [file.name for file in number_files(self._out, len(made))]

    @property
    def result_files(self) -> list[Path]:
        """Files of a finished run's pictures in the run folder."""
        return [self.path / name for name in self._folder.result_names]

    def score(self, measure: Callable[[], tuple[list[dict[str, Any]], str]]) -> None:
        """Measure the pictures, keep the scores for ``summary.json``, and print the scores on stderr.

        Args:
            measure: measures the pictures. Returns what ``summary.json`` says about the scores of each entry of its
                ``pictures``, and the same in words.
        """
        note(f"measuring ({format_duration(self._forecast.seconds_after)}) ...")
        give_back()
        scores, words = measure()
        self._folder.add_scores([add_version(each) for each in scores])
        say(words.rstrip("\n"))

    def add_maps(self, pictures: Sequence[np.ndarray], found: Sequence[Scores]) -> None:
        """Write where each picture is unlike its sources to the run folder, as far as its scores say so."""
        pairs = zip(pictures, (scores.map for scores in found), strict=True)
        self._folder.add_maps([None if unlike is None else draw_map(picture, unlike) for picture, unlike in pairs])

    def add_sheet(self, sources: Sequence[np.ndarray]) -> None:
        """Show the sources and the finished pictures on one contact sheet, in the run folder; call it after `score`."""
        self._folder.add_sheet(sources)
