"""`subjective repair`: fill a part of a picture so that it looks like the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from subjective.cli.commands.editing import RepairCommand
from subjective.cli.editing import run_edit
from subjective.synthesis.editing import Edit
from subjective.synthesis.repair import edit_of


def run(options: RepairCommand, resume: Path | None = None) -> int:
    """Run the command; ``resume`` is the folder of the run that is resumed, if any."""
    return run_edit("repair", options, _make_edit, resume)


def _make_edit(
    options: RepairCommand,
    image: np.ndarray,
    opacity: np.ndarray,
    masks: Mapping[str, np.ndarray],
    sources: Sequence[np.ndarray] | None,
) -> Edit:
    return edit_of(image, opacity, options, sources=sources, **masks)
