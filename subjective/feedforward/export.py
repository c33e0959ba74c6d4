"""Export a trained network with its parameters as portable StableHLO; JAX runs the file without this package.

    from jax import export
    network = export.deserialize(open("file", "rb").read())
    painted = network.call(image, blend)            # style: image (height, width, 3) in [0, 1]
    texture = network.call(*noise, blend)           # texture: noise of each scale, coarsest first

Sizes are symbolic: heights and widths may be any multiples of 4 (style), or of 2^(scales - 1) (texture).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from subjective.checks import MissingPackageError, file_errors
from subjective.feedforward.network_file import TrainedNetwork
from subjective.feedforward.networks import NOISE_CHANNELS
from subjective.feedforward.step import build_network
from subjective.files import write_bytes

PLATFORMS = ("cpu", "cuda", "tpu")
"""Platforms on which an exported file runs."""


def export_network(network: TrainedNetwork) -> Any:
    """Return a network as a `jax.export.Exported` that takes pictures or noise of any size.

    Args:
        network: a style or texture network.
    """
    architecture = network.architecture
    blend = jax.ShapeDtypeStruct((architecture.sources,), jnp.float32)
    if architecture.kind == "style":
        h, w = export.symbolic_shape("h, w", constraints=["h >= 4", "w >= 4"])
        inputs = [jax.ShapeDtypeStruct((4 * h, 4 * w, 3), jnp.float32)]

        def run(*arguments: Any) -> Any:
            return build_network(architecture, network.params)(*arguments)
    else:
        h, w = export.symbolic_shape("h, w", constraints=["h >= 1", "w >= 1"])
        shapes = [(h * 2**k, w * 2**k, NOISE_CHANNELS) for k in range(architecture.depth)]
        inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]

        def run(*arguments: Any) -> Any:
            return build_network(architecture, network.params)(arguments[:-1], arguments[-1])

    return export.export(jax.jit(run), platforms=PLATFORMS)(*inputs, blend)


def write(path: Path, network: TrainedNetwork) -> None:
    """Write a network to a file that `jax.export.deserialize` reads.

    Args:
        path: the file; its folder is made if there is none.
        network: a style or texture network.

    Raises:
        MissingPackageError: flatbuffers is not installed.
        FileError: the folder cannot be made, or the file cannot be written.
    """
    try:
        import flatbuffers  # noqa: F401 JAX uses it
    except ImportError:
        raise MissingPackageError(
            "exporting needs the package flatbuffers; install it with `pip install 'subjective[export]'`"
        ) from None
    with file_errors("make", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, bytes(export_network(network).serialize()))
