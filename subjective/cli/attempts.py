"""Make one of many runs of `subjective synthesize`: if the run fails, the others still go on."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from subjective.cli import synthesize
from subjective.cli.arguments import render_error
from subjective.cli.commands.pictures import SynthesizeCommand
from subjective.files import find_refusal


@dataclass(frozen=True)
class Attempt:
    """What became of a run.

    Attributes:
        folder: the run folder; None if the run failed before it had one.
        status: exit status of the run, as in `subjective.cli.main`.
        reason: why the run failed; empty if it did not.
    """

    folder: Path | None
    status: int
    reason: str = ""


def attempt(options: SynthesizeCommand, begun: Callable[[Path], None] = lambda folder: None) -> Attempt:
    """Make a run, and catch its errors. Only an interrupt goes on to the caller.

    Args:
        options: options of the run.
        begun: called with the path of the run folder.
    """
    folders: list[Path] = []

    def begin(folder: Path) -> None:
        folders.append(folder)
        begun(folder)

    try:
        status = synthesize.run(options, begun=begin)
        reason = _read_reason(folders[0]) if status else ""
    except Exception as error:
        refused = find_refusal(error)
        if refused is None:
            traceback.print_exception(error)
            status, reason = 1, f"a fault of this program: {type(error).__name__}; the traceback is above"
        else:
            status, reason = 2, render_error(refused, type(options))
    return Attempt(folders[0] if folders else None, status, reason)


def _read_reason(folder: Path) -> str:
    """Return why a run failed, as its ``summary.json`` says."""
    try:
        return str(json.loads((folder / "summary.json").read_text(encoding="utf-8"))["reason"])
    except OSError:  # there was no room to write the file
        return f"see {folder}"
