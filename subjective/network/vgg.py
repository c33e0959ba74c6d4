"""The convolutional part of VGG, as a function of an image and a dictionary of parameters.

Layers are named ``conv{block}_{depth}`` (a convolution with its ReLU) and ``pool{block}``. The names of the parameters
determine whether the network is VGG-16 or VGG-19, and where the network ends.

References:
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014. Average pooling
    and normalized parameters: Gatys, Ecker and Bethge, "Texture synthesis using convolutional neural networks", 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.arguments import check_list, check_map, check_texts
from subjective.checks import InputError, at_least, check_number, check_word, describe
from subjective.choices import PADDINGS, POOLINGS, PRECISIONS, Padding, Pooling, Precision
from subjective.network.convolution import average_pool, conv3x3_relu
from subjective.pyramid import octave_size

Params = Mapping[str, Mapping[str, Array | np.ndarray]]
"""``{"input": {"mean"}, "conv1_1": {"kernel", "bias"}, ...}``; kernels are (height, width, inputs, outputs)."""

Features = dict[str, Array]
"""Map from the name of a layer to its feature map ``(height, width, channels)``."""


def check_network(params: Any) -> None:
    """Check that a value holds the parameters of a network. Numbers are not looked at, so that they may be traced.

    Raises:
        InputError: the value is no map from layers to maps of arrays, a layer lacks an array, or shapes do not fit.
    """
    wanted = "wanted a network from subjective.load_params()"
    if not isinstance(params, Mapping) or not all(isinstance(layer, Mapping) for layer in params.values()):
        raise InputError(f"params is {describe(params)}; {wanted}")
    convolutions, channels = [layer.name for layer in layers_of(params) if layer.kind == "convolution"], 3
    if not convolutions:
        raise InputError(f"params has no convolution such as conv1_1; {wanted}")
    if (mean := _shape_in(params, "input", "mean")) != (3,):
        raise InputError(f"params['input']['mean'] has shape {mean}; {wanted}")
    for name in convolutions:
        kernel, bias = _shape_in(params, name, "kernel"), _shape_in(params, name, "bias")
        if kernel is None or len(kernel) != 4 or kernel[:3] != (3, 3, channels) or bias != kernel[3:]:
            raise InputError(f"params[{name!r}] has a kernel of shape {kernel} and a bias of shape {bias}; {wanted}")
        channels = kernel[3]


def _shape_in(params: Params, layer: str, part: str) -> tuple[int, ...] | None:
    """Return the shape of an array of a layer; None if the layer has no such array."""
    shape = getattr(params.get(layer, {}).get(part), "shape", None)
    return shape if isinstance(shape, tuple) else None


@dataclass(frozen=True)
class Layer:
    """One step of the network: a convolution with its ReLU, or a pooling.

    Attributes:
        name: for example ``conv3_2`` or ``pool1``.
        kind: whether the step is a convolution or a pooling.
        stride: factor by which the step reduces the number of pixels along each axis: 1 for a convolution, 2 for a
            pooling.
        reach: how many neighbors on each side of a pixel enter the result: 1 for a convolution, 0 for a pooling.
    """

    name: str
    kind: Literal["convolution", "pooling"]
    stride: int
    reach: int

    def size_after(self, size: int, padding: Padding) -> int:
        """Return the length of a side after this step.

        Args:
            size: length of the side before the step, in pixels.
            padding: padding of convolutions.

        Returns:
            The length in pixels; 0 or less if no pixel is left.
        """
        return (size - 2 * self.reach if padding == "valid" else size) // self.stride


def layers_of(params: Iterable[str]) -> tuple[Layer, ...]:
    """List the network's layers from the first to the last.

    Args:
        params: parameters, or only the names of the convolutions. Other names are ignored.

    Raises:
        InputError: the value is no such map or list.
    """
    listed = list(params) if isinstance(params, Mapping) else params
    names = check_texts("params", listed, "a network, or the names of its convolutions")
    convolutions = sorted(name for name in names if name.startswith("conv"))
    layers: list[Layer] = []
    for name, following in zip(convolutions, [*convolutions, ""][1:], strict=True):
        layers.append(Layer(name, "convolution", 1, 1))
        if _block(name) != _block(following):
            layers.append(Layer(f"pool{_block(name)}", "pooling", 2, 0))
    return tuple(layers)


def _block(name: str) -> str:
    """Return the block in the name of a convolution."""
    return name.removeprefix("conv").partition("_")[0]


def layer_names(params: Iterable[str]) -> tuple[str, ...]:
    """List the names of the network's layers from the first to the last.

    Args:
        params: parameters, or only the names of the convolutions. Other names are ignored.

    Returns:
        For example ``("conv1_1", "conv1_2", "pool1", "conv2_1", …)``. The 2017 program called a layer by its index in
        this list (2 is ``pool1``, 7 is ``conv3_2``).

    Raises:
        InputError: the value is no such map or list.

    Examples:
        >>> subjective.layer_names(params)[:4]
        ('conv1_1', 'conv1_2', 'pool1', 'conv2_1')
    """
    return tuple(layer.name for layer in layers_of(params))


def path_to(layers: Iterable[str], params: Iterable[str]) -> tuple[Layer, ...]:
    """List the network's layers from the first to the deepest of the named layers.

    Args:
        layers: names of layers.
        params: parameters, or only the names of the convolutions.

    Raises:
        InputError: the network has no layer of such a name.
    """
    path = layers_of(params)
    places = {layer.name: place for place, layer in enumerate(path)}
    return path[: max(_find_layer(name, places) for name in layers) + 1]


def _find_layer(name: str, places: Mapping[str, int]) -> int:
    """Return the place of a layer in the network; refuse an unknown name."""
    if name not in places:
        choice = ", ".join(f"{number} {known}" for known, number in places.items())
        raise InputError(f"these parameters have no layer {name!r}; wanted a name or number out of: {choice}")
    return places[name]


Value = TypeVar("Value")
"""What `walk` passes through the network: a feature map, a tile of a map, masks of a map, or the length of a side."""


def walk(
    path: Sequence[Layer],
    value: Value,
    convolve: Callable[[Layer, Value, Layer | None], Value],
    pool: Callable[[Layer, Value], Value],
    *,
    wanted: Collection[str],
    fuse: Callable[[Layer], bool] = lambda pooling: False,
) -> dict[str, Value]:
    """Pass a value through the layers of a path, and keep the value after each wanted layer.

    Args:
        path: from `path_to`.
        value: the input of the first layer.
        convolve: ``convolve(layer, value, None)`` returns the value after a convolution.
            ``convolve(layer, value, pooling)`` returns the value after a convolution and the pooling that follows.
        pool: ``pool(layer, value)`` returns the value after a pooling.
        wanted: names of the layers to keep.
        fuse: ``fuse(pooling)`` says whether ``convolve`` may do this pooling too. `walk` calls ``fuse`` only if the
            value between the convolution and the pooling is not wanted.

    Returns:
        ``{name: value}`` of each wanted layer.
    """
    found: dict[str, Value] = {}
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
    """Turn layer names and the 2017 program's numbers of layers into layer names.

    Args:
        layers: names or numbers; see `layer_names`.
        params: parameters, or only the names of the convolutions.

    Returns:
        Names in the order given.

    Raises:
        InputError: no layer is given, a layer is given twice, or the network has no layer of such a name or number.
    """
    names = layer_names(params)
    places = {name: place for place, name in enumerate(names)}
    resolved = []
    for layer in check_list("layers", layers, "names of layers, such as ('pool1', 'conv3_2')"):
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
    """Convert RGB in [0, 1] to the network's input: BGR in 0 to 255, minus ``mean`` (BGR)."""
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
    direct: bool = False,
) -> Features:
    """Compute the feature maps of some layers, after ReLU or pooling. Layers deeper than ``layers`` are not computed.

    Args:
        params: parameters of the network.
        image: RGB in [0, 1].
        layers: names of layers, in any order.
        padding: what lies outside the map of every convolution: zeros for ``same`` (in the network's input, zero is the
            mean color), the opposite side of the map for ``circular``. With ``valid`` there is no padding, and each
            convolution makes a map one pixel smaller on each side.
        pooling: average or maximum of 2x2 pixels, stride 2. An odd last row or column is dropped.
        precision: how the maps are stored and multiplied (see `subjective.network.convolution`). With ``bfloat16``,
            the first convolution, whose input is the picture, still multiplies in float32.
        in_loop: whether the function is called in the body of a compiled loop, where another form of the convolution
            is fastest.
        direct: whether the convolution has the form that compiles soonest, for programs that run a few times.

    Returns:
        ``{layer: (height, width, channels)}``.

    Raises:
        InputError: the network lacks a layer, the image is too small for a layer, or an argument is of a wrong kind.

    Examples:
        >>> features = subjective.extract_features(params, jnp.asarray(rock), ["pool1", "conv3_2"], padding="circular")
        >>> {layer: features[layer].shape for layer in sorted(features)}
        {'conv3_2': (24, 24, 256), 'pool1': (48, 48, 64)}
    """
    check_network(params)
    check_map("image", image, 3)
    for name, word, words in (("padding", padding, PADDINGS), ("pooling", pooling, POOLINGS)):
        check_word(name, word, words)
    check_word("precision", precision, PRECISIONS)
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
        return conv3x3_relu(current, kernel, bias, padding, fused, precision, in_loop, direct)

    def pool(layer: Layer, current: Array) -> Array:
        return average_pool(current) if pooling == "average" else max_pool(current)

    start = preprocess(image, jnp.asarray(params["input"]["mean"]))
    return walk(path, start, convolve, pool, wanted=layers, fuse=lambda _: pooling == "average")


