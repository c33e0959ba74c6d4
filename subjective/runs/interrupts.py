"""Stop a run on Ctrl-C, SIGTERM or SIGHUP: after the current step, or at once if steps are long."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

SIGHUP: int = getattr(signal, "SIGHUP", signal.SIGTERM)  # Windows has none
SIGNALS: tuple[int, ...] = tuple(dict.fromkeys((signal.SIGINT, signal.SIGTERM, SIGHUP)))
"""The signals that stop a run: Ctrl-C, a polite kill, and the end of the terminal."""

SHORT_STEP = 3.0
"""A run finishes its current step after a signal only if a step takes less than this number of seconds.

The time is limited, because schedulers send SIGKILL shortly after SIGTERM.
"""


UNMADE = "interrupted before anything was made"
"""What is said of a signal that comes before there is a run folder."""


class Interrupted(KeyboardInterrupt):
    """The process has received one of `SIGNALS`.

    Attributes:
        number: number of the signal.
        reason: why the run stops, in a few words.
        is_told: whether the user has been told what the interrupt has stopped.
    """

    def __init__(self, number: int, reason: str = "interrupted"):
        """Keep the number of the signal, and the reason."""
        super().__init__(number)
        self.number, self.reason = number, reason
        self.is_told = False


class LostProcessError(Exception):
    """Another process of the run is gone, so that the run cannot go on; see `subjective.runs.processes`."""


class _Signals:
    """What is known of signals: whether one has come, and whether the next one will wait for the current step.

    Attributes:
        number: number of the signal that has come and has not stopped the run yet; None if there is none.
        polled: time of the last `poll`; 0 if no step has been made.
        waits: whether the next signal will wait for the end of the current step.
        has_come: whether any signal has come.
    """

    number: int | None = None
    polled = 0.0
    waits = False
    has_come = False


_signals = _Signals()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Make `SIGNALS` raise `Interrupted`: after the current step if steps are short, otherwise at once.

    Python drops an exception that is raised while it cleans up an object, and JAX cleans up after every program that is
    compiled. Such a signal is not lost: it stops the run after the current step, as `poll` still knows of it.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        waits = _signals.waits and _signals.number is None
        _signals.has_come, _signals.number = True, number
        if not waits:
            raise Interrupted(number)

    def report(dropped: Any) -> None:
        if not isinstance(dropped.exc_value, Interrupted):
            hook(dropped)

    _signals.has_come = False
    hook, sys.unraisablehook = sys.unraisablehook, report
    with handled_by(interrupt):
        try:
            yield
        finally:
            stop_waiting()
            sys.unraisablehook = hook


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Make `SIGNALS` end the process at once, with one line on stderr, for as long as modules are imported.

    An exception that a signal raises inside an import can get lost: the code of some modules catches it.
    """

    def end(number: int, frame: FrameType | None) -> None:
        sys.stderr.write(f"subjective: {UNMADE}\n")
        sys.stderr.flush()
        os._exit(128 + number)

    with handled_by(end):
        yield


def poll() -> bool:
    """Return whether a signal has come. Call this after each step: it also measures whether steps are short."""
    now = time.monotonic()
    _signals.waits = _signals.polled > 0 and now - _signals.polled < SHORT_STEP
    _signals.polled = now
    return _signals.number is not None


def has_come() -> bool:
    """Return whether any signal has come since `interruptible` began, also one that is over."""
    return _signals.has_come


def stop(reason: str = "interrupted") -> None:
    """Raise `Interrupted` for the signal that has come, or for another reason, as if Ctrl-C had been pressed."""
    number = _signals.number or signal.SIGINT
    stop_waiting()
    raise Interrupted(number, reason)


def stop_waiting() -> None:
    """Forget a signal that has come. The next signal then raises `Interrupted` at once."""
    _signals.number, _signals.polled, _signals.waits = None, 0.0, False


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold signals back during the block, so that none interrupts the saving of files.

    Raises:
        Interrupted: a signal has come during the block, which has ended.
    """
    came: list[int] = []
    with handled_by(lambda number, frame: came.append(number)):
        yield
    if came:
        raise Interrupted(came[0])


@contextlib.contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a function handle `SIGNALS` during the block. SIGHUP stays ignored under nohup."""
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}
    if before.get(SIGHUP) is signal.SIG_IGN:
        del before[SIGHUP]
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
