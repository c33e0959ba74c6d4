"""Measure the scales that bring the mean activation of every filter to one, and load normalized parameters.

Raw activations of different filters differ by orders of magnitude; elements of a Gram matrix, as products of two
activations, differ by twice as many. A match of Gram matrices would therefore depend on a few strong filters only.
Gatys and others divide each filter by its mean activation over many photographs. ReLU and pooling commute with positive
factors; multiplying the kernels by the scales is therefore exact (`subjective.network.weights.normalize`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from subjective.arguments import check_list
from subjective.checks import InputError, setting
from subjective.compilation import jit
from subjective.images import find_images, read_image
from subjective.network import weights
from subjective.network.vgg import Params, check_network, extract_features, layer_names

MIN_ACTIVATION = 1e-2
"""A mean activation below this share of the layer's median is replaced by this share of the median.

Without this lower limit, filters that hardly respond to photographs would get huge scales.
"""


def find_photographs() -> list[Path]:
    """List the pictures that come with the package for measuring activations."""
    return find_images([weights.embedded_dir() / "photographs"])


def activation_scales(params: Params, pictures: Iterable[Path] | None = None) -> dict[str, np.ndarray]:
    """Measure the mean activation of each filter over all pixels and pictures, and return one over this mean.

    Every picture counts equally. Padding is ``valid``, so that nothing outside a picture counts, and pooling is
    ``average``, as in synthesis.

    Args:
        params: raw parameters.
        pictures: files of pictures; None for the pictures of `find_photographs`.

    Returns:
        ``{layer: (channels,)}``, float32, for every convolution. All numbers are positive and finite.

    Raises:
        InputError: there is no picture, a picture is too small for the deepest layer, or an argument is of a wrong
            kind.

    References:
        Gatys, Ecker and Bethge, "Texture synthesis using convolutional neural networks", 2015, section 2.
    """
    check_network(params)
    convolutions = tuple(name for name in layer_names(params) if name.startswith("conv"))

    @jit
    def mean_activations(params: Params, image: jax.Array) -> dict[str, jax.Array]:
        features = extract_features(params, image, convolutions, padding="valid", pooling="average")
        return {name: jnp.mean(maps, axis=(0, 1)) for name, maps in features.items()}

    files = check_list("pictures", pictures, "a list of files") if pictures is not None else find_photographs()
    if not files:
        raise InputError("no picture to measure activations on; give at least one")
    sums: dict[str, np.ndarray] = {name: np.zeros(()) for name in convolutions}
    for file in files:
        means = mean_activations(params, jnp.asarray(read_image(file)))
        for name in convolutions:
            sums[name] = sums[name] + np.asarray(means[name], dtype=np.float64)
    return {name: _invert(total / len(files)) for name, total in sums.items()}


def _invert(means: np.ndarray) -> np.ndarray:
    """Return one over the mean activations, after raising small means to the limit that `MIN_ACTIVATION` sets."""
    floor = max(MIN_ACTIVATION * float(np.median(means)), float(np.finfo(np.float32).tiny) * 1e4)
    return (1 / np.maximum(means, floor)).astype(np.float32)


def load_params(name: str | Path = "vgg16", *, data_dir: str | Path | None = None, raw: bool = False) -> Params:
    """Load the parameters of a network, and normalize them unless ``raw`` is true.

    The file is verified first, if `SHA256SUMS` in its folder lists the file's hash.

    Args:
        name: name or file of a network; see `subjective.network.weights.load`.
        data_dir: a folder of networks, searched after the folder that comes with the package.
        raw: whether to return the parameters as published. If not, every filter is normalized to a mean activation of
            one.

    Returns:
        ``{"input": {"mean"}, "conv1_1": {"kernel", "bias"}, …}``.

    Raises:
        MissingFileError: there is no such network.
        InputError: the file is damaged or not VGG, or ``raw`` is false and the network has no file of scales.

    Examples:
        >>> params = subjective.load_params()
        >>> params["conv1_1"]["kernel"].shape  # height, width, channels in, channels out
        (3, 3, 3, 64)
    """
    return params_of(weights.load(name, data_dir), raw=raw)


def params_of(network: weights.Network, *, raw: bool = False) -> Params:
    """Return the parameters of a loaded network, raw or normalized; see `load_params`."""
    if raw:
        return network.params
    if network.scales is None:
        raise InputError(
            f"{network.name} has no activation scales beside it; measure them with `subjective weights "
            f"normalize {network.path}`, or use {setting('raw_weights')}"
        )
    return weights.normalize(network.params, network.scales)
