"""Measures the scales that bring every filter's mean activation to one.

Raw activations differ in size by orders of magnitude between filters, and a Gram matrix squares that: a
few loud filters are then all that is matched. Gatys and others therefore divide each filter by
its mean activation over many photographs. Since ReLU and pooling let positive factors pass, these
scales can be folded into the kernels exactly (`subjective.network.weights.normalized`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from subjective.checks import InputError, setting
from subjective.images import find_images, read_image
from subjective.network import weights
from subjective.network.vgg import Params, extract_features, layer_names

QUIET = 1e-2
"""A filter whose mean activation is below this share of its layer's median counts as having that share.

Filters that hardly ever answer to a photograph would else be turned up until they shout.
"""


def photographs() -> list[Path]:
    """The pictures that come with the package for this purpose."""
    return find_images([weights.embedded_dir() / "photographs"])


def activation_scales(params: Params, pictures: Iterable[Path] | None = None) -> dict[str, np.ndarray]:
    """One over the mean activation of each filter, over all pixels and pictures.

    Every picture counts the same. Padding is ``valid``, so that borders do not take part, and pooling
    is ``average``, as in synthesis.

    Args:
        params: raw parameters.
        pictures: files; those of `photographs` if not given.

    Returns:
        ``{layer: (channels,)}``, float32, for every convolution; positive and finite.

    Raises:
        ValueError: no picture, or one too small for the deepest layer.

    References:
        Gatys, Ecker and Bethge, "Texture synthesis using convolutional neural networks", 2015, section 2.
    """
    convolutions = tuple(name for name in layer_names(params) if name.startswith("conv"))

    @jax.jit
    def mean_activations(params: Params, image: jax.Array) -> dict[str, jax.Array]:
        features = extract_features(params, image, convolutions, padding="valid", pooling="average")
        return {name: jnp.mean(maps, axis=(0, 1)) for name, maps in features.items()}

    files = list(pictures) if pictures is not None else photographs()
    if not files:
        raise InputError("no picture to measure activations on; give at least one")
    sums: dict[str, np.ndarray] = {name: np.zeros(()) for name in convolutions}
    for file in files:
        means = mean_activations(params, jnp.asarray(read_image(file)))
        for name in convolutions:
            sums[name] = sums[name] + np.asarray(means[name], dtype=np.float64)
    return {name: _scales(total / len(files)) for name, total in sums.items()}


def _scales(means: np.ndarray) -> np.ndarray:
    floor = max(QUIET * float(np.median(means)), float(np.finfo(np.float32).tiny) * 1e4)
    return (1 / np.maximum(means, floor)).astype(np.float32)


def load_params(name: str | Path = "vgg16", *, data_dir: str | Path | None = None, raw: bool = False) -> Params:
    """The parameters of a network, verified, in the form that the functions of this package take.

    Args:
        name: as `subjective.network.weights.load` takes it.
        data_dir: a second folder to look in.
        raw: as published; otherwise normalized to a mean activation of one.

    Returns:
        ``{"input": {"mean"}, "conv1_1": {"kernel", "bias"}, …}``.

    Raises:
        FileNotFoundError: no such network.
        ValueError: the file is not what it should be, or there are no scales to normalize it with.
    """
    return params_of(weights.load(name, data_dir), raw=raw)


def params_of(network: weights.Network, *, raw: bool = False) -> Params:
    """The parameters of a loaded network, raw or normalized; see `load_params`."""
    if raw:
        return network.params
    if network.scales is None:
        raise InputError(
            f"{network.name} has no activation scales beside it; make them with `subjective weights "
            f"normalize {network.path}`, or use {setting('raw_weights')}"
        )
    return weights.normalized(network.params, network.scales)
