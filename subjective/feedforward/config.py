"""Every setting of training and its default, once; `subjective train` is made from these classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from subjective.network.vgg import Pooling
from subjective.pyramid import Padding
from subjective.statistics.registry import parse_term
from subjective.synthesis.compute_config import arg
from subjective.synthesis.config import DEFAULT_STATISTIC
from subjective.synthesis.picture_config import check_weights

Like = Literal["subjective", "matlab"]

LIKE: dict[str, dict[str, Any]] = {
    "subjective": {},
    "matlab": {
        "layers": ("conv1_2", "conv2_2", "conv3_3", "conv4_3"),
        "statistic": ("gram",),
        "octaves": 1,
        "relative": False,
        "raw_weights": True,
        "pooling": "max",
        "padding_mode": "same",
        "style_weight": 3e-8,
        "content_weight": 1e-4,
        "content_layer": "conv3_3",
        "size": 256,
        "zoom": 1.0,
        "batch": 4,
        "epochs": 2,
        "learning_rate": 1e-3,
        "decay": False,
        "width": 32,
        "depth": 5,
        "border": "same",
    },
}
"""Settings that differ from the defaults; ``matlab`` is that of its example of fast style transfer."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What a network is trained to do, and how."""

    texture: bool = False
    """Train a generator of textures from noise; else a network that repaints pictures, which needs --content."""
    size: Annotated[int, arg(metavar="PIXELS")] = 256
    """Side of the pictures that it is trained on."""
    zoom: Annotated[float | None, arg(metavar="N")] = None
    """Photographs are shrunk to between --size and so many times that (4 if not given), and cropped: near the first a
    network sees all of a picture, near the last the smooth places and large shapes that it meets in large pictures."""
    batch: Annotated[int, arg(metavar="N")] = 4
    """Pictures a step."""
    epochs: Annotated[int, arg(metavar="N")] = 2
    """Times that each of the --content pictures is seen."""
    steps: Annotated[int | None, arg(metavar="N")] = None
    """Steps; if not given, as --epochs makes, and 2000 for a texture."""
    learning_rate: Annotated[float, arg(metavar="SIZE")] = 1e-3
    """Of Adam, whose decays are 0.9 and 0.999."""
    decay: bool = True
    """Let the learning rate rise over the first steps, then fall along a cosine to a hundredth at the last."""
    width: Annotated[int | None, arg(metavar="N")] = None
    """Channels of the network at full size (32 if not given), or that each scale of a texture's adds (8)."""
    depth: Annotated[int | None, arg(metavar="N")] = None
    """Residual blocks (5 if not given), or scales of a texture's network (as many as leave 8 pixels, at most 6)."""
    border: Annotated[Literal["reflect", "same", "circular"] | None, arg()] = None
    """What lies outside the network's maps: their mirror image (of pictures, if not given), zeros, or their other
    side (of textures, always: they tile)."""
    layers: Annotated[tuple[str, ...], arg("-l", metavar="LAYER...")] = ("conv1_1", "pool1", "pool2", "conv3_2")
    """Layers of the loss network at which sources are matched."""
    statistic: Annotated[tuple[str, ...] | None, arg(metavar="NAME[@LAYER,...][=WEIGHT]...")] = None
    """What is matched, as in `synthesize`; gram for pictures, and what `synthesize` matches for textures."""
    octaves: Annotated[int | None, arg(metavar="N")] = None
    """Octaves at which it is matched. If not given, for textures as many as all pictures have room for, at most 4;
    for pictures one: in coarse octaves most photographs have far more contrast than a style, which would outweigh all
    else."""
    relative: bool = True
    """Divide each distance by its target's own size, so that weights mean the same for any source and layer."""
    style_weight: Annotated[float, arg(metavar="W")] = 1.0
    """Weight of what is matched to the sources."""
    content_weight: Annotated[float, arg(metavar="W")] = 10.0
    """Weight of the distance to what a picture was, at --content-layer, of full size."""
    content_layer: Annotated[str, arg(metavar="LAYER")] = "conv3_2"
    """Layer at which a picture is to stay what it was."""
    variation_weight: Annotated[float, arg(metavar="W")] = 0.0
    """Weight of the mean squared difference between neighboring pixels."""
    pooling: Pooling = "average"
    """How the loss network pools."""
    padding_mode: Annotated[Literal["valid", "same"] | None, arg("-p")] = None
    """What the loss network sees around a picture: nothing (valid, if not given), or zeros, which leave a rim; a
    texture, always, its other side."""
    raw_weights: bool = False
    """Use the loss network's parameters as published, not normalized to a mean activation of one."""
    rng_seed: Annotated[int, arg(metavar="N")] = 0
    """Number that all that is random comes from."""
    devices: Annotated[int, arg(metavar="N")] = 1
    """Devices among which each step's pictures are shared out."""

    @property
    def channels(self) -> int:
        """The width that is meant."""
        return self.width or (8 if self.texture else 32)

    @property
    def most_zoom(self) -> float:
        """The zoom that is meant."""
        return 4.0 if self.zoom is None else self.zoom

    @property
    def padding(self) -> Padding:
        """What the loss network is to see around a picture."""
        return "circular" if self.texture else self.padding_mode or "valid"

    @property
    def terms(self) -> tuple[str, ...]:
        """The statistics that are meant."""
        return self.statistic or (DEFAULT_STATISTIC if self.texture else ("gram",))

    @property
    def levels(self) -> int:
        """The depth that is meant."""
        if self.depth:
            return self.depth
        return max(1, min(6, self.size.bit_length() - 3)) if self.texture else 5

    def check(self) -> None:
        """Refuse numbers that cannot be meant.

        Raises:
            ValueError: naming the flag, what came and what was wanted.
        """
        for flag, number, least in (
            ("size", self.size, 16),
            ("batch", self.batch, 1),
            ("epochs", self.epochs, 1),
            ("steps", 1 if self.steps is None else self.steps, 1),
            ("width", self.channels, 1),
            ("depth", self.levels, 1),
            ("octaves", self.octaves or 1, 1),
            ("rng-seed", self.rng_seed, 0),
            ("devices", self.devices, 1),
        ):
            if number < least:
                raise ValueError(f"--{flag} is {number}; wanted {least} or more")
        if not 1 <= self.most_zoom < math.inf:
            raise ValueError(f"--zoom is {self.zoom:g}; wanted 1 or more")
        if self.texture and self.zoom is not None:
            raise ValueError(f"--zoom is {self.zoom:g}; a texture is learned from no photographs: leave it out")
        if 0 in (self.width, self.depth, self.octaves):
            raise ValueError("--width, --depth or --octaves is 0; wanted 1 or more")
        if self.texture and self.levels > 10:
            raise ValueError(f"--depth is {self.levels}; wanted at most 10 scales")
        if self.rng_seed >= 2**32:
            raise ValueError(f"--rng-seed is {self.rng_seed}; wanted less than 2^32")
        if self.batch % self.devices:
            raise ValueError(f"--batch is {self.batch}; wanted a multiple of --devices {self.devices}")
        if self.texture and self.border not in (None, "circular"):
            raise ValueError(f"--border is {self.border}; a texture's is circular, since it is to tile: leave it out")
        if self.texture and self.padding_mode is not None:
            raise ValueError(f"--padding-mode is {self.padding_mode}; a texture is always seen circular: leave it out")
        for flag, weight in (
            ("style-weight", self.style_weight),
            ("content-weight", self.content_weight),
            ("variation-weight", self.variation_weight),
            ("learning-rate", self.learning_rate),
        ):
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(f"--{flag} is {weight}; wanted a number of 0 or more")
        for text in self.terms:
            try:
                parse_term(text, self.layers, (1.0,) * len(self.layers))
            except ValueError as error:
                raise ValueError(f"--statistic: {error}") from None


def check_blend(blend: tuple[float, ...] | None, sources: int) -> tuple[float, ...]:
    """The share of each source, summing to one; equal shares if not given.

    Raises:
        ValueError: of another number, negative, not finite or all zero.
    """
    check_weights("blend", blend, sources, "source")
    given = blend or (1.0,) * sources
    return tuple(share / sum(given) for share in given)
