"""Open files for reading without surprises; write files completely or not at all.

A file that is read is never written over, and nothing is written through a link. All files that this package writes go
through this module, but for a download before it is converted, whose library wants a path.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import glob
import itertools
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from subjective.checks import InputError, describe, file_errors
from subjective.locks import is_at, try_lock, wait_for_lock

_NUMBERS = itertools.count()  # two threads of a process never share a temporary name

LARGEST = 2**26
"""Most bytes of a file of a run folder that is read at once, but for its pictures, trace and checkpoints."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of the operating system that mean that a disk has no room for a file."""

UNUSABLE = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS)
"""Error numbers of the operating system that mean that no file can be looked up or made at a path."""

_FLAGS = {
    "rb": os.O_RDONLY,
    "ab": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "ab+": os.O_RDWR | os.O_CREAT | os.O_APPEND,
    "xb": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
}


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
    is removed and the file at ``path`` is not changed. If the process is killed, the temporary file stays, until
    `sweep` removes it. A link at ``path`` is replaced; the file that the link names is not changed.

    Args:
        path: the file.
        replace: whether to replace a file that exists at ``path``.

    Raises:
        FileError: the file cannot be written, or exists and is not replaced; then its ``errno`` is ``EEXIST``.
    """
    with file_errors("write", path):
        temporary, file = _open_temporary(path)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if sys.platform != "win32":  # renamed while it is locked, so that `sweep` does not take it for a stray
                    rename(temporary, path, replace=replace)
            if sys.platform == "win32":
                rename(temporary, path, replace=replace)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _open_temporary(path: Path) -> tuple[Path, BinaryIO]:
    """Make a locked temporary file beside a path. Return its path and the open file."""
    stem = path.name.encode()[:150].decode(errors="ignore")  # a name may have 255 bytes
    while True:
        temporary = path.with_name(f".{stem}.{os.getpid()}-{next(_NUMBERS)}.tmp")
        try:
            file = open_plainly(temporary, "xb")
        except FileExistsError:  # of a process that had the same number and was killed
            continue
        try_lock(file)
        if is_at(file, temporary):
            return temporary, file
        file.close()  # `sweep` of another process removed the file before it was locked


def open_plainly(path: Path, mode: Literal["rb", "ab", "ab+", "xb"], *, buffering: int = -1) -> BinaryIO:
    """Open a plain file. A link is not followed, and nothing waits for the other end of a pipe.

    Args:
        path: the file.
        mode: as for `open`; a file that is written must have no second name.
        buffering: as for `open`.

    Raises:
        InputError: the path is a link, a folder or a special file.
        OSError: the file cannot be opened.
    """
    strange = f"{str(path)!r} is a link or a special file; wanted a plain file: remove it"
    flags = _FLAGS[mode] | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
            raise InputError(strange) from None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or (mode != "rb" and found.st_nlink > 1):
        os.close(descriptor)
        raise InputError(strange)
    file: BinaryIO = open(descriptor, mode, buffering=buffering)  # noqa: SIM115 (returned)
    return file


def read_plainly(path: Path, limit: int = LARGEST) -> bytes:
    """Read a plain file; see `open_plainly`.

    Raises:
        InputError: the path is a link, a folder or a special file, or the file has more than ``limit`` bytes.
        OSError: the file cannot be read.
    """
    with open_plainly(path, "rb") as file:
        _check_regular(path, os.fstat(file.fileno()), limit)
        return file.read(limit)


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove the temporary files of processes that were killed while they wrote. Files that cannot be removed stay.

    Args:
        folder: the folder.
        name: the file that was written; None for any.
    """
    pattern = f".{glob.escape(name)}.*-*.tmp" if name is not None else ".*.*-*.tmp"
    for stray in glob.glob(pattern, root_dir=folder, include_hidden=True):
        with contextlib.suppress(OSError, InputError), open_plainly(folder / stray, "rb") as file:
            if try_lock(file):  # otherwise its process still writes it
                (folder / stray).unlink()


@contextlib.contextmanager
def locked(path: Path, seconds: float = 30.0) -> Iterator[None]:
    """Keep other processes and threads from changing a file during the block, if they lock it too.

    A file system without locks keeps nobody away.

    Args:
        path: the file, which need not exist.
        seconds: the longest wait for others.

    Raises:
        InputError: another process still holds the file.
        FileError: the lock cannot be written.
    """
    lock = path.with_name(f".{path.name}.lock")
    with file_errors("lock", path):
        while True:
            file = open_plainly(lock, "ab+")
            if wait_for_lock(file, seconds) is False:
                file.close()
                raise InputError(f"another process still changes {str(path)!r}; try again later")
            if is_at(file, lock):
                break
            file.close()  # the process that held the lock removed it after this one had opened it
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()
        file.close()


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
        open_plainly(path, "xb").close()
        os.replace(temporary, path)
    else:
        temporary.unlink()


def find_shared(outputs: Iterable[Path], inputs: Iterable[Path]) -> Path | None:
    """Return the first output that is an input too, by whatever name or link, or that comes twice; None if none is."""
    known = {_identify(path) for path in inputs}
    for output in outputs:
        identity = _identify(output)
        if identity in known:
            return output
        known.add(identity)
    return None


def _identify(path: Path) -> tuple[int, int] | Path:
    """Return what two names of one file have in common."""
    try:
        found = path.stat()
    except OSError:
        return Path(os.path.realpath(path))
    return found.st_dev, found.st_ino


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


def find_refusal(error: Exception) -> InputError | None:
    """Return what to tell the user if the user can mend an error: it may also be about a path that cannot be used."""
    if isinstance(error, InputError):
        return error
    if not isinstance(error, OSError) or error.errno not in UNUSABLE or error.filename is None:
        return None
    return InputError(f"cannot use the path {describe(str(error.filename))}: {error.strerror}; give another one")
