"""Show a run in a notebook while it goes on: its picture and its loss, updated in place."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

from subjective.arguments import check_function
from subjective.checks import MissingPackageError
from subjective.images import encode_image
from subjective.optimize.minimizer import Step
from subjective.runs.live import reduce
from subjective.studio.chart import draw_loss

INTERVAL = 1.0
"""Least number of seconds between two updates."""

SHARE = 0.05
"""Largest share of a run's time that showing it may take."""


class LiveView:
    """What a notebook shows of a run so far.

    Attributes:
        picture: number of the picture that is made.
        steps: numbers of the picture's steps so far.
        losses: the loss at each step.
    """

    def __init__(self) -> None:
        """Begin with nothing to show."""
        self.picture, self.steps, self.losses = 0, list[int](), list[float]()
        self._data = ""

    def add(self, picture: int, step: Step) -> None:
        """Add a step. A further picture begins a new curve."""
        if picture != self.picture:
            self.picture, self.steps, self.losses = picture, [], []
        if not self.steps or step.step > self.steps[-1]:
            self.steps.append(step.step)
            self.losses.append(step.loss)

    def look(self, step: Step) -> None:
        """Take the picture of a step."""
        self._data = base64.b64encode(encode_image(reduce(step.value), ".jpg")).decode("ascii")

    def __repr__(self) -> str:
        """Say which step was made, for a terminal."""
        return f"picture {self.picture + 1}, step {self.steps[-1]}, loss {self.losses[-1]:.4g}" if self.steps else ""

    def _repr_html_(self) -> str:
        """Return the picture and the curve, for a notebook."""
        image = f'<img src="data:image/jpeg;base64,{self._data}" style="max-width:384px;width:100%">'
        chart = f'<div style="width:384px">{draw_loss(self.steps, self.losses)}</div>'
        return f'<div style="display:flex;flex-wrap:wrap;gap:12px;align-items:end">{image}{chart}</div>{self!r}'


class Live:
    """An ``on_step`` that shows each run in a notebook; see `live`."""

    def __init__(self, display: Callable[..., Any]):
        """Prepare to show steps with a function like ``IPython.display.display``."""
        self._display, self._view = display, LiveView()
        self._handle: Any = None
        self._due = 0.0

    def __call__(self, picture: int, step: Step) -> None:
        """Show a step, unless the last one was shown a moment ago."""
        if step.step == 0 and picture == 0:  # a new run
            self._view, self._handle, self._due = LiveView(), None, 0.0
        self._view.add(picture, step)
        began = time.monotonic()
        if began < self._due:
            return
        self._view.look(step)
        if self._handle is None:
            self._handle = self._display(self._view, display_id=True)
        else:
            self._handle.update(self._view)
        now = time.monotonic()
        self._due = now + max(INTERVAL, (now - began) / SHARE)


def live(display: Callable[..., Any] | None = None) -> Live:
    """Return an ``on_step`` that shows picture and loss in a notebook, updated in place about every second.

    Args:
        display: shows an object with ``display_id=True``, and returns a handle with a method ``update``; None for
            ``IPython.display.display``.

    Returns:
        A function for ``on_step`` of `synthesize`, `animate`, `transfer` and `invent`.

    Raises:
        InputError: ``display`` is no function of an object and an id.
        MissingPackageError: IPython is not installed, so that this is no notebook.

    Examples:
        ``subjective.synthesize("gravel.jpg", on_step=subjective.live())``
    """
    if display is not None:
        check_function("display", display, ["object", "display_id"])
        return Live(display)
    try:
        from IPython.display import display as display_in_notebook
    except ImportError:
        raise MissingPackageError(
            "live() shows a run in a notebook, and IPython is not installed; use progress=True in a terminal"
        ) from None
    return Live(display_in_notebook)
