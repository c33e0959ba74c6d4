"""`subjective resume`: continue a run that was stopped."""

from __future__ import annotations

from pathlib import Path

from subjective.runs.lock import refuse_locked
from subjective.runs.traced_folder import refuse_finished


def check_unfinished(folder: Path) -> None:
    """Refuse a run that is finished, or that still goes on."""
    refuse_finished(folder)
    refuse_locked(folder)
