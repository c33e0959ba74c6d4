"""Settings of published programs for style transfer; `experiments/12_transfer.py` lists the departures."""

from __future__ import annotations

from typing import Any

from subjective.synthesis.config import TransferConfig

NETWORK_UNIT = 255 * 0.226
"""torchvision divides the network's input by this number. Here nothing is divided: features are 57.6 times as large."""

_PUBLISHED: dict[str, Any] = {
    "relative": False,
    "octaves": 1,
    "schedule": "plain",
    "padding_mode": "same",
    "margin": 0,
    "raw_weights": True,
}

MULTISCALE = TransferConfig()

TENSORFLOW = TransferConfig(
    layers=("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3"),
    layer_weights=(1 / 7,) * 7,
    statistic=("gram_sum",),
    content_layers=("conv3_3",),
    content_weight=0.5,
    optimizer="adam",
    max_iter=300,
    **_PUBLISHED,
)

PYTORCH = TransferConfig(
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
)

PRISMA = TransferConfig(
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
)
