"""The settings that every picture made here has, whatever it is made from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from subjective.images import MAX_PIXELS
from subjective.network.vgg import Pooling
from subjective.optimize.registry import Method
from subjective.pyramid import Padding
from subjective.statistics.blocks import WHOLE, Grid
from subjective.statistics.registry import parse_term
from subjective.statistics.terms import Term
from subjective.synthesis.compute_config import HOST_PIXELS, ComputeConfig, arg

ALL = 1e-9
"""A tolerance at which all steps are made, or as many as lower the loss at all."""


@dataclass(frozen=True, kw_only=True)
class PictureConfig(ComputeConfig):
    """What every picture made here has: a size, a way of being looked at, a start and an optimizer."""

    output_width: Annotated[int, arg("-ow", "--width", metavar="PIXELS")] = 512
    """Width of the picture."""
    output_height: Annotated[int | None, arg("-oh", "--height", metavar="PIXELS")] = None
    """Height of the picture; as the width if not given."""
    octaves: Annotated[int | None, arg("-o", metavar="N")] = None
    """Number of octaves, each half the size of the one before; 1 is full size alone. If not given, as many as
    all pictures have room for, at most 5."""
    octave_step: Annotated[int, arg("-os", metavar="N")] = 1
    """Use every N-th of these octaves only."""
    layers: Annotated[tuple[str, ...], arg("-l", metavar="LAYER...")] = ("pool1", "conv3_2")
    """Layers to match, by name (conv1_1, pool1, ...; rgb, opponent and band are the picture itself) or by the 2017
    program's number (2 is pool1, 7 conv3_2)."""
    statistic: Annotated[tuple[str, ...], arg(metavar="NAME[@LAYER,...][=WEIGHT]...")] = ("gram",)
    """What is matched: gram, gram_sum, covariance, gaussian, sliced, spectrum, shifted, autocorrelation,
    autocorrelation32, grid, or several of them; each at --layers unless it names its own, with weight 1 unless it
    gives one."""
    layer_weights: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """Weight of each of --layers in the loss."""
    octave_weights: Annotated[tuple[float, ...] | None, arg(metavar="W...")] = None
    """Weight of each octave in the loss, full size first."""
    padding_mode: Annotated[Padding, arg("-p")] = "circular"
    """What lies outside the picture: its other side (it then tiles), zeros (same) or nothing (valid)."""
    pooling: Pooling = "average"
    """How the network pools."""
    raw_weights: bool = False
    """Use the network's parameters as published, not normalized to a mean activation of one."""
    seed: Annotated[str, arg("-i", metavar="random|symmetric|phases|FILE")] = "random"
    """Starting picture: faint noise, a smooth symmetric pattern under noise, the sources' spectrum at random phases
    under noise, or a picture file."""
    rng_seed: Annotated[int, arg(metavar="N")] = 0
    """Number that all noise comes from: the same number, settings and machine give the same picture."""
    max_iter: Annotated[int, arg("-m", metavar="N")] = 200
    """Steps of the optimizer at most."""
    tol: Annotated[float, arg(metavar="SHARE")] = ALL
    """Stop when ten steps (of Adam: fifty) lower the loss by less than this share of it."""
    noise: Annotated[float, arg(metavar="SIZE")] = 1 / 255
    """Standard deviation of the noise that every start carries, between 0 and 1."""
    bounds: bool = False
    """Keep every value between black and white while optimizing; otherwise it is clipped at the end."""

    @property
    def output_size(self) -> tuple[int, int]:
        """(height, width) of the result in pixels."""
        return (self.output_width if self.output_height is None else self.output_height, self.output_width)

    def as_painted(self, name: str) -> str:
        """What a picture is called, for a message that gives its `size`."""
        return name if self.size == self.output_size else f"{name} with its margin"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of what is optimized: the result, and what of it is cut off at the end."""
        return self.output_size

    @property
    def further_terms(self) -> tuple[Term, ...]:
        """What is matched besides --statistic."""
        return ()

    @property
    def together(self) -> int:
        """Number of pictures that are optimized together."""
        return 1

    @property
    def sharing(self) -> int:
        """Number of devices that have a share of one picture."""
        return self.devices

    @property
    def at_once(self) -> int:
        """Number of pictures whose feature maps are in memory together."""
        return self.together

    @property
    def method(self) -> Method:
        """The optimizer: the one asked for, or L-BFGS with its memory where the picture's size lets it be."""
        if self.optimizer is not None:
            return self.optimizer
        if self.bounds:
            return "lbfgsb"
        small = self.together * self.size[0] * self.size[1] <= HOST_PIXELS
        return "lbfgsb" if small and self.devices == 1 else "lbfgs"

    @property
    def preconditioned(self) -> bool:
        """Whether steps are longer in fine detail."""
        return self.preconditioner == "octaves"

    def steps(self, size: tuple[int, ...]) -> int:
        """Most steps of the optimizer for a picture of that size (height, width)."""
        return self.max_iter

    def blocks(self, sources: Sequence[tuple[int, int]]) -> Grid:
        """Blocks of the picture that are each to match, given the sources' sizes (height, width)."""
        return WHOLE

    @property
    def octave_indices(self) -> tuple[int, ...]:
        """The octaves used, 0 being full size.

        Raises:
            ValueError: their number is still to be chosen, see `subjective.synthesis.plan.with_octaves`.
        """
        if self.octaves is None:
            raise ValueError("the number of octaves is not chosen yet")
        return tuple(range(0, self.octaves, self.octave_step))

    def check(self) -> None:
        """Refuse numbers that cannot be meant.

        Raises:
            ValueError: naming the flag, what came and what was wanted.
        """
        self.check_computing()
        if self.bounds and self.optimizer == "lbfgs":
            raise ValueError("--bounds cannot be kept by --optimizer lbfgs; use lbfgsb or adam, or leave them out")
        if self.preconditioner == "octaves" and (self.bounds or self.method == "adam"):
            with_what = "--bounds" if self.bounds else "--optimizer adam"
            raise ValueError(f"--preconditioner octaves does not go with {with_what}; leave one of the two out")
        for flag, number, least in (
            ("output-width", self.output_width, 1),
            ("output-height", self.output_size[0], 1),
            ("octaves", 1 if self.octaves is None else self.octaves, 1),
            ("octave-step", self.octave_step, 1),
            ("max-iter", self.max_iter, 0),
            ("rng-seed", self.rng_seed, 0),
        ):
            if number < least:
                raise ValueError(f"--{flag} is {number}; wanted {least} or more")
        if self.size[0] * self.size[1] > MAX_PIXELS:
            picture = self.as_painted(f"a picture of {self.output_size[1]}x{self.output_size[0]}")
            raise ValueError(f"{picture} is larger than {MAX_PIXELS:,} pixels; ask for less")
        if self.octaves is not None and self.octaves > 16:
            raise ValueError(f"--octaves is {self.octaves}; wanted at most 16")
        if self.rng_seed >= 2**32:
            raise ValueError(f"--rng-seed is {self.rng_seed}; wanted less than 2^32")
        if not (math.isfinite(self.tol) and self.tol >= 0):
            raise ValueError(f"--tol is {self.tol}; wanted a number of 0 or more")
        if not 0 <= self.noise <= 1:
            raise ValueError(f"--noise is {self.noise}; wanted a number from 0 to 1")
        if self.seed == "content" and not self.further_terms:
            raise ValueError("--seed content is of transfer, and here is none; wanted another seed or a picture file")
        if not self.layers:
            raise ValueError("--layers got no layer; wanted at least one, such as pool1")
        for text in self.statistic:
            try:
                parse_term(text, self.layers, self.layer_weights or (1.0,) * len(self.layers))
            except ValueError as error:
                raise ValueError(f"--statistic: {error}") from None
        if not self.statistic:
            raise ValueError("--statistic got no name; wanted at least one, such as gram")
        check_weights("layer-weights", self.layer_weights, len(self.layers), "layer")
        if self.octave_weights is not None:
            if self.octaves is None:
                raise ValueError("--octave-weights were given without --octaves; give the number of octaves as well")
            check_weights("octave-weights", self.octave_weights, len(self.octave_indices), "octave")


def check_weights(flag: str, weights: Sequence[float] | None, count: int, thing: str) -> None:
    """Refuse weights of the wrong number, or that are negative, NaN, infinite or all zero."""
    if weights is None:
        return
    if len(weights) != count:
        raise ValueError(f"--{flag} got {len(weights)} numbers for {count} {thing}s; give one for each {thing}")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or sum(weights) <= 0:
        shown = " ".join(f"{weight:g}" for weight in weights)
        raise ValueError(f"--{flag} is {shown}; wanted numbers of 0 or more, not all 0")
