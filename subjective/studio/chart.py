"""Draw the loss of a run as SVG, for pages without scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 640, 220, 44
"""Size of the chart, and room for its numbers."""


def draw_loss(steps: Sequence[int], losses: Sequence[float | None]) -> str:
    """Draw the loss at each step on a logarithmic scale.

    Args:
        steps: number of each step, rising.
        losses: the loss at each step. Values that are no positive numbers are left out.

    Returns:
        The SVG; empty if fewer than two values can be drawn.
    """
    pairs = zip(steps, losses, strict=True)
    known = [(step, loss) for step, loss in pairs if loss is not None and 0 < loss < math.inf]
    if len(known) < 2:
        return ""
    values = [value for _, value in known]
    low = math.floor(math.log10(min(values)))
    high = max(math.ceil(math.log10(max(values))), low + 1)
    first, last = known[0][0], max(known[-1][0], known[0][0] + 1)

    def place(step: float, power: float) -> tuple[float, float]:
        across = MARGIN + (step - first) / (last - first) * (WIDTH - MARGIN - 12)
        return across, 10 + (high - power) / (high - low) * (HEIGHT - 36)

    lines = []
    for power in range(low, high + 1):
        (left, height), (right, _) = place(first, power), place(last, power)
        lines.append(f'<path d="M{left:.1f} {height:.1f}H{right:.1f}" stroke="#8884" fill="none"/>')
        lines.append(f'<text x="4" y="{height + 4:.1f}">1e{power}</text>')
    points = " ".join("{:.1f},{:.1f}".format(*place(step, math.log10(value))) for step, value in known)
    lines.append(f'<polyline points="{points}" stroke="currentColor" stroke-width="1.8" fill="none"/>')
    lines.append(f'<text x="{MARGIN}" y="{HEIGHT - 6}">step {first}</text>')
    lines.append(f'<text x="{WIDTH - 12}" y="{HEIGHT - 6}" text-anchor="end">step {last}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="The loss at each step">{"".join(lines)}</svg>'
