"""Write scores as a table, as a line or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from subjective.checks import InputError
from subjective.evaluation.criteria import Score
from subjective.evaluation.yardstick import Yardstick, check_sizes, count_pixels, select_sources
from subjective.network.vgg import Params

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
"""Measures in the order of the table's columns, with the heads of the columns. Other measures come last, by name."""

LEGEND = (
    "A score of 1 means: as far off as a crop of the source is from the rest of the source. Less is closer. seam- and "
    "seam| are the step across the border, top to bottom and side to side, over the steps inside; 1 means no seam. "
    "--json has values, units and references.\n"
)


OBSERVATION_SHARE = 0.6
"""Time in which a measure's network sees a pixel, as a share of an evaluation of the loss and gradient for a pixel."""

SECONDS_PER_PICTURE = 1.0
"""Seconds that the measures without a network take for each picture, and once for the sources."""


def score_table(results: dict[str, dict[str, Score]]) -> str:
    """Return a table of scores as text: one row for each picture, one column for each measure."""
    found = {name: name for scores in results.values() for name in scores}
    names = [name for name in COLUMNS | found if name in found]
    heads = ["", *(COLUMNS.get(name, name) for name in names)]
    rows = [[picture, *(f"{scores[name].score:.3g}" for name in names)] for picture, scores in results.items()]
    return align_columns([heads, *rows])


def align_columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines of text. The first column is aligned left, the other columns right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]))
    return "\n".join(lines) + "\n"


def scores_as_json(scores: dict[str, Score]) -> dict[str, dict[str, Any]]:
    """Return scores as JSON values, rounded to four digits."""

    def short(value: float) -> float:
        return float(f"{value:.4g}")

    def figures(score: Score) -> dict[str, Any]:
        found: dict[str, Any] = {name: short(getattr(score, name)) for name in ("value", "reference", "score")}
        if score.details:
            found["details"] = {name: short(value) for name, value in score.details.items()}
        return found

    return {name: figures(score) for name, score in scores.items()}


def score_pictures(
    pictures: Sequence[np.ndarray],
    sources: Sequence[np.ndarray],
    params: Params,
    matched: Sequence[str],
    source_weights: Sequence[float] | None = None,
) -> list[Any]:
    """Score the pictures of a run, which all have the same size.

    The Portilla-Simoncelli statistics are left out: plenoptic would load PyTorch, and take as long as all other
    measures together.

    Args:
        pictures: ``(height, width, 3)`` each.
        sources: the sources of the run.
        params: parameters of the network.
        matched: layers that the pictures were made to match; at whole octaves, the scores leave out these layers.
        source_weights: how much each source counts; equal if None.

    Returns:
        The scores of each picture as JSON values, or for each picture the sentence that says why it has no scores.
    """
    sources, weights = select_sources(sources, source_weights)
    try:
        check_sizes(pictures[0], sources)
    except InputError as error:
        return [f"not measured: {error}"] * len(pictures)
    yardstick = Yardstick(
        sources,
        pictures[0].shape,
        params,
        source_weights=weights,
        matched=matched,
        portilla_simoncelli=False,
    )
    return [scores_as_json(yardstick.score(picture)) for picture in pictures]


def forecast_scores(
    sources: Sequence[np.ndarray], shape: tuple[int, ...], pictures: int, pixel_seconds: float
) -> float:
    """Forecast how many seconds `score_pictures` takes.

    Args:
        sources: the sources of the run.
        shape: shape of a picture, height and width first.
        pictures: number of pictures.
        pixel_seconds: seconds of one evaluation of the loss and gradient for each pixel.

    Returns:
        Seconds; 0 if the pictures or the sources are too small to be scored.
    """
    try:
        check_sizes(np.broadcast_to(np.float32(0), shape), sources)
    except InputError:
        return 0.0
    seen = count_pixels(sources, shape, pictures)
    return SECONDS_PER_PICTURE * (1 + pictures) + OBSERVATION_SHARE * pixel_seconds * seen


def score_line(scores: dict[str, dict[str, Any]] | str) -> str:
    """Return the scores of a picture in a line, or the sentence that says why there are no scores."""
    if isinstance(scores, str):
        return scores
    figures = ", ".join(f"{COLUMNS.get(name, name)} {score['score']:.3g}" for name, score in scores.items())
    return f"scores (1: as close as the source is to itself): {figures}"
