"""The files that --out names: checked before anything is computed, written at the end, never replaced unasked."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from subjective.checks import InputError, file_errors, setting
from subjective.cli.pictures import announce
from subjective.images import WRITTEN_SUFFIXES, read_image, write_image
from subjective.runs.progress import note
from subjective.videos import FORMATS, write_video

LOOP_SUFFIXES = tuple(f".{kind}" for kind in FORMATS)
"""Suffixes of the files that hold all frames of a loop."""


def number_files(path: str | Path, count: int) -> list[Path]:
    """Return the path itself for one picture; ``made-1.png``, ``made-2.png`` and so on for ``made.png`` and several."""
    path = Path(path)
    if count == 1:
        return [path]
    width = len(str(count))
    return [path.with_name(f"{path.stem}-{number:0{width}}{path.suffix}") for number in range(1, count + 1)]


def check_out(
    path: str | None, *, force: bool, suffixes: Iterable[str] = WRITTEN_SUFFIXES, count: int = 1, name: str = "out"
) -> None:
    """Refuse a file for the result that cannot be written or would replace another file.

    Args:
        path: the file; None is accepted.
        force: whether a file that exists may be replaced.
        suffixes: the suffixes that say a known format.
        count: number of files, see `number_files`.
        name: name of the setting, for the message.

    Raises:
        InputError: the path is a folder, the suffix is unknown, or the file exists.
    """
    if path is None:
        return
    if Path(path).is_dir():
        raise InputError(f"{setting(name)} is {path!r}, which is a folder; wanted a file")
    known = list(suffixes)
    if Path(path).suffix.lower() not in known:
        raise InputError(f"{setting(name)} is {path!r}; wanted a name that ends in {', '.join(known)}")
    for file in number_files(path, count):
        refuse_existing(file, force=force)


def refuse_existing(file: Path, *, force: bool) -> None:
    """Refuse to replace a file that exists.

    Raises:
        InputError: the file exists, and ``force`` is False.
    """
    if file.exists() and not force:
        raise InputError(f"{str(file)!r} is there already; give another name, or {setting('force')} to replace it")


def make_parent(file: Path) -> None:
    """Make the folder of a file."""
    with file_errors("make", file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)


def copy_pictures(made: Sequence[Path], path: str, *, force: bool) -> None:
    """Copy the finished pictures of a run to the file that --out names, in the format of its suffix.

    A file that has appeared since `check_out` is kept, with a note.

    Args:
        made: the PNG files in the run folder.
        path: the file that --out names.
        force: whether a file that exists may be replaced.
    """
    for picture, file in zip(made, number_files(path, len(made)), strict=True):
        if file.exists() and not force:
            note(f"note: {str(file)!r} is there already and is kept; the result is {str(picture)!r}")
            continue
        make_parent(file)
        if file.suffix.lower() == ".png":
            with file_errors("write", file):
                shutil.copyfile(picture, file)
        else:
            write_image(file, read_image(picture))
        announce(file)


def write_loop(frames: np.ndarray, path: str, fps: float, *, force: bool) -> None:
    """Write the frames of a loop to the one file that --out names; see `copy_pictures` for a file that exists."""
    file = Path(path)
    if file.exists() and not force:
        note(f"note: {path!r} is there already and is kept; the loop is in the run folder")
        return
    make_parent(file)
    write_video(file, frames, fps)
    announce(file)
