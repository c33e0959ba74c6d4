"""A picture shared out over several devices by its rows, or frames one by one.

JAX's own partitioner does the sharing, for the pyramid and the optimizer's arithmetic; the network's layers, which it
would gather on every device, are given their rows with a halo from the neighbors (`subjective.statistics.tiles`).
"""

from __future__ import annotations

from functools import lru_cache

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from subjective.checks import InputError, setting

SHARES = "shares"
"""The mesh's one axis."""


@lru_cache(maxsize=8)
def mesh_of(count: int) -> Mesh:
    """So many devices in a row; of several processes, where there are.

    Raises:
        ValueError: there are fewer.
    """
    devices = jax.devices()
    if count > len(devices):
        raise InputError(f"{setting('devices')} is {count}; there are {len(devices)} here ({devices[0].platform})")
    return Mesh(np.asarray(devices[:count]), (SHARES,))


def share_out(picture: jax.Array | np.ndarray, count: int, axis: int = -3) -> jax.Array:
    """A picture ``(height, width, 3)``, or several, on so many devices: its rows, or what else ``axis`` is.

    It is whole on each where they do not divide that.
    """
    mesh, before = mesh_of(count), (None,) * (picture.ndim + axis)
    shares = PartitionSpec(*before, SHARES if picture.shape[axis] % count == 0 else None)
    host = np.asarray(gather(picture))
    return jax.make_array_from_callback(host.shape, NamedSharding(mesh, shares), lambda index: host[index])


def gather(value: jax.Array | np.ndarray) -> jax.Array | np.ndarray:
    """The whole of an array in every process."""
    if not isinstance(value, jax.Array) or value.is_fully_addressable or value.is_fully_replicated:
        return value
    return np.asarray(multihost_utils.process_allgather(value, tiled=True))
