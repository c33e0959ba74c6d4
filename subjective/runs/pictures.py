"""Pictures about pictures: contact sheets, each picture under what made it; and the curves of a training."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from subjective.checks import InputError
from subjective.evaluation.motion import Distances, Frames
from subjective.images import resize, to_uint8

CELL = 512
"""Most pixels a side of a picture on a sheet; larger ones are reduced, since rows and evenness show in the whole."""

LEAST = 208
"""Least width of a cell, which a line of two scores fits."""

LINE = 16
"""Height of a line of text in pixels."""

GAP = 8

Picture = NDArray[np.float32]


def contact_sheet(cells: Sequence[tuple[Sequence[str], Picture]], columns: int | None = None) -> Picture:
    """Lay pictures out in rows, each with its lines of text above it.

    Args:
        cells: (lines of text, image ``(height, width, 3)`` in [0, 1]).
        columns: pictures a row; about as many as rows if not given.

    Returns:
        Image ``(height, width, 3)``.

    Raises:
        ValueError: no picture.
    """
    if not cells:
        raise InputError("no picture to show")
    pictures = [fit_to_cell(picture) for _, picture in cells]
    columns = columns or max(round(len(cells) ** 0.5 + 0.3), 1)
    width = max(max(picture.shape[1] for picture in pictures), LEAST) + GAP
    head = LINE * max(len(lines) for lines, _ in cells) + GAP // 2
    rows = [pictures[first : first + columns] for first in range(0, len(pictures), columns)]
    heights = [max(picture.shape[0] for picture in row) + head + GAP for row in rows]
    sheet = Image.new("RGB", (min(columns, len(cells)) * width + GAP, sum(heights) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, ((lines, _), picture) in enumerate(zip(cells, pictures, strict=True)):
        left, top = GAP + number % columns * width, GAP + sum(heights[: number // columns])
        for index, line in enumerate(lines):
            draw.text((left, top + index * LINE), _shortened(line, width - GAP, font), fill="black", font=font)
        sheet.paste(Image.fromarray(to_uint8(picture)), (left, top + head))
    return np.asarray(sheet, dtype=np.float32) / np.float32(255)


def fit_to_cell(picture: Picture) -> Picture:
    """A picture as a sheet shows it: no larger than `CELL` a side."""
    scale = CELL / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return resize(picture, (max(round(picture.shape[0] * scale), 1), max(round(picture.shape[1] * scale), 1)))


def _shortened(line: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line + "…"


CURVES_WIDTH, CURVES_HEIGHT = 640, 400
CURVES_MARGIN = 56
COLORS = ("black", "#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf")


def draw_curves(
    lines: Mapping[str, Sequence[float]], steps: Sequence[int], pictures: Sequence[Picture] = ()
) -> Picture:
    """Draw curves on a logarithmic scale, pictures to their right.

    Args:
        lines: name to values, one for each step; what is not above zero or not finite is left out.
        steps: their numbers, rising.
        pictures: images in [0, 1].

    Returns:
        Image ``(height, width, 3)``.
    """
    right = [Image.fromarray(to_uint8(picture)) for picture in pictures]
    width = CURVES_WIDTH + sum(picture.width + GAP for picture in right)
    sheet = Image.new("RGB", (width, max([CURVES_HEIGHT, *(picture.height for picture in right)])), "white")
    _draw_lines(ImageDraw.Draw(sheet), lines, steps)
    left = CURVES_WIDTH
    for picture in right:
        sheet.paste(picture, (left, 0))
        left += picture.width + GAP
    return np.asarray(sheet, np.float32) / np.float32(255)


def _draw_lines(draw: ImageDraw.ImageDraw, lines: Mapping[str, Sequence[float]], steps: Sequence[int]) -> None:
    font = ImageFont.load_default(12)
    known = [value for values in lines.values() for value in values if math.isfinite(value) and value > 0]
    low, high = (math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))) if known else (0, 1)
    high = max(high, low + 1)
    first, last = (steps[0], max(steps[-1], steps[0] + 1)) if steps else (0, 1)

    def place(step: float, value: float) -> tuple[float, float]:
        across = (step - first) / (last - first)
        up = (math.log10(value) - low) / (high - low)
        return CURVES_MARGIN + across * (CURVES_WIDTH - 2 * CURVES_MARGIN), CURVES_HEIGHT - CURVES_MARGIN - up * (
            CURVES_HEIGHT - 2 * CURVES_MARGIN
        )

    for power in range(low, high + 1):
        (x, y), (end, _) = place(first, 10.0**power), place(last, 10.0**power)
        draw.line((x, y, end, y), fill="#dddddd")
        draw.text((4, y - 7), f"1e{power}", fill="black", font=font)
    for step in (first, last):
        x, y = place(step, 10.0**low)
        draw.text((x - 12, y + 8), f"step {step}", fill="black", font=font)
    for number, (name, values) in enumerate(lines.items()):
        color = COLORS[number % len(COLORS)]
        points = [
            place(step, value) for step, value in zip(steps, values, strict=True) if math.isfinite(value) and value > 0
        ]
        if len(points) > 1:
            draw.line(points, fill=color, width=2 if number == 0 else 1)
        draw.text(
            (
                CURVES_MARGIN + number * 100 % (CURVES_WIDTH - CURVES_MARGIN),
                8 + 14 * (number * 100 // (CURVES_WIDTH - CURVES_MARGIN)),
            ),
            name,
            fill=color,
            font=font,
        )


def thin_out(
    steps: Sequence[int], lines: Mapping[str, Sequence[float]], most: int = 400
) -> tuple[list[int], dict[str, list[float]]]:
    """Curves of at most so many points, each the median of some neighbors: single steps jump."""
    size = max(1, -(-len(steps) // most))
    parts = [slice(start, start + size) for start in range(0, len(steps), size)]
    thin = {name: [float(np.median(values[part])) for part in parts] for name, values in lines.items()}
    return [steps[part][-1] for part in parts], thin


def plot_motion(frames: Frames, found: dict[str, Distances]) -> bytes:
    """A strip plot as PNG: the middle row of every frame, one under another, beside the distances to the next.

    The step around the end is drawn apart, and the two ends of the strip are to fit.
    """
    from matplotlib.figure import Figure  # half a second, spent only where something is drawn

    figure = Figure(figsize=(9, 1.5 + 0.12 * len(frames)), layout="constrained")
    strip, *charts = figure.subplots(1, 1 + len(found), width_ratios=[3, *(1 for _ in found)])
    rows = np.clip(frames[:, frames.shape[1] // 2], 0, 1)
    strip.imshow(rows, aspect="auto", interpolation="nearest", extent=(0, rows.shape[1], len(frames), 0))
    strip.set_title("middle row of each frame", fontsize=9)
    strip.set_ylabel("frame")
    steps = np.arange(len(frames)) + 0.5
    for chart, (name, given) in zip(charts, found.items(), strict=True):
        chart.plot(given.values[:-1], steps[:-1], "o-", color="0.3", markersize=3, linewidth=0.8)
        chart.plot(given.values[-1:], steps[-1:], "D", color="tab:red", markersize=5)
        chart.set(ylim=(len(frames), 0), xlim=(0, 1.25 * max(max(given.values), 1e-12)))
        chart.set_title(f"to the next, in {name}", fontsize=9)
        chart.tick_params(labelsize=7)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    return data.getvalue()
