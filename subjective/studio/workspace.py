"""What the page itself keeps in the served folder, in ``.studio``: tags, and runs that were deleted."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from subjective.checks import InputError, file_errors
from subjective.files import write_bytes
from subjective.runs.trace import read_json
from subjective.studio.runs_index import Index

FOLDER = ".studio"
"""Name of the folder, in the served folder."""

TRASH = "trash"
"""Name of the folder, in `FOLDER`, to which runs are moved that are deleted."""

TAGS_FILE = "tags.json"
"""Name of the file that holds the tags of each run."""

MOST_TAGS = 20
"""Most tags of a run."""

LONGEST_TAG = 40
"""Most letters of a tag."""


LEAST_ROOM = 16_000_000
"""A disk with less room in bytes than this is called full."""


def describe_room(folder: Path, least: int = LEAST_ROOM) -> str:
    """Return a line about a disk that is full; empty if it is not, or if it cannot be asked.

    Args:
        folder: a folder on the disk.
        least: bytes of room with which the disk is not full.
    """
    try:
        if shutil.disk_usage(folder).free >= least:
            return ""
    except OSError:
        return ""
    return (
        "The disk of this folder is full. A run that cannot write stops, and keeps what it has made; make room, and "
        "then resume it."
    )


class Workspace:
    """Tags and trash of a served folder. The folder ``.studio`` is made when something is first written."""

    def __init__(self, index: Index):
        """Prepare to keep tags of the runs of an index."""
        self._index, self._folder, self._lock = index, index.root / FOLDER, threading.Lock()

    @property
    def tags(self) -> dict[str, list[str]]:
        """The tags of each run that has some, by the run's name."""
        found = read_json(self._folder / TAGS_FILE) or {}
        return {
            name: [tag for tag in tags if isinstance(tag, str)]
            for name, tags in found.items()
            if isinstance(tags, list)
        }

    def tag(self, name: str, tags: Any) -> None:
        """Give a run these tags, in place of those that it has.

        Raises:
            InputError: there is no such run, or the tags are no short words.
        """
        self._index.find(name)
        wanted = f"wanted at most {MOST_TAGS} tags, each a word of at most {LONGEST_TAG} letters"
        if not isinstance(tags, list) or len(tags) > MOST_TAGS:
            raise InputError(wanted)
        if not all(isinstance(tag, str) and 0 < len(tag) <= LONGEST_TAG and tag.isprintable() for tag in tags):
            raise InputError(wanted)
        with self._lock:
            every = self.tags | {name: list(dict.fromkeys(tags))}
            self._make()
            text = json.dumps({run: kept for run, kept in every.items() if kept}, indent=1)
            write_bytes(self._folder / TAGS_FILE, text.encode())

    def delete(self, name: str) -> str:
        """Move a run to the trash. Nothing is removed from the disk.

        Returns:
            Number in the trash, for `restore`.

        Raises:
            InputError: there is no such run, or it goes on.
            FileError: the folder cannot be moved.
        """
        folder = self._index.find(name)
        if self._index.list_runs()[name]["status"] in ("running", "starting"):
            raise InputError("the run goes on; stop it first")
        if self._index.only is not None:
            raise InputError("only this run is shown; to delete runs, serve the folder above it")
        number = str(time.time_ns())
        place = self._make() / TRASH / number / name
        with file_errors("move", folder):
            place.parent.mkdir(parents=True)
            os.rename(folder, place)
        return number

    def restore(self, kept: str) -> str:
        """Move a run back out of the trash.

        Returns:
            The run's name.

        Raises:
            InputError: there is no such run in the trash, or there is another one of its name.
            FileError: the folder cannot be moved.
        """
        trash = self._folder / TRASH
        if not (kept.isascii() and kept.isdigit()) or self._folder.is_symlink() or not (trash / kept).is_dir():
            raise InputError("there is no such run in the trash")
        names = list(Index(trash / kept).list_runs())
        if len(names) != 1:
            raise InputError("there is no such run in the trash")
        [name] = names
        place = self._index.root / name
        if place.exists() or not place.parent.is_dir():
            raise InputError("the run cannot be moved back, because another one has its name, or its folder is gone")
        with file_errors("move", place):
            os.rename(trash / kept / name, place)
            for left in (trash / kept / Path(name).parent, trash / kept):
                if left.is_dir():
                    left.rmdir()
        return name

    def _make(self) -> Path:
        """Return the folder, and make it if there is none."""
        with file_errors("make", self._folder):
            if self._folder.is_symlink():
                raise InputError(f"{str(self._folder)!r} is a link; wanted a folder: remove it")
            self._folder.mkdir(exist_ok=True)
        return self._folder
