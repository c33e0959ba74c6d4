"""The run folder: everything a run was asked, did and made, in one new folder.

``config.json`` what was asked, ``trace.jsonl`` a line a step, ``step-*.png`` pictures on the way,
``checkpoint-*.safetensors`` what it takes to go on, ``result.png`` the last picture, ``summary.json`` how it ended.
Every file but the trace appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import json
import math
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

import jax
import numpy as np

from subjective.images import write_bytes, write_image
from subjective.optimize.minimizer import Result, Step
from subjective.runs import checkpoints
from subjective.runs.remarks import say
from subjective.synthesis.position import Position
from subjective.version import __version__

LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "pillow", "imageio", "safetensors")


def environment() -> dict[str, Any]:
    """Versions and device that a run's result depends on."""
    device = jax.devices()[0]
    return {
        "subjective": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "device": f"{device.platform}: {device.device_kind}",
        "devices": jax.device_count(),
        "cores": os.cpu_count(),
    }


class Run:
    """A run folder being filled.

    Attributes:
        folder: its path.
        last: the last accepted step of each picture, by number.
    """

    def __init__(self, folder: Path, *, frames: int, save_every: int, checkpoint_every: float = 0):
        """Fill a folder.

        Args:
            folder: a new one, see `new_folder`; or that of a run to be gone on with, see `resumed`.
            frames: how many pictures the run makes.
            save_every: steps between intermediate pictures; 0 for none.
            checkpoint_every: seconds between checkpoints; 0 for none.

        Raises:
            OSError: it cannot be written.
        """
        self.folder = folder
        self.frames = frames
        self.save_every = save_every
        self.checkpoint_every = checkpoint_every
        self._checkpointed = time.monotonic()
        self._checkpoints = self._lines = 0
        self._earlier = 0.0
        self.last: dict[int, Step] = {}
        self._effort: dict[int, tuple[int, int]] = {}  # evaluations, and their pixels
        self._config: dict[str, Any] = {}
        self._summary: dict[str, Any] = {}
        self._started = time.time()
        self._trace: TextIO = open(self.folder / "trace.jsonl", "a", encoding="utf-8")  # noqa: SIM115 closed at the end

    def resumed(self, position: Position, facts: dict[str, Any]) -> None:
        """Take up a run where a checkpoint of it stands: what was noted later is taken back.

        Args:
            position: from `checkpoints.read`.
            facts: likewise; those that `record` kept with it.
        """
        self._config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        self._checkpoints, self._lines, self._earlier = facts["checkpoint"], facts["lines"], facts["seconds"]
        path = self.folder / "trace.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[: self._lines]
        self._trace.close()
        write_bytes(path, "".join(lines).encode())
        self._trace = open(path, "a", encoding="utf-8")  # noqa: SIM115 closed at the end
        for noted in map(json.loads, lines):
            number = noted["picture"]
            self._count(number, noted["evaluations"], noted["size"])
            if number < len(position.finished):
                names = ("step", "loss", "parts", "gradient_norm", "evaluations", "seconds")
                known = {name: noted[name] for name in names}
                self.last[number] = Step(**known, value=position.finished[number].value)

    def describe(self, command: str, settings: dict[str, Any], **facts: Any) -> None:
        """Write ``config.json``: every setting, the exact command, versions, device and further facts."""
        self._config = {
            "command": command,
            "command_line": shlex.join(["subjective", *sys.argv[1:]]),
            "started": datetime.datetime.fromtimestamp(self._started).astimezone().isoformat(timespec="seconds"),
            "settings": settings,
            **facts,
            "environment": environment(),
        }
        self._write_json("config.json", self._config)

    def reserve(self, size: tuple[int, int]) -> None:
        """Hold room on the disk for the last pictures, to be let go when the disk is full.

        Random noise does not compress: three bytes a pixel and a little more.
        """
        amount = self.frames * (size[0] * size[1] * 3 + size[0] * 8 + 65536)
        free = shutil.disk_usage(self.folder).free
        if amount > free:
            raise OSError(errno.ENOSPC, f"{free / 1e6:.0f} MB are free, the pictures may take {amount / 1e6:.0f} MB")
        with open(self._reserve_path, "wb") as file:
            # Written out, since a sparse file would hold nothing.
            for start in range(0, amount, 2**20):
                file.write(bytes(min(2**20, amount - start)))
            file.flush()
            os.fsync(file.fileno())

    @property
    def _reserve_path(self) -> Path:
        return self.folder / ".reserve"

    def record(self, number: int, step: Step, *, last: bool = False) -> None:
        """Note a step in the trace, and save picture and position when they are due, or when it is the last."""
        self._count(number, step.evaluations, step.value.shape[-3:-1])
        line = {
            "picture": number,
            "size": list(step.value.shape[-3:-1]),
            "step": step.step,
            "loss": step.loss,
            "parts": step.parts,
            "gradient_norm": step.gradient_norm,
            "evaluations": step.evaluations,
            "seconds": round(step.seconds, 3),
        }
        self._trace.write(json.dumps(line) + "\n")
        self._trace.flush()
        self._lines += 1
        if self.save_every and step.step % self.save_every == 0:
            self._write_pictures(f"step-{step.step:05d}", number, np.asarray(step.value), step)
        # What there is to go on from is true for now alone; the picture is kept.
        self.last[number] = dataclasses.replace(step, position=None)
        due = last or time.monotonic() - self._checkpointed >= self.checkpoint_every
        if self.checkpoint_every and due and step.position is not None:
            self._checkpoint(step.position)

    def forget(self) -> None:
        """Begin the trace again."""
        self._trace.truncate(0)

    def _count(self, number: int, evaluations: int, size: Sequence[int]) -> None:
        """Count the pixels at which a picture's loss was evaluated."""
        before, pixels = self._effort.get(number, (0, 0))
        self._effort[number] = (evaluations, pixels + (evaluations - before) * size[0] * size[1])

    def _checkpoint(self, position: Position) -> None:
        os.fsync(self._trace.fileno())
        self._checkpoints += 1
        facts = {"checkpoint": self._checkpoints, "lines": self._lines, "seconds": self._seconds()}
        try:
            checkpoints.write(self.folder, self._checkpoints, position, facts)
        except OSError as error:  # the picture needs no checkpoint: those before stand
            say(f"note: no checkpoint could be written ({error.strerror}); going on")
        self._checkpointed = time.monotonic()

    def _seconds(self) -> float:
        return self._earlier + time.time() - self._started

    def finish(self, results: list[Result]) -> None:
        """Write the final pictures and ``summary.json`` of a run that came to its end."""
        for number, result in enumerate(results):
            # What was told last of it, but where it ended with the very step that it was resumed from.
            told = (result.steps, result.value, result.loss, result.parts, result.gradient_norm)
            self.last.setdefault(number, Step(*told, result.evaluations, result.seconds))
        self._conclude("finished", None, [result.__dict__ | {"value": None} for result in results])
        for path in checkpoints.found(self.folder):
            path.unlink()

    def abandon(self, status: str, reason: str) -> Path | None:
        """Keep the last pictures of a run that was stopped; returns the path of one of them.

        Args:
            status: for ``summary.json``, such as ``interrupted``.
            reason: in a sentence.

        Returns:
            The newest picture in the folder, None if there is none.
        """
        with contextlib.suppress(OSError):  # a full disk, even of its reserve: what was saved on the way remains
            self._conclude(status, reason, [{} for _ in self.last])
        pictures = sorted(self.folder.glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
        return pictures[-1] if pictures else None

    def _conclude(self, status: str, reason: str | None, ends: list[dict[str, Any]]) -> None:
        self._reserve_path.unlink(missing_ok=True)
        pictures = []
        for (number, step), end in zip(sorted(self.last.items()), ends, strict=True):
            names = self._write_pictures("result", number, np.asarray(step.value), step)
            pictures.append(
                {
                    "files": names,
                    "loss": step.loss,
                    "parts": step.parts,
                    "gradient_norm": step.gradient_norm,
                    "steps": step.step,
                    "evaluations": step.evaluations,
                    "full_size_evaluations": round(self._effort[number][1] / math.prod(step.value.shape[-3:-1]), 2),
                    "seconds": round(step.seconds, 3),
                    "converged": end.get("converged", False),
                    "message": end.get("message", reason),
                }
            )
        self._summary = {
            "status": status,
            "reason": reason,
            "seconds": round(self._seconds(), 3),
            "pictures": pictures,
        }
        self._write_json("summary.json", self._summary)
        self._trace.close()

    def score(self, scores: list[Any]) -> None:
        """Add what each picture of a finished run scores to ``summary.json``."""
        pictures = [
            picture | {"scores": score} for picture, score in zip(self._summary["pictures"], scores, strict=True)
        ]
        self._write_json("summary.json", self._summary | {"pictures": pictures})

    def _write_pictures(self, stem: str, number: int, value: np.ndarray, step: Step) -> list[str]:
        """Write an image, or all frames of one optimization; returns the names."""
        images = value[None] if value.ndim == 3 else value
        text = {
            "Software": f"subjective {__version__}",
            "subjective:config": json.dumps(self._config),
            "subjective:step": json.dumps({"step": step.step, "loss": step.loss, "evaluations": step.evaluations}),
        }
        names = []
        for offset, image in enumerate(images):
            suffix = "" if self.frames == 1 else f"-{number + offset:03d}"
            names.append(f"{stem}{suffix}.png")
            write_image(self.folder / names[-1], image, text=text)
        return names

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        write_bytes(self.folder / name, (json.dumps(content, indent=2) + "\n").encode())


def new_folder(parent: Path, prefix: str) -> Path:
    """Make a folder whose name is the prefix, date and time, and a number if that is taken; never one that exists.

    Raises:
        OSError: it cannot be made.
    """
    parent.mkdir(parents=True, exist_ok=True)
    stem = f"{prefix}-{time.strftime('%Y%m%d-%H%M%S')}"
    for attempt in range(10_000):
        folder = parent / (stem if attempt == 0 else f"{stem}-{attempt + 1}")
        try:
            folder.mkdir()  # fails if it exists: of several runs that start at once, one gets the name
        except FileExistsError:
            continue
        return folder
    raise OSError(f"no free name for a run folder like {stem} in {parent}; use another --output-prefix")
