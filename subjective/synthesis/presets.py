"""Settings under one name: `PRESETS` for textures, `PUBLISHED_SETTINGS` for style transfer."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

from subjective.checks import InputError, describe
from subjective.choices import list_words
from subjective.imports import Table
from subjective.synthesis.config import SynthesisConfig, TransferConfig
from subjective.synthesis.settings import NO_TOLERANCE

Preset = Literal["fast", "default", "best", "paper", "sliced"]

PRESETS: dict[str, SynthesisConfig] = {
    "fast": SynthesisConfig(max_iter=20),
    "default": SynthesisConfig(),
    "best": SynthesisConfig(starts=6),
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
    "sliced": SynthesisConfig(
        layers=(
            *("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2"),
            "conv4_3",
        ),
        statistic=("sliced",),
        octaves=1,
        relative=False,
        schedule="plain",
        init="random",
        max_iter=300,
        tol=NO_TOLERANCE,
        preconditioner="none",
        block=0.0,
    ),
}
"""Settings for textures. `best` keeps the nearest to its source of six pictures, which has the fewest broken lines.
Two presets are for comparison: `paper` has the settings of the 2017 program, and `sliced`
matches distributions of features (Heitz and others 2021). `experiments/05_presets.md` has the scores."""

Like = Literal["multiscale", "tensorflow", "pytorch", "prisma"]

PUBLISHED_SETTINGS: Table[TransferConfig] = Table(
    {name: f"subjective.synthesis.published:{name.upper()}" for name in get_args(Like)}
)
"""Settings of published programs for style transfer; those of this program are called ``multiscale``."""


def preset(name: Preset, **changes: Any) -> SynthesisConfig:
    """Return the settings of a preset, with changes.

    Args:
        name: one of `PRESETS`. In Python, ``paper`` needs ``load_params(raw=True)``: the caller loads the network.
        changes: settings that differ from the preset.

    Raises:
        InputError: no preset has this name.

    Examples:
        >>> config = subjective.preset("fast", output_width=256)
        >>> config.output_width, config.max_iter
        (256, 20)
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise InputError(f"there is no preset {describe(name)}; wanted {list_words(PRESETS, name)}")
    return dataclasses.replace(PRESETS[name], **changes)


def changes_of(config: Any) -> dict[str, Any]:
    """Return the settings of a config that differ from the defaults of its class."""
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    }
