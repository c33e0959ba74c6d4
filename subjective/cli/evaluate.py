"""`subjective evaluate`, and the scores that end a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subjective import images
from subjective.cli.options import EvaluateCommand
from subjective.evaluation.yardstick import Score, Yardstick, check_sizes, counted, crop_size
from subjective.network import normalization
from subjective.network.vgg import Params, resolve_layers
from subjective.synthesis.picture_config import check_weights

COLUMNS = {
    "gram": "gram",
    "sliced_wasserstein": "sliced",
    "portilla_simoncelli": "P&S",
    "spectrum": "spectrum",
    "peak": "peak",
    "color": "color",
    "opponent": "opponent",
    "seam_rows": "seam-",
    "seam_columns": "seam|",
    "repetition": "repeats",
    "copied": "copied",
}
"""Measures in the order of the table, and their heads; others come after them, by their names."""

LEGEND = (
    "1: as far off as a crop of the source is from the rest of it; less is closer. seam-, seam|: the step across the "
    "border, top to bottom and side to side, over those inside; 1 means no seam. Values, units and references: --json\n"
)


def command(config: EvaluateCommand) -> int:
    """Print a table of scores, and write every figure as JSON."""
    config.check_sources()
    if Path(config.json).is_dir():
        raise ValueError(f"--json is {config.json!r}, which is a folder; wanted a file, such as evaluation.json in it")
    if not Path(config.json).absolute().parent.is_dir():
        raise ValueError(f"--json is {config.json!r}, in a folder that is not there; make it or name another")
    files = images.find_images(config.images, "picture")
    params = normalization.load_params(config.weights, data_dir=config.data_dir)
    matched = resolve_layers(config.matched, params) if config.matched else ()
    sources = [config.read_source(file) for file in images.find_images(config.source)]
    pictures = [images.read_image(file) for file in files]
    check_weights("source-weights", config.source_weights, len(sources), "source")
    sources, shares = counted(sources, config.source_weights)
    for file, picture in zip(files, pictures, strict=True):
        check_sizes(picture, sources, repr(str(file)))
    results: dict[str, dict[str, Score]] = {}
    yardsticks: dict[tuple[int, ...], Yardstick] = {}
    for number, (file, picture) in enumerate(zip(files, pictures, strict=True), 1):
        sys.stderr.write(f"measuring {number}/{len(files)}: {file}\n")
        size = crop_size(sources, picture.shape)
        if size not in yardsticks:
            yardsticks[size] = Yardstick(sources, picture.shape, params, shares=shares, matched=matched)
        results[str(file)] = yardsticks[size].scores(picture)
    sys.stdout.write(table(results))  # before the disk may turn out to be full
    sys.stderr.write(LEGEND)
    text = json.dumps({name: as_json(scores) for name, scores in results.items()}, indent=2) + "\n"
    images.write_bytes(Path(config.json), text.encode())
    return 0


def table(results: dict[str, dict[str, Score]]) -> str:
    """Scores as text: a row a picture, a column a measure."""
    found = {name: name for scores in results.values() for name in scores}
    names = [name for name in COLUMNS | found if name in found]
    rows = [
        ["", *(COLUMNS.get(name, name) for name in names)],
        *([picture, *(f"{scores[name].score:.3g}" for name in names)] for picture, scores in results.items()),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def as_json(scores: dict[str, Score]) -> dict[str, dict[str, Any]]:
    """Scores as plain values, four digits each."""

    def short(value: float) -> float:
        return float(f"{value:.4g}")

    def figures(score: Score) -> dict[str, Any]:
        found: dict[str, Any] = {name: short(getattr(score, name)) for name in ("value", "reference", "score")}
        if score.details:
            found["details"] = {name: short(value) for name, value in score.details.items()}
        return found

    return {name: figures(score) for name, score in scores.items()}


def scores_of_run(
    pictures: Sequence[np.ndarray],
    sources: Sequence[np.ndarray],
    params: Params,
    matched: Sequence[str],
    shares: Sequence[float] | None = None,
) -> list[Any]:
    """What the pictures of a run score, as JSON; the reason in a sentence where they cannot be measured.

    All but the Portilla-Simoncelli statistics: plenoptic brings PyTorch along, and most of their time again.
    """
    sources, shares = counted(sources, shares)
    try:
        check_sizes(pictures[0], sources)
    except ValueError as error:
        return [f"not measured: {error}"] * len(pictures)
    how: dict[str, Any] = {"shares": shares, "matched": matched, "portilla_simoncelli": False}
    yardstick = Yardstick(sources, pictures[0].shape, params, **how)
    return [as_json(yardstick.scores(picture)) for picture in pictures]


def one_line(scores: dict[str, dict[str, Any]] | str) -> str:
    """The scores of a picture for the terminal, or why there are none."""
    if isinstance(scores, str):
        return scores
    figures = ", ".join(f"{COLUMNS.get(name, name)} {score['score']:.3g}" for name, score in scores.items())
    return f"scores (1: as close as the source is to itself): {figures}"
