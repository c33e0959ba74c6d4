"""Draw pictures that show other pictures or numbers: contact sheets, curves of a training, the motion of a loop."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from subjective.checks import InputError
from subjective.colors import LUMA
from subjective.conversion import to_uint8
from subjective.evaluation.motion import FrameDistances, Frames
from subjective.evaluation.scores import format_score
from subjective.images import resize
from subjective.materials.maps import Convention
from subjective.materials.normals import light, to_plane

CELL = 512
"""Longest side in pixels of a picture on a sheet. Larger pictures are reduced and not cropped, because
repetition and uneven places are visible only in whole pictures."""

LINE = 36
"""Largest number of characters in a line of a sentence above a picture."""

LEAST_WIDTH = 240
"""Smallest width of a cell in pixels: a line of `LINE` characters needs this width."""

LINE_HEIGHT = 16
"""Height of a line of text in pixels."""

GAP = 8
"""Number of pixels between pictures."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
"""A font of Pillow."""

Picture = NDArray[np.float32]
"""RGB in [0, 1], ``(height, width, 3)``."""


def draw_contact_sheet(cells: Sequence[tuple[Sequence[str], Picture]], columns: int | None = None) -> Picture:
    """Arrange pictures in rows, each picture with its lines of text above it.

    Args:
        cells: (lines of text, image ``(height, width, 3)`` in [0, 1]).
        columns: number of pictures in a row. By default, there are about as many columns as rows.

    Returns:
        Image ``(height, width, 3)``.

    Raises:
        InputError: ``cells`` is empty.
    """
    if not cells:
        raise InputError("no picture to show")
    pictures = [fit_to_cell(picture) for _, picture in cells]
    columns = columns or max(round(len(cells) ** 0.5 + 0.3), 1)
    width = max(max(picture.shape[1] for picture in pictures), LEAST_WIDTH) + GAP
    head = LINE_HEIGHT * max(len(lines) for lines, _ in cells) + GAP // 2
    rows = [pictures[first : first + columns] for first in range(0, len(pictures), columns)]
    heights = [max(picture.shape[0] for picture in row) + head + GAP for row in rows]
    sheet = Image.new("RGB", (min(columns, len(cells)) * width + GAP, sum(heights) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, ((lines, _), picture) in enumerate(zip(cells, pictures, strict=True)):
        left, top = GAP + number % columns * width, GAP + sum(heights[: number // columns])
        for index, line in enumerate(lines):
            draw.text((left, top + index * LINE_HEIGHT), _shorten(line, width - GAP, font), fill="black", font=font)
        sheet.paste(Image.fromarray(to_uint8(picture)), (left, top + head))
    return np.asarray(sheet, dtype=np.float32) / np.float32(255)


def describe_picture(picture: Mapping[str, Any]) -> list[str]:
    """Return the lines about a picture on a contact sheet: numbers, sentence and worst score.

    Args:
        picture: what ``summary.json`` says about the picture. The scores of an edit are those of its made part.
    """
    lines = [f"loss {picture['loss']:.4g}, {picture['full_size_evaluations']:.0f} evaluations"]
    scores = picture.get("scores", {})
    scores = scores.get("made", scores)
    if "sentence" in scores:
        lines += textwrap.wrap(scores["sentence"], LINE)
        worst = scores["measures"].get(scores["worst"])
        lines += [f"worst: {worst['name']} {format_score(worst['score'])}"] if worst else []
    return lines


def draw_material(source: Mapping[str, Picture], made: Mapping[str, Picture], convention: Convention) -> Picture:
    """Draw the maps of a material under those of its source; with normals, also both under a light.

    Args:
        source: the maps by their kinds, ``(height, width, 3)``, or ``(height, width)`` for gray. Of a larger source, a
            part of the size of what is made is shown, so that both are seen at one scale.
        made: the maps that were made.
        convention: where y of the normals points.

    Returns:
        Image ``(height, width, 3)``.
    """
    cells = []
    height, width = made["albedo"].shape[:2]
    part = {kind: plane[:height, :width] for kind, plane in source.items()}
    for name, maps in (("source", part), ("made", made)):
        shown = {kind: np.stack([plane] * 3, 2) if plane.ndim == 2 else plane for kind, plane in maps.items()}
        if "normal" in maps:
            plane = to_plane(maps["normal"])
            for angle in (135, 45):
                shown[f"light from {angle} degrees"] = light(maps["albedo"], plane, convention, angle)
        cells += [([f"{kind}, {name}"], picture) for kind, picture in shown.items()]
    return draw_contact_sheet(cells, columns=len(cells) // 2)


def fit_to_cell(picture: Picture) -> Picture:
    """Reduce a picture so that no side is longer than `CELL`."""
    scale = CELL / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return resize(picture, (max(round(picture.shape[0] * scale), 1), max(round(picture.shape[1] * scale), 1)))


def _shorten(line: str, width: int, font: Font) -> str:
    """Cut a line of text so that it is at most ``width`` pixels wide."""
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line + "…"


CURVES_WIDTH, CURVES_HEIGHT = 640, 400
"""Width and height of the chart of curves in pixels."""

CURVES_MARGIN = 56
"""Number of pixels between the curves and each side of the chart."""

CURVE_COLORS = ("black", "#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf")
"""Colors of the curves, in order; after the last color, the first one is used again."""


def draw_curves(
    lines: Mapping[str, Sequence[float]], steps: Sequence[int], pictures: Sequence[Picture] = ()
) -> Picture:
    """Draw curves on a logarithmic scale, and pictures to the right of the chart.

    Args:
        lines: the values of each curve, one for each step, by the curve's name. Values are left out if they are zero,
            negative or not finite.
        steps: the number of each step, in rising order.
        pictures: the pictures to the right of the chart, ``(height, width, 3)`` in [0, 1].

    Returns:
        Image ``(height, width, 3)``.
    """
    chart = Image.new("RGB", (CURVES_WIDTH, CURVES_HEIGHT), "white")
    _draw_lines(ImageDraw.Draw(chart), lines, steps)
    if not pictures:
        return _to_image(chart)
    right = Image.fromarray(to_uint8(draw_row(pictures)))
    sheet = Image.new("RGB", (CURVES_WIDTH + right.width + GAP, max(CURVES_HEIGHT, right.height)), "white")
    sheet.paste(chart, (0, 0))
    sheet.paste(right, (CURVES_WIDTH, 0))
    return _to_image(sheet)


def draw_row(pictures: Sequence[Picture]) -> Picture:
    """Draw pictures beside each other, on white.

    Args:
        pictures: one or more pictures, ``(height, width, 3)`` in [0, 1].

    Returns:
        Image ``(height, width, 3)``.
    """
    row = [Image.fromarray(to_uint8(picture)) for picture in pictures]
    width = sum(picture.width for picture in row) + GAP * (len(row) - 1)
    sheet, left = Image.new("RGB", (width, max(picture.height for picture in row)), "white"), 0
    for picture in row:
        sheet.paste(picture, (left, 0))
        left += picture.width + GAP
    return _to_image(sheet)


def _to_image(sheet: Image.Image) -> Picture:
    return np.asarray(sheet, np.float32) / np.float32(255)


@dataclass(frozen=True)
class _Axes:
    """The axes of a chart: steps on the horizontal axis, and values on a logarithmic vertical axis.

    Attributes:
        first: number of the first step.
        last: number of the last step; larger than ``first``.
        low: exponent of the lowest power of ten that is shown.
        high: exponent of the highest power of ten that is shown; larger than ``low``.
    """

    first: int
    last: int
    low: int
    high: int

    def place(self, step: float, value: float) -> tuple[float, float]:
        """Return the position of a value at a step, in pixels from the left and from the top of the chart."""
        across = (step - self.first) / (self.last - self.first)
        up = (math.log10(value) - self.low) / (self.high - self.low)
        return CURVES_MARGIN + across * (CURVES_WIDTH - 2 * CURVES_MARGIN), CURVES_HEIGHT - CURVES_MARGIN - up * (
            CURVES_HEIGHT - 2 * CURVES_MARGIN
        )


def _is_shown(value: float) -> bool:
    """Return whether a logarithmic chart can show a value."""
    return math.isfinite(value) and value > 0


def _choose_axes(lines: Mapping[str, Sequence[float]], steps: Sequence[int]) -> _Axes:
    """Return axes with room for all values."""
    known = [value for values in lines.values() for value in values if _is_shown(value)]
    low, high = (math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))) if known else (0, 1)
    first, last = (steps[0], max(steps[-1], steps[0] + 1)) if steps else (0, 1)
    return _Axes(first, last, low, max(high, low + 1))


def _draw_axes(draw: ImageDraw.ImageDraw, axes: _Axes, font: Font) -> None:
    """Draw a line at each power of ten, and label the first and the last step with their numbers."""
    for power in range(axes.low, axes.high + 1):
        (x, y), (end, _) = axes.place(axes.first, 10.0**power), axes.place(axes.last, 10.0**power)
        draw.line((x, y, end, y), fill="#dddddd")
        draw.text((4, y - 7), f"1e{power}", fill="black", font=font)
    for step in (axes.first, axes.last):
        x, y = axes.place(step, 10.0**axes.low)
        draw.text((x - 12, y + 8), f"step {step}", fill="black", font=font)


def _draw_lines(draw: ImageDraw.ImageDraw, lines: Mapping[str, Sequence[float]], steps: Sequence[int]) -> None:
    """Draw the axes, the curves and their names. The first curve is thicker than the others."""
    font = ImageFont.load_default(12)
    axes = _choose_axes(lines, steps)
    _draw_axes(draw, axes, font)
    for number, (name, values) in enumerate(lines.items()):
        color = CURVE_COLORS[number % len(CURVE_COLORS)]
        points = [axes.place(step, value) for step, value in zip(steps, values, strict=True) if _is_shown(value)]
        if len(points) > 1:
            draw.line(points, fill=color, width=2 if number == 0 else 1)
        row, left = divmod(number * 100, CURVES_WIDTH - CURVES_MARGIN)
        draw.text((CURVES_MARGIN + left, 8 + 14 * row), name, fill=color, font=font)


def thin_out(
    steps: Sequence[int], lines: Mapping[str, Sequence[float]], most: int = 400
) -> tuple[list[int], dict[str, list[float]]]:
    """Replace the values of each group of neighboring steps by their median, because single values jump up and down.

    Args:
        steps: the number of each step, in rising order.
        lines: the values of each curve, one for each step, by the curve's name.
        most: largest number of groups.

    Returns:
        The number of the last step of each group, and the curves of the medians.
    """
    size = max(1, -(-len(steps) // most))
    parts = [slice(start, start + size) for start in range(0, len(steps), size)]
    thin = {name: [float(np.median(values[part])) for part in parts] for name, values in lines.items()}
    return [steps[part][-1] for part in parts], thin


def plot_motion(frames: Frames, found: dict[str, FrameDistances]) -> bytes:
    """Plot the motion of a loop: the middle rows of all frames, one below the other, and the distances between frames.

    If a loop closes without a jump, the bottom row continues in the top row. A red diamond shows the distance from the
    last frame to the first.

    Args:
        frames: ``(count, height, width, 3)`` in [0, 1].
        found: the distances from each frame to the next, by the name of the measure.

    Returns:
        The bytes of a PNG file.
    """
    from matplotlib.figure import Figure  # The import takes half a second.

    figure = Figure(figsize=(9, 1.5 + 0.12 * len(frames)), layout="constrained")
    picture, *charts = figure.subplots(1, 1 + len(found), width_ratios=[3, *(1 for _ in found)])
    rows = np.clip(frames[:, frames.shape[1] // 2], 0, 1)
    picture.imshow(rows, aspect="auto", interpolation="nearest", extent=(0, rows.shape[1], len(frames), 0))
    picture.set_title("middle row of each frame", fontsize=9)
    picture.set_ylabel("frame")
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


def draw_map(image: Picture, unlike: NDArray[np.floating]) -> Picture:
    """Draw over a picture where it is unlike its source.

    Args:
        image: ``(height, width, 3)``.
        unlike: ``(height, width)``, from `Yardstick.locate`.

    Returns:
        The picture in gray, with red where ``unlike`` is above 1; the red is full where it is 2 and more.
    """
    gray = np.repeat((np.clip(image, 0, 1) @ LUMA)[:, :, None], 3, axis=2)
    share = np.clip(unlike - 1, 0, 1)[:, :, None]
    return np.asarray((1 - 0.7 * share) * gray + 0.7 * share * np.array([1.0, 0.0, 0.0]), np.float32)
