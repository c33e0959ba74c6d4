"""Progress on stderr: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from typing import TextIO

from tqdm import tqdm

from subjective.optimize import Step

PLAIN_INTERVAL = 10.0
"""Seconds between plain lines; the first steps and the last are always shown."""


class Progress:
    """Shows steps as they come; `update` is a valid ``on_step``."""

    def __init__(self, max_steps: int, pictures: int = 1, stream: TextIO | None = None):
        """Prepare to show up to ``max_steps`` steps of each of ``pictures`` optimizations."""
        self.max_steps = max_steps
        self.pictures = pictures
        self.stream = stream if stream is not None else sys.stderr
        self.terminal = self.stream.isatty()
        self._bar: tqdm | None = None
        self._picture = -1
        self._shown = -PLAIN_INTERVAL
        self._begun = 0.0
        self._base = 0

    def note(self, message: str) -> None:
        """Show a line of text."""
        with contextlib.suppress(OSError):  # nobody reads any more: the work goes on in silence
            self.stream.write(message + "\n")
            self.stream.flush()

    def update(self, picture: int, step: Step) -> None:
        """Show a step of a picture."""
        if picture != self._picture:
            self._begin(picture, step)
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {step.loss:.4g}", refresh=False)
            self._bar.update(step.step - self._bar.n)
            return
        now = time.monotonic()
        if step.step <= 1 or step.step == self.max_steps or now - self._shown >= PLAIN_INTERVAL:
            self._shown = now
            self.note(self._line(step, now))

    def _begin(self, picture: int, step: Step) -> None:
        self.close()
        self._picture, self._begun, self._base = picture, time.monotonic(), step.step
        if self.terminal:
            name = "" if self.pictures == 1 else f"picture {picture + 1}/{self.pictures} "
            # Sizes given, since a terminal that does not tell its own would get an empty bar.
            columns, rows = shutil.get_terminal_size()
            self._bar = tqdm(
                total=self.max_steps, desc=f"{name}step", unit="step", file=self.stream, ncols=columns - 1, nrows=rows
            )

    def _line(self, step: Step, now: float) -> str:
        name = "" if self.pictures == 1 else f"picture {self._picture + 1}/{self.pictures} "
        line = f"{name}step {step.step}/{self.max_steps}  loss {step.loss:.6g}"
        made = step.step - self._base
        if made and now > self._begun:
            rate = made / (now - self._begun)
            line += f"  {rate:.2f} steps/s  {_duration((self.max_steps - step.step) / rate)} left"
        return line

    def close(self) -> None:
        """Finish the bar, if there is one, and leave the line free."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
