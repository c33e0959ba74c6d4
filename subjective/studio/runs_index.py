"""Find the runs in a folder, and say what each is: read only, and cheap enough to be asked every second.

A run is a folder in the served folder, or in a folder inside it (as those of a sweep). Links are not followed. A run's
name is its path in the served folder, such as ``out-20260101-120000`` or ``sweep-20260101-120000/001-2``.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from subjective.checks import InputError, file_errors
from subjective.decoding import read_size
from subjective.files import read_plainly
from subjective.runs.control import LIVE_FILE, PREVIEW_FILE
from subjective.runs.lock import LOCK_FILE
from subjective.runs.provenance import CONFIG_FILE
from subjective.runs.trace import TRACE_FILE, read_json
from subjective.runs.traced_folder import SUMMARY_FILE

MARKS = frozenset([CONFIG_FILE, TRACE_FILE, SUMMARY_FILE, LOCK_FILE])
"""A folder with one of these files is a run."""

SHOWN = re.compile(r"(?!\.)[^/\\]+\.(png|jpe?g|webp|gif|mp4)", re.IGNORECASE)
"""Names of the pictures and videos of a run."""

MADE = re.compile(r"(?P<stem>(?:step|pictures)-(?P<step>\d+)|result|pictures)(-(?P<number>\d+))?\.png")
"""Names of the pictures that a run makes."""

HOLDER = re.compile(r"process (?P<process>[1-9]\d{0,9}) on (?P<host>\S+) since", re.ASCII)
"""What the lock of a run says about the process that writes the run."""

SILENT = 120.0
"""A run of another machine that has written nothing for this many seconds is taken for dead."""

LATE = 30.0
"""A run that has made steps for this many seconds and has not said how far it is cannot: its steps are followed."""

Entry = dict[str, Any]
"""What the page knows of a run, as JSON."""


class _Known(NamedTuple):
    """A run that was looked at.

    Attributes:
        changed: time at which the folder changed, in nanoseconds.
        entry: what was found.
    """

    changed: int
    entry: Entry


class Index:
    """The runs in a folder.

    Attributes:
        root: the folder.
        only: name of the one run that is shown; None to show all.
    """

    def __init__(self, root: Path, only: str | None = None):
        """Prepare to look into a folder."""
        self.root, self.only = root, only
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def list_runs(self) -> dict[str, Entry]:
        """Return the runs by name. A run that is over, and whose folder has not changed, is not read again.

        Raises:
            FileError: the folder cannot be read.
        """
        with self._lock, file_errors("read", self.root):
            found: dict[str, _Known] = {}
            for name, path, changed in self._scan():
                before = self._known.get(name)
                if before is None or before.changed != changed or before.entry["status"] in ("running", "starting"):
                    before = _Known(changed, describe(name, path))
                found[name] = before
            self._known = found
            return {name: known.entry for name, known in found.items()}

    def find(self, name: str) -> Path:
        """Return the folder of a run.

        Raises:
            InputError: there is no run of this name.
        """
        parts = name.split("/")
        plain = 1 <= len(parts) <= 2 and all(part and not part.startswith(".") for part in parts)
        path = self.root
        if plain and not any(mark in name for mark in "\\\0") and self.only in (None, name):
            for part in parts:
                path = path / part
                if path.is_symlink() or not path.is_dir():
                    break
            else:
                if _is_run(path):
                    return path
        raise InputError("there is no such run; it may have been moved or deleted")

    def _scan(self) -> Iterator[tuple[str, Path, int]]:
        """Yield name, path and time of the last change of each run."""
        for name, path, changed in _folders(self.root):
            if self.only is not None and name != self.only.partition("/")[0]:
                continue
            if _is_run(path):
                yield name, path, changed
                continue
            for inner, inner_path, inner_changed in _folders(path):
                if self.only in (None, f"{name}/{inner}") and _is_run(inner_path):
                    yield f"{name}/{inner}", inner_path, inner_changed


def _folders(root: Path) -> Iterator[tuple[str, Path, int]]:
    """Yield the folders in a folder that are no links; those that vanish meanwhile are left out."""
    with os.scandir(root) as found:
        for each in found:
            try:
                if not each.name.startswith(".") and each.is_dir(follow_symlinks=False):
                    yield each.name, root / each.name, each.stat(follow_symlinks=False).st_mtime_ns
            except OSError:
                continue


def _is_run(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in MARKS)


def describe(name: str, folder: Path) -> Entry:
    """Return what the page's list knows of a run.

    Args:
        name: name of the run.
        folder: folder of the run.
    """
    config = read_json(folder / CONFIG_FILE) or {}
    summary = read_json(folder / SUMMARY_FILE) or {}
    live = read_json(folder / LIVE_FILE)
    status = _find_status(folder, summary)
    settings, pictures = object_of(config, "settings"), summary.get("pictures")
    made: list[Any] = pictures if isinstance(pictures, list) else []
    first = next((each for each in made if isinstance(each, dict)), summary)  # a training has no pictures
    scores = object_of(object_of(first, "scores"), "measures")
    return {
        "name": name,
        "status": status,
        "reason": _text(summary.get("reason")) if status not in ("running", "starting") else "",
        "command": _text(config.get("command")),
        "started": _text(config.get("started")),
        "changed": _shown_change(folder, status),
        "seconds": summary.get("seconds"),
        "loss": first.get("loss"),
        "steps": first.get("steps"),
        "message": _text(first.get("message")),
        "sentence": _text(object_of(first, "scores").get("sentence")),
        "scores": {key: object_of(scores, key).get("score") for key in scores},
        "settings": settings,
        "live": live if status == "running" else None,
        "thumbnail": find_thumbnail(folder),
    }


def object_of(holder: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an entry of a JSON object that is an object; empty if there is none."""
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _find_status(folder: Path, summary: dict[str, Any]) -> str:
    """Return ``starting``, ``running``, ``finished``, ``interrupted``, ``failed`` or ``killed``.

    The lock of the run is read and not tried, because a run that begins at this moment would find it taken.
    """
    try:
        holder = HOLDER.match(read_plainly(folder / LOCK_FILE).decode(errors="replace"))
    except (OSError, InputError):
        holder = None
    if holder is not None and _is_alive(folder, int(holder["process"]), holder["host"]):
        return "running" if (folder / TRACE_FILE).exists() else "starting"
    status = summary.get("status")
    return status if status in ("finished", "interrupted", "failed") else "killed"


