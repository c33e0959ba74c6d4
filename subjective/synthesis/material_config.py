"""The settings of `synthesize_material`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from subjective.checks import WEIGHT, InputError, describe, setting, tidy_settings
from subjective.descriptions import describe_settings
from subjective.materials.maps import KINDS, channels_of, order_kinds
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.settings import arg

SCALARS_PER_PASS = 3
"""Number of maps of one channel that the network sees as one picture."""

MAP_WEIGHT = 0.5
"""Weight of each map but the albedo, whose weight is 1: what is seen most counts most."""


@describe_settings
@dataclass(frozen=True, kw_only=True)
class MaterialConfig(SynthesisConfig):
    """Settings of `synthesize_material`."""

    maps: Annotated[tuple[str, ...], arg(metavar="NAME...")] = ()
    """Make only these maps, such as albedo normal height. Default: all that are given."""
    map_weights: Annotated[tuple[str, ...], arg(metavar="NAME=W...")] = ()
    """How much a map counts, such as normal=1. Default: 1 for albedo, 0.5 for all others."""
    maps_by: Literal["together", "nearest"] = "together"
    """How maps are made: all together, or the albedo alone, and the others then from where its patches are most like
    patches of the source (nearest). That takes the time of a single picture; maps are softer and less exact."""
    mix_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 0.5
    """How much a random mixture of all maps counts, which the network sees as one more picture. It keeps the maps
    aligned. Each stage has a mixture of its own. 0 turns it off."""
    init: Annotated[str, arg("-i", "--seed", metavar="patches|random")] = "patches"
    """Start: patches of all maps at once, joined to a material of up to 1024 pixels a side (patches), or faint noise
    (random)."""

    def __post_init__(self) -> None:
        """See `PictureConfig`."""
        tidy_settings(self, maps=order_kinds(self.maps) if set(self.maps) <= set(KINDS) else self.maps)
        super().__post_init__()

    @property
    def channels(self) -> int:
        """See `PictureConfig.channels`."""
        return sum(channels_of(self.maps)) if self.maps and self.maps_by == "together" else 3

    @property
    def passes(self) -> int:
        """See `PictureConfig.passes`: one for colors and for normals, one for three other maps, one for the mixture."""
        if self.maps_by == "nearest":
            return 1
        scalars = sum(KINDS[kind].channels == 1 for kind in self.maps)
        others = max(len(self.maps) - scalars, 1)
        return others + math.ceil(scalars / SCALARS_PER_PASS) + bool(self.mix_weight and len(self.maps) > 1)

    def weight_of(self, kind: str) -> float:
        """Return how much a map counts."""
        return _read_weights(self.map_weights).get(kind, 1.0 if kind == "albedo" else MAP_WEIGHT)

    def check(self) -> None:
        """See `PictureConfig.check`."""
        super().check()
        for kind in self.maps:
            if kind not in KINDS:
                raise InputError(f"{setting('maps')} names {describe(kind)}; wanted {', '.join(KINDS)}")
        if self.maps and "albedo" not in self.maps:
            raise InputError(f"{setting('maps')} leaves out albedo, which leads all others; add it")
        for kind in _read_weights(self.map_weights):
            if kind not in KINDS or (self.maps and kind not in self.maps):
                wanted = ", ".join(self.maps or KINDS)
                raise InputError(f"{setting('map_weights')} names {describe(kind)}; wanted {wanted}")
        if self.weight_of("albedo") == 0:
            raise InputError(f"{setting('map_weights')} gives albedo no weight; wanted a number above 0")
        for name in ("join_mode", "source_weights"):
            if getattr(self, name) is not None:
                raise InputError(f"{setting(name)} joins several sources, and a material is one; leave it out")
        if self.init not in ("patches", "random", "noise"):
            raise InputError(f"{setting('init')} is {describe(self.init)}; a material starts with patches or random")
        if self.devices > 1:
            raise InputError(f"{setting('devices')} is {self.devices}; a material is made on one device")


def _read_weights(texts: tuple[str, ...]) -> dict[str, float]:
    """Return the weights by the names of maps.

    Raises:
        InputError: a text is no NAME=W, or names a map a second time.
    """
    weights: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not 0 <= weight < math.inf or name in weights:
            raise InputError(
                f"{setting('map_weights')} holds {describe(text)}; wanted a name once, and a number of 0 or more, such "
                "as normal=1"
            )
        weights[name] = weight
    return weights
