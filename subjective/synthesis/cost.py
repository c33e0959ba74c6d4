"""What an evaluation of a loss and its gradient takes: time and memory, from the sizes of all maps.

Nothing is compiled or computed. `subjective.runs.rates` corrects the time by what this machine has taken.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from subjective.network.vgg import Layer, Params, path_to, walk
from subjective.pyramid import octave_size
from subjective.statistics.terms import Analysis, network_layers

PRODUCT_SECONDS, NUMBER_SECONDS, OCTAVE_SECONDS = 1.25e-11, 0.8e-9, 4.2e-3
"""Seconds of a product of a forward pass, of a number that is read and written besides, and of an octave.

The derivative is included. Measured on two cores with AVX-512 (`experiments/16_forecasts.md`): off by at most 15 % for
textures of 64 to 512 pixels, and by at most 29 % for transfers and novelty.
"""

KEPT_FACTOR, LARGEST_FACTOR = 1.36, 5.1
"""Memory of the compiled program: multiples of the bytes that the gradient needs again, and of the largest map. The
program's own forecast differs by at most 15 % from 256 pixels on, and by 20 % for transfers."""

PICTURE_CHANNELS = {"rgb": 3, "opponent": 3, "band": 3, "contrast": 6}
"""Number of channels of each of `subjective.statistics.terms.PICTURE_LAYERS`."""

PASSES = 20
"""How often the numbers of a map are read or written by a statistic that is no matrix, such as a Fourier transform."""


Shape = tuple[int, int, int]
"""(height, width, channels) of a map."""


class Work(NamedTuple):
    """What an evaluation of the loss and gradient of one picture takes.

    Attributes:
        seconds: time on the machine that the constants of this module were measured on.
        bytes: memory of the feature maps and their derivatives.
        convolutions: number of convolutions, on which the time of compiling depends.
    """

    seconds: float
    bytes: float
    convolutions: int


def count_work(analysis: Analysis, size: tuple[int, int], params: Params) -> Work:
    """Count what an evaluation takes.

    Args:
        analysis: how the picture is measured.
        size: (height, width) of the picture.
        params: the network.
    """
    products = numbers = kept = largest = 0.0
    convolutions = 0

    def after(layer: Layer, shape: Shape, channels: int) -> Shape:
        height, width = (layer.size_after(side, analysis.padding) for side in shape[:2])
        return height, width, channels

    def convolve(layer: Layer, shape: Shape, _: Layer | None) -> Shape:
        nonlocal products, numbers, kept, largest, convolutions
        found = after(layer, shape, params[layer.name]["kernel"].shape[3])
        count = math.prod(found)
        products += 9 * shape[2] * count
        numbers += math.prod(shape) + count
        kept += count  # one byte for each activation: whether it is positive
        largest = max(largest, 4 * count)
        convolutions += 1
        return found

    def pool(layer: Layer, shape: Shape) -> Shape:
        return after(layer, shape, shape[2])

    for octave in analysis.octaves:
        height, width = (octave_size(side, octave, analysis.padding) for side in size)
        layers = analysis.layers_at(octave)
        named = network_layers(layers)
        maps = {layer: (height, width, channels) for layer, channels in PICTURE_CHANNELS.items()}
        if named:
            maps |= walk(path_to(named, params), (height, width, 3), convolve, pool, wanted=named)
        kept += sum((2 if analysis.precision == "bfloat16" else 4) * math.prod(maps[layer]) for layer in named)
        for layer in layers:
            for statistic in analysis.statistics_at(octave, layer):
                count = math.prod(maps[layer])
                products += count * maps[layer][2] if statistic.positive else 0
                numbers += count * (1 if statistic.positive else PASSES)
                kept += 0 if statistic.positive else 8 * count
    seconds = PRODUCT_SECONDS * products + NUMBER_SECONDS * numbers + OCTAVE_SECONDS * len(analysis.octaves)
    return Work(seconds, KEPT_FACTOR * kept + LARGEST_FACTOR * largest, convolutions)
