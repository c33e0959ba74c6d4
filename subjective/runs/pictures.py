"""Contact sheets: pictures side by side, each under what made it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

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
        raise ValueError("no picture to show")
    pictures = [fitted(picture) for _, picture in cells]
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


def fitted(picture: Picture) -> Picture:
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
