"""Write progress and notes to stderr. A terminal shows a bar; other streams get a plain line every few seconds.

The flags -q and -v of every command say how much is written, see `Verbosity`.
"""

from __future__ import annotations

import contextlib
import enum
import shutil
import sys
import time
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from tqdm import tqdm

from subjective.optimize.minimizer import Step
from subjective.runs.forecast import Forecast
from subjective.runs.memory import format_duration
from subjective.synthesis.coarse_to_fine import Position
from subjective.synthesis.problem import Job

PLAIN_INTERVAL = 10.0
"""Seconds between plain lines. The first and the last step of a stage are always shown."""


FIRST_STEPS = 3
"""Number of steps that are made before their rate is shown."""


class Verbosity(enum.IntEnum):
    """How much a command writes to stderr."""

    QUIET = 0
    """Errors only."""
    NORMAL = 1
    """Errors, notes and progress."""
    VERBOSE = 2
    """Also a line for every step, with the parts of the loss."""


class _Shown:
    """What this process writes."""

    verbosity = Verbosity.NORMAL


def set_verbosity(verbosity: Verbosity) -> None:
    """Choose how much this process writes to stderr."""
    _Shown.verbosity = verbosity


@runtime_checkable
class Stream(Protocol):
    """A text stream, which may be a terminal."""

    def write(self, text: str, /) -> Any:
        """Write text."""

    def flush(self) -> Any:
        """Write the text that is still in a buffer."""

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""


def report_error(line: str) -> None:
    """Write a line about an error to stderr, with -q too."""
    write_line(sys.stderr, f"subjective: {line}")


def note(line: str) -> None:
    """Write a note to stderr; stdout is for results only."""
    say(f"subjective: {line}")


def say(line: str) -> None:
    """Write a line to stderr."""
    if _Shown.verbosity >= Verbosity.NORMAL:
        write_line(sys.stderr, line)


def write_line(stream: Stream, line: str) -> None:
    """Write a line to a stream; do nothing if the program that reads the stream has closed it."""
    with contextlib.suppress(OSError):
        stream.write(f"{line}\n")
        stream.flush()


class StepBar:
    """Shows steps of one kind: as a bar on a terminal, as plain lines elsewhere."""

    def __init__(self, name: str, first: int, most: int, stream: Stream):
        """Begin to show steps.

        Args:
            name: what the steps make; empty if there is nothing to tell apart.
            first: number of the first step that is shown.
            most: largest number of steps.
            stream: where to write.
        """
        self.name, self.first, self.most, self.stream = name, first, most, stream
        self._began, self._shown = time.monotonic(), -PLAIN_INTERVAL
        self._bar: tqdm | None = None
        if stream.isatty() and _Shown.verbosity > Verbosity.QUIET:
            # tqdm would show an empty bar on a terminal that does not report its size, so the size is passed to tqdm.
            columns, rows = shutil.get_terminal_size()
            name = f"{name} step" if name else "step"
            self._bar = tqdm(
                total=most, initial=first, desc=name, unit="step", file=stream, ncols=columns - 1, nrows=rows
            )

    def seconds_per_step(self, number: int) -> float | None:
        """Return the mean seconds of a step; None after the first steps, which are slower than the others."""
        made = number - self.first
        return (time.monotonic() - self._began) / made if made >= FIRST_STEPS else None

    def show(self, number: int, loss: float, parts: Any, rest: str) -> None:
        """Show a step.

        Args:
            number: number of the step.
            loss: loss at the step.
            parts: pytree of the parts of the loss, which -v shows.
            rest: how long the rest takes, in words.
        """
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {loss:.4g}  {rest}", refresh=False)
            self._bar.update(number - self._bar.n)
        if self._bar is not None or _Shown.verbosity == Verbosity.QUIET:
            return
        now, every = time.monotonic(), _Shown.verbosity == Verbosity.VERBOSE
        if every or number <= 1 or number == self.most or now - self._shown >= PLAIN_INTERVAL:
            self._shown = now
            seconds = self.seconds_per_step(number)
            rate = f"{1 / seconds:.2f} steps/s" if seconds else ""
            name = f"{self.name}, step" if self.name else "step"
            words = [f"{name} {number}/{self.most}", f"loss {loss:.6g}", *(_describe_parts(parts) if every else ())]
            write_line(self.stream, "  ".join([word for word in (*words, rate, rest) if word]))

    def close(self) -> None:
        """Finish the bar, if there is one, so that the next text begins on a new line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _describe_parts(parts: Any) -> list[str]:
    """Return a word for each part of a loss, such as ``texture/0/pool1/gram 0.12``."""
    leaves = jax.tree_util.tree_leaves_with_path(parts)
    return [f"{jax.tree_util.keystr(path, simple=True, separator='/')} {float(part):.4g}" for path, part in leaves]


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
            forecast: how long the run takes. Without a forecast, only the time of the current stage is shown.
            stream: where to write the progress; None for stderr.
        """
        self.job, self.forecast = job, forecast
        self.stream = stream if stream is not None else sys.stderr
        self._began = time.monotonic() - sum(phase.seconds for phase in forecast.before) if forecast else 0.0
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
        """Return which share of the run is done and how long the rest takes, or the rest of the stage's time."""
        seconds = bar.seconds_per_step(number)
        if self.forecast is None:
            return "" if seconds is None else f"{format_duration((bar.most - number) * seconds)} left"
        left, done = self.forecast.seconds_left(*place, number, seconds), time.monotonic() - self._began
        return f"{done / (done + left):.0%} of the run, {format_duration(left)} left"

    def close(self) -> None:
        """Finish the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
