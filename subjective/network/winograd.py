"""Convolve one strip (a band of rows) of a feature map by matrix products, on CPUs.

Winograd's minimal filtering F(4x4, 3x3) needs a quarter of the multiplications of a direct convolution. These
multiplications are one batched matrix product:

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        d: 6x6 inputs of a cell, g: 3x3 kernel, Y: 4x4 outputs of the cell

A cell is a square of 4x4 outputs (Lavin and Gray call it a tile). The inputs of neighboring cells overlap by two
pixels. In float32, the error of a layer is about 1e-6 of the layer's largest value.

References:
    Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, section 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

# Bᵀ, G and Aᵀ for the interpolation points 0, 1, -1, 2, -2 and infinity.
INPUT_TRANSFORM = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
KERNEL_TRANSFORM = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
OUTPUT_TRANSFORM = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])

Strip = Float[Array, "rows columns inputs"]
Kernel = Float[Array, "3 3 inputs outputs"]
Outputs = Float[Array, "_ _ outputs"]


def transform_kernel(kernel: Kernel) -> Float[Array, "36 inputs outputs"]:
    """Compute G g Gᵀ for each input and output. The first axis lists the 6x6 numbers of G g Gᵀ column by column."""
    both = np.kron(KERNEL_TRANSFORM, KERNEL_TRANSFORM).astype(kernel.dtype)
    inputs, outputs = kernel.shape[2:]
    return jnp.dot(both, kernel.swapaxes(0, 1).reshape(9, -1), precision="highest").reshape(36, inputs, outputs)


def convolve_cells(x: Strip, kernels: Float[Array, "36 inputs outputs"]) -> Outputs:
    """Convolve a strip of s x t cells.

    Each transform has two steps, one along rows and one along columns. The barriers keep XLA from merging the two
    steps. If they were merged, the first step would be repeated for each output of the second step.

    Args:
        x: ``(4 s + 2, 4 t + 2, inputs)``.
        kernels: from `transform_kernel`.

    Returns:
        ``(4 s, 4 t, outputs)``.
    """
    s, t, channels = (x.shape[0] - 2) // 4, (x.shape[1] - 2) // 4, x.shape[2]
    barrier = lax.optimization_barrier
    x = barrier(x)
    d = barrier(_combine(INPUT_TRANSFORM, [x[i : i + 4 * s - 3 : 4] for i in range(6)], 0))  # (6, s, 4t + 2, C)
    d = barrier(_combine(INPUT_TRANSFORM, [d[:, :, j : j + 4 * t - 3 : 4] for j in range(6)], 0))  # (6, 6, s, t, C)
    m = jnp.matmul(d.reshape(36, s * t, channels), kernels, precision="highest")
    m = barrier(m).reshape(6, 6, s, t, -1)
    y = barrier(_combine(OUTPUT_TRANSFORM, list(m), 3))  # (6, s, t, 4, O)
    return _combine(OUTPUT_TRANSFORM, list(y), 1).reshape(4 * s, 4 * t, -1)  # from (s, 4, t, 4, O)


def _combine(matrix: np.ndarray, parts: Sequence[Array], axis: int) -> Array:
    """Multiply a matrix with a vector of arrays, and stack the resulting arrays along a new axis.

    The product is written out as sums, because most coefficients are 0, 1 or -1.
    """
    rows = (
        [part if c == 1 else part * np.asarray(c, part.dtype) for c, part in zip(row, parts, strict=True) if c]
        for row in matrix
    )
    return jnp.stack([sum(terms[1:], terms[0]) for terms in rows], axis)


def convolve_from_few(x: Strip, kernel: Kernel) -> Outputs:
    """Convolve a strip ``(rows + 2, columns + 2, inputs)`` of few input channels.

    The convolution is one matrix product of the kernel with nine shifted copies of the strip. The channels are moved to
    the first axis, so that neighboring pixels fill the CPU's vector registers.
    """
    rows, columns, channels = x.shape[0] - 2, x.shape[1] - 2, x.shape[2]
    x = lax.optimization_barrier(x.transpose(2, 0, 1))
    copies = jnp.stack([x[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)])
    copies = copies.reshape(9 * channels, rows * columns)
    y = lax.dot_general(copies, kernel.reshape(9 * channels, -1), (((0,), (0,)), ((), ())), precision="highest")
    return y.reshape(rows, columns, -1)


def convolve_to_few(x: Strip, kernel: Kernel) -> Outputs:
    """Convolve a strip ``(rows + 2, columns + 2, inputs)`` to few output channels.

    One matrix product gives nine maps for each output channel, one for each of the kernel's 3x3 pixels. The nine maps
    are then shifted and summed.
    """
    rows, columns, few = x.shape[0] - 2, x.shape[1] - 2, kernel.shape[3]
    x = lax.optimization_barrier(x)
    taps = kernel.transpose(3, 0, 1, 2).reshape(9 * few, -1)
    z = lax.dot_general(taps, x.reshape(-1, x.shape[2]), (((1,), (1,)), ((), ())), precision="highest")
    z = lax.optimization_barrier(z).reshape(few, 3, 3, rows + 2, columns + 2)
    shifted = [z[:, i, j, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return sum(shifted[1:], shifted[0]).transpose(1, 2, 0)
