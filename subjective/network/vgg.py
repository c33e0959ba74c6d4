"""VGG's convolutional part as a plain function over named layers and a dict of arrays.

Layers are named ``conv{block}_{depth}``, each with its ReLU, and ``pool{block}``. Which
network it is (VGG-16 or VGG-19), and where it ends, is what its parameters say.

References:
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
    recognition", 2014. Average pooling and normalized parameters: Gatys, Ecker and Bethge,
    "Texture synthesis using convolutional neural networks", 2015.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.network.convolution import average_pool, conv3x3_relu
from subjective.pyramid import Padding, octave_size

Pooling = Literal["average", "max"]
POOLINGS: tuple[Pooling, ...] = ("average", "max")

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
"""Of the feature maps; the picture, what is summed over a map, and all that follows have the picture's own type."""

Params = Mapping[str, Mapping[str, Array | np.ndarray]]
"""``{"input": {"mean"}, "conv1_1": {"kernel", "bias"}, ...}``; kernels are HWIO."""

Features = dict[str, Array]
"""Layer name to feature map ``(height, width, channels)``."""


def layer_names(params: Iterable[str]) -> tuple[str, ...]:
    """Names of all layers in the order in which a picture passes them.

    Args:
        params: parameters, or just the names of their convolutions; other names are ignored.

    Returns:
        For example ``("conv1_1", "conv1_2", "pool1", "conv2_1", …)``. A layer's place in it is the
        number that the 2017 program gave it (2 is ``pool1``, 7 is ``conv3_2``).
    """
    convolutions = sorted(name for name in params if name.startswith("conv"))
    names: list[str] = []
    for i, name in enumerate(convolutions):
        names.append(name)
        block = _block(name)
        if i + 1 == len(convolutions) or _block(convolutions[i + 1]) != block:
            names.append(f"pool{block}")
    return tuple(names)


def _block(name: str) -> str:
    return name.removeprefix("conv").partition("_")[0]


def resolve_layers(layers: Sequence[str | int], params: Iterable[str]) -> tuple[str, ...]:
    """Turn names and the 2017 program's integers into layer names.

    Returns:
        Names in the order given.

    Raises:
        ValueError: no layer, a name or number that these parameters do not have, or one given twice.
    """
    names = layer_names(params)
    resolved = []
    for layer in layers:
        token = str(layer)
        if token in names:
            resolved.append(token)
        elif token.isdecimal() and int(token) < len(names):
            resolved.append(names[int(token)])
        else:
            choice = ", ".join(f"{number} {name}" for number, name in enumerate(names))
            raise ValueError(f"these parameters have no layer {token!r}; wanted a name or number out of: {choice}")
    if not resolved:
        raise ValueError("no layer was given; wanted at least one, such as pool1")
    for name in resolved:
        if resolved.count(name) > 1:
            raise ValueError(f"layer {name!r} was given twice; give each layer once")
    return tuple(resolved)


def preprocess(image: Float[Array, "height width 3"], mean: Float[Array, "3"]) -> Float[Array, "height width 3"]:
    """From RGB in [0, 1] to what the network was trained on: BGR, 0 to 255, minus its mean (BGR)."""
    return image[:, :, ::-1] * 255 - mean[None, None, :]


def extract_features(
    params: Params,
    image: Float[Array, "height width 3"],
    layers: Sequence[str],
    *,
    padding: Padding = "circular",
    pooling: Pooling = "average",
    precision: Precision = "float32",
    in_loop: bool = False,
) -> Features:
    """The feature maps of some layers, after ReLU or pooling; nothing deeper is computed.

    Args:
        params: the network.
        image: RGB in [0, 1].
        layers: names, in any order.
        padding: of every convolution. ``valid`` loses a pixel a side, ``same`` pads with zeros
            (the network's mean color at the input), ``circular`` wraps.
        pooling: over 2x2 pixels, stride 2; an odd last row or column is dropped.
        precision: of the maps; the first convolution, which sees the picture, is float32 in either.
        in_loop: whether this is part of a loop's body, which has a fastest form of its own.

    Returns:
        ``{layer: (height, width, channels)}``.

    Raises:
        ValueError: a layer that the parameters lack, or an image too small for it.
    """
    order = layer_names(params)
    last = max(order.index(layer) for layer in resolve_layers(layers, params))
    smallest = minimum_size(layers, 1, padding, params)
    if min(image.shape[:2]) < smallest:
        raise ValueError(
            f"an image of {image.shape[1]}x{image.shape[0]} pixels is too small for {', '.join(layers)}; "
            f"wanted at least {smallest} a side"
        )
    features: Features = {}
    current = preprocess(image, jnp.asarray(params["input"]["mean"]))
    path = order[: last + 1]
    fused = False
    for name, following in zip(path, (*path[1:], ""), strict=True):
        if name.startswith("conv"):
            kernel, bias = jnp.asarray(params[name]["kernel"]), jnp.asarray(params[name]["bias"])
            # Pooling is done along with the convolution where nobody asks for what lies between.
            fused = following.startswith("pool") and pooling == "average" and name not in layers
            current = conv3x3_relu(current, kernel, bias, padding, fused, kept_as(precision), in_loop)
        elif not fused:
            current = average_pool(current) if pooling == "average" else max_pool(current)
        if name in layers:
            features[name] = current
    return features


def kept_as(precision: Precision) -> str | None:
    """The type of feature maps; None for the picture's own, which is float64 in tests."""
    return None if precision == "float32" else precision


def max_pool(features: Float[Array, "height width channels"]) -> Float[Array, "rows columns channels"]:
    """Maximum over 2x2 pixels, stride 2. An odd last row or column is dropped."""
    rows, columns = features.shape[0] // 2, features.shape[1] // 2
    blocks = features[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, -1)
    return blocks.max(axis=(1, 3))


def feature_size(size: int, layer: str, padding: Padding, params: Iterable[str]) -> int:
    """Length of a side of a layer's feature map; 0 or less where the picture is too small."""
    for name in layer_names(params):
        if name.startswith("pool"):
            size = size // 2
        elif padding == "valid":
            size = size - 2
        if name == layer:
            break
    return size


def minimum_size(layers: Sequence[str], octaves: int, padding: Padding, params: Iterable[str]) -> int:
    """Smallest side in pixels for which every layer at every octave still has a pixel.

    Args:
        layers: names.
        octaves: how many, the last being ``octaves - 1`` reductions from full size.
        padding: of pyramid and convolutions.
        params: parameters, or the names of their convolutions.

    Returns:
        Pixels. For ``valid``, pool1 and 1 to 5 octaves: 6, 15, 33, 69, 141.
    """
    names = tuple(params)
    size = 1
    while any(feature_size(octave_size(size, octaves - 1, padding), layer, padding, names) < 1 for layer in layers):
        size += 1
    return size
