"""What the page can start: the form, the pictures to choose from, and the queue."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from subjective.checks import InputError
from subjective.decoding import read_size
from subjective.images import SUFFIXES
from subjective.runs.provenance import CONFIG_FILE
from subjective.studio.pictures import make_thumbnail
from subjective.studio.queue import OPEN, Queue, show_command
from subjective.studio.runs_index import Index
from subjective.studio.uploads import Uploads
from subjective.studio.workspace import FOLDER

APPLIED = Path(FOLDER) / "applied"
"""Folder in the served folder in which the pictures are that networks make."""

MOST_RESULTS = 60
"""Most results, and most pictures of the served folder, to choose from."""

FORECAST_SECONDS = 120
"""Most seconds that a forecast may take."""


@runtime_checkable
class Forms(Protocol):
    """The commands that can be started, and how their settings become words; the command line knows both."""

    def describe(self) -> list[dict[str, Any]]:
        """Return the form of each command, as JSON."""

    def to_words(self, command: str, values: Mapping[str, Any], folders: list[Path], output_dir: Path) -> list[str]:
        """Return the words of a command.

        Args:
            command: name of the command.
            values: settings by the names of their fields.
            folders: folders in which files may lie that settings name.
            output_dir: folder of the run folders.

        Raises:
            InputError: the command or a setting cannot be used.
        """


@dataclass(frozen=True)
class Shelf:
    """Pictures and trained networks that come with the package.

    Attributes:
        files: the pictures, each by its name.
        networks: names of the networks.
    """

    files: Mapping[str, Path]
    networks: Sequence[str] = ()


class Desk:
    """The form, the pictures and the queue of a served folder."""

    def __init__(self, index: Index, forms: Forms, shelf: Shelf):
        """Prepare to start commands whose runs go to the folder of an index."""
        self._index, self._forms, self._shelf = index, forms, shelf
        self.uploads = Uploads(index.root / FOLDER / "pictures")
        self.queue = Queue(index.root / FOLDER / "queue")
        self._forecasting = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """Return the forms, and the pictures (``path``, ``name``, ``group``) and networks to choose from."""
        return {
            "commands": self._forms.describe(),
            "pictures": self.list_pictures(),
            "networks": self._list_networks(),
        }

    def _list_networks(self) -> list[dict[str, str]]:
        """Return the networks that come with the package, and those that runs of the served folder have trained."""
        found = [self._index.root / name / "network.safetensors" for name in sorted(self._index.list_runs())]
        trained = [path for path in found if path.is_file() and not path.is_symlink()]
        own = [{"path": name, "name": name} for name in self._shelf.networks]
        return own + [{"path": str(path), "name": path.parent.name} for path in trained]

    def list_pictures(self) -> list[dict[str, str]]:
        """Return the pictures that were dropped, those that lie in the served folder, what its newest runs have made,
        and those that come with the package."""
        dropped = [{"path": str(path), "name": path.name, "group": "dropped"} for path in self.uploads.list_files()]
        runs = sorted(self._index.list_runs().values(), key=lambda run: run["changed"], reverse=True)
        found = [self._index.root / run["name"] / "result.png" for run in runs]
        made = [path for path in found if path.is_file() and not path.is_symlink()][:MOST_RESULTS]
        results = [{"path": str(path), "name": path.parent.name, "group": "results"} for path in made]
        here = [{"path": str(path), "name": path.name, "group": "in the folder"} for path in self._list_here()]
        own = [{"path": str(path), "name": name, "group": "examples"} for name, path in self._shelf.files.items()]
        applied = [{"path": str(path), "name": path.name, "group": "applied"} for path in self._list_applied()]
        return dropped + here + own + results + applied

    def _list_applied(self) -> list[Path]:
        """Return the pictures that networks have made, newest first."""
        found = [path for path in (self._index.root / APPLIED).glob("*/*.png") if not path.is_symlink()]
        return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)[:MOST_RESULTS]

    def _list_here(self) -> list[Path]:
        """Return the pictures that lie directly in the served folder."""
        listed = [path for path in sorted(self._index.root.iterdir()) if path.suffix.lower() in SUFFIXES]
        return [path for path in listed if path.is_file() and not path.is_symlink()][:MOST_RESULTS]

    def thumbnail(self, path: str, side: int = 208) -> bytes:
        """Return a picture of the list, reduced so that no side is longer than ``side`` pixels.

        Raises:
            InputError: the list has no such picture.
        """
        return make_thumbnail(self._find_picture(path), side)

    def measure(self, path: str) -> dict[str, list[int]]:
        """Return the ``size`` (height, width) of a picture of the list.

        Raises:
            InputError: the list has no such picture.
        """
        width, height = read_size(self._find_picture(path))
        return {"size": [height, width]}

    def _find_picture(self, path: str) -> Path:
        if path not in [one["path"] for one in self.list_pictures()]:
            raise InputError("there is no such picture")
        return Path(path)

    def words(self, command: str, values: Mapping[str, Any]) -> list[str]:
        """Return the words of a command; see `Forms.to_words`."""
        folders = [self._index.root, *{path.parent for path in self._shelf.files.values()}]
        return [command, *self._forms.to_words(command, values, folders, self._index.root)]

    def check(self, command: str, values: Mapping[str, Any]) -> dict[str, str]:
        """Return the ``command`` as it is typed in a shell, or the ``refusal`` that says what is wrong or missing."""
        try:
            return {"command": show_command(self.words(command, values))}
        except InputError as error:
            return {"refusal": str(error)}

    def forecast(self, command: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a dry run says about the memory and the time of a command."""
        words = self.words(command, values)
        if command == "train":
            raise InputError("a training tells its time when it has begun")
        with self._forecasting:
            try:
                found = subprocess.run(
                    [sys.executable, "-m", "subjective", *words, "--dry-run"],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=FORECAST_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise InputError(f"the forecast took more than {FORECAST_SECONDS} s") from None
        lines = found.stderr.decode(errors="replace").splitlines()
        told = [line.removeprefix("subjective: ") for line in lines if line.startswith("subjective: ")]
        return {"lines": told, "possible": found.returncode == 0}

    def start(self, command: str, values: Mapping[str, Any]) -> dict[str, int]:
        """Put a command into the queue."""
        return self._add(self.words(command, values))

    def resume(self, name: str) -> dict[str, int]:
        """Put the continuation of a run into the queue.

        Raises:
            InputError: there is no such run, or it goes on or is finished.
        """
        folder = self._index.find(name)
        status = self._index.list_runs()[name]["status"]
        if status not in ("interrupted", "failed", "killed") or not (folder / CONFIG_FILE).exists():
            raise InputError("only a run that has stopped can be continued")
        words = ["resume", str(folder)]
        if any(entry["words"] == words and entry["status"] in OPEN for entry in self.queue.list_entries()):
            raise InputError("the queue has it already")
        return self._add(words)

    def act(self, number: int, action: str) -> dict[str, int]:
        """Do something with an entry of the queue.

        Args:
            number: the entry.
            action: ``stop`` it, put it into the queue ``again``, or ``remove`` it.

        Raises:
            InputError: there is no such entry or action, or the entry is not in a state for it.
        """
        entry = self.queue.find(number)
        if action == "stop":
            if entry["status"] != "running":
                raise InputError("the command does not run")
            self.queue.change(number, stop=True)
        elif action == "again":
            return self._add(entry["words"])
        elif action == "remove":
            self.queue.remove(number)
        else:
            raise InputError("wanted stop, again or remove")
        return {"number": number}

    def tell(self) -> list[dict[str, Any]]:
        """Return the queue as the page shows it, newest first."""
        found = []
        for entry in reversed(self.queue.list_entries()):
            run = entry.get("run")
            inside = isinstance(run, str) and Path(run).is_relative_to(self._index.root)
            shown = {key: entry.get(key) for key in ("number", "status", "reason", "added", "ended", "stop")}
            shown["command"] = show_command(entry["words"])
            shown["run"] = Path(str(run)).relative_to(self._index.root).as_posix() if inside else None
            is_told = entry["status"] in ("running", "failed")
            shown["made"] = self._list_made(entry["number"]) if entry["words"][:1] == ["apply"] else []
            shown["said"] = self.queue.last_lines(entry["number"], 4) if is_told else ""
            found.append(shown)
        return found

    def _list_made(self, number: int) -> list[str]:
        """Return the pictures in `APPLIED` that an entry's command has named on stdout."""
        try:
            lines = self.queue.made_path(number).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        known = set(map(str, self._list_applied()))
        return [line for line in lines[:MOST_RESULTS] if line in known]

    def _add(self, words: list[str]) -> dict[str, int]:
        number = self.queue.add(words)
        self.queue.start_worker()
        return {"number": number}
