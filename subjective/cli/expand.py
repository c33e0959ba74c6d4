"""`subjective expand`: make a larger picture that goes on beyond the sides of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from subjective.cli.commands.editing import ExpandCommand
from subjective.cli.editing import run_edit
from subjective.synthesis.editing import Edit
from subjective.synthesis.expand import edit_of


def run(options: ExpandCommand, resume: Path | None = None) -> int:
    """Run the command; ``resume`` is the folder of the run that is resumed, if any."""
    return run_edit("expand", options, _make_edit, resume)


def _make_edit(
    options: ExpandCommand,
    image: np.ndarray,
    opacity: np.ndarray,
    masks: Mapping[str, np.ndarray],
    sources: Sequence[np.ndarray] | None,
) -> Edit:
    return edit_of(image, opacity, options, sources)
