"""An observer that writes, every few seconds, how far a run is, and its picture, for `subjective watch`.

Writing takes at most `SHARE` of the run's time, and a file that cannot be written is left out.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from subjective.conversion import to_uint8
from subjective.files import write_bytes
from subjective.images import encode_image
from subjective.optimize.minimizer import Step
from subjective.runs.control import LIVE_FILE, PREVIEW_FILE
from subjective.runs.memory import used_bytes
from subjective.synthesis.coarse_to_fine import Position
from subjective.synthesis.forecast import Forecast
from subjective.synthesis.problem import Job
from subjective.synthesis.reweigh import apply_changes, list_weights
from subjective.synthesis.schedule import Schedule

INTERVAL = 2.0
"""Least number of seconds between two writings."""

PART, LONGEST = 60, 10.0
"""A run writes again after this part of the time that it has taken: a picture changes ever more slowly, and a page that
is open works at each writing. But it never waits longer than so many seconds."""

SHARE = 0.02
"""Largest share of a run's time that writing may take."""

SIDE = 1024
"""Longest side of the picture in pixels."""

MOST_FRAMES = 16
"""Most pictures of those that are made together that are shown, in rows."""


class LiveFiles:
    """Writes the files of a run that goes on, but not too often."""

    def __init__(self, folder: Path):
        """Prepare to write in a run folder."""
        self._folder, self._due, self._opened = folder, 0.0, time.monotonic()
        self._known: dict[str, Any] = {"process": os.getpid(), "host": socket.gethostname()}

    def write(self, facts: dict[str, Any], value: Any = None) -> None:
        """Write facts and a picture, and note when to write again.

        Args:
            facts: further entries of ``.live.json``, as JSON.
            value: see `reduce`; None if there is no picture.
        """
        began = time.monotonic()
        self._known |= facts | {"time": round(time.time(), 1), "memory": used_bytes()}
        with contextlib.suppress(OSError):  # a full disk; what the run keeps is written by others
            if value is not None:
                write_bytes(self._folder / PREVIEW_FILE, encode_image(reduce(value), ".jpg"))
            write_bytes(self._folder / LIVE_FILE, json.dumps(self._known).encode())
        now = time.monotonic()
        seldom = min((now - self._opened) / PART, LONGEST)
        self._due = now + max(INTERVAL, seldom, (now - began) / SHARE)

    @property
    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() >= self._due

    def close(self) -> None:
        """Say that the run makes no more steps: it measures and writes what it has made."""
        if "step" in self._known:
            self.write({"phase": "measuring and writing"})


class PictureLive(LiveFiles):
    """Shows a run that makes pictures.

    Attributes:
        told: why the weights that were asked for last are not taken; empty if they are.
    """

    def __init__(
        self,
        folder: Path,
        job: Job,
        forecast: Forecast,
        schedule: Schedule | None = None,
        sources: Sequence[str] = (),
        *,
        can_score: bool = False,
    ):
        """Prepare to show the steps.

        Args:
            folder: the run folder.
            job: the job of the run.
            forecast: how long the run takes.
            schedule: how the weights change on the way; None if they do not.
            sources: names of the sources whose weights can be changed.
            can_score: whether the run can be asked for scores.
        """
        super().__init__(folder)
        self._job, self._forecast = job, forecast
        self._schedule, self._sources, self.told = schedule or Schedule(job), sources, ""
        self._can_score = can_score
        self._place: tuple[int, int, int] | None = None
        self._began, self._first = 0.0, 0

    def update(self, picture: int, step: Step) -> None:
        """Show a step of a picture."""
        position = step.position
        if not isinstance(position, Position):  # the best attempt, which is reported again
            return
        place, number, now = (picture, position.stage, position.attempt), position.point.step, time.monotonic()
        if place != self._place:
            self._place, self._began, self._first = place, now, number
        if not self.is_due:
            return
        made = number - self._first
        seconds = (now - self._began) / made if made else None
        left = self._forecast.seconds_left(*place, number, seconds)
        facts = {
            "phase": "making steps",
            "step": step.step,
            "loss": step.loss,
            "picture": picture,
            "pictures": self._job.pictures,
            "stage": position.stage,
            "stages": [[*self._job.shape(stage)[-3:-1], stage.steps] for stage in self._job.stages],
            "step_of_stage": number,
            "steps_per_second": None if seconds is None or seconds <= 0 else 1 / seconds,
            "share": self._forecast.share_done(*place, number),
            "seconds_left": left,
            "weights": self._list_weights(picture, step.step),
            "told": self.told,
            "can_score": self._can_score,
        }
        self.write(facts, step.value)

    def show_scores(self, picture: int, step: int, scores: dict[str, Any]) -> None:
        """Show what a picture scores after a step.

        Args:
            picture: number of the picture.
            step: number of the step.
            scores: as in ``summary.json``.
        """
        self.write({"scored": {"picture": picture, "step": step, "scores": scores}})

    def _list_weights(self, picture: int, step: int) -> dict[str, list[tuple[str, float]]]:
        """Return the weights that count after a step, as `list_weights` does; none if the job has no others."""
        if self._job.prepare is None:
            return {}
        passed = [change for change in self._schedule.changes if change.place <= (picture, step)]
        return list_weights(apply_changes(self._job.config, passed), self._sources)


def reduce(value: Any) -> np.ndarray:
    """Return a picture of at most `SIDE` pixels, from one or several pictures of any size.

    Args:
        value: ``(height, width, channels)`` or ``(count, height, width, channels)``, of which the first `MOST_FRAMES`
            are shown in rows. The first three channels are shown: the albedo of a material.
    """
    value = value[..., :3]
    if value.ndim == 4:
        value = value[:MOST_FRAMES]
        columns = math.ceil(math.sqrt(len(value)))
        rows = math.ceil(len(value) / columns)
    else:
        value, rows, columns = value[None], 1, 1
    longest = max(value.shape[1] * rows, value.shape[2] * columns)
    skipped = longest // (2 * SIDE)  # whole rows and columns first, so that little is copied from a device
    if skipped > 1:
        value = value[:, ::skipped, ::skipped]
    frames = np.clip(np.nan_to_num(np.asarray(value, np.float32)), 0, 1)
    empty = np.zeros((rows * columns - len(frames), *frames.shape[1:]), np.float32)
    _, height, width, _ = frames.shape
    grid = np.concatenate([frames, empty]).reshape(rows, columns, height, width, 3)
    sheet = to_uint8(grid.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3))
    picture = Pillow.fromarray(sheet)
    picture.thumbnail((SIDE, SIDE), Pillow.Resampling.BOX)
    return np.asarray(picture)
