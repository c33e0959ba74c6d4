"""Forecast how long each phase of a run takes, before the first step; correct the forecast while the run makes steps.

The phases of a run are reading, compiling, the stages of all pictures, measuring and writing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from subjective.checks import InputError, setting
from subjective.synthesis.config import PictureConfig
from subjective.synthesis.problem import Job
from subjective.synthesis.settings import NO_TOLERANCE
from subjective.synthesis.stages import Stage
from subjective.terminal import format_duration

STEP_EVALUATIONS = 1.18
"""Time of a step, as a multiple of the time of an evaluation. A step makes 1.09 evaluations in the mean of many runs;
the rest is the optimizer's own work."""

EXPECTED_SHARE = 0.85
"""Share of its most steps that a stage usually makes if it may end early, which `PictureConfig.tol` allows."""


LIKELY_STEPS = 5
"""Number of steps that a stage usually makes if it ends where the picture is near to its source. Of thirty sources at
512 pixels, 28 took 0 to 2 steps and two 8 and 14; four at 256 pixels took 1 to 9."""

LEAST_STEPS = 10
"""Smallest number of steps at full size that `fit_to_time` chooses. A picture of fewer steps has little detail."""

Config = TypeVar("Config", bound=PictureConfig)


class Phase(NamedTuple):
    """A part of a run.

    Attributes:
        name: what the run does, such as ``compiling``; the size of the pictures if the run makes steps.
        seconds: how long the phase takes.
    """

    name: str
    seconds: float


@dataclass(frozen=True)
class StageForecast:
    """How long a stage of one picture takes.

    Attributes:
        name: the size of the stage's picture.
        step_seconds: seconds of a step.
        most_steps: largest number of steps, all attempts together.
        expected_steps: number of steps that the stage usually makes, all attempts together.
        attempts: number of attempts at the stage.
    """

    name: str
    step_seconds: float
    most_steps: int
    expected_steps: float
    attempts: int = 1

    @property
    def seconds(self) -> float:
        """Seconds that the stage usually takes."""
        return self.expected_steps * self.step_seconds


