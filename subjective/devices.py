"""What computes: devices of JAX, which share a picture's rows or an animation's frames, and the threads of BLAS.

JAX's own partitioner shares out the work of the pyramid and of the optimizer. For the layers of the network, that
partitioner would gather the whole picture on every device. `subjective.statistics.tiles` therefore gives each device
its own rows, and a halo: the rows beside them, which come from the neighboring devices.
"""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from threadpoolctl import ThreadpoolController

from subjective.checks import InputError, setting

SHARES = "shares"
"""Name of the only axis of the mesh."""


def one_blas_thread() -> AbstractContextManager[Any]:
    """Let BLAS use one thread only, as long as the context lasts.

    After each product, the other threads of OpenBLAS wait for work for some 50 ms, and take as much from the cores that
    JAX computes on: at 128 px on two cores, a step of L-BFGS-B would take 1.5 times as long.
    """
    limit: AbstractContextManager[Any] = _find_blas().limit(limits=1, user_api="blas")
    return limit


@lru_cache(maxsize=1)
def _find_blas() -> ThreadpoolController:
    """Find the BLAS libraries that are loaded, those of numpy and scipy among them."""
    importlib.import_module("scipy.linalg")
    return ThreadpoolController()


@lru_cache(maxsize=8)
def mesh_of(count: int) -> Mesh:
    """Arrange devices in a mesh that has one axis, `SHARES`.

    Args:
        count: number of devices. The mesh has the first ``count`` devices of `jax.devices()`, which lists the devices
            of all processes of the run.

    Raises:
        InputError: there are fewer than ``count`` devices.
    """
    devices = jax.devices()
    if count > len(devices):
        kind = devices[0].platform
        wanted = f"wanted at most {len(devices)}, which is how many {kind} devices JAX sees"
        virtual = f"; XLA_FLAGS=--xla_force_host_platform_device_count={count} makes virtual ones, which are no faster"
        raise InputError(f"{setting('devices')} is {count}; {wanted}{virtual if kind == 'cpu' else ''}")
    return Mesh(np.asarray(devices[:count]), (SHARES,))


def share_out(picture: jax.Array | np.ndarray, count: int, axis: int = -3) -> jax.Array:
    """Divide a picture, or several pictures, along one axis, and put each share on a device.

    Args:
        picture: ``(…, height, width, 3)``.
        count: number of devices.
        axis: the axis to divide, counted from the end: -3 for the rows, -4 for the frames of an animation.

    Returns:
        An array with the same numbers. If the axis cannot be divided into ``count`` equal shares, each device holds
        the whole array.
    """
    mesh, before = mesh_of(count), (None,) * (picture.ndim + axis)
    shares = PartitionSpec(*before, SHARES if picture.shape[axis] % count == 0 else None)
    host = np.asarray(gather(picture))
    return jax.make_array_from_callback(host.shape, NamedSharding(mesh, shares), lambda index: host[index])


def gather(value: jax.Array | np.ndarray) -> jax.Array | np.ndarray:
    """Return the whole array in every process, also if each process holds only a part of it."""
    if not isinstance(value, jax.Array) or value.is_fully_addressable or value.is_fully_replicated:
        return value
    return np.asarray(multihost_utils.process_allgather(value, tiled=True))
