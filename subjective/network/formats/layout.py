"""What the parameters of a VGG network must look like, and the one shape they take in this package.

Parameters are a plain pytree `dict[layer, dict[name, array]]` in network order: `{"input": {"mean": (3,)}, "conv1_1":
{"kernel": (3, 3, in, out), "bias": (out,)}, ...}`, all float32. Kernels are HWIO cross-correlations. The network takes
BGR in 0 to 255, minus `input.mean`. This module knows no file format: it names layers, checks shapes, and brings the
input conventions of other frameworks to this one.

References: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2014),
table 1, columns D (VGG-16) and E (VGG-19).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from subjective.checks import InputError

Params = dict[str, dict[str, np.ndarray]]
Convolutions = Mapping[str, Mapping[str, np.ndarray]]
Widths = tuple[int, ...] | None

BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)
MEAN_BGR = (103.939, 116.779, 123.68)
# torchvision.models.vgg: ToTensor, then Normalize with these, in RGB.
TORCHVISION_MEAN = (0.485, 0.456, 0.406)
TORCHVISION_STD = (0.229, 0.224, 0.225)
CONVENTIONS = ("caffe-bgr", "caffe-rgb", "torchvision")


def one_line(text: object, limit: int = 400) -> str:
    """The text with every run of white space made one blank, cut at `limit` characters: errors are one line each."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def layer_names(architecture: str, blocks: int = 5) -> list[str]:
    """Names of the convolutions of the first `blocks` blocks, in network order: `conv1_1`, `conv1_2`, `conv2_1`, ..."""
    if architecture not in BLOCKS:
        raise InputError(f"unknown architecture {architecture!r}; wanted one of {', '.join(BLOCKS)}")
    depths = BLOCKS[architecture][:blocks]
    return [f"conv{b}_{c}" for b, depth in enumerate(depths, 1) for c in range(1, depth + 1)]


def names_in_order(count: int) -> list[str]:
    """Names for `count` convolutions that are known by their order only.

    Raises: ValueError when no whole number of blocks of VGG-16 or VGG-19 has that many. (Blocks 1 and 2 are the same in
    both, so 2 and 4 are VGG-16's.)
    """
    for architecture in BLOCKS:
        for blocks in range(1, 6):
            names = layer_names(architecture, blocks)
            if len(names) == count:
                return names
    raise InputError(
        f"holds {count} 3x3 convolutions; wanted 2, 4, 7, 10 or 13 (blocks of VGG-16) or 8, 12 or 16 (VGG-19)"
    )


def architecture_of(names: Iterable[str]) -> str:
    """`vgg16` or `vgg19`, from the layers' names; a file may end after any complete block.

    Raises: ValueError when a layer is missing or belongs to neither network, naming it.
    """
    found = {name for name in names if name != "input"}
    architecture = "vgg19" if any(name.endswith("_4") for name in found) else "vgg16"
    if strange := sorted(found.difference(layer_names(architecture))):
        raise InputError(f"has a layer {strange[0]!r} which neither VGG-16 nor VGG-19 has")
    last = max((int(name[4]) for name in found), default=1)
    if missing := [name for name in layer_names(architecture, last) if name not in found]:
        raise InputError(
            f"lacks {', '.join(missing)}; wanted all layers of every block it begins: {architecture} has "
            f"blocks of {BLOCKS[architecture]} convolutions and may end after any of them"
        )
    return architecture


