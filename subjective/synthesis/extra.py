"""Losses of the caller's own, which are added to the loss of a verb."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from subjective.arguments import check_function
from subjective.checks import InputError, describe
from subjective.losses import Loss
from subjective.synthesis.problem import Job, never_enough
from subjective.synthesis.stages import Stage

PictureLoss = Callable[[Array], Array]
"""``loss(picture) -> scalar``, which JAX can differentiate. The picture is ``(height, width, 3)``, and its size differs
from stage to stage; numbers may lie outside [0, 1]."""

Extra = Sequence[tuple[float, PictureLoss]]
"""(weight, loss) for each loss of the caller's own."""


def add_losses(job: Job, extra: Extra) -> Job:
    """Add losses to the loss of every stage of a job. Each loss is a part of the total under its function's name.

    Args:
        job: from `prepare` of a verb.
        extra: the losses with their weights. A loss of a loop, or of pictures that are made together, is the mean over
            the frames. A loss of a transfer sees the picture without its margin, and before the content's colors
            replace the style's.

    Raises:
        InputError: an entry is no pair of a finite number and a function, or a loss returns no scalar.
    """
    losses = _name_losses(extra)
    if not losses:
        return job

    @cache  # the same function for the same stage, so that it is compiled once
    def add_to(loss: Loss, stage: Stage) -> Loss:
        def total(value: Array, arguments: Any) -> tuple[Array, dict[str, Any]]:
            scalar, parts = loss(value, arguments)
            parts = dict(parts) if isinstance(parts, dict) else {"statistics": parts}
            picture = (job.seen or job.render)(value, stage)
            for name, (weight, own) in losses.items():
                name = f"extra {name}" if name in parts else name
                parts[name] = weight * _measure(own, picture, name)
                scalar = scalar + parts[name]
            return scalar, parts

        return total

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        loss, arguments = job.problem(stage, picture, attempt)
        return add_to(loss, stage), arguments

    def again(config: Any) -> Job:
        if job.prepare is None:
            raise InputError("the weights of this run cannot be changed")
        return add_losses(job.prepare(config), extra)

    # No quarter of a source has these losses.
    return dataclasses.replace(job, problem=problem, prepare=again, enough=never_enough)


def _name_losses(extra: Extra) -> dict[str, tuple[float, PictureLoss]]:
    """Return (weight, loss) by the name of the loss; a number follows a name that comes again."""
    wanted = "wanted pairs (weight, loss), such as extra=[(0.1, loss)]"
    if not isinstance(extra, (list, tuple)):
        raise InputError(f"extra is {describe(extra)}; {wanted}")
    named: dict[str, tuple[float, PictureLoss]] = {}
    for pair in extra:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not callable(pair[1]):
            raise InputError(f"extra holds {describe(pair)}; {wanted}")
        weight, loss = pair
        check_function("a loss of extra", loss, ["picture"])
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not math.isfinite(weight):
            raise InputError(f"extra holds the weight {describe(weight)}; wanted a finite number")
        name = getattr(loss, "__name__", type(loss).__name__).strip("<>")
        again = sum(known.partition(" ")[0] == name for known in named)
        named[f"{name} {again + 1}" if again else name] = (float(weight), loss)
    return named


def _measure(loss: PictureLoss, picture: Array, name: str) -> Array:
    """Return a loss of a picture, or the mean of the losses of several pictures."""

    def measure_one(one: Array) -> Array:
        returned = loss(one)
        try:
            found = jnp.asarray(returned)
        except (TypeError, ValueError):
            raise InputError(f"extra loss {name!r} returned {describe(returned)}; wanted one float") from None
        if found.shape != () or not jnp.issubdtype(found.dtype, jnp.floating):
            raise InputError(f"extra loss {name!r} returned {found.dtype} of shape {found.shape}; wanted one float")
        return found.astype(picture.dtype)

    return measure_one(picture) if picture.ndim == 3 else jnp.mean(jax.lax.map(measure_one, picture))
