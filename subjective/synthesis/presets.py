"""Settings under one name: `PRESETS` for textures, `PUBLISHED_SETTINGS` for style transfer."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from subjective.checks import InputError, describe
from subjective.synthesis.config import DEFAULT_STATISTIC, SynthesisConfig, TransferConfig
from subjective.synthesis.settings import NO_TOLERANCE

Preset = Literal["fast", "default", "best", "paper"]

PRESETS: dict[str, SynthesisConfig] = {
    "fast": SynthesisConfig(max_iter=20),
    "default": SynthesisConfig(),
    "best": SynthesisConfig(
        statistic=(
            "covariance",
            *DEFAULT_STATISTIC[1:],
            "autocorrelation@rgb,conv1_1,pool1=0.1",
            "autocorrelation32@rgb=0.1",
        ),
        first_stage=64,
        coarse_iter=200,
        tol=NO_TOLERANCE,
    ),
    "paper": SynthesisConfig(
        layers=("pool1", "conv3_2"),
        statistic=("gram",),
        relative=False,
        schedule="plain",
        init="random",
        max_iter=500,
        tol=NO_TOLERANCE,
        padding_mode="valid",
        raw_weights=True,
        preconditioner="none",
        block=0.0,
    ),
}
"""Settings for textures; `paper` has the settings of the 2017 program. `experiments/05_presets.md` has the scores."""

NETWORK_UNIT = 255 * 0.226
"""torchvision divides the network's input by this number. Here nothing is divided: features are 57.6 times as large."""

Like = Literal["multiscale", "tensorflow", "pytorch", "prisma"]

_PUBLISHED: dict[str, Any] = {
    "relative": False,
    "octaves": 1,
    "schedule": "plain",
    "padding_mode": "same",
    "margin": 0,
    "raw_weights": True,
}

PUBLISHED_SETTINGS: dict[str, TransferConfig] = {
    "multiscale": TransferConfig(),
    "tensorflow": TransferConfig(
        layers=("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3"),
        layer_weights=(1 / 7,) * 7,
        statistic=("gram_sum",),
        content_layers=("conv3_3",),
        content_weight=0.5,
        optimizer="adam",
        max_iter=300,
        **_PUBLISHED,
    ),
    "pytorch": TransferConfig(
        layers=("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"),
        # This program also divides its Gram matrices by height, width and channels. But its loss is the mean over
        # all channels² entries of a matrix, and ours is the sum.
        layer_weights=tuple(1e6 / NETWORK_UNIT**4 / channels**2 for channels in (64, 64, 128, 128, 256)),
        statistic=("gram",),
        content_layers=("conv2_2",),
        content_weight=1 / NETWORK_UNIT**2,
        bounds=True,
        optimizer="lbfgsb",
        max_iter=300,
        pooling="max",
        **_PUBLISHED,
    ),
    "prisma": TransferConfig(
        layers=("conv1_1", "conv2_1", "conv3_1", "conv4_1"),
        # This program divides FᵀF by 3 · height · width of the picture, not by the size of the map. Relative to ours,
        # squared distances are channels² / 9 times as large, and each pooling makes them 16 times smaller (4 times
        # fewer pixels, squared). Its loss also has a factor of 1/4, and is the mean over the four layers.
        layer_weights=tuple(channels**2 / (36 * 16**pooled) / 4 for pooled, channels in enumerate((64, 128, 256, 512))),
        statistic=("gram",),
        content_layers=("conv4_2",),
        content_statistic="content_sum",
        content_weight=0.025,
        tv_weight=8.5e-5 * 255**2.5 * 3 * 400 * 400,
        optimizer="lbfgsb",
        max_iter=200,
        pooling="max",
        **_PUBLISHED,
    ),
}
"""Settings of published programs for style transfer; `experiments/12_transfer.py` lists the departures."""


def preset(name: Preset, **changes: Any) -> SynthesisConfig:
    """Return the settings of a preset, with changes.

    Args:
        name: ``fast``, ``default``, ``best`` or ``paper``.
        changes: settings that differ from the preset.

    Raises:
        InputError: no preset has this name.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise InputError(f"there is no preset {describe(name)}; wanted {', '.join(PRESETS)}")
    return dataclasses.replace(PRESETS[name], **changes)


def changes_of(config: Any) -> dict[str, Any]:
    """Return the settings of a config that differ from the defaults of its class."""
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    }
