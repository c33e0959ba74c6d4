"""`subjective resume`: continue a run that was stopped."""

from __future__ import annotations

import json
from pathlib import Path

from subjective.checks import InputError
from subjective.runs.lock import refuse_locked


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
