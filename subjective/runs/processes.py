"""The processes of a run that several processes share: how they find each other, take orders, and end together.

Process 0, the leader, runs the command as if it were alone: it reads, plans, moves the picture, decides when to end,
and writes. The other processes, the members, only compute their rows of each evaluation of the loss; see
`subjective.runs.shared_loss`. They read no file and decide nothing, so that the processes cannot disagree about what
comes next. The state of the optimizer is in the leader alone: checkpoints are those of a run in one process, and a run
resumes with any number of processes.

There are two kinds of connections. JAX's collective operations carry pictures and gradients. A connection of TCP
between the leader and each member carries orders. Its end tells at once that a process is gone; JAX would notice after
100 seconds, and abort.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from subjective.checks import InputError, setting
from subjective.runs import interrupts
from subjective.runs.interrupts import LostProcessError
from subjective.runs.lines import Line, Order, accept_lines, connect, listen, own_addresses
from subjective.terminal import report_error

FAILURE_SECONDS = 3.0
"""Seconds that a member whose operation failed waits before it says so: another process may be gone, and the leader
tells then."""

START_SECONDS = 300
"""Seconds in which all processes have to start."""

PATIENCE = 30.0
"""Seconds after the loss of a process in which an operation of JAX has to fail. Then the leader ends by itself."""

PARTING_SECONDS = 10.0
"""Seconds that the leader waits at the end for the members to end first."""

LOSS_SECONDS = 5.0
"""Seconds in which the leader hears that a process is gone, after an operation of JAX has failed for this reason."""

GREETING_BYTES = 1024
"""Length of the leader's greeting, which says where it listens."""