@dataclass(frozen=True)
class Forecast:
    """How long a run will take.

    Attributes:
        stages: the stages of one picture, coarsest first.
        pictures: number of pictures that are made one after the other.
        before: the phases before the first step; they are over, so that their times are measured.
        after: the phases after the last step.
    """

    stages: tuple[StageForecast, ...]
    pictures: int = 1
    before: tuple[Phase, ...] = ()
    after: tuple[Phase, ...] = ()

    @property
    def phases(self) -> list[Phase]:
        """All phases in order. A stage of several pictures is one phase."""
        stages: dict[str, float] = {}
        for stage in self.stages:
            stages[stage.name] = stages.get(stage.name, 0) + self.pictures * stage.seconds
        return [*self.before, *(Phase(name, seconds) for name, seconds in stages.items()), *self.after]

    @property
    def total_seconds(self) -> float:
        """Seconds that the whole run usually takes."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def most_seconds(self) -> float:
        """Seconds that the whole run takes if no stage ends early."""
        saved = sum((stage.most_steps - stage.expected_steps) * stage.step_seconds for stage in self.stages)
        return self.total_seconds + self.pictures * saved

    @property
    def seconds_after(self) -> float:
        """Seconds of the phases after the last step."""
        return sum(phase.seconds for phase in self.after)

    @property
    def seconds_around(self) -> float:
        """Seconds of all phases that make no steps."""
        return sum(phase.seconds for phase in (*self.before, *self.after))

    def seconds_left(self, picture: int, stage: int, attempt: int, made: int, step_seconds: float | None) -> float:
        """Forecast how long the rest of the run takes.

        Args:
            picture: number of the picture that is being made.
            stage: index of the picture's stage.
            attempt: number of the attempt at the first stage.
            made: number of steps that the stage has made in this attempt.
            step_seconds: measured seconds of a step of this stage. The forecast of all later steps is corrected by the
                same factor. None before a step is measured.
        """
        current = self.stages[stage]
        attempts_left = current.attempts - attempt if stage == 0 else 1
        expected, most = current.expected_steps / current.attempts, current.most_steps / current.attempts
        # A stage that has made more steps than usual is taken to make a quarter as many again.
        own = expected - made if made < expected else min(most - made, made / 4)
        steps = own + (attempts_left - 1) * expected
        later = sum(each.seconds for each in self.stages[stage + 1 :])
        others = (self.pictures - picture - 1) * sum(each.seconds for each in self.stages)
        factor = 1.0 if step_seconds is None else step_seconds / max(current.step_seconds, 1e-9)
        return factor * (steps * current.step_seconds + later + others) + self.seconds_after

    def share_done(self, picture: int, stage: int, attempt: int, made: int) -> float:
        """Forecast which share of all that follows the phases ``before`` is done; see `seconds_left`."""
        seconds = [each.seconds for each in self.stages]
        earlier = picture * sum(seconds) + sum(seconds[:stage])
        current = self.stages[stage]
        steps = (attempt * current.expected_steps / current.attempts if stage == 0 else 0) + made
        spent = earlier + steps * current.step_seconds
        return spent / max(spent + self.seconds_left(picture, stage, attempt, made, None), 1e-9)

    def __str__(self) -> str:
        """Describe the seconds of a step, of the whole run and of each phase in one line."""
        total, most = format_duration(self.total_seconds), format_duration(self.most_seconds)
        bound = "" if most == total else f", {most} if all steps are made"
        parts = ", ".join(f"{name} {format_duration(seconds)}" for name, seconds in self.phases if seconds >= 0.5)
        step = f"{self.stages[-1].step_seconds:.2g} s a step at full size"
        return f"about {total} in all{bound}{': ' if parts else ''}{parts} ({step})"


def fit_to_time(config: Config, found: Forecast, seconds: float) -> Config:
    """Choose fewer steps if a run would take longer than a number of seconds.

    Args:
        config: settings of the run.
        found: the forecast for these settings.
        seconds: how long the run may take.

    Returns:
        The config, with the steps of all stages reduced by the same factor if necessary.

    Raises:
        InputError: there is time for fewer than `LEAST_STEPS` steps at full size.
    """
    steps_seconds = found.most_seconds - found.seconds_around
    share = (seconds - found.seconds_around) / max(steps_seconds, 1e-9)
    if share >= 1:
        return config
    max_iter = math.floor(config.max_iter * share)
    if max_iter < LEAST_STEPS:
        height, width = config.output_size
        needed = found.seconds_around + steps_seconds * LEAST_STEPS / max(config.max_iter, 1)
        raise InputError(
            f"{setting('minutes')} is {seconds / 60:g}; {LEAST_STEPS} steps at {width}x{height} pixels need "
            f"{format_duration(needed)}: give more time, or make a smaller picture"
        )
    coarse_iter = getattr(config, "coarse_iter", None)
    changes = {"max_iter": max_iter} | ({} if coarse_iter is None else {"coarse_iter": math.floor(coarse_iter * share)})
    return dataclasses.replace(config, **changes)


def forecast_by_pixels(job: Job) -> Forecast:
    """Divide a run's time between its stages without measuring: a step costs the same for each pixel at all stages.

    Args:
        job: the job.

    Returns:
        A forecast in which a step takes as many seconds as its picture has pixels. Only ratios of its times mean
        something; `Forecast.seconds_left` corrects them by the measured time of a step.
    """
    return forecast(job, [float(math.prod(job.shape(stage)[:-1])) for stage in job.stages])


def forecast(
    job: Job, evaluation_seconds: Sequence[float], before: Sequence[Phase] = (), after: Sequence[Phase] = ()
) -> Forecast:
    """Extrapolate from one evaluation at each stage to the whole run.

    Args:
        job: the job.
        evaluation_seconds: time of one evaluation of the loss and gradient at each stage.
        before: the phases that are over.
        after: the phases after the last step, with their forecasts.
    """
    ends_near = any(job.enough(stage) is not None for stage in job.stages)
    stages = _forecast_stages(job.config, job.stages, evaluation_seconds, job.starts, ends_near)
    return Forecast(stages, job.pictures, tuple(before), tuple(after))


def forecast_plan(
    config: PictureConfig,
    stages: Sequence[Stage],
    evaluation_seconds: Sequence[float],
    before: Sequence[Phase] = (),
    after: Sequence[Phase] = (),
    *,
    ends_near: bool = False,
) -> Forecast:
    """Forecast a run before its job is prepared, which measures the sources.

    Args:
        config: settings of the run, with the number of octaves chosen.
        stages: the stages of a picture.
        evaluation_seconds: as in `forecast`.
        before: the phases before the first step, with their forecasts.
        after: as in `forecast`.
        ends_near: whether stages end where the picture is near to its source; see `ends_when_near`.
    """
    found = _forecast_stages(config, stages, evaluation_seconds, getattr(config, "starts", 1), ends_near)
    pictures = (getattr(config, "count", None) or 1) // config.pictures_per_step
    return Forecast(found, max(pictures, 1), tuple(before), tuple(after))


def _forecast_stages(
    config: PictureConfig, stages: Sequence[Stage], evaluation_seconds: Sequence[float], starts: int, ends_near: bool
) -> tuple[StageForecast, ...]:
    found = []
    for index, (stage, seconds) in enumerate(zip(stages, evaluation_seconds, strict=True)):
        attempts = starts if index == 0 else 1
        most = stage.steps * attempts
        expected = most * (EXPECTED_SHARE if config.tol > NO_TOLERANCE else 1.0)
        if ends_near:
            expected = min(expected, float(LIKELY_STEPS * attempts))
        name = f"{stage.size[1]}x{stage.size[0]}"
        found.append(StageForecast(name, STEP_EVALUATIONS * seconds, most, expected, attempts))
    return tuple(found)
