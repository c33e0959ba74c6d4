"""A training's run folder: what was asked, a line a step, checkpoints to go on from, curves, and the network.

``config.json``, ``trace.jsonl``, ``checkpoints/`` (Orbax's, the last two), ``curves.png``, ``network.safetensors``,
``summary.json``.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import jax
import numpy as np

from subjective.feedforward.step import State
from subjective.feedforward.train import TrainStep
from subjective.images import write_bytes, write_image
from subjective.runs.curves import curves, thinned
from subjective.runs.folder import environment
from subjective.runs.remarks import say

KEPT = 2
"""Checkpoints that are kept: the newest, and one to fall back to."""


class TrainingRun:
    """A run folder being filled.

    Attributes:
        folder: its path.
    """

    def __init__(self, folder: Path, *, checkpoint_every: float):
        """Fill a folder, which exists.

        Args:
            folder: new, or that of a training to be gone on with.
            checkpoint_every: seconds between checkpoints; 0 for none but the last.

        Raises:
            ImportError: Orbax is not installed.
        """
        self.folder = folder.absolute()
        self.checkpoint_every = checkpoint_every
        self._orbax = checkpointing()
        self._manager = self._orbax.CheckpointManager(
            self.folder / "checkpoints",
            options=self._orbax.CheckpointManagerOptions(max_to_keep=KEPT, enable_async_checkpointing=False),
        )
        self._checkpointed = self._begun = time.monotonic()
        self._earlier = 0.0
        self._lines: list[dict[str, Any]] = []
        self._trace: TextIO = open(self.folder / "trace.jsonl", "a", encoding="utf-8")  # noqa: SIM115 closed at the end

    def describe(self, settings: dict[str, Any], **facts: Any) -> None:
        """Write ``config.json``: every setting, the exact command, versions, device and further facts."""
        content = {
            "command": "train",
            "command_line": shlex.join(["subjective", *sys.argv[1:]]),
            "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "settings": settings,
            **facts,
            "environment": environment(),
        }
        self._write_json("config.json", content)

    def resumed(self, like: State) -> tuple[State, Any] | None:
        """The state of the newest sound checkpoint, and what was kept with it; None if there is none at all.

        What the trace holds beyond it is taken back.

        Args:
            like: a state of the same training, for shapes.

        Raises:
            ValueError: there are some, and none is sound.
        """
        orbax = self._orbax
        abstract = jax.tree.map(orbax.utils.to_shape_dtype_struct, like)
        steps = sorted(self._manager.all_steps(), reverse=True)
        for step in steps:
            try:
                found = self._manager.restore(
                    step,
                    args=orbax.args.Composite(
                        params=orbax.args.StandardRestore(abstract.params),
                        optimizer=orbax.args.StandardRestore(abstract.optimizer),
                        facts=orbax.args.JsonRestore(),
                    ),
                )
            except Exception as error:  # whatever Orbax and the file system make of a damaged one
                first = (str(error).splitlines() or [type(error).__name__])[0]
                say(f"note: checkpoint {step} is damaged ({first[:200]}); taking the one before")
                continue
            self._take_back(step)
            self._earlier = found.facts["seconds"]
            state = State(found.params, found.optimizer, np.asarray(step, np.int32))
            return jax.tree.map(jax.numpy.asarray, state), found.facts["photographs"]
        self._take_back(0)
        if steps:
            raise ValueError(f"no checkpoint in {str(self.folder)!r} can be read; train it again by its config.json")
        return None

    def _take_back(self, step: int) -> None:
        """Forget what was noted after a step."""
        path = self.folder / "trace.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines()[:step]
        self._lines = [json.loads(line) for line in lines]
        self._trace.close()
        write_bytes(path, "".join(f"{line}\n" for line in lines).encode())
        self._trace = open(path, "a", encoding="utf-8")  # noqa: SIM115 closed at the end

    def record(self, step: TrainStep) -> None:
        """Note a step in the trace."""
        line = {
            "step": step.number,
            "loss": _finite(step.loss),
            "parts": {name: _finite(part) for name, part in step.parts.items()},
            "gradient_norm": _finite(step.gradient_norm),
            "moved": step.moved,
            "seconds": round(self.seconds, 3),
        }
        self._lines.append(line)
        self._trace.write(json.dumps(line) + "\n")
        self._trace.flush()

    @property
    def seconds(self) -> float:
        """That the training has taken, before it was resumed included."""
        return self._earlier + time.monotonic() - self._begun

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self.checkpoint_every > 0 and time.monotonic() - self._checkpointed >= self.checkpoint_every

    def checkpoint(self, state: State, photographs: Any) -> None:
        """Keep where the training stands: whole or not at all, as Orbax does it.

        Args:
            state: after a step.
            photographs: where the order of the pictures stands, as JSON.
        """
        os.fsync(self._trace.fileno())
        args = self._orbax.args
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        self._manager.save(
            step,
            args=args.Composite(
                params=args.StandardSave(jax.tree.map(np.asarray, state.params)),
                optimizer=args.StandardSave(jax.tree.map(np.asarray, state.optimizer)),
                facts=args.JsonSave({"photographs": photographs, "seconds": self.seconds}),
            ),
        )
        self._checkpointed = time.monotonic()

    def show(self, pictures: Sequence[np.ndarray]) -> None:
        """Refresh ``curves.png``.

        Args:
            pictures: what the network makes by now, before it what from, if anything.
        """
        moved = [line for line in self._lines if line["moved"]]
        names = dict.fromkeys(name for line in moved for name in line["parts"])
        lines = {"loss": [line["loss"] for line in moved]}
        lines |= {name: [line["parts"].get(name, float("nan")) for line in moved] for name in names}
        steps, lines = thinned([line["step"] for line in moved], lines)
        write_image(self.folder / "curves.png", curves(lines, steps, pictures))

    def conclude(self, status: str, reason: str | None, **facts: Any) -> None:
        """Write ``summary.json``."""
        moved = [line["loss"] for line in self._lines if line["moved"]]
        content = {
            "status": status,
            "reason": reason,
            "seconds": round(self.seconds, 3),
            "steps": len(self._lines),
            "skipped_steps": len(self._lines) - len(moved),
            "loss": moved[-1] if moved else None,
            **facts,
        }
        self._write_json("summary.json", content)
        self._trace.close()
        self._manager.close()

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        write_bytes(self.folder / name, (json.dumps(content, indent=2) + "\n").encode())


def _finite(value: float) -> float | None:
    """As JSON has it, which knows no other numbers."""
    return value if math.isfinite(value) else None


def checkpointing() -> Any:
    """Orbax.

    Raises:
        ImportError: it is not installed; says what to install.
    """
    try:
        import orbax.checkpoint as orbax
    except ImportError as error:
        raise ImportError(
            f"training wants the package orbax-checkpoint ({error}); install it with `pip install 'subjective[train]'`"
        ) from None
    return orbax
