"""The settings of training and their defaults. The flags of `subjective train` are made from these classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from subjective.checks import WEIGHT, InputError, at_least, between, check_settings, normalize_weights, setting
from subjective.choices import Padding, Pooling
from subjective.descriptions import describe_settings
from subjective.statistics.registry import check_statistics
from subjective.synthesis.config import DEFAULT_STATISTIC
from subjective.synthesis.settings import arg

MOST_SCALES = 10
"""Largest number of scales that a texture network may have."""

WIDTHS, DEPTHS, SOURCES = between(1, 1024), between(1, 100), between(1, 10_000)
"""Ranges of a network's width, depth and number of sources. The files of networks are held to them too."""

STRENGTHS = between(0, 4)
"""Range of the strength with which pictures are repainted; see `subjective.feedforward.strength`."""


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The network that is trained."""

    group: ClassVar[str] = "network"

    texture: bool = False
    """Train a network that makes textures from noise. Without this flag, train a network that repaints pictures; such a
    training needs --content."""
    width: Annotated[int | None, arg(metavar="N"), WIDTHS] = None
    """Number of channels of the network's maps at full size (default 32). For a texture network: number of channels
    that each scale adds (default 8)."""
    depth: Annotated[int | None, arg(metavar="N"), DEPTHS] = None
    """Number of residual blocks (default 5). For a texture network: number of scales (default: the largest number, up
    to 6, for which a texture of --size has at least 8 pixels a side at the coarsest scale)."""
    border: Annotated[Literal["reflect", "same", "circular"] | None, arg()] = None
    """What lies outside each map of the network: the map's mirror image (reflect, the default for pictures), zeros
    (same), or the map's other side (circular). Texture networks always have circular, so that textures tile."""


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """What a picture that the network makes must match."""

    group: ClassVar[str] = "what is matched"

    layers: Annotated[tuple[str, ...], arg("-l", metavar="LAYER...")] = ("conv1_1", "pool1", "pool2", "conv3_2")
    """Layers of the loss network at which the statistics of the sources are matched."""
    statistic: Annotated[tuple[str, ...] | None, arg(metavar="NAME[@LAYER,...][=WEIGHT]...")] = None
    """Statistics to match: {statistics}. Default: gram for pictures, and the defaults of synthesize for textures."""
    octaves: Annotated[int | None, arg(metavar="N"), at_least(1)] = None
    """Number of octaves at which the statistics are matched. Default for textures: the largest number, up to 4, for
    which all sources and textures are large enough. Default for pictures: 1. At coarse octaves most photographs have
    far more contrast than a style, and the loss would measure almost nothing but this contrast."""
    relative: bool = True
    """Divide each distance by the size of the statistic that is matched, so that a weight has the same effect for every
    source and layer."""
    style_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 1.0
    """Weight of the distances between the statistics of a picture and of the sources."""
    content_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 10.0
    """Weight of the difference between the features of the repainted picture and of the original, at --content-layer
    and full size."""
    content_layer: Annotated[str, arg(metavar="LAYER")] = "conv3_2"
    """Layer of the loss network at which a repainted picture is compared with the original."""
    variation_weight: Annotated[float, arg(metavar="W"), WEIGHT] = 0.0
    """Weight of the mean squared difference between neighboring pixels."""
    pooling: Pooling = "average"
    """Kind of pooling in the loss network."""
    padding_mode: Annotated[Literal["valid", "same"] | None, arg("-p")] = None
    """What the loss network sees around a picture: nothing (valid, the default), or zeros (same), which leave a rim in
    the pictures. Around a texture the loss network always sees the texture's other side."""
    raw_weights: bool = False
    """Use the loss network's parameters as published. By default they are normalized, so that every filter has a mean
    activation of one."""


