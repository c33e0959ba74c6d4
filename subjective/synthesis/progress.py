"""Show the steps of a run that makes pictures: which share of the run is done, and how long the rest takes."""

from __future__ import annotations

import sys
from typing import NamedTuple

from subjective.optimize.minimizer import Step
from subjective.synthesis.coarse_to_fine import Position
from subjective.synthesis.forecast import Forecast, forecast_by_pixels
from subjective.synthesis.problem import Job
from subjective.terminal import StepBar, Stream, format_duration


class _Place(NamedTuple):
    """The part of a run that has a bar of its own.

    Attributes:
        picture: number of the picture, counted from 0.
        stage: index of the picture's stage.
        attempt: number of the attempt at the first stage.
    """

    picture: int
    stage: int
    attempt: int


class PictureProgress:
    """Shows the steps of a run that makes pictures. Each stage of a picture and each attempt has its own bar."""

    def __init__(self, job: Job, forecast: Forecast | None = None, stream: Stream | None = None):
        """Prepare to show the steps.

        Args:
            job: the job of the run.
            forecast: how long the run takes. If None, a step is taken to cost the same for each pixel at all stages,
                and the first steps tell how much.
            stream: where to write the progress; None for stderr.
        """
        self.job, self.forecast, self._is_measured = job, forecast or forecast_by_pixels(job), forecast is not None
        self.stream = stream if stream is not None else sys.stderr
        self._place: _Place | None = None
        self._bar: StepBar | None = None

    def update(self, picture: int, step: Step) -> None:
        """Show a step of a picture."""
        if not isinstance(step.position, Position):  # the best attempt, which is reported again
            return
        place, number = _Place(picture, step.position.stage, step.position.attempt), step.position.point.step
        if self._bar is None or place != self._place:
            self.close()
            most = self.job.stages[place.stage].steps
            self._place, self._bar = place, StepBar(self._name(place, step.value.shape), number, most, self.stream)
        self._bar.show(number, step.loss, step.parts, self._describe_rest(place, number, self._bar))

    def _name(self, place: _Place, shape: tuple[int, ...]) -> str:
        """Return the size of the picture, the number of the picture if there are several, and that of the attempt."""
        parts = [f"picture {place.picture + 1}/{self.job.pictures}"] if self.job.pictures > 1 else []
        parts.append(f"{shape[-2]}x{shape[-3]}")
        if place.stage == 0 and self.job.starts > 1:
            parts.append(f"start {place.attempt + 1}/{self.job.starts}")
        return ", ".join(parts)

    def _describe_rest(self, place: _Place, number: int, bar: StepBar) -> str:
        """Return which share of the run is done and how long the rest takes; empty if this is not known yet.

        The share is 0 before the first step: reading and compiling are over then, and were announced by lines of their
        own. After a resume, it counts the steps that were made before.
        """
        seconds = bar.seconds_per_step(number)
        if seconds is None and not self._is_measured:
            return ""
        done = self.forecast.share_done(*place, number)
        left = self.forecast.seconds_left(*place, number, seconds)
        return f"{done:.0%} of the run, {format_duration(left)} left"

    def close(self) -> None:
        """Finish the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
