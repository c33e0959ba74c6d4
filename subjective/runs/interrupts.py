"""Ctrl-C and SIGTERM: a run stops after the step that is being made, or at once if steps are long."""

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
    """Ctrl-C or SIGTERM; carries the signal's number."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


class _State:
    number: int | None = None  # of the signal that has come
    polled = 0.0
    waits = False


_state = _State()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise `Interrupted`: after the current step, or at once where no steps are made."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if _state.waits and _state.number is None:
            _state.number = number
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
    """Say whether a signal has come; to be called after each step. The next signal waits if steps are short."""
    now = time.monotonic()
    _state.waits = _state.polled > 0 and now - _state.polled < SHORT_STEP
    _state.polled = now
    return _state.number is not None


def stop() -> None:
    """Raise `Interrupted` for the signal that has come."""
    number = _state.number or signal.SIGINT
    stop_waiting()
    raise Interrupted(number)


def stop_waiting() -> None:
    """From now on, let a signal interrupt at once."""
    _state.number, _state.polled, _state.waits = None, 0.0, False


def ignore() -> None:
    """Ignore further signals, so that a second one does not spoil what the first one saves."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
