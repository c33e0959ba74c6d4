"""Stop a run on Ctrl-C or SIGTERM: after the current step, or at once if steps are long."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

SHORT_STEP = 3.0
"""A run finishes its current step after a signal only if a step takes less than this number of seconds.

The time is limited, because schedulers send SIGKILL shortly after SIGTERM.
"""


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

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        stop_waiting()
        for number, handler in before.items():
            signal.signal(number, handler)


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
