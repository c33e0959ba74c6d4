"""Settings under one name: `fast`, `default`, `best`, and `paper`, which are the 2017 program's own."""

from __future__ import annotations

from typing import Any, Literal

from subjective.synthesis.config import DEFAULT_STATISTIC, SynthesisConfig
from subjective.synthesis.picture_config import ALL

NETWORK_UNIT = 255 * 0.226
"""What torchvision's networks divide by and these do not: a picture in [0, 1] is 57.6 times as far from its mean."""

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"max_iter": 20},
    "default": {},
    "best": {
        "statistic": (
            "covariance",
            *DEFAULT_STATISTIC[1:],
            "autocorrelation@rgb,conv1_1,pool1=0.1",
            "autocorrelation32@rgb=0.1",
        ),
        "seed": "phases",
        "starts": 8,
        "first_stage": 1,
        "coarse_iter": 200,
        "tol": ALL,
    },
    "paper": {
        "layers": ("pool1", "conv3_2"),
        "statistic": ("gram",),
        "relative": False,
        "schedule": "plain",
        "max_iter": 500,
        "tol": ALL,
        "padding_mode": "valid",
        "raw_weights": True,
        "preconditioner": "none",
        "block": 0.0,
    },
}
"""Settings of each preset that differ from the defaults; `paper` is the 2017 program's own."""

LIKES: dict[str, dict[str, Any]] = {
    "multiscale": {},
    "tensorflow": {
        "layers": ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3"),
        "layer_weights": (1 / 7,) * 7,
        "statistic": ("gram_sum",),
        "content_layers": ("conv3_3",),
        "content_weight": 0.5,
        "relative": False,
        "optimizer": "adam",
        "octaves": 1,
        "schedule": "plain",
        "padding_mode": "same",
        "margin": 0,
        "max_iter": 300,
        "raw_weights": True,
    },
    "pytorch": {
        "layers": ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"),
        # Gram matrices over a·b·c·d are ours; a mean square over their entries is the sum over channels squared.
        "layer_weights": tuple(1e6 / NETWORK_UNIT**4 / channels**2 for channels in (64, 64, 128, 128, 256)),
        "statistic": ("gram",),
        "content_layers": ("conv2_2",),
        "content_weight": 1 / NETWORK_UNIT**2,
        "relative": False,
        "bounds": True,
        "optimizer": "lbfgsb",
        "octaves": 1,
        "schedule": "plain",
        "padding_mode": "same",
        "margin": 0,
        "max_iter": 300,
        "save_every": 100,
        "pooling": "max",
        "raw_weights": True,
    },
    "prisma": {
        "layers": ("conv1_1", "conv2_1", "conv3_1", "conv4_1"),
        # Of sums over 3 · height · width: pooling has divided the pixels of a map by 16 each time, channels multiply.
        "layer_weights": tuple(
            channels**2 / (36 * 16**pooled) / 4 for pooled, channels in enumerate((64, 128, 256, 512))
        ),
        "statistic": ("gram",),
        "content_layers": ("conv4_2",),
        "content_statistic": "content_sum",
        "content_weight": 0.025,
        "tv_weight": 8.5e-5 * 255**2.5 * 3 * 400 * 400,
        "relative": False,
        "optimizer": "lbfgsb",
        "octaves": 1,
        "schedule": "plain",
        "padding_mode": "same",
        "margin": 0,
        "max_iter": 200,
        "save_every": 20,
        "pooling": "max",
        "raw_weights": True,
    },
}
"""Settings of published programs for style transfer (`experiments/12_transfer.py` says where they depart)."""

Like = Literal["multiscale", "tensorflow", "pytorch", "prisma"]
Preset = Literal["fast", "default", "best", "paper"]


def preset(name: Preset, **changes: Any) -> SynthesisConfig:
    """The settings of a preset, with changes.

    Args:
        name: ``fast``, ``default``, ``best`` or ``paper``.
        changes: settings that are to differ from it.

    Raises:
        ValueError: another name.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}; wanted {', '.join(PRESETS)}")
    return SynthesisConfig(**(PRESETS[name] | changes))
