"""The files that --out names: checked before anything is computed, written at the end, never replaced unasked.

No command writes over a file that it reads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import glob
import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import FileError, InputError, file_errors, setting
from subjective.choices import Depth
from subjective.encoding import WRITABLE, check_depth, default_depth
from subjective.files import find_shared, locked_folder, read_plainly, sweep, write_bytes
from subjective.images import WRITTEN_SUFFIXES, encode_image, find_images
from subjective.network.weights import list_networks
from subjective.terminal import announce, note, report_error
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


WRITTEN = frozenset(["out", "page", "map", "summary", "output_dir", "output_prefix", "folder"])
"""Options that name what a command writes. All others name what it reads, or no file."""


def list_inputs(options: Any) -> list[Path]:
    """List the files that a command reads, as far as its options name them."""
    found: list[Path] = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        for name in [value] if isinstance(value, str) else value if isinstance(value, tuple) else []:
            if field.name in WRITTEN or not isinstance(name, str) or not name:
                continue
            with contextlib.suppress(InputError, OSError, ValueError):  # a folder without pictures; no path at all
                if Path(name).is_file():
                    found.append(Path(name))
                elif Path(name).is_dir() or glob.has_magic(name):
                    found += find_images([name])
    if hasattr(options, "weights"):
        networks = list_networks(options.data_dir)
        found += [entry.path for entry in networks if entry.name == options.weights]
    return found


def refuse_inputs(options: Any, *outputs: Path) -> None:
    """Refuse to write over a file that the command reads, by whatever name, or to write one file twice.

    Raises:
        InputError: one of ``outputs`` is such a file.
    """
    shared = find_shared(outputs, list_inputs(options))
    if shared is not None:
        raise InputError(f"{str(shared)!r} is read or written by this very command; give the result another name")


def check_out(
    options: Any,
    name: str = "out",
    *,
    suffixes: Iterable[str] = WRITTEN_SUFFIXES,
    count: int = 1,
    resume: Path | None = None,
) -> None:
    """Refuse a file for the result that cannot be written, that is read, or that would replace another file unasked.

    Args:
        options: options of the command; None as the file is accepted.
        name: name of the option that names the file.
        suffixes: the suffixes that say a known format.
        count: number of files, see `number_files`.
        resume: the folder of the run that is resumed, if any. Its files may be written already; but it may come from
            elsewhere, and nothing outside the working folder and the folder of all runs is written unasked.

    Raises:
        InputError: the path is a folder, the suffix is unknown, the file exists or is read, or its folder cannot be
            made.
    """
    path: str | None = getattr(options, name)
    if path is None:
        return
    if Path(path).is_dir():
        raise InputError(f"{setting(name)} is {path!r}, which is a folder; wanted a file")
    known = list(suffixes)
    if Path(path).suffix.lower() not in known:
        raise InputError(f"{setting(name)} is {path!r}; wanted a name that ends in {', '.join(known)}")
    suffix, depth = Path(path).suffix.lower(), getattr(options, "depth", None)
    if suffix in WRITABLE:
        check_depth(f"{setting(name)} {path!r}", suffix, depth or default_depth(suffix))
    files = number_files(path, count)
    refuse_inputs(options, *files)
    if resume is None:
        for file in files:
            refuse_existing(file, force=options.force)
    elif not options.force:
        refuse_outside(files, resume)
    if locked := locked_folder(Path(path).parent):
        raise InputError(f"{setting(name)} is {path!r}, and nothing can be written in {str(locked)!r}; name another")


def refuse_outside(files: Sequence[Path], run: Path) -> None:
    """Refuse to write where only the record of a run says so, unless that is near the run or the user."""
    places = [Path.cwd().resolve(), run.resolve().parent.parent]
    for file in files:
        if not any(file.resolve().is_relative_to(place) for place in places):
            raise InputError(
                f"the run in {str(run)!r} also writes {str(file)!r}, outside its place and the working folder; "
                f"{setting('force')} allows it"
            )
        if file.exists():
            note(f"note: {str(file)!r} is there already, and is kept if it is another file than this run's")


def refuse_existing(file: Path, *, force: bool) -> None:
    """Refuse to replace a file that exists.

    Raises:
        InputError: the file exists, and ``force`` is False.
    """
    if os.path.lexists(file) and not force:
        raise InputError(f"{str(file)!r} is there already; give another name, or {setting('force')} to replace it")


def make_place(file: Path) -> None:
    """Make the folder of a file, and remove from it what killed processes have left of the file."""
    with file_errors("make", file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
    sweep(file.parent, file.name)


def write_out(file: Path, data: bytes, *, force: bool, made: Path | None = None, resume: Path | None = None) -> None:
    """Write a result to the file that --out names, and print the file's path on stdout.

    A file that has appeared since `check_out` is kept. A file that holds the result already is left as it is.

    Args:
        file: the file; its folder is made if there is none.
        data: content of the file.
        force: whether a file that exists may be replaced.
        made: where the result is besides, if anywhere.
        resume: the folder of the run that is resumed, if any.

    Raises:
        FileError: the file cannot be written, or has appeared and the result is nowhere else.
        InputError: the run is resumed, and the file is another one.
    """
    make_place(file)
    try:
        if not _holds(file, data):
            write_bytes(file, data, replace=force)
    except FileError as error:
        if error.errno != errno.EEXIST or made is None:
            raise
        if resume is not None:  # it may be the file that the run was to replace
            again = f"subjective resume {shlex.quote(str(resume))}"
            raise InputError(
                f"{str(file)!r} is there already and is another file; `{again}` with {setting('force')} replaces it"
            ) from None
        # The user must hear of it also with -q: the file that the command names is not the one that it made.
        report_error(f"{str(file)!r} has appeared meanwhile and is kept; the result is in {str(made)!r}")
    else:
        announce(file)


def _holds(file: Path, data: bytes) -> bool:
    """Return whether a file holds these bytes already."""
    with contextlib.suppress(InputError, OSError):
        return file.stat().st_size == len(data) and read_plainly(file, len(data)) == data
    return False


def copy_pictures(
    made: Sequence[Path],
    path: str,
    *,
    force: bool,
    resume: Path | None = None,
    pictures: Sequence[np.ndarray] = (),
    depth: Depth | None = None,
    icc: bytes | None = None,
) -> None:
    """Write the finished pictures of a run to the files that --out names, in the format of the suffix.

    A PNG holds the settings of the run, as in the run folder. Other formats hold the picture only.

    Args:
        made: the PNG files in the run folder.
        path: the file that --out names, see `number_files`.
        force: as in `write_out`.
        resume: as in `write_out`.
        pictures: the pixels of the pictures, which are stored if the files in the run folder are less exact.
        depth: see `DepthOptions`.
        icc: see `subjective.images.write_image`.
    """
    for number, (picture, file) in enumerate(zip(made, number_files(path, len(made)), strict=True)):
        is_png = file.suffix.lower() == ".png"
        exact = np.clip(pictures[number], 0, 1) if pictures else picture
        if is_png:
            data = picture.read_bytes()
        else:
            data = encode_image(exact, file.suffix, name=file.name, depth=depth, icc=icc)
        write_out(file, data, force=force, made=picture, resume=resume)


def write_loop(
    frames: np.ndarray, path: str, fps: float, *, force: bool, made: Path, resume: Path | None = None
) -> None:
    """Write the frames of a loop to the one file that --out names, see `write_out`."""
    kind: Format = Path(path).suffix.lower().removeprefix(".")  # type: ignore[assignment]
    write_out(Path(path), encode_video(frames, kind, fps), force=force, made=made, resume=resume)
