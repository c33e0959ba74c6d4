"""Define the layout of VGG's parameters in this package, and convert other conventions to it.

Parameters are a pytree `dict[layer, dict[name, array]]` in network order: `{"input": {"mean": (3,)}, "conv1_1":
{"kernel": (3, 3, in, out), "bias": (out,)}, ...}`, all float32. Kernels are HWIO; convolutions are cross-correlations.
The network's input is BGR in 0 to 255, minus `input.mean`. This module knows nothing of file formats: it names layers,
checks shapes, and converts the input conventions of other frameworks.

References:
    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2014), table 1,
    columns D (VGG-16) and E (VGG-19).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from subjective.checks import InputError

NORMALIZED = "normalized"
"""Entry of ``params["input"]`` that normalized parameters have, and raw ones do not. Its value does not count."""

NumpyParams = dict[str, dict[str, np.ndarray]]
"""Parameters in the layout of this module, as numpy arrays in network order."""

Convolutions = Mapping[str, Mapping[str, np.ndarray]]
"""``{layer: {"kernel": HWIO, "bias": (out,)}}`` in any order."""

Widths = tuple[int, ...] | None
"""Number of channels in each block; None accepts any."""

BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Number of convolutions in each block."""

WIDTHS = (64, 128, 256, 512, 512)
"""Number of channels in each block of the published networks."""

MEAN_BGR = (103.939, 116.779, 123.68)
"""Mean color of the pictures with which the Visual Geometry Group trained; BGR in 0 to 255."""

TORCHVISION_MEAN = (0.485, 0.456, 0.406)
"""torchvision.models.vgg subtracts this mean from RGB in [0, 1]."""

TORCHVISION_STD = (0.229, 0.224, 0.225)
"""torchvision.models.vgg then divides by this standard deviation."""

CONVENTIONS = ("caffe-bgr", "caffe-rgb", "torchvision")
"""Input conventions that `to_bgr` converts."""


def one_line(text: object, limit: int = 400) -> str:
    """Join the lines of a text for an error message.

    Every run of white space becomes one blank, and the text is cut at ``limit`` characters.
    """
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def convolution_names(architecture: str, blocks: int = 5) -> list[str]:
    """List the convolutions of the first ``blocks`` blocks, in network order: `conv1_1`, `conv1_2`, `conv2_1`, ..."""
    if architecture not in BLOCKS:
        raise InputError(f"unknown architecture {architecture!r}; wanted one of {', '.join(BLOCKS)}")
    depths = BLOCKS[architecture][:blocks]
    return [f"conv{b}_{c}" for b, depth in enumerate(depths, 1) for c in range(1, depth + 1)]


def name_convolutions(count: int) -> list[str]:
    """Name ``count`` convolutions by their order, which is all that is known about them.

    The number of convolutions tells VGG-16 from VGG-19, except for 2 or 4: blocks 1 and 2 are the same in both.

    Raises:
        InputError: ``count`` convolutions do not fill whole blocks of VGG-16 or VGG-19.
    """
    for architecture in BLOCKS:
        for blocks in range(1, 6):
            names = convolution_names(architecture, blocks)
            if len(names) == count:
                return names
    raise InputError(
        f"holds {count} 3x3 convolutions; wanted 2, 4, 7, 10 or 13 (blocks of VGG-16) or 8, 12 or 16 (VGG-19)"
    )


def architecture_of(names: Iterable[str]) -> str:
    """Find the architecture in `BLOCKS` by the names of the convolutions. Parameters may end after any complete block.

    Returns:
        The first architecture that fits: `vgg16` for the blocks that VGG-16 and VGG-19 have in common.

    Raises:
        InputError: a layer is missing, or belongs to no architecture. The message names the layer.
    """
    found = {name for name in names if name != "input"}
    able = [architecture for architecture in BLOCKS if found.issubset(convolution_names(architecture))]
    if not able:
        known = {name for architecture in BLOCKS for name in convolution_names(architecture)}
        strange = min(found - known, default=max(found))
        raise InputError(f"has a layer {strange!r}, which none of {', '.join(BLOCKS)} has")
    last = max((int(name[4]) for name in found), default=1)
    for architecture in able:
        if found.issuperset(convolution_names(architecture, last)):
            return architecture
    missing = [name for name in convolution_names(able[0], last) if name not in found]
    raise InputError(
        f"lacks {', '.join(missing)}; wanted complete blocks: {able[0]} has blocks of "
        f"{BLOCKS[able[0]]} convolutions and may end after any block"
    )


