"""Write and read the run folder of a training.

The folder holds:

- ``config.json``: the settings.
- ``trace.jsonl``: a line for each step.
- ``checkpoints/``: the last two checkpoints, in Orbax's format.
- ``pictures.png``: pictures that the network makes, beside each other; ``pictures-00100.png``: those after step 100.
- ``curves.png``: a chart of the loss, and the same pictures.
- ``network.safetensors``: the network.
- ``summary.json``: how the training ended.
"""

from __future__ import annotations

import logging
import math
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from subjective.checks import InputError, MissingPackageError, file_errors, setting
from subjective.feedforward.data import Photographs
from subjective.feedforward.step import TrainState
from subjective.feedforward.train import TrainStep
from subjective.images import write_image
from subjective.runs.pictures import draw_curves, draw_row, thin_out
from subjective.runs.provenance import CONFIG_FILE, read_record
from subjective.runs.trace import is_count, is_number
from subjective.runs.traced_folder import TracedFolder
from subjective.terminal import StepBar, Stream, format_duration, note, silenced

KEPT = 2
"""Number of checkpoints that are kept: the newest, and the one before, in case the newest is damaged."""


@dataclass(frozen=True)
class SaveSettings:
    """What a training folder keeps, and when.

    Attributes:
        steps: number of steps of the training.
        save_every: number of steps between drawings of pictures and curves; 0 to draw them at the end only.
        checkpoint_every: seconds between checkpoints; 0 to write one at the end only.
        draw: ``draw(params)`` makes pictures from the parameters of the network.
        write: ``write(state)`` writes the file of the network, the same bytes for the same state.
        photographs: the photographs that a style network learns to repaint; None for a texture network.
    """

    steps: int
    save_every: int
    checkpoint_every: float
    draw: Callable[[Any], Sequence[np.ndarray]]
    write: Callable[[TrainState], None]
    photographs: Photographs | None = None


