"""Settings under one name: `fast`, `default`, `best`, and `paper`, which are the 2017 program's own."""

from __future__ import annotations

from typing import Any, Literal

from subjective.config import DEFAULT_STATISTIC, SynthesisConfig

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"max_iter": 20},
    "default": {},
    "best": {
        "statistic": (
            "covariance",
            *DEFAULT_STATISTIC[1:],
            "autocorrelation@rgb,conv1_1,pool1=3",
            "autocorrelation32@rgb=10",
        ),
        "seed": "phases",
        "starts": 4,
        "max_iter": 100,
        "coarse_iter": 250,
    },
    "paper": {
        "layers": ("pool1", "conv3_2"),
        "statistic": ("gram",),
        "relative": False,
        "schedule": "plain",
        "max_iter": 500,
        "padding_mode": "valid",
        "raw_weights": True,
    },
}
"""Settings of each preset that differ from the defaults; `paper` is the 2017 program's own."""

Preset = Literal["fast", "default", "best", "paper"]


def preset(name: Preset, **changes: Any) -> SynthesisConfig:
    """The settings of a preset, with changes.

    Args:
        name: ``fast``, ``default``, ``best`` or ``paper``.
        changes: settings that are to differ from it.
    """
    return SynthesisConfig(**(PRESETS[name] | changes))
