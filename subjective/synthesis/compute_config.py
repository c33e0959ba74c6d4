"""How the work is done, whatever is made: by which optimizer, in what memory, to what precision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from subjective.network.vgg import Precision
from subjective.optimize.registry import HistoryType, Method

HOST_PIXELS = 2**21
"""Pixels up to which L-BFGS-B is the optimizer if none is asked for; its memory is 750 bytes a pixel."""


Preconditioner = Literal["octaves", "none"]


def arg(*aliases: str, metavar: str | None = None, name: str | None = None) -> Any:
    """A command-line argument's other names and what its value is called."""
    return tyro.conf.arg(aliases=list(aliases), metavar=metavar, name=name)


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """An optimizer and what it may take."""

    optimizer: Annotated[Method | None, arg()] = None
    """What minimizes: lbfgsb (scipy's, in float64 on the host), lbfgs or adam (both where the picture is computed).
    If not given, lbfgsb for pictures of at most 2 megapixels or with --bounds, lbfgs beyond."""
    history: Annotated[int, arg(metavar="N")] = 10
    """Steps that L-BFGS remembers; each costs two copies of the picture, all taken before the first step."""
    history_type: HistoryType = "float32"
    """How --optimizer lbfgs keeps them; lbfgsb has float64."""
    preconditioner: Preconditioner | None = None
    """What L-BFGS takes for the inverse Hessian before it knows better: octaves lets fine detail go further than large
    shapes and colors; none has all waves go alike, and wants several times the steps for the same loss. If not given,
    octaves for textures and loops that wrap, unless with --bounds or --optimizer adam."""
    first_step: Annotated[float, arg(metavar="SIZE")] = 0.01
    """Root mean square change of the picture, between 0 and 1, in the first step that is tried; of
    adam in every step."""
    tile: Annotated[int | None, arg(metavar="ROWS")] = None
    """Compute the network's layers in tiles of so many rows of the picture: the same result in less memory, and some
    more time. If not given, as large as memory lets them be."""

    precision: Precision = "float32"
    """Of the network's feature maps. bfloat16 halves their memory, and is faster on GPUs and TPUs but not on CPUs; the
    last quarter of the steps is made in float32."""

    devices: Annotated[int, arg(metavar="N")] = 1
    """Devices among which the picture's rows are shared out, or the frames of a loop: the same result, in a share of
    the memory and time."""

    def check_computing(self) -> None:
        """Refuse numbers that cannot be meant; see `PictureConfig.check`."""
        if self.history < 1:
            raise ValueError(f"--history is {self.history}; wanted 1 or more")
        if not (math.isfinite(self.first_step) and self.first_step > 0):
            raise ValueError(f"--first-step is {self.first_step}; wanted a number above 0")
        if self.tile is not None and self.tile < 1:
            raise ValueError(f"--tile is {self.tile}; wanted 1 or more rows")
        if self.devices < 1:
            raise ValueError(f"--devices is {self.devices}; wanted 1 or more")
        if self.history_type != "float32" and self.optimizer != "lbfgs":
            raise ValueError(f"--history-type {self.history_type} is of --optimizer lbfgs; give that as well")