class TrainingFolder(TracedFolder):
    """The folder of a training.

    Attributes:
        memory_advice: see `subjective.runs.session.RunFolder`.
    """

    memory_advice = "lower batch, size or width"

    def __init__(self, folder: Path, settings: SaveSettings):
        """Open a folder that exists.

        Args:
            folder: a new folder, or the folder of a training that is resumed (see `resume`).
            settings: what to keep, and when.

        Raises:
            MissingPackageError: Orbax is not installed.
            InputError: another process writes the folder, or a part of it is a link.
            FileError: the folder cannot be written.
        """
        self._orbax = load_orbax()
        super().__init__(folder.absolute())
        self._settings = settings
        self._checkpoints = self.folder / "checkpoints"
        try:
            self._manager = self._open_checkpoints()
        except BaseException:
            self._release()
            raise
        self._checkpointed = time.monotonic()
        self._steps: list[dict[str, Any]] = []
        self._state: TrainState | None = None
        self._is_made = False
        self._skipped: list[str] = []

    def _open_checkpoints(self) -> Any:
        """Return the object that reads and writes checkpoints. Remove those that a kill has left incomplete."""
        if self._checkpoints.is_symlink():
            raise InputError(f"{str(self._checkpoints)!r} is a link; wanted a folder: remove it")
        for unfinished in self._checkpoints.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        options = self._orbax.CheckpointManagerOptions(max_to_keep=KEPT, enable_async_checkpointing=False)
        try:
            with file_errors("write", self._checkpoints):
                return self._orbax.CheckpointManager(self._checkpoints, options=options)
        except InputError:
            raise
        except Exception as error:  # a damaged folder raises errors of many classes
            raise InputError(
                f"{str(self._checkpoints)!r} holds no checkpoints that can be read ({_first_line(error)}); remove it, "
                "and the training begins again"
            ) from None

    def resume(self, like: TrainState) -> TrainState | None:
        """Continue at the newest checkpoint that is not damaged, and remove the lines of later steps from the trace.

        Args:
            like: any state of the same training; only the shapes and types of its arrays are used.

        Returns:
            The state of the checkpoint. If there is no checkpoint, None: the training begins again.

        Raises:
            InputError: there are checkpoints, but none can be read.
        """
        self.config = read_record(self.folder / CONFIG_FILE)
        steps = sorted(self._manager.all_steps(), reverse=True)
        damaged = []
        for step in steps:
            try:
                state = self._restore(step, like)
            except Exception as error:  # a damaged checkpoint raises errors of many classes
                told = f"checkpoint {step} is damaged ({_first_line(error)})"
                note(f"note: {told}; the run goes on from the checkpoint before")
                damaged.append(step)
                continue
            for later in damaged:  # otherwise no checkpoint of an earlier step would be written
                try:
                    self._manager.delete(later)
                except Exception:  # what is left of it is in no state that Orbax knows
                    shutil.rmtree(self._checkpoints / str(later), ignore_errors=True)
            self._steps = self._trace.cut(step, _is_line)
            return state
        if steps:
            again = shlex.quote(str(self.folder / CONFIG_FILE))
            raise InputError(
                f"no checkpoint in {str(self.folder)!r} can be read; to begin again, use {setting('config')} {again}"
            )
        self._steps = self._trace.cut(0, _is_line)
        note(f"note: {str(self.folder)!r} has no checkpoint; the training begins again")
        return None

    def _restore(self, step: int, like: TrainState) -> TrainState:
        """Read the checkpoint of a step, and continue its time and its photographs.

        Raises:
            Exception: the checkpoint is damaged; errors of many classes say so.
        """
        args = self._orbax.args
        abstract = jax.tree.map(self._orbax.utils.to_shape_dtype_struct, like)
        found = self._manager.restore(
            step,
            args=args.Composite(
                params=args.StandardRestore(abstract.params),
                optimizer=args.StandardRestore(abstract.optimizer),
                facts=args.JsonRestore(),
            ),
        )
        seconds, read = found.facts["seconds"], found.facts["photographs"]
        if not (is_number(seconds) and seconds >= 0):
            raise InputError(f"its seconds are {seconds!r}")
        if self._settings.photographs is not None:
            self._settings.photographs.resume(read)
        self._seconds_before = seconds
        state = TrainState(found.params, found.optimizer, np.asarray(step, np.int32))
        return jax.tree.map(jax.numpy.asarray, state)

    def record(self, step: TrainStep, *, last: bool, asked: Collection[str] = ()) -> None:
        """Write a step to the trace, and write the curves and a checkpoint if they are due.

        Args:
            step: the step.
            last: whether the training stops after this step. If so, a checkpoint is written.
            asked: see `subjective.runs.session.RunFolder.record`.
        """
        self._state = step.state
        line = {
            "step": step.number,
            "loss": _finite(step.loss),
            "parts": {name: _finite(part) for name, part in step.parts.items()},
            "gradient_norm": _finite(step.gradient_norm),
            "moved": step.moved,
            "seconds": round(self.seconds, 3),
        }
        self._steps.append(line)
        self._trace.add(line)
        settings = self._settings
        if "save" in asked or (settings.save_every and step.number % settings.save_every == 0):
            self._show(step.state, f"pictures-{step.number:05d}.png")
        waited = time.monotonic() - self._checkpointed
        due = settings.checkpoint_every > 0 and waited >= settings.checkpoint_every and step.number < settings.steps
        if last or due or "checkpoint" in asked:
            self._checkpoint(step.state)

    def finish(self, result: TrainState) -> None:
        """Write checkpoint, curves and network of a training that has made all its steps."""
        self._checkpoint(result)
        self._show(result, "pictures.png")
        self._settings.write(result)
        photographs = self._settings.photographs
        self._skipped = [] if photographs is None else sorted(path.name for path in photographs.skipped)
        if photographs is not None and self._skipped:
            note(f"{len(self._skipped)} of {len(photographs.files)} photographs could not be read and were left out")
        self._state, self._is_made = result, True

    def complete(self) -> None:
        """Write ``summary.json`` of a training that has written everything else."""
        self._summarize("finished", None, unreadable=self._skipped)
        self._close()

    def abandon(self, status: str, reason: str) -> tuple[str, bool]:
        """Write the network of a training that was stopped; see `subjective.runs.session.RunFolder.abandon`."""
        kept = "no step was made yet"
        try:
            if self._state is not None:
                if not self._is_made:
                    if status == "interrupted":
                        self._checkpoint(self._state)
                    self._settings.write(self._state)
                kept = f"the network of step {int(self._state.step)} is in {self.folder}"
            self._summarize(status, reason)
        except OSError as error:
            kept = f"the network could not be kept ({error.strerror})"
        self._close()
        return kept, (self.folder / CONFIG_FILE).exists()

    def _close(self) -> None:
        """Close all files, and let other processes take the folder."""
        self._manager.close()
        self._release()

    def _checkpoint(self, state: TrainState) -> None:
        """Write a checkpoint of this step if none exists; if this fails, print a note and go on.

        Orbax never leaves an incomplete checkpoint under a checkpoint's name.
        """
        self._trace.sync()
        args = self._orbax.args
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        photographs = self._settings.photographs
        facts = {"photographs": None if photographs is None else photographs.position, "seconds": self.seconds}
        content = args.Composite(
            params=args.StandardSave(jax.tree.map(np.asarray, state.params)),
            optimizer=args.StandardSave(jax.tree.map(np.asarray, state.optimizer)),
            facts=args.JsonSave(facts),
        )
        try:
            with silenced(logging.getLogger("absl")):  # Orbax would write a traceback to stderr
                self._manager.save(step, args=content)
        except Exception as error:  # a full disk raises errors of many classes; the earlier checkpoints remain
            note(f"note: no checkpoint could be written ({_first_line(error)}); the run continues")
        self._checkpointed = time.monotonic()

    def _show(self, state: TrainState, name: str) -> None:
        """Draw the network's pictures, and ``curves.png`` of the loss and its parts at the steps that changed
        parameters.

        Args:
            state: the state of the training.
            name: file name of the pictures.
        """
        moved = [line for line in self._steps if line["moved"]]
        names = dict.fromkeys(name for line in moved for name in line["parts"])
        lines = {"loss": [line["loss"] for line in moved]}
        lines |= {name: [_or_nan(line["parts"].get(name)) for line in moved] for name in names}
        steps, lines = thin_out([line["step"] for line in moved], lines)
        pictures = self._settings.draw(state.params)
        write_image(self.folder / name, draw_row(pictures))
        write_image(self.folder / "curves.png", draw_curves(lines, steps, pictures))

    def _summarize(self, status: str, reason: str | None, **facts: Any) -> None:
        """Write ``summary.json``."""
        moved = [line["loss"] for line in self._steps if line["moved"]]
        left_out = len(self._steps) - len(moved)
        steps = 0 if self._state is None else int(self._state.step)
        loss = moved[-1] if moved else None
        self._conclude(status, reason, steps=steps, skipped_steps=left_out, loss=loss, **facts)


