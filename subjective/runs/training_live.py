"""An observer that writes, every other second, how far a training is, for `subjective watch`."""

from __future__ import annotations

import math
import time
from pathlib import Path

from subjective.feedforward.train import TrainStep
from subjective.runs.live import LiveFiles


class TrainingLive(LiveFiles):
    """Shows a training, whose pictures are in ``curves.png``."""

    def __init__(self, folder: Path):
        """Prepare to show the steps of the training in a folder."""
        super().__init__(folder)
        self._began: tuple[float, int] | None = None

    def update(self, step: TrainStep) -> None:
        """Show a step."""
        now = time.monotonic()
        began, first = self._began = self._began or (now, step.number)
        if not self.is_due:
            return
        made = step.number - first
        seconds = (now - began) / made if made else None
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
