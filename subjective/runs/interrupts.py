"""Stop a run on Ctrl-C or SIGTERM: after the current step, or at once if steps are long."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType

SHORT_STEP = 3.0
"""A run finishes its current step after a signal only if a step takes less than this number of seconds.

The time is limited, because schedulers send SIGKILL shortly after SIGTERM.
"""


UNMADE = "interrupted before anything was made"
"""What is said of a signal that comes before there is a run folder."""


class Interrupted(KeyboardInterrupt):
    """The process has received SIGINT (Ctrl-C) or SIGTERM.

    Attributes:
        number: number of the signal.
        is_told: whether the user has been told what the interrupt has stopped.
    """

    def __init__(self, number: int):
        """Keep the number of the signal."""
        super().__init__(number)
        self.number = number
        self.is_told = False


class _Signals:
    """What is known of signals: whether one has come, and whether the next one will wait for the current step.

    Attributes:
        number: number of the signal that has come and waits for the end of the current step; None if there is none.
        polled: time of the last `poll`; 0 if no step has been made.
        waits: whether the next signal will wait for the end of the current step.
    """

    number: int | None = None
    polled = 0.0
    waits = False


_signals = _Signals()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Make SIGINT and SIGTERM raise `Interrupted`: after the current step if steps are short, otherwise at once."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if _signals.waits and _signals.number is None:
            _signals.number = number
        else:
            raise Interrupted(number)

    with _handling(interrupt):
        try:
            yield
        finally:
            stop_waiting()


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Make SIGINT and SIGTERM end the process at once, with one line on stderr, for as long as modules are imported.

    An exception that a signal raises inside an import can get lost: the code of some modules catches it.
    """

    def end(number: int, frame: FrameType | None) -> None:
        sys.stderr.write(f"subjective: {UNMADE}\n")
        sys.stderr.flush()
        os._exit(128 + number)

    with _handling(end):
        yield


@contextlib.contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a function handle SIGINT and SIGTERM."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def poll() -> bool:
    """Return whether a signal has come. Call this after each step: it also measures whether steps are short."""
    now = time.monotonic()
    _signals.waits = _signals.polled > 0 and now - _signals.polled < SHORT_STEP
    _signals.polled = now
    return _signals.number is not None


def stop() -> None:
    """Raise `Interrupted` for the signal that has come."""
    number = _signals.number or signal.SIGINT
    stop_waiting()
    raise Interrupted(number)


def stop_waiting() -> None:
    """Forget a signal that has come. The next signal then raises `Interrupted` at once."""
    _signals.number, _signals.polled, _signals.waits = None, 0.0, False


def ignore() -> None:
    """Ignore further signals, so that a second Ctrl-C cannot interrupt the saving that follows the first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
