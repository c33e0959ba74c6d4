"""VGG's convolutional part as a plain function over named layers and a dict of arrays.

Layers are named ``conv{block}_{depth}``, each with its ReLU, and ``pool{block}``. Which
network it is (VGG-16 or VGG-19), and where it ends, is what its parameters say.

References:
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
    recognition", 2014. Average pooling and normalized parameters: Gatys, Ecker and Bethge,
    "Texture synthesis using convolutional neural networks", 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.checks import InputError
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


@dataclass(frozen=True)
class Layer:
    """One step of the network: a convolution with its ReLU, or a pooling.

    Attributes:
        name: such as ``conv3_2`` or ``pool1``.
        kind: what the step does.
        stride: pixels of the map before to a pixel of the step's own map.
        reach: pixels that the step looks at on each side.
    """

    name: str
    kind: Literal["convolution", "pooling"]
    stride: int
    reach: int

    def size_after(self, size: int, padding: Padding) -> int:
        """Length of a side of the step's map, of a map whose side has ``size`` pixels; 0 or less if none is left."""
        return (size - 2 * self.reach if padding == "valid" else size) // self.stride


def layers_of(params: Iterable[str]) -> tuple[Layer, ...]:
    """List the network's layers in the order in which a picture passes them.

    Args:
        params: parameters, or just the names of their convolutions; other names are ignored.
    """
    convolutions = sorted(name for name in params if name.startswith("conv"))
    layers: list[Layer] = []
    for name, following in zip(convolutions, (*convolutions[1:], ""), strict=True):
        layers.append(Layer(name, "convolution", 1, 1))
        if _block(name) != _block(following):
            layers.append(Layer(f"pool{_block(name)}", "pooling", 2, 0))
    return tuple(layers)


def _block(name: str) -> str:
    return name.removeprefix("conv").partition("_")[0]


def layer_names(params: Iterable[str]) -> tuple[str, ...]:
    """List the names of all layers in the order in which a picture passes them.

    Args:
        params: parameters, or just the names of their convolutions; other names are ignored.

    Returns:
        For example ``("conv1_1", "conv1_2", "pool1", "conv2_1", …)``. A layer's place in the list is the
        number that the 2017 program gave the layer (2 is ``pool1``, 7 is ``conv3_2``).
    """
    return tuple(layer.name for layer in layers_of(params))


def path_to(layers: Iterable[str], params: Iterable[str]) -> tuple[Layer, ...]:
    """List the network's layers from the first to the deepest of some names.

    Raises:
        InputError: a name that these parameters do not have.
    """
    path = layers_of(params)
    places = {layer.name: place for place, layer in enumerate(path)}
    return path[: max(_find_layer(name, places) for name in layers) + 1]


def _find_layer(name: str, places: Mapping[str, int]) -> int:
    if name not in places:
        choice = ", ".join(f"{number} {known}" for known, number in places.items())
        raise InputError(f"these parameters have no layer {name!r}; wanted a name or number out of: {choice}")
    return places[name]


Map = TypeVar("Map")
"""What passes the network: a feature map, a tile of one, the masks of its regions, or the length of its side."""


def walk(
    path: Sequence[Layer],
    value: Map,
    convolve: Callable[[Layer, Map, Layer | None], Map],
    pool: Callable[[Layer, Map], Map],
    *,
    wanted: Collection[str],
    fuse: Callable[[Layer], bool] = lambda pooling: False,
) -> dict[str, Map]:
    """Pass a value through the layers of a path, and keep what some of the layers make of it.

    Args:
        path: from `path_to`.
        value: what enters the first layer.
        convolve: ``convolve(layer, value, pooling)``: what a convolution makes; if ``pooling`` is a layer, what that
            pooling makes of the convolution's map.
        pool: ``pool(layer, value)``: what a pooling makes.
        wanted: names of the layers to keep.
        fuse: whether a pooling may be done along with the convolution before it, where nobody wants the map between.

    Returns:
        Name of each wanted layer to its value.
    """
    found: dict[str, Map] = {}
    fused = False
    for layer, following in zip(path, (*path[1:], None), strict=True):
        if layer.kind == "convolution":
            pools = following is not None and following.kind == "pooling" and layer.name not in wanted
            fused = pools and following is not None and fuse(following)
            value = convolve(layer, value, following if fused else None)
        elif not fused:
            value = pool(layer, value)
        if layer.name in wanted:
            found[layer.name] = value
    return found


def resolve_layers(layers: Sequence[str | int], params: Iterable[str]) -> tuple[str, ...]:
    """Turn names and the 2017 program's integers into layer names.

    Returns:
        Names in the order given.

    Raises:
        InputError: no layer, a name or number that these parameters do not have, or one given twice.
    """
    names = layer_names(params)
    places = {name: place for place, name in enumerate(names)}
    resolved = []
    for layer in layers:
        token = str(layer)
        if token.isdecimal() and int(token) < len(names):
            resolved.append(names[int(token)])
        else:
            resolved.append(names[_find_layer(token, places)])
    if not resolved:
        raise InputError("no layer was given; wanted at least one, such as pool1")
    for name in resolved:
        if resolved.count(name) > 1:
            raise InputError(f"layer {name!r} was given twice; give each layer once")
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
        InputError: a layer that the parameters lack, or an image too small for it.
    """
    path = path_to(resolve_layers(layers, params), params)
    smallest = minimum_size(layers, 1, padding, params)
    if min(image.shape[:2]) < smallest:
        raise InputError(
            f"an image of {image.shape[1]}x{image.shape[0]} pixels is too small for {', '.join(layers)}; "
            f"wanted at least {smallest} a side"
        )

    def convolve(layer: Layer, current: Array, pooling_layer: Layer | None) -> Array:
        kernel, bias = (jnp.asarray(params[layer.name][part]) for part in ("kernel", "bias"))
        fused = pooling_layer is not None
        return conv3x3_relu(current, kernel, bias, padding, fused, map_type(precision), in_loop)

    def pool(layer: Layer, current: Array) -> Array:
        return average_pool(current) if pooling == "average" else max_pool(current)

    start = preprocess(image, jnp.asarray(params["input"]["mean"]))
    return walk(path, start, convolve, pool, wanted=layers, fuse=lambda _: pooling == "average")


def map_type(precision: Precision) -> str | None:
    """Return the number type of feature maps; None for the picture's own, which is float64 in tests."""
    return None if precision == "float32" else precision


def max_pool(features: Float[Array, "height width channels"]) -> Float[Array, "rows columns channels"]:
    """Maximum over 2x2 pixels, stride 2. An odd last row or column is dropped."""
    rows, columns = features.shape[0] // 2, features.shape[1] // 2
    blocks = features[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, -1)
    return blocks.max(axis=(1, 3))


def feature_size(size: int, layer: str, padding: Padding, params: Iterable[str]) -> int:
    """Length of a side of a layer's feature map; 0 or less where the picture is too small."""

    def shrink(step: Layer, size: int, _: Layer | None = None) -> int:
        return step.size_after(size, padding)

    return walk(path_to([layer], params), size, shrink, shrink, wanted=[layer])[layer]


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
