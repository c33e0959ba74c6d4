"""The commands that the page shows to copy."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from subjective.runs.provenance import CONFIG_FILE
from subjective.studio.pictures import list_sources


def describe_commands(folder: Path, config: dict[str, Any], status: str) -> dict[str, str]:
    """Return what can be typed about a run, by what it does.

    Args:
        folder: folder of the run.
        config: content of its ``config.json``; empty if there is none yet.
        status: see `subjective.studio.runs_index.describe`.
    """
    found: dict[str, str] = {}
    command, typed = config.get("command"), config.get("command_line")
    if isinstance(typed, str):
        found["as it was typed"] = typed
    if isinstance(command, str):
        found["again"] = shlex.join(["subjective", command, "--config", str(folder / CONFIG_FILE)])
    if status in ("interrupted", "failed", "killed") and isinstance(command, str):
        found["resume"] = shlex.join(["subjective", "resume", str(folder)])
    sources = [one["path"] for one in list_sources(config) if one["use"] == "source"]
    result = next((name for name in ("result.png", "result-000.png") if (folder / name).exists()), None)
    if result is not None and sources:
        made = [str(folder / result), "-s", *sources, "--map", str(folder / "map.png")]
        found["map of where it is unlike its source"] = shlex.join(["subjective", "evaluate", *made])
    return found