def _first_line(error: Exception) -> str:
    """Return the first line of an error of Orbax, whose messages have many."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _is_line(line: Any) -> bool:
    """Return whether a value is a line of the trace of a training."""
    if not isinstance(line, dict) or not isinstance(line.get("parts"), dict):
        return False
    numbers = [line.get("loss"), line.get("seconds"), line.get("gradient_norm"), *line["parts"].values()]
    return (
        is_count(line.get("step"))
        and isinstance(line.get("moved"), bool)
        and all(number is None or is_number(number) for number in numbers)
        and (line.get("loss") is not None or not line["moved"])
        and all(name.isprintable() for name in line["parts"])
    )


def _or_nan(value: float | None) -> float:
    """Return a number of the trace, which holds None for one that is not finite."""
    return float("nan") if value is None else value


def _finite(value: float) -> float | None:
    """Return a number unchanged, but None for NaN and infinity, because JSON cannot hold them."""
    return value if math.isfinite(value) else None


def load_orbax() -> Any:
    """Import Orbax.

    Raises:
        MissingPackageError: Orbax is not installed.
    """
    try:
        import orbax.checkpoint as orbax
    except ImportError as error:
        raise MissingPackageError(
            f"training needs the package orbax-checkpoint ({error}); install it with `pip install 'subjective[train]'`"
        ) from None
    return orbax


class TrainProgress:
    """Shows the steps of a training."""

    def __init__(self, stream: Stream | None = None):
        """Prepare to show the steps on a stream; None for stderr."""
        self.stream = stream if stream is not None else sys.stderr
        self._bar: StepBar | None = None
        self._began = time.monotonic()

    def update(self, step: TrainStep) -> None:
        """Show a step. The first steps tell how long the training takes."""
        if not step.moved:
            note(f"note: step {step.number} had a loss or gradient that is not finite; the step is left out")
        if self._bar is None:
            note(f"compiled in {format_duration(time.monotonic() - self._began)}")
            self._bar = StepBar("", step.number, step.steps, self.stream)
        seconds = self._bar.seconds_per_step(step.number)
        left = "" if seconds is None else f"{format_duration((step.steps - step.number) * seconds)} left"
        self._bar.show(step.number, step.loss, step.parts, left)

    def close(self) -> None:
        """Finish the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
