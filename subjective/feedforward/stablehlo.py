"""A trained network with its parameters as portable StableHLO; JAX runs the file without this package.

    from jax import export
    network = export.deserialize(open("file", "rb").read())
    painted = network.call(image, blend, strength)  # style: image (height, width, 3) in [0, 1]
    texture = network.call(*noise, blend)           # texture: noise of each scale, coarsest first

Heights and widths are symbols: pictures may have any size, from `subjective.feedforward.networks.SMALLEST` pixels up
for a style network. The shapes of a program cannot follow from its numbers, so that noise is given and not made.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from subjective.checks import MissingPackageError
from subjective.feedforward.network_file import TrainedNetwork
from subjective.feedforward.networks import NOISE_CHANNELS, SMALLEST
from subjective.feedforward.step import build_network
from subjective.feedforward.strength import mix

PLATFORMS = ("cpu", "cuda", "tpu")
"""Platforms on which an exported file runs."""


def serialize(network: TrainedNetwork) -> bytes:
    """Return a network as bytes that `jax.export.deserialize` reads.

    Args:
        network: a style or texture network.

    Raises:
        MissingPackageError: flatbuffers is not installed.
    """
    try:
        import flatbuffers  # noqa: F401 JAX uses it
    except ImportError:
        raise MissingPackageError(
            "exporting to StableHLO needs the package flatbuffers; install it with `pip install 'subjective[export]'`"
        ) from None
    return bytes(_export(network).serialize())


def _export(network: TrainedNetwork) -> Any:
    """Return a network as a `jax.export.Exported` that takes pictures or noise of any size."""
    architecture = network.architecture
    blend = jax.ShapeDtypeStruct((architecture.sources,), jnp.float32)
    if architecture.kind == "style":
        h, w = export.symbolic_shape("h, w", constraints=[f"h >= {SMALLEST}", f"w >= {SMALLEST}"])
        inputs = [jax.ShapeDtypeStruct((h, w, 3), jnp.float32), blend, jax.ShapeDtypeStruct((), jnp.float32)]

        def run(*arguments: Any) -> Any:
            image, blend, strength = arguments
            return mix(image, build_network(architecture, network.params)(image, blend), strength, architecture.border)
    else:
        h, w = export.symbolic_shape("h, w", constraints=["h >= 1", "w >= 1"])
        scales = [2**octave for octave in reversed(range(architecture.depth))]
        shapes = [(-(-h // scale), -(-w // scale), NOISE_CHANNELS) for scale in scales]
        inputs = [*(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes), blend]

        def run(*arguments: Any) -> Any:
            return build_network(architecture, network.params)(arguments[:-1], arguments[-1])

    return export.export(jax.jit(run), platforms=PLATFORMS)(*inputs)
