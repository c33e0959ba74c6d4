"""Read files of other frameworks in a copy of this process, which starts in no time and reads many of them.

The program starts a process of its own for each file. A copy keeps the same limits, those of its first file; a file
that crashes it is a file that crashes that process, and the next file gets another copy.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MOST_FILES = 200
"""Number of files that one copy reads: limits on memory count what the files before have left."""


@dataclass
class Copy:
    """A copy of this process.

    Attributes:
        process: its number.
        wanted: takes the name of a file to read.
        answer: gives what `subjective.network.formats.isolation.receive` reads.
        files: number of files that it has read.
    """

    process: int
    wanted: BinaryIO
    answer: Any
    files: int = 0


_COPY: list[Copy] = []
_ENDED = [0]  # the most memory of copies that have ended, in bytes, since `forget_peak`


def read_in_copy(path: Path) -> Any:
    """Read as `isolation.read_isolated` does."""
    from subjective.checks import InputError
    from subjective.network.formats import isolation

    if _COPY and _COPY[0].files >= MOST_FILES:
        _end(_COPY.pop())
    if not _COPY:
        _COPY.append(_start())
    copy = _COPY[0]
    copy.files += 1
    with contextlib.suppress(BrokenPipeError):
        copy.wanted.write(f"{path}\n".encode())
        copy.wanted.flush()
    with contextlib.suppress(EOFError):
        return isolation.receive(copy.answer)
    status = _end(_COPY.pop())
    raise InputError(isolation._explain_death(status, None))


def _start() -> Copy:
    from subjective.network.formats import child

    asked, asking = os.pipe()
    pipe, answer = os.pipe()
    process = os.fork()
    if process:
        os.close(asked)
        os.close(answer)
        return Copy(process, os.fdopen(asking, "wb"), os.fdopen(pipe, "rb"))
    try:
        os.close(asking)
        os.close(pipe)
        with os.fdopen(asked, "rb") as names, os.fdopen(answer, "wb") as stream:
            for name in names:
                child.send(Path(os.fsdecode(name.rstrip(b"\n"))), stream)
                stream.flush()
    finally:
        os._exit(0)


def _end(copy: Copy) -> int:
    """Let a copy end, and return its exit status."""
    for stream in (copy.wanted, copy.answer):
        with contextlib.suppress(OSError):
            stream.close()
    _, status, usage = os.wait4(copy.process, 0)
    _ENDED[0] = max(_ENDED[0], usage.ru_maxrss * 1024 - _resident(os.getpid(), "VmRSS"))
    return os.waitstatus_to_exitcode(status)


def end_all() -> None:
    """End the copy that waits, if there is one."""
    while _COPY:
        os.kill(_COPY[0].process, signal.SIGKILL)
        _end(_COPY.pop())


def seconds() -> float:
    """CPU time of the copy that runs now."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{_COPY[0].process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def peak_bytes() -> int:
    """Most memory that copies have taken beside what this process has, since `forget_peak`."""
    running = _resident(_COPY[0].process, "VmHWM") - _resident(os.getpid(), "VmRSS") if _COPY else 0
    return max(_ENDED[0], running, 0)


def forget_peak() -> None:
    _ENDED[0] = 0
    with contextlib.suppress(OSError):
        if _COPY:
            Path(f"/proc/{_COPY[0].process}/clear_refs").write_text("5")


def _resident(process: int, name: str) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024
    return 0
