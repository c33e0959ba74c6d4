"""Write notes and progress to stderr, and the paths of results to stdout.

A terminal shows progress as a bar; other streams get a plain line every few seconds. The flags -q and -v of every
command say how much is written, see `Verbosity`.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from tqdm import tqdm

PLAIN_INTERVAL = 10.0
"""Seconds between plain lines. The first and the last step of a stage are always shown."""


FIRST_STEPS = 3
"""Number of steps that are made before their rate is shown."""


class Verbosity(enum.IntEnum):
    """How much a command writes to stderr."""

    QUIET = 0
    """Errors only."""
    NORMAL = 1
    """Errors, notes and progress."""
    VERBOSE = 2
    """Also a line for every step, with the parts of the loss."""


class _Shown:
    """What this process writes."""

    verbosity = Verbosity.NORMAL
    label = ""


def set_verbosity(verbosity: Verbosity) -> None:
    """Choose how much this process writes to stderr."""
    _Shown.verbosity = verbosity


@contextlib.contextmanager
def labelled(name: str) -> Iterator[None]:
    """Begin each line that this process writes with a name, so that one can tell apart several runs in one process."""
    _Shown.label = f"{name}: "
    try:
        yield
    finally:
        _Shown.label = ""


@runtime_checkable
class Stream(Protocol):
    """A text stream, which may be a terminal."""

    def write(self, text: str, /) -> Any:
        """Write text."""

    def flush(self) -> Any:
        """Write the text that is still in a buffer."""

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""


def report_error(line: str) -> None:
    """Write a line about an error to stderr, with -q too."""
    write_line(sys.stderr, f"subjective: {_Shown.label}{line}")


def note(line: str) -> None:
    """Write a note to stderr; stdout is for results only."""
    if _Shown.verbosity >= Verbosity.NORMAL:
        write_line(sys.stderr, f"subjective: {_Shown.label}{line}")


def say(line: str) -> None:
    """Write a line, or a table, to stderr."""
    if _Shown.verbosity >= Verbosity.NORMAL:
        write_line(sys.stderr, f"{_Shown.label}{line}")


@contextlib.contextmanager
def still(doing: str, every: float = 20.0) -> Iterator[None]:
    """Say from time to time that the block still goes on, so that a long one does not look like a fault.

    Args:
        doing: what the block does, such as ``compiling``.
        every: seconds between two notes.
    """
    began, over = time.monotonic(), threading.Event()

    def tell() -> None:
        while not over.wait(every):
            note(f"still {doing}, {format_duration(time.monotonic() - began)} so far")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def write_line(stream: Stream, line: str) -> None:
    """Write a line to a stream; do nothing if the program that reads the stream has closed it."""
    with contextlib.suppress(OSError, ValueError):
        stream.write(f"{line}\n")
        stream.flush()


def open_closed_streams() -> None:
    """Open the null device in place of each standard stream that was closed before the program started.

    Otherwise the next files that are opened would get the streams' numbers, and what libraries print on stderr would
    be written into a file of a run.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (until the program ends)


@contextlib.contextmanager
def silenced(logger: logging.Logger) -> Iterator[None]:
    """Keep the logger of a library from writing to stderr during the block."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def announce(path: Path) -> None:
    """Write the path of a result, a folder or file, to stdout. What is made does not depend on whether it is read."""
    try:
        sys.stdout.write(f"{path}\n")
        sys.stdout.flush()
    except OSError:  # the reader has gone, as with `| head`: what is still to be written goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def format_duration(seconds: float) -> str:
    """Format a number of seconds as text, such as 12 s, 2 min 5 s or 3 h 20 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _redraws(stream: Stream) -> bool:
    """Return whether a stream shows a line anew after a carriage return, as terminals and notebooks do."""
    return stream.isatty() or type(stream).__module__.startswith("ipykernel.")


class StepBar:
    """Shows steps of one kind: as a bar on a terminal, as plain lines elsewhere."""

    def __init__(self, name: str, first: int, most: int, stream: Stream):
        """Begin to show steps.

        Args:
            name: what the steps make; empty if there is nothing to tell apart.
            first: number of the first step that is shown.
            most: largest number of steps.
            stream: where to write.
        """
        name = f"{_Shown.label}{name}"
        self.name, self.first, self.most, self.stream = name, first, most, stream
        self._began, self._shown = time.monotonic(), -PLAIN_INTERVAL
        self._bar: tqdm | None = None
        if _redraws(stream) and _Shown.verbosity > Verbosity.QUIET:
            # tqdm would show an empty bar on a terminal that does not report its size, so the size is passed to tqdm.
            columns, rows = shutil.get_terminal_size()
            name = f"{name} step" if name else "step"
            self._bar = tqdm(
                total=most, initial=first, desc=name, unit="step", file=stream, ncols=columns - 1, nrows=rows
            )

    def seconds_per_step(self, number: int) -> float | None:
        """Return the mean seconds of a step; None after the first steps, which are slower than the others."""
        made = number - self.first
        return (time.monotonic() - self._began) / made if made >= FIRST_STEPS else None

    def show(self, number: int, loss: float, parts: Any, rest: str) -> None:
        """Show a step.

        Args:
            number: number of the step.
            loss: loss at the step.
            parts: the parts of the loss, in dicts and tuples, which -v shows.
            rest: how long the rest takes, in words.
        """
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {loss:.4g}  {rest}", refresh=False)
            self._bar.update(number - self._bar.n)
        if self._bar is not None or _Shown.verbosity == Verbosity.QUIET:
            return
        now, every = time.monotonic(), _Shown.verbosity == Verbosity.VERBOSE
        if every or number <= 1 or number == self.most or now - self._shown >= PLAIN_INTERVAL:
            self._shown = now
            seconds = self.seconds_per_step(number)
            rate = f"{1 / seconds:.2f} steps/s" if seconds else ""
            name = f"{self.name}, step" if self.name else "step"
            words = [f"{name} {number}/{self.most}", f"loss {loss:.6g}", *(_describe_parts(parts) if every else ())]
            write_line(self.stream, "  ".join([word for word in (*words, rate, rest) if word]))

    def close(self) -> None:
        """Finish the bar, if there is one, so that the next text begins on a new line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _describe_parts(parts: Any, place: str = "") -> list[str]:
    """Return a word for each part of a loss, such as ``texture/0/pool1/gram 0.12``."""
    if isinstance(parts, (Mapping, tuple, list)):
        inner = parts.items() if isinstance(parts, Mapping) else enumerate(parts)
        return [
            word for name, part in inner for word in _describe_parts(part, f"{place}/{name}" if place else str(name))
        ]
    return [f"{place} {float(parts):.4g}"]
