"""How a training goes, as a picture: loss and its parts over the steps, with what the network makes by now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from subjective.images import to_uint8

WIDTH, HEIGHT = 640, 400
MARGIN = 56
GAP = 8

COLORS = ("black", "#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf")

Picture = Float[np.ndarray, "_ _ 3"]


def curves(lines: Mapping[str, Sequence[float]], steps: Sequence[int], pictures: Sequence[Picture] = ()) -> Picture:
    """Draw curves on a logarithmic scale, pictures to their right.

    Args:
        lines: name to values, one for each step; what is not above zero or not finite is left out.
        steps: their numbers, rising.
        pictures: images in [0, 1].

    Returns:
        Image ``(height, width, 3)``.
    """
    right = [Pillow.fromarray(to_uint8(picture)) for picture in pictures]
    width = WIDTH + sum(picture.width + GAP for picture in right)
    sheet = Pillow.new("RGB", (width, max([HEIGHT, *(picture.height for picture in right)])), "white")
    _draw_lines(ImageDraw.Draw(sheet), lines, steps)
    left = WIDTH
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
        return MARGIN + across * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN)

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
            (MARGIN + number * 100 % (WIDTH - MARGIN), 8 + 14 * (number * 100 // (WIDTH - MARGIN))),
            name,
            fill=color,
            font=font,
        )


def thinned(
    steps: Sequence[int], lines: Mapping[str, Sequence[float]], most: int = 400
) -> tuple[list[int], dict[str, list[float]]]:
    """Curves of at most so many points, each the median of some neighbors: single steps jump."""
    size = max(1, -(-len(steps) // most))
    parts = [slice(start, start + size) for start in range(0, len(steps), size)]
    thin = {name: [float(np.median(values[part])) for part in parts] for name, values in lines.items()}
    return [steps[part][-1] for part in parts], thin