def build(convolutions: Convolutions, mean: object = None, widths: Widths = WIDTHS) -> Params:
    """Parameters in network order, checked and in float32, out of named kernels and biases.

    Args:
        convolutions: `{layer: {"kernel": (3, 3, in, out), "bias": (out,)}}` in any order, any floating dtype.
        mean: (3,) BGR in 0 to 255; None for the mean the Visual Geometry Group trained with, `MEAN_BGR`.
        widths: channels of each block. None takes what the kernels say, so that small networks serve in tests, and asks
            only that each layer takes what the one before it gives.

    Raises: ValueError naming the layer, the shape expected and the shape that came; or what is missing or not finite.
    """
    architecture = architecture_of(convolutions)
    params: Params = {"input": {"mean": _finite("input.mean", MEAN_BGR if mean is None else mean, (3,))}}
    channels = 3
    for name in layer_names(architecture, max(int(name[4]) for name in convolutions if name != "input")):
        layer = convolutions[name]
        for part in ("kernel", "bias"):
            if layer.get(part) is None:
                raise InputError(f"lacks {name}.{part}; a convolution needs its kernel and its bias")
        shape = np.shape(layer["kernel"])
        block = int(name[4]) - 1
        out = widths[block] if widths is not None else (shape[3] if len(shape) == 4 else 0)
        params[name] = {
            "kernel": _finite(f"{name}.kernel", layer["kernel"], (3, 3, channels, out)),
            "bias": _finite(f"{name}.bias", layer["bias"], (out,)),
        }
        channels = out
    return params


def check(params: Params, widths: Widths = WIDTHS) -> str:
    """The architecture of `params` when they are whole and of the right shapes; ValueError as `build` otherwise."""
    build({k: v for k, v in params.items() if k != "input"}, params.get("input", {}).get("mean"), widths)
    return architecture_of(params)


def to_bgr(params: Params, convention: str, mean_given: bool = False) -> Params:
    """The same network for BGR in 0 to 255 minus `input.mean`, from parameters of another input convention.

    `caffe-bgr` is that already. `caffe-rgb` takes RGB minus the RGB mean: conv1_1's input channels are turned round.
    `torchvision` takes (x / 255 - m) / s in RGB: 255 s goes into conv1_1's kernel, and `input.mean` becomes 255 m, so
    that a padding zero is still the mean color and every padding mode gives torchvision's own features.

    Args:
        params: as `build` gives them; `input.mean` is in BGR already.
        convention: one of `CONVENTIONS`.
        mean_given: the file itself gave the mean; else torchvision's replaces it.
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
    turned = {"kernel": np.ascontiguousarray(kernel[:, :, ::-1], np.float32), "bias": first["bias"]}
    return {**params, "input": {"mean": np.asarray(mean, np.float32)}, "conv1_1": turned}


def random_params(
    seed: int, architecture: str = "vgg16", blocks: int = 5, widths: tuple[int, ...] = (4, 6, 8, 10, 10)
) -> Params:
    """A small network with random kernels (He et al. 2015, eq. 10) and small biases, for tests and trials."""
    rng = np.random.default_rng(seed)
    convolutions, channels = {}, 3
    for name in layer_names(architecture, blocks):
        out = widths[int(name[4]) - 1]
        kernel = rng.standard_normal((3, 3, channels, out)) * np.sqrt(2.0 / (9 * channels))
        convolutions[name] = {"kernel": kernel, "bias": rng.standard_normal(out) * 0.1}
        channels = out
    return build(convolutions, widths=widths)


def _finite(name: str, array: object, expected: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(array)
    if values.shape != expected:
        hint = ""
        if len(expected) == 4 and values.shape == (expected[3], expected[2], 3, 3):
            hint = " (that is OIHW: transpose it, or export it again for TensorFlow's order)"
        raise InputError(f"{name}: expected shape {expected}, got {values.shape}{hint}")
    # bfloat16 and its like come from ml_dtypes and have kind V, but they know how to become float32.
    if values.dtype.kind not in "f" and values.dtype.name not in ("bfloat16",):
        raise InputError(f"{name}: expected floating-point numbers, got {values.dtype}")
    # A damaged double may lie outside float32; the next line says so, and numpy's own warning would only double it.
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.array(values, np.float32, order="C")  # a copy: what readers give may lie in a file's buffer
    if not np.isfinite(values).all():
        raise InputError(f"{name}: holds NaN or infinite numbers; the file is damaged")
    return values
