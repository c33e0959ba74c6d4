"""`subjective tileable`: make the border strips of a picture anew so that the picture tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from subjective.cli.commands.editing import TileableCommand
from subjective.cli.editing import run_edit
from subjective.synthesis.editing import Edit
from subjective.synthesis.tileable import edit_of


def run(options: TileableCommand, resume: Path | None = None) -> int:
    """Run the command; ``resume`` is the folder of the run that is resumed, if any."""
    return run_edit("tileable", options, _make_edit, resume)


def _make_edit(
    options: TileableCommand,
    image: np.ndarray,
    opacity: np.ndarray,
    masks: Mapping[str, np.ndarray],
    sources: Sequence[np.ndarray] | None,
) -> Edit:
    return edit_of(image, opacity, options)
