"""An observer that writes, every other second, how far a training is, for `subjective watch`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subjective.feedforward.train import TrainStep
from subjective.runs.live import SHARE, LiveFiles
from subjective.runs.pictures import draw_row


class TrainingLive(LiveFiles):
    """Shows a training, and now and then the pictures of its network. To make them takes part of `SHARE`."""

    def __init__(self, folder: Path, draw: Callable[[Any], Sequence[np.ndarray]]):
        """Prepare to show the steps of the training in a folder.

        Args:
            folder: the run folder.
            draw: ``draw(params)`` makes pictures from the parameters of the network.
        """
        super().__init__(folder)
        self._draw, self._has_drawn, self._next_drawing = draw, False, 0.0
        self._began: tuple[float, int] | None = None

    def update(self, step: TrainStep) -> None:
        """Show a step."""
        now = time.monotonic()
        start, first = self._began = self._began or (now, step.number)
        if not self.is_due:
            return
        made = step.number - first
        seconds = (now - start) / made if made else None
        facts = {
            "phase": "training",
            "step": step.number,
            "loss": step.loss if math.isfinite(step.loss) else None,
            "steps": step.steps,
            "steps_per_second": 1 / seconds if seconds else None,
            "share": step.number / step.steps,
            "seconds_left": seconds * (step.steps - step.number) if seconds else None,
        }
        self.write(facts)
        began = time.monotonic()
        if began < self._next_drawing:
            return
        self.write({"drawn": step.number}, draw_row(self._draw(step.state.params)))
        done = time.monotonic()
        # The first drawing compiles, which the training needs at its end in any case.
        self._next_drawing = done + ((done - began) / SHARE if self._has_drawn else 0)
        self._has_drawn = True
