"""A trained network as portable StableHLO, parameters included: JAX alone runs it, on CPU, CUDA or TPU.

    from jax import export
    network = export.deserialize(open("file", "rb").read())
    painted = network.call(image, blend)            # style: image (height, width, 3) in [0, 1]
    texture = network.call(*noise, blend)           # texture: noise of each scale, coarsest first

Sizes are symbolic: any height and width that are multiples of 4 (style), or of the coarsest scale (texture).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from subjective.checks import MissingPackageError, file_errors
from subjective.feedforward.network_file import Network
from subjective.feedforward.networks import NOISE_CHANNELS
from subjective.feedforward.step import with_parameters
from subjective.images import write_bytes

PLATFORMS = ("cpu", "cuda", "tpu")
"""That a file is written for."""


def exported(network: Network) -> Any:
    """The network as `jax.export.Exported`, of any size.

    Args:
        network: to be exported.
    """
    architecture = network.architecture
    blend = jax.ShapeDtypeStruct((architecture.sources,), jnp.float32)
    if architecture.kind == "style":
        h, w = export.symbolic_shape("h, w", constraints=["h >= 4", "w >= 4"])
        inputs = [jax.ShapeDtypeStruct((4 * h, 4 * w, 3), jnp.float32)]

        def run(*arguments: Any) -> Any:
            return with_parameters(architecture, network.params)(*arguments)
    else:
        h, w = export.symbolic_shape("h, w", constraints=["h >= 1", "w >= 1"])
        shapes = [(h * 2**k, w * 2**k, NOISE_CHANNELS) for k in range(architecture.depth)]
        inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]

        def run(*arguments: Any) -> Any:
            return with_parameters(architecture, network.params)(arguments[:-1], arguments[-1])

    return export.export(jax.jit(run), platforms=PLATFORMS)(*inputs, blend)


def write(path: Path, network: Network) -> None:
    """Write the network to a file that `jax.export.deserialize` reads.

    Args:
        path: where to.
        network: to be exported.
    """
    try:
        import flatbuffers  # noqa: F401 of which JAX makes use
    except ImportError:
        raise MissingPackageError(
            "exporting wants the package flatbuffers; install it with `pip install 'subjective[export]'`"
        ) from None
    with file_errors("make", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, bytes(exported(network).serialize()))
