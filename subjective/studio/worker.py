"""Run the commands of a queue, one at a time, each in a process of its own.

The worker is started by the server, and does not end with it. If the worker itself ends, the next one waits for the
command that still runs, or resumes the run that has stopped.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from subjective.checks import FileError, InputError
from subjective.files import NO_ROOM, open_plainly, read_plainly
from subjective.locks import is_at, try_lock
from subjective.runs.provenance import CONFIG_FILE
from subjective.runs.trace import read_json
from subjective.runs.traced_folder import SUMMARY_FILE
from subjective.studio.queue import OPEN, RUNNING, Entry, Queue

Result = TypeVar("Result")

LOOK = 0.3
"""Seconds between two looks at the command that runs."""

WAIT = 2.0
"""Seconds after which it is tried again to write on a disk that was full."""

INTERRUPTED = (130, 143, 129)
"""Exit statuses of a command that a signal has stopped, which has kept what it had made."""

LOCK = ".worker"
"""Name of the file in the queue's folder that the one worker locks."""


def main(argv: list[str]) -> int:
    """Empty the queue in a folder, unless another worker does; ``argv`` is the folder."""
    queue = Queue(Path(argv[0]))
    while any(entry["status"] in OPEN for entry in queue.list_entries()):
        with open_plainly(queue.folder / LOCK, "ab+") as lock:
            if try_lock(lock) is False or not is_at(lock, queue.folder / LOCK):
                return 0  # the other one looks again after it has let go
            for entry in queue.list_entries():
                if entry["status"] == RUNNING:
                    go_on(queue, entry)
            while (taken := with_room(queue.take)) is not None:
                run_entry(queue, taken, taken["words"])
    return 0


def with_room(function: Callable[..., Result], *arguments: Any, **fields: Any) -> Result:
    """Call a function that writes; while the disk has no room, wait and call it again.

    Nobody else notes how a command has ended, so the worker must not end before it has.
    """
    while True:
        try:
            return function(*arguments, **fields)
        except FileError as error:
            if error.errno not in NO_ROOM:
                raise
        time.sleep(WAIT)


def go_on(queue: Queue, entry: Entry) -> None:
    """Deal with an entry whose worker has ended: wait for its command, or run it again from where it stands."""
    while _is_alive(entry):
        time.sleep(LOOK)
    folder = _folder_of(queue, entry)
    summary = (read_json(folder / SUMMARY_FILE) if folder else None) or {}
    if summary.get("status") in ("finished", "interrupted", "failed"):
        status = str(summary["status"])
        reason = summary.get("reason") or ""
        with_room(queue.change, entry["number"], status=status, reason=reason, ended=time.time())
    elif folder is not None and (folder / CONFIG_FILE).exists():
        run_entry(queue, entry, ["resume", str(folder)])
    else:
        run_entry(queue, entry, entry["words"])


def run_entry(queue: Queue, entry: Entry, words: list[str]) -> None:
    """Run a command to its end, and note in its entry how it has ended."""
    number = entry["number"]
    try:
        process = _start(queue, number, words)
    except (OSError, ValueError) as error:  # what is in the way of its files; words that no program can be given
        reason = f"it cannot be started ({error})"
        with_room(queue.change, number, status="failed", reason=reason, ended=time.time())
        return
    with_room(queue.change, number, status=RUNNING, process=process.pid)
    told = stopped = False
    while process.poll() is None:
        time.sleep(LOOK)
        if not told and (folder := _folder_of(queue, entry)) is not None:
            with_room(queue.change, number, run=str(folder))
            told = True
        if not stopped and _is_stopped(queue, number):
            process.terminate()  # the run ends its step, and keeps what it has made
            stopped = True
    folder = _folder_of(queue, entry)
    status = "finished" if process.returncode == 0 else "interrupted" if _was_interrupted(process) else "failed"
    lines = queue.last_lines(number, 1)
    reason = "" if status == "finished" else lines.removeprefix("subjective: ")
    run = str(folder) if folder else None
    with_room(queue.change, number, status=status, reason=reason, ended=time.time(), run=run)


def _start(queue: Queue, number: int, words: list[str]) -> subprocess.Popen[bytes]:
    """Start a command whose words on stdout and stderr go to the files of its entry."""
    made_path, said_path = queue.made_path(number), queue.said_path(number)
    made_path.unlink(missing_ok=True)
    command, apart = [sys.executable, "-m", "subjective", *words], sys.platform != "win32"
    with open_plainly(made_path, "xb") as made, open_plainly(said_path, "ab") as said:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=made, stderr=said, start_new_session=apart)


def _was_interrupted(process: subprocess.Popen[bytes]) -> bool:
    return process.returncode in INTERRUPTED or process.returncode < 0


def _is_stopped(queue: Queue, number: int) -> bool:
    return any(entry["number"] == number and entry.get("stop") for entry in queue.list_entries())


def _folder_of(queue: Queue, entry: Entry) -> Path | None:
    """Return the run folder that a command has named on stdout, or that was noted before; None if there is none."""
    with contextlib.suppress(OSError, InputError):
        first = read_plainly(queue.made_path(entry["number"])).decode(errors="replace").partition("\n")
        if first[1] and Path(first[0]).is_dir():
            return Path(first[0])
    noted = entry.get("run")
    return Path(noted) if isinstance(noted, str) and Path(noted).is_dir() else None


def _is_alive(entry: Entry) -> bool:
    """Return whether the process of an entry still runs, and is one of this program."""
    process = entry.get("process")
    if not isinstance(process, int):
        return False
    try:
        return b"subjective" in Path(f"/proc/{process}/cmdline").read_bytes()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    except OSError:
        return False
    try:  # no Linux
        os.kill(process, 0)
    except OSError:
        return False
    return sys.platform != "win32"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
