"""The files that --out names: checked before anything is computed, written at the end, never replaced unasked."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from subjective.checks import FileError, InputError, file_errors, setting
from subjective.files import locked_folder, write_bytes
from subjective.images import WRITTEN_SUFFIXES, encode_image
from subjective.terminal import announce, report_error
from subjective.videos import FORMATS, Format, encode_video

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
        InputError: the path is a folder, the suffix is unknown, the file exists, or its folder cannot be made.
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
    if locked := locked_folder(Path(path).parent):
        raise InputError(f"{setting(name)} is {path!r}, and nothing can be written in {str(locked)!r}; name another")


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


def write_out(file: Path, data: bytes, *, force: bool, made: Path | None = None) -> None:
    """Write a result to the file that --out names, and print the file's path on stdout.

    A file that has appeared since `check_out` is kept.

    Args:
        file: the file; its folder is made if there is none.
        data: content of the file.
        force: whether a file that exists may be replaced.
        made: where the result is besides, if anywhere.

    Raises:
        FileError: the file cannot be written, or has appeared and the result is nowhere else.
    """
    make_parent(file)
    try:
        write_bytes(file, data, replace=force)
    except FileError as error:
        if error.errno != errno.EEXIST or made is None:
            raise
        # The user must hear of it also with -q: the file that the command names is not the one that it made.
        report_error(f"{str(file)!r} has appeared meanwhile and is kept; the result is in {str(made)!r}")
    else:
        announce(file)


def copy_pictures(made: Sequence[Path], path: str, *, force: bool) -> None:
    """Write the finished pictures of a run to the files that --out names, in the format of the suffix.

    A PNG holds the settings of the run, as in the run folder. Other formats hold the picture only.

    Args:
        made: the PNG files in the run folder.
        path: the file that --out names, see `number_files`.
        force: whether a file that exists may be replaced.
    """
    for picture, file in zip(made, number_files(path, len(made)), strict=True):
        is_png = file.suffix.lower() == ".png"
        data = picture.read_bytes() if is_png else encode_image(picture, file.suffix, name=file.name)
        write_out(file, data, force=force, made=picture)


def write_loop(frames: np.ndarray, path: str, fps: float, *, force: bool, made: Path) -> None:
    """Write the frames of a loop to the one file that --out names, see `write_out`."""
    kind: Format = Path(path).suffix.lower().removeprefix(".")  # type: ignore[assignment]
    write_out(Path(path), encode_video(frames, kind, fps), force=force, made=made)
