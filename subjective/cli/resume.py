"""`subjective resume`: continue a run that was stopped, as if it had never stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from subjective.checks import InputError
from subjective.cli.options import Options
from subjective.synthesis.settings import arg


@dataclass(frozen=True, kw_only=True)
class ResumeCommand(Options):
    """Continue a run that was stopped, whatever stopped it, as if it had never stopped."""

    run: Annotated[tyro.conf.Positional[str], arg(metavar="RUN")]
    """Folder of the run."""


def check_unfinished(folder: Path) -> None:
    """Refuse a run that is finished."""
    summary = folder / "summary.json"
    if not summary.is_file():
        return
    try:
        status = json.loads(summary.read_text(encoding="utf-8")).get("status")
    except (ValueError, AttributeError):
        raise InputError(f"{str(summary)!r} is damaged; delete it to resume the run") from None
    if status == "finished":
        raise InputError(f"the run in {str(folder)!r} is finished; there is nothing to resume")
