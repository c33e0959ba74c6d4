"""Do what every run needs around its steps, whatever the run makes.

A `Session` records each step in the run folder, tells the observers of the step, and stops after the current step on
Ctrl-C, or when the run is asked to (see `subjective.runs.control`). After any error, such as a full disk, a loss that
is not finite, too little memory, or a fault of this program, the session keeps what the run has made so far.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax

from subjective.checks import FileError, InputError
from subjective.files import NO_ROOM, write_bytes
from subjective.runs import control, interrupts
from subjective.runs.interrupts import LostProcessError
from subjective.runs.memory import is_out_of_memory
from subjective.runs.traced_folder import TRACEBACK_FILE
from subjective.terminal import note, report_error, write_line

OneSession = TypeVar("OneSession", bound="Session")


@runtime_checkable
class RunFolder(Protocol):
    """The methods of a run folder that a session calls.

    The arguments ``event`` describe a step, and are those of `Session.on_step`. They depend on what the run makes.

    Attributes:
        folder: path of the folder.
        memory_advice: advice for the user when memory runs out, such as to make a smaller picture.
    """

    folder: Path
    memory_advice: str

    @property
    def record(self) -> Callable[..., None]:
        """``record(*event, last, asked)``: record a step.

        ``last`` is true if the run is stopped after the step. ``asked`` may hold ``checkpoint`` and ``save``; see
        `subjective.runs.control`.
        """

    def finish(self, result: Any) -> None:
        """Write the result of a run that has made all its steps."""

    def complete(self) -> None:
        """Note that the run is finished: everything else is written."""

    def abandon(self, status: str, reason: str) -> tuple[str, bool]:
        """Keep what a stopped run has made. Return a phrase about what is kept, and whether the run can be resumed."""


@runtime_checkable
class Observer(Protocol):
    """An object that watches a run, such as a progress bar or a live page."""

    @property
    def update(self) -> Callable[..., None]:
        """``update(*event)``: show a step."""

    def close(self) -> None:
        """Stop watching: the run makes no more steps."""


class Session:
    """The session of one run: a context manager around the steps.

    Attributes:
        run: the run folder.
        observers: the objects that are told of each step.
        status: exit status of the program: 0 for success, 2 for an error that the user can mend, 1 for a fault of this
            program, or if another process of the run is gone.
    """

    def __init__(
        self,
        run: RunFolder,
        observers: Sequence[Observer],
        render: Callable[[InputError], str] = str,
    ):
        """Prepare to run the steps.

        Args:
            run: the run folder; it exists already.
            observers: objects that are told of each step.
            render: returns the text of an error for the user.
        """
        self.run, self.observers, self.status = run, observers, 0
        self._render, self._is_made = render, False

    def __enter__(self: OneSession) -> OneSession:
        """Return the session."""
        return self

    def on_step(self, *event: Any) -> None:
        """Record a step, tell the observers, follow requests, and stop if a signal has come."""
        asked = control.take(self.run.folder)
        is_interrupted = interrupts.poll()
        stopping = is_interrupted or "stop" in asked.requests
        if asked.weights:
            self.reweigh(asked.weights, *event)
        self.run.record(*event, last=stopping, asked=asked.requests)
        for observer in self.observers:
            observer.update(*event)
        if "score" in asked.requests:
            self.score_step(*event)
        if stopping:
            interrupts.stop("interrupted" if is_interrupted else "stopped on request")

    def reweigh(self, weights: Mapping[str, Sequence[float]], *event: Any) -> None:
        """Change weights after a step, as the run was asked to. By default, say that this run cannot.

        Args:
            weights: see `subjective.runs.control.Asked`.
            event: the step.
        """
        note("note: this run was asked for other weights, which it cannot change")

    def score_step(self, *event: Any) -> None:
        """Score the picture of a step, as the run was asked to. By default, say that this run cannot."""
        note("note: this run was asked for scores, which it cannot give before its end")

    def finish(self, result: Any) -> None:
        """End the steps, and write the result. The run is finished when the session ends without an error."""
        interrupts.stop_waiting()
        self._close_observers()
        self.run.finish(result)
        self._is_made = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Complete the run; after an error, keep what it has made.

        Returns:
            Whether to suppress the error, False for `Interrupted`.

        Raises:
            Interrupted: a signal has come while files were saved.
        """
        self._close_observers()
        if error is not None:
            return self._stop(error)
        if self._is_made:
            try:
                with interrupts.held():
                    self.run.complete()
            except interrupts.Interrupted as late:
                report_error(f"interrupted; the run in {self.run.folder} is finished")
                late.is_told = True
                raise
            except BaseException as late:
                if not self._stop(late):
                    raise
        return False

    def _stop(self, error: BaseException) -> bool:
        """Keep what the run has made before an error. Return whether to suppress the error."""
        if isinstance(error, interrupts.Interrupted):
            error.is_told = True
            with contextlib.suppress(interrupts.Interrupted):  # a second Ctrl-C says what the first one said
                self._abandon("interrupted", error.reason)
            return False
        if not isinstance(error, Exception):
            return False
        reason = self._explain(error)
        self.status = 2
        if isinstance(error, LostProcessError):
            self.status = 1
        if reason is None:
            self.status = 1
            reason = self._keep_traceback(error)
        try:
            self._abandon("failed", reason)
        except interrupts.Interrupted as late:
            late.is_told = True
            raise
        return True

    def _explain(self, error: Exception) -> str | None:
        """Describe in one line an error that the user can mend; return None for a fault of this program."""
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            place = Path(error.filename).parent if isinstance(error, FileError) else self.run.folder
            return f"no room left to write in {place} ({error.strerror or error})"
        if isinstance(error, InputError):
            return self._render(error)
        if isinstance(error, LostProcessError):
            return str(error)
        if isinstance(error, OSError) and error.errno is not None:
            return f"cannot write in {self.run.folder} ({error.strerror or error})"
        if isinstance(error, (MemoryError, jax.errors.JaxRuntimeError)) and is_out_of_memory(error):
            return f"out of memory; {self.run.memory_advice}"
        return None

    def _keep_traceback(self, error: Exception) -> str:
        """Write the traceback into the run folder, or to stderr if this fails. Return a line that names the place."""
        fault, path = f"a fault of this program, {type(error).__name__}", self.run.folder / TRACEBACK_FILE
        text = "".join(traceback.format_exception(error))
        try:
            write_bytes(path, text.encode())
        except OSError:
            write_line(sys.stderr, text)
            return f"{fault}; the traceback is above"
        return f"{fault}; the traceback is in {path}"

    def _abandon(self, status: str, reason: str) -> None:
        """Keep what the run has made. Tell the user on stderr why the run stopped, what is kept and how to resume."""
        with interrupts.held():
            kept, resumable = self.run.abandon(status, reason)
            report_error(f"{reason}; {kept}")
            if resumable:
                report_error(f"to resume: subjective resume {shlex.quote(str(self.run.folder))}")

    def _close_observers(self) -> None:
        for observer in self.observers:
            with contextlib.suppress(OSError):
                observer.close()
