"""`subjective resume`: continue a run that was stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from subjective.checks import InputError
from subjective.cli.options import Options
from subjective.runs.lock import refuse_locked
from subjective.synthesis.settings import arg


@dataclass(frozen=True, kw_only=True)
class ResumeCommand(Options):
    """Continue a run that was stopped for any reason. The result is the same as without the stop."""

    run: Annotated[tyro.conf.Positional[str], arg(metavar="RUN")]
    """Folder of the run to continue."""


def check_unfinished(folder: Path) -> None:
    """Refuse a run that is finished, or that still goes on."""
    summary = folder / "summary.json"
    if summary.is_file():
        try:
            status = json.loads(summary.read_text(encoding="utf-8")).get("status")
        except (ValueError, AttributeError):
            raise InputError(f"{str(summary)!r} is damaged; delete it to resume the run") from None
        if status == "finished":
            raise InputError(f"the run in {str(folder)!r} is finished; there is nothing to resume")
    refuse_locked(folder)
