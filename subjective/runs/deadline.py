"""End a run at a given time, in case its steps take longer than forecast."""

from __future__ import annotations

import time

from subjective.optimize.minimizer import EndError, Step
from subjective.synthesis.coarse_to_fine import Position
from subjective.synthesis.problem import Job
from subjective.terminal import format_duration


class Deadline:
    """Ends each picture of a run in time. The pictures still to come get equal shares of the time that is left.

    Only the steps at full size are cut short: a run that ended in a coarse stage would have no picture of the size
    that was asked for.
    """

    def __init__(self, job: Job, seconds: float):
        """Begin to watch the time.

        Args:
            job: the job of the run.
            seconds: seconds from now in which all pictures have to be made.
        """
        self._job, self._end, self._picture = job, time.monotonic() + seconds, -1
        self._end_of_picture = 0.0

    def update(self, picture: int, step: Step) -> None:
        """End the steps of a picture if its time is over.

        Raises:
            EndError: the time is over.
        """
        if not isinstance(step.position, Position) or not step.step:  # the best attempt again, or the start
            return
        now = time.monotonic()
        if picture != self._picture:
            self._picture = picture
            self._end_of_picture = now + (self._end - now) / (self._job.pictures - picture)
        if self._job.stages[step.position.stage].octave == 0 and now >= self._end_of_picture:
            late = f", {format_duration(now - self._end_of_picture)} late" if now - self._end_of_picture >= 1 else ""
            raise EndError(f"the time that was given is over{late}")

    def close(self) -> None:
        """Stop watching."""
