"""Open files for reading without surprises; write files completely or not at all."""

from __future__ import annotations

import contextlib
import difflib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from subjective.checks import InputError, describe, file_errors


def open_regular(path: Path, limit: int) -> BinaryIO:
    """Open a file for reading; refuse anything else that has a name.

    A pipe, a terminal or a socket could keep the program waiting for ever, and a device may do something when it is
    opened. They are refused before they are opened, and not waited for if they take the file's place meanwhile.

    Args:
        path: the file.
        limit: most bytes that the file may have.

    Raises:
        InputError: the path is no regular file, or the file is larger than ``limit``.
        OSError: the file cannot be opened.
    """
    _check_regular(path, os.stat(path), limit)
    # These flags do not exist on every system. O_NONBLOCK changes nothing for a regular file.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check_regular(path, os.fstat(handle), limit)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _check_regular(path: Path, status: os.stat_result, limit: int) -> None:
    """Refuse what is no regular file, and a file of more than ``limit`` bytes."""
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{describe(str(path))} is a folder, a pipe or a device; wanted a file")
    if status.st_size > limit:
        raise InputError(f"{describe(str(path))} has {status.st_size:,} bytes; wanted at most {limit:,}")


def write_bytes(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write a file in one step; see `write_atomically`.

    Raises:
        FileError: the file cannot be written, or exists and is not replaced.
    """
    with write_atomically(path, replace=replace) as file:
        file.write(data)


@contextlib.contextmanager
def write_atomically(path: Path, *, replace: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` for the block, then flush the file to disk and rename it to ``path``.

    After an interrupt or on a full disk, there is therefore never half a file. If the block fails, the temporary file
    is removed and the file at ``path`` is not changed.

    Args:
        path: the file.
        replace: whether to replace a file that exists at ``path``.

    Raises:
        FileError: the file cannot be written, or exists and is not replaced; then its ``errno`` is ``EEXIST``.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with file_errors("write", path):
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            rename(temporary, path, replace=replace)
    finally:
        with contextlib.suppress(OSError):  # the name may be too long even to look for
            temporary.unlink(missing_ok=True)


def rename(temporary: Path, path: Path, *, replace: bool) -> None:
    """Give a file its final name in the same folder. If several processes rename to a free path, only one gets it.

    Args:
        temporary: the file.
        path: the new name.
        replace: whether to replace a file that exists at ``path``.

    Raises:
        FileExistsError: ``path`` exists, and ``replace`` is False.
    """
    if replace:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # fails if the path exists, unlike a rename
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        open(path, "xb").close()
        os.replace(temporary, path)
    else:
        temporary.unlink()


def locked_folder(place: Path) -> Path | None:
    """Return what prevents a folder from being made or written in: the nearest part of its path that exists.

    None if nothing prevents it.
    """
    place = place.absolute()
    nearest = next(folder for folder in (place, *place.parents) if folder.exists())
    return None if nearest.is_dir() and os.access(nearest, os.W_OK) else nearest


def suggest_file(path: Path) -> str:
    """Say what a path that does not exist may stand for, in a few words; empty if nothing similar exists."""
    several = str(path).split(",")
    if len(several) > 1 and all(Path(one.strip()).exists() for one in several):
        return "put spaces between several files, no commas"
    beside = [file.name for file in path.parent.iterdir()] if os.access(path.parent, os.R_OK) else []
    near = difflib.get_close_matches(path.name, beside, 1)
    return f"did you mean {str(path.parent / near[0])!r}?" if near else ""
