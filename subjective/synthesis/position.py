"""Where a synthesis stands, and how those who watch it are told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from subjective.optimize.minimizer import Point, Result, Step

OnStep = Callable[[int, Step], None]
"""``on_step(picture, step)``: the picture's number, counted from 0, and where its optimization stands."""


@dataclasses.dataclass(frozen=True)
class Position:
    """Where a synthesis stands after a step: all that it takes to go on as if it had never stopped.

    Attributes:
        picture: its number.
        stage: of the schedule.
        attempt: of the first stage; the one that the later stages go on from.
        steps, evaluations, seconds: of the picture's optimizations that have ended.
        attempts: what came of the first stage's so far.
        finished: the pictures before this one.
        point: of the optimization that is going on.
    """

    picture: int
    stage: int
    attempt: int
    steps: int
    evaluations: int
    seconds: float
    attempts: tuple[Result, ...]
    finished: tuple[Result, ...]
    point: Point


class Told:
    """Tells of the steps of a picture's optimizations as if they were one, and where in all of them it stands."""

    def __init__(self, number: int, on_step: OnStep | None, finished: Sequence[Result], resume: Position | None):
        self.number, self.on_step, self.finished = number, on_step, finished
        self.steps, self.evaluations, self.seconds = 0, 0, 0.0
        self.attempts: list[Result] = []
        self.place, self.attempt, self.any = 0, 0, resume is not None
        if resume is not None:
            self.steps, self.evaluations, self.seconds = resume.steps, resume.evaluations, resume.seconds
            self.attempts = list(resume.attempts)

    def add(self, result: Result) -> None:
        """Count the steps of an optimization that has ended."""
        self.steps += result.steps
        self.evaluations += result.evaluations
        self.seconds += result.seconds

    def tell(self, step: Step) -> None:
        """Tell of a step of the one that is going on; where it starts, only of the first."""
        if step.step == 0 and self.any:
            return
        self.any = True
        if self.on_step is None:
            return
        before = (self.steps, self.evaluations, self.seconds)
        position = Position(
            self.number, self.place, self.attempt, *before, tuple(self.attempts), tuple(self.finished), step.position
        )
        counted = (self.steps + step.step, self.evaluations + step.evaluations, self.seconds + step.seconds)
        self._tell(step, *counted, position)

    def tell_again(self, result: Result) -> None:
        """Tell of where an optimization ended before others, after all that were counted."""
        step = Step(0, result.value, result.loss, result.parts, result.gradient_norm, 0, 0.0)
        self._tell(step, self.steps, self.evaluations, self.seconds, None)

    def _tell(self, step: Step, steps: int, evaluations: int, seconds: float, position: Position | None) -> None:
        if self.on_step is not None:
            step = dataclasses.replace(step, step=steps, evaluations=evaluations, seconds=seconds, position=position)
            self.on_step(self.number, step)
