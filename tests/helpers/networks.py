"""What networks compute, in numpy and float64 as on paper: maps are (height, width, channels), kernels HWIO."""

import numpy as np


def padded(x, width, mode):
    """By `width` on all sides: `zero`, `circular` or `reflect`; `valid` adds nothing."""
    if mode == "valid":
        return x
    return np.pad(x, ((width, width), (width, width), (0, 0)), {"zero": "constant", "circular": "wrap"}.get(mode, mode))


def convolved(x, kernel, bias=0.0, stride=1):
    """The sum over each window that fits, times the kernel."""
    kernel = np.asarray(kernel, np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(0, 1))[::stride, ::stride]
    return np.tensordot(windows, kernel, ((3, 4, 2), (0, 1, 2))) + np.asarray(bias, np.float64)


def pooled(x, mode):
    """The largest or the mean of every 2 x 2 maps; an odd last row or column is left out."""
    height, width, channels = x.shape
    blocks = x[: height // 2 * 2, : width // 2 * 2].reshape(height // 2, 2, width // 2, 2, channels)
    return {"max": np.max, "average": np.mean}[mode](blocks, axis=(1, 3))


def doubled(x):
    """Each value four times."""
    return x.repeat(2, axis=0).repeat(2, axis=1)


def instance_normalized(x, gain, shift, epsilon=1e-5):
    """Mean 0 and variance 1 of every channel (Ulyanov et al. 2016), then its gain and shift."""
    return (x - x.mean((0, 1))) / np.sqrt(x.var((0, 1)) + epsilon) * gain + shift


def relu(x):
    return np.maximum(x, 0.0)


def vgg_features(x, layers, padding, pooling):
    """Maps of every layer of a VGG network by name, up to the last that has room.

    Args:
        x: the picture as the network wants it.
        layers: of each convolution, in the network's order, its kernel and bias.
        padding: `valid`, `zero`, `circular` or `reflect`.
        pooling: `max` or `average`.
    """
    found = {}
    for block in sorted({name[4] for name in layers}):
        for name in [name for name in layers if name[4] == block]:
            if min(x.shape[:2]) < 3:
                return found
            kernel, bias = layers[name]
            found[name] = x = relu(convolved(padded(x, 1, padding), kernel, bias))
        if min(x.shape[:2]) < 2:
            return found
        found[f"pool{block}"] = x = pooled(x, pooling)
    return found