class Leader:
    """Process 0.

    Attributes:
        count: number of processes, this one included.
        devices: number of devices of all processes.
    """

    def __init__(self, lines: dict[int, Line], count: int):
        """Begin to listen to the members.

        Args:
            lines: the connection to each member, by its number.
            count: number of processes.
        """
        self.count, self.devices = count, jax.device_count()
        self._lines, self._lost, self._is_ending = lines, "", False
        self._waiting_since, self._news = 0.0, threading.Condition()
        self._owed = dict.fromkeys(lines, 0)  # answers that each member owes
        self._listeners = [threading.Thread(target=self._listen, args=one, daemon=True) for one in lines.items()]
        for thread in self._listeners:
            thread.start()

    def order(self, order: Order, data: bytes | memoryview = b"") -> None:
        """Send an order to all members.

        Raises:
            LostProcessError: a member is gone.
        """
        self.check()
        for number, line in self._lines.items():
            with self._news:
                self._owed[number] += bool(order.get("answer"))
            try:
                line.send(order, data)
            except OSError:
                self._lose(number, "is gone")
        self.check()

    def check(self) -> None:
        """Raise `LostProcessError` if a member is gone."""
        if self._lost:
            raise LostProcessError(self._lost)

    def wait(self) -> None:
        """Wait until each member has done what `order` has asked of it with ``"answer": True``.

        Raises:
            LostProcessError: a member is gone.
        """
        with self._news:
            self._news.wait_for(lambda: self._lost or not any(self._owed.values()))
        self.check()

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Surround what all processes compute together, which fails or hangs if one of them is gone.

        Raises:
            LostProcessError: a member is gone.
        """
        self._waiting_since = time.monotonic()
        try:
            yield
        except Exception as error:  # of many types, whatever JAX's operation is
            with self._news:
                self._news.wait_for(lambda: self._lost, LOSS_SECONDS)
            if self._lost:
                raise LostProcessError(self._lost) from error
            raise
        finally:
            self._waiting_since = 0.0

    def end(self, status: int) -> NoReturn:
        """End all processes with an exit status, this one last.

        JAX would wait at the end of a process for processes that are gone, and then abort: this process ends at once.
        """
        self._is_ending = True
        for number in interrupts.SIGNALS:  # the end is near in any case
            signal.signal(number, signal.SIG_IGN)
        for line in self._lines.values():
            with contextlib.suppress(OSError):
                line.send({"do": "end", "status": status})
        latest = time.monotonic() + PARTING_SECONDS
        for thread in self._listeners:
            thread.join(max(latest - time.monotonic(), 0))
        leave(status)

    def _listen(self, number: int, line: Line) -> None:
        """Hear what a member says, until it is gone. The first signal of a member counts as one of this process."""
        while (heard := line.receive()) is not None:
            order, _ = heard
            if order["do"] == "signal" and not interrupts.has_come():
                os.kill(os.getpid(), order["number"])
            elif order["do"] == "answer":
                with self._news:
                    self._owed[number] -= 1
                    self._news.notify_all()
            elif order["do"] == "fail":
                self._lose(number, f"failed: {order['reason']}")
        self._lose(number, "is gone")

    def _lose(self, number: int, how: str) -> None:
        """Note that a member is gone, end the others, and watch that this process ends too."""
        with self._news:
            if self._lost or self._is_ending:
                return
            self._lost = f"process {number} of {self.count} {how}"
            self._news.notify_all()
        for other, line in self._lines.items():
            if other != number:
                with contextlib.suppress(OSError):
                    line.send({"do": "end", "status": 1, "reason": self._lost})
        threading.Thread(target=self._end_if_stuck, daemon=True).start()

    def _end_if_stuck(self) -> None:
        """End this process if an operation hangs that a lost process has a part in, as on GPUs."""
        lost = time.monotonic()
        while not self._is_ending:
            time.sleep(0.5)
            since = self._waiting_since
            if since and time.monotonic() - max(since, lost) > PATIENCE:
                report_error(f"{self._lost}; the run stops, and resumes at its last checkpoint")
                leave(1)


class Member:
    """A process that is not process 0."""

    def __init__(self, line: Line, number: int, count: int):
        """Take over the connection to the leader.

        Args:
            line: the connection.
            number: number of this process.
            count: number of processes.
        """
        self._line, self._name = line, f"process {number} of {count}"
        self._signals = 0

    def serve(self, obey: Callable[[Order, bytearray], None]) -> NoReturn:
        """Follow the leader's orders until it ends the run, then end.

        The orders are followed in a thread of their own: this one hears the end of the run, and signals, also while an
        operation of JAX waits for other processes.

        Args:
            obey: follows an order.
        """
        orders: list[tuple[Order, bytearray]] = []
        came = threading.Condition()

        def work() -> None:
            try:
                while True:
                    with came:
                        came.wait_for(lambda: bool(orders))
                        order, data = orders.pop(0)
                    obey(order, data)
                    if order.get("answer"):
                        self._line.send({"do": "answer"})
            except BaseException as error:
                time.sleep(FAILURE_SECONDS)
                reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
                with contextlib.suppress(OSError):
                    self._line.send({"do": "fail", "reason": reason})
                report_error(f"{self._name} failed: {reason}")
                leave(1)

        with interrupts.handled_by(self._pass_on):
            threading.Thread(target=work, daemon=True).start()
            while (heard := self._line.receive()) is not None:
                if heard[0]["do"] == "end":
                    if reason := heard[0].get("reason"):
                        report_error(f"{reason}; {self._name} ends")
                    leave(heard[0]["status"])
                with came:
                    orders.append(heard)
                    came.notify()
        report_error(f"process 0 is gone; {self._name} ends")
        leave(1)

    def _pass_on(self, number: int, frame: Any) -> None:
        """Tell the leader of a signal, which stops the run in order; end at once at a second signal."""
        self._signals += 1
        if self._signals > 1:
            leave(128 + number)
        with contextlib.suppress(OSError):
            self._line.send({"do": "signal", "number": number})


def join_processes(coordinator: str | None, processes: int | None, number: int | None) -> Leader | Member:
    """Find the other processes of the run.

    Args:
        coordinator: address ``HOST:PORT`` at which process 0 listens; None if a launcher says all: Slurm, Open MPI,
            Kubernetes, or what else JAX recognizes.
        processes: number of processes; None as above.
        number: number of this process; None as above.

    Returns:
        What this process is.

    Raises:
        InputError: there is no launcher, or the processes do not find each other.
    """
    _keep_streams_clean()
    _delay_abort()
    with contextlib.suppress(AttributeError, ValueError):  # some versions of JAX have nothing else
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    if coordinator and number == 0:
        listen(int(coordinator.rpartition(":")[2])).close()  # JAX would crash if the port is taken
    _initialize(coordinator, processes, number)
    number, count = jax.process_index(), jax.process_count()
    greeting = np.zeros(GREETING_BYTES, np.uint8)
    if number == 0:
        listener, token = listen(), secrets.token_hex(16)
        said = json.dumps({"port": listener.getsockname()[1], "token": token, "hosts": own_addresses()}).encode()
        greeting[: len(said)] = np.frombuffer(said, np.uint8)
    try:
        heard = np.asarray(multihost_utils.broadcast_one_to_all(greeting))
    except Exception as error:  # of many types
        raise InputError(f"the processes lost each other as they began: {_first_line(error)}") from None
    if number == 0:
        with listener:
            return Leader(accept_lines(listener, token, count), count)
    told = json.loads(heard.tobytes().rstrip(b"\0"))
    hosts = [coordinator.rpartition(":")[0].strip("[]")] if coordinator else []
    return Member(connect([*hosts, *told["hosts"]], told["port"], told["token"], number), number, count)


def leave(status: int) -> NoReturn:
    """End this process now, without what libraries do at the end of a process."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _initialize(coordinator: str | None, processes: int | None, number: int | None) -> None:
    """Call `jax.distributed.initialize`, in a thread: it waits for minutes, and signals come to this one."""
    errors: list[Exception] = []

    def work() -> None:
        try:
            # After its own timeout, JAX would abort the process.
            jax.distributed.initialize(coordinator, processes, number, initialization_timeout=2 * START_SECONDS)
        except Exception as error:
            errors.append(error)

    thread, latest = threading.Thread(target=work, daemon=True), time.monotonic() + START_SECONDS
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
        if time.monotonic() > latest:
            raise InputError(f"after {START_SECONDS} s, not all processes have started, or they cannot reach process 0")
    if not errors:
        return
    [error] = errors
    if coordinator is None and isinstance(error, ValueError):
        flags = " ".join(setting(name) for name in ("coordinator", "processes", "process_id"))
        raise InputError(
            f"{setting('distributed')} finds no launcher (Slurm, Open MPI, Kubernetes); start the processes with one, "
            f"or give each {flags}"
        )
    raise InputError(f"the processes do not find each other: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _keep_streams_clean() -> None:
    """Send what compiled libraries write themselves to the null device, such as gloo's lines on stdout."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
            if stream.fileno() != number:
                continue
            kept = os.dup(number)
            setattr(sys, name, os.fdopen(kept, "w", encoding=stream.encoding, errors=stream.errors, buffering=1))
            with open(os.devnull, "w", encoding="utf-8") as nothing:
                os.dup2(nothing.fileno(), number)


def _delay_abort() -> None:
    """Give this process some seconds to say why it ends, before JAX aborts it.

    JAX aborts a process in one of its threads as soon as process 0 is gone. With the function ``sleep`` of the C
    library as handler of the signal, that thread sleeps for as many seconds as the signal has as number, six.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # a system without such functions
        library = ctypes.CDLL(None)
        library.signal.argtypes, library.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
        library.signal(int(signal.SIGABRT), ctypes.cast(library.sleep, ctypes.c_void_p))
