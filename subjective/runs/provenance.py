"""Record what the result of a run depends on: settings, versions, device, and the sha256 of every file that is read."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from subjective.checks import InputError, describe
from subjective.files import LARGEST
from subjective.network.formats.native import sha256
from subjective.runs.trace import is_deep
from subjective.terminal import note
from subjective.version import __version__

LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "pillow", "imageio", "safetensors")
"""Packages whose versions are recorded in a run folder."""

EXACT = ("subjective", "jax", "jaxlib", "numpy", "scipy", "pillow", "device", "devices", "usable cores")
"""Entries of an environment on which the last digits of a result depend."""

PLACES = frozenset(["path", "data_dir", "out", "output_dir", "output_prefix", "force"])
"""Entries of a record that only say where files lie, and what may be replaced there."""

VERSION = 1
"""Version of the layout of the files in a run folder. A record without a version is of the first."""

CONFIG_FILE = "config.json"
"""Name of the file in a run folder that holds the settings."""


def describe_run(command: str, settings: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """Describe a run for its ``config.json``: every setting, the exact command, versions, device and further facts.

    Args:
        command: name of the command, such as ``synthesize``.
        settings: all settings, as JSON.
        facts: further entries, as JSON.
    """
    return {
        "version": VERSION,
        "command": command,
        "command_line": shlex.join(["subjective", *sys.argv[1:]]),
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "settings": settings,
        **facts,
        "environment": describe_environment(),
    }


def describe_environment() -> dict[str, Any]:
    """Describe the versions and the device that a run's result depends on."""
    import jax  # half a second, which reading a record must not take

    device = jax.devices()[0]
    return {
        "subjective": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "device": f"{device.platform}: {device.device_kind}",
        "devices": jax.device_count(),
        "cores": os.cpu_count(),
        "usable cores": usable_cores(),
    }


def usable_cores() -> int:
    """Return how many cores this process may use. XLA splits its sums among them, and so the last digits depend on it.

    A job of a scheduler, a container or ``taskset`` may be allowed fewer than the machine has.
    """
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def changed_environment(record: dict[str, Any]) -> list[str]:
    """Say what has changed, of all that the last digits of a result depend on, since a run was recorded.

    Args:
        record: the ``config.json`` of the run.

    Returns:
        Phrases such as ``jax '0.10.2' (now '0.12.0')``; none for what the record does not say.
    """
    recorded, now = record.get("environment"), describe_environment()
    if not isinstance(recorded, dict):
        return []
    versions = recorded.get("libraries")
    before = {**recorded, **(versions if isinstance(versions, dict) else {})}
    after = {**now, **now["libraries"]}
    names = [name for name in EXACT if name in before and before[name] != after[name]]
    return [f"{name} {describe(before[name])} (now {describe(after[name])})" for name in names]


def note_environment(record: dict[str, Any], effect: str) -> None:
    """Print a note on what `changed_environment` finds.

    Args:
        record: the ``config.json`` of a run.
        effect: what follows from a change.
    """
    changed = changed_environment(record)
    if changed:
        note(f"note: {effect}, because it was made with {', '.join(changed)}")


def publish(record: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a run that a picture carries: names and hashes, but no path and no time.

    Two runs with the same settings and inputs thus make the same file, and a picture tells nothing of a machine's
    folders.
    """
    return {name: without_paths(value) for name, value in record.items() if name not in ("command_line", "started")}


def without_paths(value: Any) -> Any:
    """Replace absolute paths by names, and leave out entries that only say where something lies."""
    if isinstance(value, dict):
        return {name: without_paths(one) for name, one in value.items() if name not in PLACES}
    if isinstance(value, list):
        return [without_paths(one) for one in value]
    return Path(value).name if isinstance(value, str) and os.path.isabs(value) else value


def describe_file(path: Path, use: str) -> dict[str, str]:
    """Describe a file that was read; ``use`` is its purpose, such as ``source``."""
    return {"use": use, "name": path.name, "path": str(path.resolve()), "sha256": sha256(path)}


def read_record(path: str | Path) -> dict[str, Any]:
    """Read the ``config.json`` of a run folder.

    Raises:
        InputError: the file does not exist, holds no settings, or is of a later version of this program.
    """
    name = str(path)
    try:
        if Path(path).stat().st_size > LARGEST:
            raise InputError(f"{name!r} has more than {LARGEST:,} bytes; wanted the {CONFIG_FILE} of a run folder")
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        version = record.get("version", VERSION)
        if isinstance(version, int) and version > VERSION:
            raise InputError(f"{name!r} is of a later version of this program; use that version")
        if isinstance(record["settings"], dict) and isinstance(record["command"], str) and not is_deep(record):
            return dict(record)
    except InputError:
        raise
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(
            f"no such file: {name!r}; wanted the {CONFIG_FILE} of a run folder, or settings in TOML or JSON"
        ) from None
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        pass
    raise InputError(f"{name!r} holds no settings; wanted the {CONFIG_FILE} of a run folder")


def changed_files(record: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """Name the files whose sha256 differs between a recorded run and a run that is about to start.

    Args:
        record: the ``config.json`` of the recorded run.
        facts: the facts of the new run, as for `describe_run`.
    """
    recorded, found = _hashes(record), _hashes(facts)
    return [name for name in dict.fromkeys([*recorded, *found]) if recorded.get(name) != found.get(name)]


def note_changes(file: str, facts: dict[str, Any], what: str) -> None:
    """Print notes on what has changed since the run whose settings a new run takes.

    Args:
        file: the ``config.json`` of the earlier run.
        facts: as in `changed_files`.
        what: what the runs make, such as ``picture``.
    """
    before = read_record(file)
    for name in changed_files(before, facts):
        note(f"note: {name} has changed since {file!r} was written")
    note_environment(before, f"the {what} may differ in its last digits from that of {file!r}")


def _hashes(facts: dict[str, Any]) -> dict[str, str | None]:
    """Return a map from the name of each file to its sha256; empty if the entries are missing or damaged."""
    try:
        network = facts.get("weights") or {}
        use = network.get("use")
        hashes = {f"{use}": network["sha256"], f"the scale file of {use}": network["scales_sha256"]} if network else {}
        files = [*facts.get("pictures", []), *facts.get("plugins", [])]
        return hashes | {file["path"]: file["sha256"] for file in files}
    except (TypeError, KeyError, AttributeError):
        return {}