def max_pool(features: Float[Array, "height width channels"]) -> Float[Array, "rows columns channels"]:
    """Take the maximum of each square of 2x2 pixels, stride 2. An odd last row or column is dropped."""
    rows, columns = features.shape[0] // 2, features.shape[1] // 2
    windows = features[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, -1)
    return windows.max(axis=(1, 3))


def feature_size(size: int, layer: str, padding: Padding, params: Iterable[str]) -> int:
    """Return the length of a side of a layer's feature map.

    Args:
        size: length of the picture's side, in pixels.
        layer: name of the layer.
        padding: padding of convolutions.
        params: parameters, or only the names of the convolutions.

    Returns:
        The length in pixels; 0 or less if the picture is too small.
    """
    for step in _steps_to(layer, tuple(params)):
        size = step.size_after(size, padding)
    return size


@lru_cache(maxsize=256)
def _steps_to(layer: str, params: tuple[str, ...]) -> tuple[Layer, ...]:
    """Do as `path_to` for one layer. A plan asks for the sizes of a few layers a thousand times."""
    return path_to([layer], params)


def minimum_size(layers: Sequence[str], octaves: int, padding: Padding, params: Iterable[str]) -> int:
    """Find the smallest side of a picture for which every layer has at least one pixel at every octave.

    Args:
        layers: names of layers.
        octaves: number of octaves. The last octave is the picture after ``octaves - 1`` reductions.
        padding: padding of the pyramid and of convolutions.
        params: parameters, or only the names of the convolutions.

    Returns:
        The length of the side in pixels. For ``valid`` and pool1, it is 6, 15, 33, 69 and 141 with 1 to 5 octaves.

    Raises:
        InputError: the network lacks a layer, or an argument is of a wrong kind.

    Examples:
        >>> subjective.minimum_size(["pool1"], 3, "valid", params)
        33
    """
    check_number("octaves", octaves, at_least(1), whole=True)
    check_word("padding", padding, PADDINGS)
    names = layer_names(params)
    layers = check_texts("layers", layers, "names of layers, such as ('pool1', 'conv3_2')")
    size = 1
    while any(feature_size(octave_size(size, octaves - 1, padding), layer, padding, names) < 1 for layer in layers):
        size += 1
    return size