def build_params(convolutions: Convolutions, mean: object = None, widths: Widths = WIDTHS) -> NumpyParams:
    """Check named kernels and biases, and return them as parameters in network order and float32.

    Args:
        convolutions: ``{layer: {"kernel": (3, 3, in, out), "bias": (out,)}}`` in any order, of any floating dtype.
        mean: (3,) BGR in 0 to 255; None for `MEAN_BGR`, the mean with which the Visual Geometry Group trained.
        widths: channels that each block must have. None accepts any numbers, which small test networks need; still,
            each layer must have as many inputs as the layer before has outputs.

    Raises:
        InputError: a layer or a bias is missing, has another shape, or is not finite. The message names the layer
            and, for a wrong shape, gives the expected shape and the shape that was found.
    """
    architecture = architecture_of(convolutions)
    params: NumpyParams = {"input": {"mean": _check_array("input.mean", MEAN_BGR if mean is None else mean, (3,))}}
    channels = 3
    for name in convolution_names(architecture, max(int(name[4]) for name in convolutions if name != "input")):
        layer = convolutions[name]
        for part in ("kernel", "bias"):
            if layer.get(part) is None:
                raise InputError(f"lacks {name}.{part}; a convolution needs its kernel and its bias")
        shape = np.shape(layer["kernel"])
        block = int(name[4]) - 1
        out = widths[block] if widths is not None else (shape[3] if len(shape) == 4 else 0)
        params[name] = {
            "kernel": _check_array(f"{name}.kernel", layer["kernel"], (3, 3, channels, out)),
            "bias": _check_array(f"{name}.bias", layer["bias"], (out,)),
        }
        channels = out
    return params


def check_params(params: NumpyParams, widths: Widths = WIDTHS) -> str:
    """Check that parameters are complete and of the right shapes, and return their architecture.

    Raises:
        InputError: see `build_params`.
    """
    build_params({k: v for k, v in params.items() if k != "input"}, params.get("input", {}).get("mean"), widths)
    return architecture_of(params)


def to_bgr(params: NumpyParams, convention: str, mean_given: bool = False) -> NumpyParams:
    """Convert a network of any input convention to one that takes BGR in 0 to 255, minus `input.mean`.

    `caffe-bgr` is this convention; the parameters are returned unchanged. `caffe-rgb` takes RGB minus the RGB mean: the
    order of conv1_1's input channels is reversed. `torchvision` takes (x / 255 - m) / s, where x is RGB in
    0 to 255, m is `TORCHVISION_MEAN` and s is `TORCHVISION_STD`: the order is reversed too, conv1_1's kernel is divided
    by 255 s, and `input.mean` becomes 255 m. In the input of either network, zero means the mean
    color. Therefore pixels padded with zeros, too, give the same features as in torchvision.

    Args:
        params: from `build_params`; `input.mean` is in BGR already.
        convention: one of `CONVENTIONS`.
        mean_given: whether the file gave `input.mean`; if not, `torchvision` sets `input.mean` to torchvision's mean.

    Raises:
        InputError: the convention is unknown.
    """
    if convention not in CONVENTIONS:
        raise InputError(f"unknown convention {convention!r}; wanted one of {', '.join(CONVENTIONS)}")
    if convention == "caffe-bgr":
        return params
    first, mean = params["conv1_1"], params["input"]["mean"]
    kernel = first["kernel"].astype(np.float64)
    if convention == "torchvision":
        kernel = kernel / (255.0 * np.array(TORCHVISION_STD))[:, None]
        if not mean_given:
            mean = np.array(TORCHVISION_MEAN[::-1]) * 255.0
    reordered = {"kernel": np.ascontiguousarray(kernel[:, :, ::-1], np.float32), "bias": first["bias"]}
    return {**params, "input": {"mean": np.asarray(mean, np.float32)}, "conv1_1": reordered}


def random_params(
    seed: int, architecture: str = "vgg16", blocks: int = 5, widths: tuple[int, ...] = (4, 6, 8, 10, 10)
) -> NumpyParams:
    """Make a small network with random kernels (He et al. 2015, eq. 10) and small biases, for tests and trials.

    Args:
        seed: of numpy's random generator.
        architecture: ``vgg16`` or ``vgg19``.
        blocks: number of blocks.
        widths: channels of each block.
    """
    rng = np.random.default_rng(seed)
    convolutions, channels = {}, 3
    for name in convolution_names(architecture, blocks):
        out = widths[int(name[4]) - 1]
        kernel = rng.standard_normal((3, 3, channels, out)) * np.sqrt(2.0 / (9 * channels))
        convolutions[name] = {"kernel": kernel, "bias": rng.standard_normal(out) * 0.1}
        channels = out
    return build_params(convolutions, widths=widths)


def _check_array(name: str, array: object, expected: tuple[int, ...]) -> np.ndarray:
    """Check the shape of an array and that its numbers are finite floats; return a copy in float32."""
    values = np.asarray(array)
    if values.shape != expected:
        hint = ""
        if len(expected) == 4 and values.shape == (expected[3], expected[2], 3, 3):
            hint = " (that is OIHW: transpose it, or export it again for TensorFlow's order)"
        raise InputError(f"{name}: expected shape {expected}, got {values.shape}{hint}")
    # bfloat16 comes from ml_dtypes and has kind V, but numpy can convert it to float32.
    if values.dtype.kind not in "f" and values.dtype.name not in ("bfloat16",):
        raise InputError(f"{name}: expected floating-point numbers, got {values.dtype}")
    # A damaged float64 may lie outside the range of float32. The check below refuses it; silence numpy's warning.
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.array(values, np.float32, order="C")  # a copy: a reader's array may lie in the file's buffer
    if not np.isfinite(values).all():
        raise InputError(f"{name}: holds NaN or infinite numbers; the file is damaged")
    return values
