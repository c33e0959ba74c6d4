"""Ctrl-C and SIGTERM stop a run after the current step, or at once if steps are long."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

SHORT_STEP = 3.0
"""Wait for the current step to finish if steps take less than this many seconds; schedulers send SIGKILL shortly after
SIGTERM."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM has come.

    Attributes:
        number: number of the signal.
    """

    def __init__(self, number: int):
        """Keep the number of the signal."""
        super().__init__(number)
        self.number = number


class _Signals:
    """The signals that have come, and whether they wait.

    Attributes:
        number: number of the signal that has come and waits for the current step; None if there is none.
        polled: time of the last `poll`; 0 if no steps are made.
        waits: whether a signal waits for the current step.
    """

    number: int | None = None
    polled = 0.0
    waits = False


_signals = _Signals()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Make SIGINT and SIGTERM raise `Interrupted`: after the current step if steps are short, at once otherwise."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if _signals.waits and _signals.number is None:
            _signals.number = number
        else:
            raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        stop_waiting()
        for number, handler in before.items():
            signal.signal(number, handler)


def poll() -> bool:
    """Return whether a signal has come, and let the next signal wait if steps are short. Call it after each step."""
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
    """Forget the signal that has come, and let the next signal interrupt at once."""
    _signals.number, _signals.polled, _signals.waits = None, 0.0, False


def ignore() -> None:
    """Ignore further signals, so that a second Ctrl-C does not spoil what is saved after the first one."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