@describe_settings
@dataclass(frozen=True, kw_only=True)
class TrainConfig(NetworkSettings, LossSettings):
    """All settings of a training. Invalid settings raise `InputError` at once."""

    group: ClassVar[str] = "training"

    size: Annotated[int, arg(metavar="PIXELS"), at_least(16)] = 256
    """Side of the square pictures in training."""
    zoom: Annotated[float | None, arg(metavar="N"), at_least(1)] = None
    """Shrink each photograph until its shorter side has a random length between --size and N times --size, then cut out
    a square of --size. N is 4 by default. If the shorter side is near --size, the network sees almost the whole
    photograph. If it is longer, the network sees a part of a larger picture, with smooth places and large shapes."""
    batch: Annotated[int, arg(metavar="N"), at_least(1)] = 4
    """Number of pictures in each step."""
    epochs: Annotated[int, arg(metavar="N"), at_least(1)] = 2
    """Number of times that the network sees each of the --content photographs, if --steps is not given."""
    steps: Annotated[int | None, arg(metavar="N"), at_least(1)] = None
    """Number of steps. Default: the number that --epochs needs; 2000 for a texture."""
    learning_rate: Annotated[float, arg(metavar="SIZE"), WEIGHT] = 1e-3
    """Learning rate of Adam; Adam's decay rates b1 and b2 are 0.9 and 0.999."""
    decay: bool = True
    """Let the learning rate rise over the first steps, then fall along a cosine to a hundredth of --learning-rate at
    the last step."""
    seed: Annotated[int, arg(name="rng-seed", metavar="N"), between(0, 2**32 - 1)] = 0
    """Seed of all random choices: the same seed gives the same choices."""
    devices: Annotated[int, arg(metavar="N"), at_least(1)] = 1
    """Number of devices that share the pictures of each step."""

    def __post_init__(self) -> None:
        """Check all settings."""
        self.check()

    @property
    def channels(self) -> int:
        """The setting `width`, or its default."""
        return self.width or (8 if self.texture else 32)

    @property
    def most_zoom(self) -> float:
        """The setting `zoom`, or its default."""
        return 4.0 if self.zoom is None else self.zoom

    @property
    def padding(self) -> Padding:
        """What the loss network sees around a picture."""
        return "circular" if self.texture else self.padding_mode or "valid"

    @property
    def terms(self) -> tuple[str, ...]:
        """The setting `statistic`, or its default."""
        return self.statistic or (DEFAULT_STATISTIC if self.texture else ("gram",))

    @property
    def levels(self) -> int:
        """The setting `depth`, or its default."""
        if self.depth:
            return self.depth
        return max(1, min(6, self.size.bit_length() - 3)) if self.texture else 5

    def check(self) -> None:
        """Check each setting by itself, then check that the settings fit together.

        Raises:
            InputError: a setting is wrong. The message names the setting, its value, and the values that are allowed.
        """
        check_settings(self)
        check_statistics(self.terms, self.layers)
        if self.batch % self.devices:
            multiple = f"a multiple of {setting('devices')} {self.devices}"
            raise InputError(f"{setting('batch')} is {self.batch}; wanted {multiple}")
        if self.texture:
            self._check_texture()

    def _check_texture(self) -> None:
        """Refuse settings that a texture network cannot have."""
        if self.levels > MOST_SCALES:
            raise InputError(f"{setting('depth')} is {self.levels}; wanted at most {MOST_SCALES} scales")
        if self.zoom is not None:
            raise InputError(
                f"{setting('zoom')} is {self.zoom:g}; a texture network learns from no photographs: leave it out"
            )
        if self.border not in (None, "circular"):
            raise InputError(
                f"{setting('border')} is {self.border}; a texture is always circular, so that it tiles: leave it out"
            )
        if self.padding_mode is not None:
            seen = "the loss network sees textures as circular"
            raise InputError(f"{setting('padding_mode')} is {self.padding_mode}; {seen}: leave it out")


Like = Literal["subjective", "matlab"]

ExportFormat = Literal["onnx", "stablehlo", "web"]
"""What a trained network can be exported to; see `subjective.feedforward.export`."""

TRAIN_PRESETS: dict[str, TrainConfig] = {
    "subjective": TrainConfig(),
    "matlab": TrainConfig(
        layers=("conv1_2", "conv2_2", "conv3_3", "conv4_3"),
        statistic=("gram",),
        octaves=1,
        relative=False,
        raw_weights=True,
        pooling="max",
        padding_mode="same",
        style_weight=3e-8,
        content_weight=1e-4,
        content_layer="conv3_3",
        size=256,
        zoom=1.0,
        batch=4,
        epochs=2,
        learning_rate=1e-3,
        decay=False,
        width=32,
        depth=5,
        border="same",
    ),
}
"""The settings that each value of ``--like`` sets; further flags change single settings.

``matlab`` has the settings of MATLAB's example of fast style transfer.
"""


def normalize_blend(blend: tuple[float, ...] | None, sources: int) -> tuple[float, ...]:
    """Divide the shares of a blend by their sum.

    Args:
        blend: share of each source that the network was trained on; None for equal shares.
        sources: number of sources that the network was trained on.

    Returns:
        One share for each source; the shares add up to 1.

    Raises:
        InputError: the number of shares is not ``sources``, or shares are negative, not finite or all zero.
    """
    return tuple(normalize_weights("blend", blend, sources, "source"))
