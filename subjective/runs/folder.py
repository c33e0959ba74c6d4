"""The run folder: a new folder that holds the settings, the steps and the results of a run.

- ``config.json`` holds the settings.
- ``trace.jsonl`` has a line for each step.
- ``step-*.png`` are the pictures after some of the steps.
- ``checkpoint-*.safetensors`` are positions at which the run can be resumed.
- ``result.png`` is the last picture.
- ``sheet.png`` shows all results beside their sources, if ``--seeds`` asks for variants.
- ``result-map.png`` shows where the picture is unlike its sources, if it was scored.
- ``summary.json`` says how the run ended.

Every file but the trace appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import math
import os
import shlex
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, file_errors, setting
from subjective.files import open_plainly
from subjective.images import read_image, write_image
from subjective.optimize.minimizer import Result, Step
from subjective.runs import checkpoints
from subjective.runs.pictures import describe_picture, draw_contact_sheet
from subjective.runs.provenance import CONFIG_FILE, publish, read_record
from subjective.runs.result_files import PictureFiles, ResultFiles
from subjective.runs.trace import is_count, is_number
from subjective.runs.traced_folder import RESERVE_FILE, TracedFolder
from subjective.synthesis.coarse_to_fine import Position
from subjective.terminal import note
from subjective.version import __version__


class PictureFolder(TracedFolder):
    """The folder of a run that makes pictures.

    Attributes:
        last: the last step of each picture, by the picture's number.
        memory_advice: see `subjective.runs.session.RunFolder`.
    """

    memory_advice = "make a smaller picture, or lower history or count"

    def __init__(
        self,
        folder: Path,
        *,
        pictures: int,
        save_every: int,
        checkpoint_every: float = 0,
        files: ResultFiles | None = None,
        changes: Callable[[int, int], Sequence[Any]] = lambda picture, step: (),
    ):
        """Open a folder.

        Args:
            folder: from `new_folder`, or the folder of a run that is resumed (see `resume`).
            pictures: how many pictures the run makes.
            save_every: number of steps between pictures that are written on the way; 0 to write none.
            checkpoint_every: seconds between checkpoints; 0 to write none.
            files: writes the pictures; None for `PictureFiles`.
            changes: returns the changes of weights after a step of a picture, which its line in the trace names.

        Raises:
            FileError: the folder cannot be written.
        """
        super().__init__(folder)
        self.pictures, self.save_every, self.checkpoint_every = pictures, save_every, checkpoint_every
        self._files, self._changes = files or PictureFiles(), changes
        self.last: dict[int, Step] = {}
        self._checkpointed = time.monotonic()
        self._checkpoints = 0
        self._effort: dict[int, tuple[int, int]] = {}  # of each picture: evaluations, pixels of all of them
        self._made: list[dict[str, Any]] = []  # what the summary says about each picture that is written
        self._is_made = False

    def resume(self, check: Callable[[Position], None] = lambda position: None) -> Position | None:
        """Continue at the newest sound checkpoint, and remove the lines of later steps from the trace.

        Args:
            check: raises an `InputError` for a position that does not fit the run.

        Returns:
            Where the run stands. None if there is no checkpoint: the run begins again.

        Raises:
            InputError: there are checkpoints, and none can be used.
        """
        self.config = read_record(self.folder / CONFIG_FILE)
        paths = checkpoints.find(self.folder)
        for path in reversed(paths):
            try:
                position, facts = checkpoints.read(path)
                check(position)
                facts = _check_facts(facts, path.name)
            except InputError as error:
                note(f"note: {error}; the run goes on from the checkpoint before")
                continue
            self._continue_at(position, facts)
            return position
        if paths:
            again = shlex.quote(str(self.folder / CONFIG_FILE))
            raise InputError(
                f"no checkpoint in {str(self.folder)!r} can be read; to begin again, use {setting('config')} {again}"
            )
        note(f"note: {str(self.folder)!r} has no checkpoint; the run begins again")
        self._trace.cut(0, _is_line)
        return None

    def _continue_at(self, position: Position, facts: dict[str, Any]) -> None:
        """Set the counters, and the last step of each finished picture, as they were when a checkpoint was written."""
        self._checkpoints, self._seconds_before = facts["checkpoint"], facts["seconds"]
        for line in self._trace.cut(facts["lines"], _is_line):
            number = line["picture"]
            self._count(number, line["evaluations"], line["size"])
            if number < len(position.finished):
                names = ("step", "loss", "parts", "gradient_norm", "evaluations", "seconds")
                known = {name: line[name] for name in names}
                self.last[number] = Step(**known, value=position.finished[number].value)
        self._effort |= {int(number): tuple(spent) for number, spent in facts.get("effort", {}).items()}

    def reserve(self, size: tuple[int, int]) -> None:
        """Reserve room on the disk for the last pictures: write a file that is removed just before they are written.

        The file has the bytes of each pixel and a few more, because pictures of random noise do not compress.

        Args:
            size: (height, width) of a picture.

        Raises:
            OSError: there is no room, or the file cannot be written.
        """
        amount = self.pictures * (size[0] * size[1] * self._files.bytes_per_pixel + size[0] * 8 + 65536)
        free = shutil.disk_usage(self.folder).free
        if amount > free:
            raise OSError(errno.ENOSPC, f"{free / 1e6:.0f} MB are free, the pictures may take {amount / 1e6:.0f} MB")
        reserved = self.folder / RESERVE_FILE
        with file_errors("write", reserved):
            reserved.unlink(missing_ok=True)  # of a run that was killed
            with open_plainly(reserved, "xb") as file:
                # A sparse file would reserve no room, so every byte of the file is written.
                for start in range(0, amount, 2**20):
                    file.write(bytes(min(2**20, amount - start)))
                file.flush()
                os.fsync(file.fileno())

    def record(self, picture: int, step: Step, *, last: bool = False, asked: Collection[str] = ()) -> None:
        """Write a step to the trace, and write the picture and a checkpoint if they are due.

        Args:
            picture: number of the picture, counted from 0.
            step: the step.
            last: whether the run stops after this step; a checkpoint is then due.
            asked: see `subjective.runs.session.RunFolder.record`.
        """
        self._count(picture, step.evaluations, step.value.shape[-3:-1])
        changes = [str(change) for change in self._changes(picture, step.step)]
        self._trace.add(
            {
                "picture": picture,
                "size": list(step.value.shape[-3:-1]),
                "step": step.step,
                "loss": step.loss,
                "parts": step.parts,
                "gradient_norm": step.gradient_norm,
                "evaluations": step.evaluations,
                "seconds": round(step.seconds, 3),
            }
            | ({"reweigh": changes} if changes else {})
        )
        if "save" in asked or (self.save_every and step.step % self.save_every == 0):
            self._write_pictures(f"step-{step.step:05d}", picture, np.asarray(step.value), step)
        # Keep the picture, but not the position: the arrays of the position are valid only until the next step.
        self.last[picture] = dataclasses.replace(step, position=None)
        due = last or time.monotonic() - self._checkpointed >= self.checkpoint_every
        wanted = "checkpoint" in asked or (self.checkpoint_every and due)
        if wanted and step.position is not None:
            self._checkpoint(step.position)

    def record_changes(self, by_hand: Sequence[Any], every: Sequence[Any]) -> None:
        """Write to ``config.json`` that weights were changed by hand, so that its settings make the same run again.

        Args:
            by_hand: the changes that were made just now.
            every: all changes of the run.

        Raises:
            OSError: the file cannot be written.
        """
        told = [*self.config.get("changed_by_hand", []), *map(str, by_hand)]
        settings = self.config["settings"] | {"reweigh": [str(change) for change in every]}
        self.config = self.config | {"settings": settings, "changed_by_hand": told}
        self._write_json(CONFIG_FILE, self.config)

    def _count(self, picture: int, evaluations: int, size: Sequence[int]) -> None:
        """Note how often a picture's loss has been evaluated, and on how many pixels in all."""
        before, pixels = self._effort.get(picture, (0, 0))
        self._effort[picture] = (evaluations, pixels + (evaluations - before) * size[0] * size[1])

    def _checkpoint(self, position: Position) -> None:
        """Write a checkpoint; if this fails, for example on a full disk, print a note and go on."""
        self._trace.sync()
        self._checkpoints += 1
        facts = {
            "checkpoint": self._checkpoints,
            "lines": self._trace.lines,
            "seconds": self.seconds,
            "effort": {str(number): list(spent) for number, spent in self._effort.items()},
        }
        try:
            checkpoints.write(self.folder, self._checkpoints, position, facts)
        except OSError as error:  # the run does not need this checkpoint, and the earlier ones remain
            note(f"note: no checkpoint could be written ({error.strerror}); the run continues")
        self._checkpointed = time.monotonic()

    def finish(self, result: list[Result]) -> None:
        """Write the last pictures of a run that has made all its steps. The run is not finished before `complete`."""
        for number, one in enumerate(result):
            # If a run is resumed after the last step of a picture, no step of this picture has been recorded since.
            # Adam's last step may be worse than its result.
            if number not in self.last or one.loss < self.last[number].loss:
                told = (one.steps, one.value, one.loss, one.parts, one.gradient_norm)
                self.last[number] = Step(*told, one.evaluations, one.seconds)
        self._write_last([(one.converged, one.message) for one in result])
        self._is_made = True

    def complete(self) -> None:
        """Write ``summary.json`` of a run that has written everything else, and remove the run's checkpoints."""
        self._conclude("finished", None, pictures=self._made)
        checkpoints.remove(self.folder, 0)
        self._release()

    def abandon(self, status: str, reason: str) -> tuple[str, bool]:
        """Keep the last pictures of a run that was stopped.

        Args:
            status: status for ``summary.json``, such as ``interrupted``.
            reason: why the run was stopped, in a sentence.

        Returns:
            A sentence that says what is kept, and whether the run can be resumed.
        """
        with contextlib.suppress(OSError):  # if even the reserve is not enough, the earlier pictures remain
            if not self._is_made:
                self._write_last([(False, reason) for _ in self.last])
            self._conclude(status, reason, pictures=self._made)
        pictures = sorted(self.folder.glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
        kept = f"the last picture is {pictures[-1]}" if pictures else "no picture was made yet"
        resumable = self._is_made or bool(checkpoints.find(self.folder))
        self._release()
        return kept, resumable and (self.folder / CONFIG_FILE).exists()

    def _write_last(self, ends: Sequence[tuple[bool, str]]) -> None:
        """Write the last pictures; ``ends`` has (converged, message) of each picture."""
        with contextlib.suppress(OSError):  # then its room is missing, or not
            (self.folder / RESERVE_FILE).unlink(missing_ok=True)
        self._made = []
        for (number, step), (converged, message) in zip(sorted(self.last.items()), ends, strict=True):
            names = self._write_pictures("result", number, np.asarray(step.value), step)
            area = math.prod(step.value.shape[-3:-1])
            _, pixels = self._effort.get(number, (0, step.evaluations * area))
            self._made.append(
                {
                    "files": names,
                    "loss": step.loss,
                    "parts": step.parts,
                    "gradient_norm": step.gradient_norm,
                    "steps": step.step,
                    "evaluations": step.evaluations,
                    "full_size_evaluations": round(pixels / area, 2),
                    "seconds": round(step.seconds, 3),
                    "converged": converged,
                    "message": message,
                }
            )

    @property
    def result_names(self) -> list[str]:
        """Names of the files of the last pictures."""
        return [name for picture in self._made for name in picture["files"]]

    def add_scores(self, scores: list[Any]) -> None:
        """Keep scores for ``summary.json``; ``scores`` has one entry for each picture."""
        self._made = [picture | {"scores": score} for picture, score in zip(self._made, scores, strict=True)]

    def add_maps(self, maps: Sequence[np.ndarray | None]) -> None:
        """Write the map of each picture, if there is one: a picture that shows where the picture has faults."""
        for number, (picture, drawn) in enumerate(zip(self._made, maps, strict=True)):
            if drawn is not None:
                name = f"{Path(picture['files'][0]).stem}-map.png"
                write_image(self.folder / name, drawn)
                self._made[number] = picture | {"map": name}

    def add_sheet(self, sources: Sequence[np.ndarray]) -> None:
        """Show the sources and the last pictures on one contact sheet, each picture under its name and its scores."""
        cells: list[tuple[list[str], Any]] = [(["source"], np.clip(source, 0, 1)) for source in sources]
        for picture in self._made:
            [name] = picture["files"]
            cells.append(([name, *describe_picture(picture)], read_image(self.folder / name)))
        write_image(self.folder / "sheet.png", draw_contact_sheet(cells))

    def _write_pictures(self, stem: str, number: int, value: np.ndarray, step: Step) -> list[str]:
        """Write a picture, or each picture of an optimization that makes several; return the names of the files."""
        images = value[None] if value.ndim == 3 else value
        text = {
            "Software": f"subjective {__version__}",
            "subjective:config": json.dumps(publish(self.config)),
            "subjective:step": json.dumps({"step": step.step, "loss": step.loss, "evaluations": step.evaluations}),
        }
        names = []
        for offset, image in enumerate(images):
            suffix = "" if self.pictures == 1 else f"-{number + offset:03d}"
            names += self._files.write(self.folder, stem, suffix, image, text)
        return names


def _check_facts(facts: Any, name: str) -> dict[str, Any]:
    """Check the facts that a checkpoint holds besides the position.

    Raises:
        InputError: they are not those that `PictureFolder` writes.
    """
    try:
        sound = is_count(facts["checkpoint"]) and is_count(facts["lines"])
        sound &= is_number(facts["seconds"]) and facts["seconds"] >= 0
        for number, (evaluations, pixels) in facts.get("effort", {}).items():
            sound &= int(number) >= 0 and is_count(evaluations) and is_count(pixels)
    except (KeyError, TypeError, ValueError, AttributeError):
        sound = False
    if not sound:
        raise InputError(f"{name} is damaged, or of another version (its counts are wrong)")
    return dict(facts)


def _is_line(line: Any) -> bool:
    """Return whether a value is a line of the trace of a run that makes pictures."""
    if not isinstance(line, dict) or not {"parts", "gradient_norm"} <= line.keys():
        return False
    size, numbers = line.get("size"), [line.get(name) for name in ("loss", "seconds")]
    counts = [line.get(name) for name in ("picture", "step", "evaluations")]
    whole = counts + (size if isinstance(size, list) and len(size) == 2 else [None])
    return all(map(is_count, whole)) and all(isinstance(one, float) or is_number(one) for one in numbers)


def new_folder(parent: Path, prefix: str) -> Path:
    """Make a new folder, named by the prefix, the date and the time, and a number if that name is taken.

    Raises:
        FileError: the folder cannot be made.
    """
    stem = f"{prefix}-{time.strftime('%Y%m%d-%H%M%S')}"
    with file_errors("make a run folder in", parent):
        parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(10_000):
            folder = parent / (stem if attempt == 0 else f"{stem}-{attempt + 1}")
            try:
                folder.mkdir()  # fails if the folder exists: of several runs that start at once, only one gets the name
            except FileExistsError:
                continue
            return folder
    raise InputError(f"no free name for a run folder like {stem} in {parent}; use another {setting('output_prefix')}")