def _is_alive(folder: Path, process: int, host: str) -> bool:
    """Return whether the process that has locked a folder still runs; of another machine, whether it still writes."""
    if host != socket.gethostname() or sys.platform == "win32":
        return time.time() - _newest_change(folder) < SILENT
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # a process of another user
        return True
    return not _is_zombie(process)


def _is_zombie(process: int) -> bool:
    """Return whether a process has ended and its parent has not asked how."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _newest_change(folder: Path) -> float:
    """Return when a run has last written, in seconds since 1970; 0 if nothing can be read."""
    return max(map(_time_of, (folder, folder / TRACE_FILE, folder / LIVE_FILE)))


def _shown_change(folder: Path, status: str) -> float:
    """Return when a run has last written what the page shows of it, in seconds since 1970; 0 if nothing can be read.

    Of a run that goes on, this is when it last said how far it is. Its trace grows with each step, and a page that
    followed each would work twice as much.
    """
    newest, told = _newest_change(folder), _time_of(folder / LIVE_FILE)
    return told if status == "running" and newest - told < LATE else newest


def _time_of(path: Path) -> float:
    """Return when a file has changed, in seconds since 1970; 0 if it cannot be read."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def list_pictures(folder: Path) -> list[dict[str, Any]]:
    """List the pictures and videos of a run: those of its steps in order, then the results, then others.

    Returns:
        For each: ``name``, ``kind`` (``step``, ``result``, ``video`` or ``other``), ``step``, ``number`` of the
        picture, ``version``, which changes with the file, and ``size`` (height, width).
    """
    found = []
    with os.scandir(folder) as files:
        for file in files:
            try:
                if not SHOWN.fullmatch(file.name) or not file.is_file(follow_symlinks=False):
                    continue
                version = file.stat(follow_symlinks=False).st_mtime_ns
            except OSError:
                continue
            made = MADE.fullmatch(file.name)
            kind = "video" if file.name.lower().endswith((".gif", ".webp", ".mp4")) else "other"
            step, number = None, 0
            if made is not None:
                kind = "result" if made["step"] is None else "step"
                step = None if made["step"] is None else int(made["step"])
                number = int(made["number"] or 0)
            found.append(
                {
                    "name": file.name,
                    "kind": kind,
                    "step": step,
                    "number": number,
                    "version": f"{version:x}",
                    "size": None if kind == "video" else _find_size(folder / file.name, version),
                }
            )
    order = ("step", "result", "video", "other")
    return sorted(found, key=lambda one: (order.index(str(one["kind"])), one["step"] or 0, one["number"], one["name"]))


@lru_cache(maxsize=4096)
def _find_size(path: Path, version: int) -> tuple[int, int] | None:
    """Return (height, width) of a picture, as the head of its file says; None if it is none.

    Args:
        path: the file.
        version: time at which the file changed, for which the answer is kept.
    """
    try:
        width, height = read_size(path)
    except (InputError, OSError):
        return None
    return height, width


def find_thumbnail(folder: Path) -> dict[str, str] | None:
    """Return ``name`` and ``version`` of the picture that stands for a run; None if there is no picture yet.

    The picture as it is made comes first, then the result, then the last step.
    """
    for name in (PREVIEW_FILE, "result.png", "result-000.png", "sheet.png", "pictures.png"):
        try:
            status = (folder / name).lstat()
        except OSError:
            continue
        return {"name": name, "version": f"{status.st_mtime_ns:x}"}
    try:
        found = list_pictures(folder)
    except OSError:
        return None
    steps = [one for one in found if one["kind"] == "step" and one["number"] == 0]
    made = steps or [one for one in found if one["name"] == "curves.png"]
    return {"name": made[-1]["name"], "version": made[-1]["version"]} if made else None
