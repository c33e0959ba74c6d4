"""`subjective resume`: continue a run that was stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from subjective.cli.options import Options
from subjective.runs.lock import refuse_locked
from subjective.runs.traced_folder import refuse_finished
from subjective.synthesis.settings import arg


@dataclass(frozen=True, kw_only=True)
class ResumeCommand(Options):
    """Continue a run that was stopped for any reason. The result is the same as without the stop."""

    run: Annotated[tyro.conf.Positional[str], arg(metavar="RUN")]
    """Folder of the run to continue."""
    force: bool = False
    """Replace the file that the run's --out names if it exists, and write it wherever it is."""


def check_unfinished(folder: Path) -> None:
    """Refuse a run that is finished, or that still goes on."""
    refuse_finished(folder)
    refuse_locked(folder)
