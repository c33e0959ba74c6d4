"""Write progress and notes to stderr. A terminal shows a bar; other streams get a plain line every few seconds."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from tqdm import tqdm

from subjective.optimize.minimizer import Step
from subjective.synthesis.coarse_to_fine import Position

PLAIN_INTERVAL = 10.0
"""Seconds between plain lines. The first and the last step are always shown."""


@runtime_checkable
class Stream(Protocol):
    """A text stream, which may be a terminal."""

    def write(self, text: str, /) -> Any:
        """Write text."""

    def flush(self) -> Any:
        """Write the text that is still in a buffer."""

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""


def note(line: str) -> None:
    """Write a note to stderr; stdout is for results only."""
    write_line(sys.stderr, f"subjective: {line}")


def write_line(stream: Stream, line: str) -> None:
    """Write a line to a stream; do nothing if the program that reads the stream has closed it."""
    with contextlib.suppress(OSError):
        stream.write(f"{line}\n")
        stream.flush()


class PictureProgress:
    """Shows the steps of a run that makes pictures. Each stage of a picture has its own bar."""

    def __init__(
        self,
        steps_of: Callable[[tuple[int, ...]], int],
        pictures: int = 1,
        stream: Stream | None = None,
        *,
        starts: int = 1,
    ):
        """Prepare to show the steps.

        Args:
            steps_of: takes the (height, width) of a stage's picture, and returns the most steps that the stage makes.
            pictures: number of pictures of the run, which are made one after the other.
            stream: where to write the progress; None for stderr.
            starts: number of attempts at the first stage.
        """
        self.starts = starts
        self.steps_of = steps_of
        self.max_steps = 0
        self.pictures = pictures
        self.stream = stream if stream is not None else sys.stderr
        self.terminal = self.stream.isatty()
        self._bar: tqdm | None = None
        self._stage: tuple[int, tuple[int, ...]] = (-1, ())
        self._last = 0
        self._shown = -PLAIN_INTERVAL
        self._begun = 0.0
        self._base = 0
        self._known = 0

    def update(self, picture: int, step: Step) -> None:
        """Show a step of a picture."""
        if (picture, step.value.shape) != self._stage:
            self._begin(picture, step)
        self._last = step.step
        number = step.step - self._base
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {step.loss:.4g}", refresh=False)
            self._bar.update(number - self._bar.n)
            return
        now = time.monotonic()
        if number <= 1 or number == self.max_steps or now - self._shown >= PLAIN_INTERVAL:
            self._shown = now
            write_line(self.stream, self._line(step, now))

    def _begin(self, picture: int, step: Step) -> None:
        """Begin to show a stage, given its first step."""
        self.close()
        # `step.step` counts the steps of all stages of a picture. Only the first stage reports its starting point.
        first = picture != self._stage[0]
        self._base = 0 if first else self._last
        if first and isinstance(step.position, Position) and step.position.stage > 0:  # resumed in a later stage
            first, self._base = False, step.position.steps
        self.max_steps = self.steps_of(step.value.shape[-3:-1]) * (self.starts if first else 1)
        self._stage, self._begun, self._known = (picture, step.value.shape), time.monotonic(), step.step - self._base
        if self.terminal:
            # tqdm would show an empty bar on a terminal that does not report its size, so the size is passed to tqdm.
            columns, rows = shutil.get_terminal_size()
            self._bar = tqdm(
                total=self.max_steps,
                desc=f"{self._name()}step",
                unit="step",
                file=self.stream,
                ncols=columns - 1,
                nrows=rows,
            )

    def _name(self) -> str:
        """Return the size of the picture, and its number if there are several pictures."""
        picture, shape = self._stage
        name = "" if self.pictures == 1 else f"picture {picture + 1}/{self.pictures} "
        return name + (f"{shape[-2]}x{shape[-3]} " if len(shape) >= 3 else "")

    def _line(self, step: Step, now: float) -> str:
        """Return a plain line that shows a step."""
        number = step.step - self._base
        line = f"{self._name()}step {number}/{self.max_steps}  loss {step.loss:.6g}"
        made = number - self._known
        if made and now > self._begun:
            rate = made / (now - self._begun)
            line += f"  {rate:.2f} steps/s  {_format_minutes((self.max_steps - number) / rate)} left"
        return line

    def close(self) -> None:
        """Finish the bar, if there is one, so that the next text begins on a new line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _format_minutes(seconds: float) -> str:
    """Format a time as minutes and seconds, such as 2 min 5 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
