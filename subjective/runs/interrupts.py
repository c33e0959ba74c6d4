"""Ctrl-C and a polite kill: at the end of a step where steps are short, at once elsewhere or when asked again."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

SHORT_STEP = 3.0
"""Seconds that a step may take for its end to be waited for: who kills politely kills otherwise soon."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or a polite kill; carries the signal's number."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


class _State:
    asked: int | None = None
    told = 0.0
    waits = False


_state = _State()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM raise `Interrupted`: after the step that is being made, or in the midst of things."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if _state.waits and _state.asked is None:
            _state.asked = number
        else:
            raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        end_of_steps()
        for number, handler in before.items():
            signal.signal(number, handler)


def asked() -> bool:
    """Whether the program is to stop; to be called at each step, at which all is whole."""
    now = time.monotonic()
    _state.waits = _state.told > 0 and now - _state.told < SHORT_STEP
    _state.told = now
    return _state.asked is not None


def stop() -> None:
    """Raise `Interrupted`, as was asked for."""
    number = _state.asked or signal.SIGINT
    end_of_steps()
    raise Interrupted(number)


def end_of_steps() -> None:
    """From now on, what is interrupted is interrupted at once."""
    _state.asked, _state.told, _state.waits = None, 0.0, False
