"""A training's progress on stderr: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TextIO

from tqdm import tqdm

from subjective.feedforward.train import TrainStep
from subjective.runs.memory import duration_text
from subjective.runs.progress import PLAIN_INTERVAL


class TrainProgress:
    """Shows steps as they come; `update` is a valid ``on_step``."""

    def __init__(self, steps: int, stream: TextIO | None = None):
        """Prepare to show so many steps."""
        self.stream = stream if stream is not None else sys.stderr
        self._bar = tqdm(total=steps, desc="step", unit="step", file=self.stream) if self.stream.isatty() else None
        self._first: tuple[int, float] | None = None
        self._shown = -PLAIN_INTERVAL

    def note(self, message: str) -> None:
        """Show a line of text."""
        with contextlib.suppress(OSError):  # nobody reads any more: the work goes on in silence
            self.stream.write(message + "\n")
            self.stream.flush()

    def update(self, step: TrainStep) -> None:
        """Show a step."""
        now = time.monotonic()
        if not step.moved:
            self.note(f"subjective: note: step {step.number} had a loss or gradient that is not finite; it is left out")
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {step.loss:.4g}", refresh=False)
            self._bar.update(step.number - self._bar.n)
            return
        self._first = self._first or (step.number, now)
        if step.number == step.steps or now - self._shown >= PLAIN_INTERVAL:
            self._shown = now
            line = f"step {step.number}/{step.steps}  loss {step.loss:.6g}"
            made, took = step.number - self._first[0], now - self._first[1]
            if made and took > 0:
                line += f"  {made / took:.2f} steps/s  {duration_text((step.steps - step.number) * took / made)} left"
            self.note(line)

    def close(self) -> None:
        """Finish the bar, if there is one, and leave the line free."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
