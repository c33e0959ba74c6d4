"""What the verbs return: pictures that can be saved and that show themselves in a notebook."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from subjective.arguments import check_function, check_kind
from subjective.choices import Depth
from subjective.images import encode_image, write_image
from subjective.optimize.minimizer import Result, Step
from subjective.synthesis.coarse_to_fine import OnStep, Position, run
from subjective.synthesis.problem import Job
from subjective.synthesis.progress import PictureProgress
from subjective.videos import encode_video, write_video

FPS = 12.0
"""Frames a second of a loop, unless another number is given."""


@dataclasses.dataclass(frozen=True, eq=False)
class PictureResult:
    """A picture or a loop that a verb has made.

    ``numpy.asarray(result)`` is `picture`, so that a result can be given wherever a picture can.

    Attributes:
        value: the optimized value, ``(height, width, 3)`` or ``(frames, height, width, 3)``. Some numbers may lie
            outside [0, 1].
        loss: loss at this value. The loss, its parts and the counts below are of everything that was optimized
            together: the frames of a loop, or all pictures of `invent`.
        parts: pytree of the scalars whose sum is the loss.
        steps: number of optimizer steps, over all stages.
        evaluations: number of evaluations of the loss, over all stages.
        seconds: run time, compilation included.
        converged: whether the last stage ended because further steps would lower the loss little or not at all.
        message: why the run ended, as a sentence.
        begun: loss at the start of the last stage.
    """

    value: jax.Array = dataclasses.field(repr=False)
    loss: float
    parts: Any = dataclasses.field(repr=False)
    steps: int
    evaluations: int
    seconds: float
    converged: bool
    message: str
    begun: float = math.inf

    @property
    def picture(self) -> np.ndarray:
        """The pixels as float32, clipped to [0, 1], of the shape of ``value``."""
        return np.clip(np.asarray(self.value, np.float32), 0, 1)

    def save(self, path: Any, *, fps: float = FPS, depth: Depth | None = None) -> None:
        """Write the picture or the loop to a file; the suffix chooses the format.

        Args:
            path: the file. A picture is written as .png, .jpg, .webp, .tif, .exr or .bmp, a loop as .gif, .webp
                or .mp4.
            fps: frames a second of a loop.
            depth: how the numbers of a picture are stored, see `subjective.write_image`.

        Raises:
            InputError: the suffix is not that of a known format, the format does not have the depth, or ``fps`` is not
                above 0 and at most 1000.
            FileError: the file cannot be written.
        """
        if self.value.ndim == 3:
            write_image(path, self.picture, depth=depth)
        else:
            write_video(path, self.picture, fps)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return `picture`, for NumPy."""
        return self.picture if dtype is None else self.picture.astype(dtype)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return the picture as PNG or the loop as GIF, for a notebook."""
        if self.value.ndim == 3:
            kind, data = "image/png", encode_image(self.picture, ".png")
        else:
            kind, data = "image/gif", encode_video(self.picture, "gif", FPS)
        return {"text/plain": repr(self), kind: base64.b64encode(data).decode("ascii")}


class Stop(Exception):
    """Raise this in ``on_step`` to end a run. The verb then returns what it has made so far."""


def make_pictures(
    job: Job,
    on_step: OnStep | None = None,
    resume: Position | None = None,
    *,
    apart: bool = False,
    progress: bool = False,
) -> list[PictureResult]:
    """Run a job, and return its pictures. If the run is stopped, return what there is.

    `Stop` in ``on_step`` and Ctrl-C stop the run. The result of the picture in work is then its last step, of the size
    of the stage. Any other exception is passed on; its attribute ``results`` holds what there is.

    Args:
        job: from `prepare` of a verb.
        on_step: see `subjective.synthesis.coarse_to_fine.run`.
        resume: see `subjective.synthesis.coarse_to_fine.run`.
        apart: whether the pictures that are optimized together become a result each; otherwise they are one loop.
        progress: whether to show the steps on stderr.

    Raises:
        InputError: ``on_step`` is no function of two arguments, or ``resume`` is no position.
    """
    if on_step is not None:
        check_function("on_step", on_step, ["picture", "step"])
    if resume is not None:
        check_kind("resume", resume, Position, "the position of a step of the same run")
    shown = PictureProgress(job) if progress else None
    kept = _LastStep(on_step, shown)
    try:
        made = run(job, kept, resume)
    except Stop:
        made = kept.results("stopped by on_step")
    except KeyboardInterrupt:
        if kept.step is None:
            raise
        made = kept.results("stopped by Ctrl-C")
    except Exception as error:
        error.results = _to_pictures(kept.results(f"stopped by {type(error).__name__}"), apart)  # type: ignore[attr-defined]
        raise
    finally:
        if shown is not None:
            shown.close()
    return _to_pictures(made, apart)


class _LastStep:
    """Keeps what a run has made so far: the results of its finished pictures, and the last step.

    Attributes:
        step: the last step; None before the first step.
    """

    step: Step | None = None

    def __init__(self, on_step: Callable[[int, Step], Any] | None, shown: PictureProgress | None):
        self._on_step, self._shown = on_step, shown
        self._finished: Sequence[Result] = ()

    def __call__(self, picture: int, step: Step) -> None:
        """Keep a step, show it, and pass it on to the caller's ``on_step``."""
        if step.position is not None:
            self._finished = step.position.finished
        if self._shown is not None:
            self._shown.update(picture, step)
        self.step = dataclasses.replace(step, position=None)  # the arrays of the position fill much memory
        if self._on_step is not None:
            self._on_step(picture, step)

    def results(self, message: str) -> list[Result]:
        """Return the finished results, and the last step as a result that ends with a message."""
        step = self.step
        if step is None:
            return []
        last = Result(step.value, step.loss, step.step, step.evaluations, step.seconds, False, message, step.parts)
        return [*self._finished, last]


def _to_pictures(made: Sequence[Result], apart: bool) -> list[PictureResult]:
    names = [field.name for field in dataclasses.fields(PictureResult)]
    results = [PictureResult(**{name: getattr(one, name) for name in names}) for one in made]
    if not apart:
        return results
    return [dataclasses.replace(result, value=value) for result in results for value in result.value]
