"""Normals: unit vectors that say where a surface faces, stored as x and y in [0, 1], or as RGB with z.

x points right and z towards the viewer. y points up (OpenGL) or down (DirectX).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from subjective.materials.maps import Convention

Vectors = NDArray[np.float32]
"""``(height, width, 3)``: x, y and z in [-1, 1], of length one."""

Plane = Float[np.ndarray, "height width 2"]
"""x and y in [0, 1]; 1/2 stands for 0."""

LEAST_Z = 1e-3
"""Smallest z: a surface that faces away cannot be seen."""

CLEAR = 0.05
"""Smallest correlation by which the convention of a normal is told."""


def to_plane(encoded: Float[np.ndarray, "height width 3"]) -> Plane:
    """Return x and y of normals in RGB, made to be of length one. Normals that face away are turned to the rim."""
    vectors = np.asarray(encoded, np.float64) * 2 - 1
    vectors[:, :, 2] = np.maximum(vectors[:, :, 2], LEAST_Z)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return ((vectors[:, :, :2] + 1) / 2).astype(np.float32)


def to_vectors(plane: Plane) -> Vectors:
    """Return the unit vectors of x and y. If x and y are longer than one, they are shortened, and z is `LEAST_Z`."""
    across = np.asarray(plane, np.float64) * 2 - 1
    length = np.linalg.norm(across, axis=2, keepdims=True)
    most = np.sqrt(1 - LEAST_Z**2)
    across *= np.minimum(1, most / np.maximum(length, 1e-12))
    z = np.sqrt(1 - np.sum(across**2, axis=2, keepdims=True))
    return np.concatenate([across, z], axis=2).astype(np.float32)


def encode(vectors: Vectors) -> NDArray[np.float32]:
    """Return normals as RGB in [0, 1]."""
    return np.asarray((vectors + 1) / 2, np.float32)


def flip_y(plane: Plane) -> Plane:
    """Turn OpenGL's y into DirectX's, or back."""
    return np.stack([plane[:, :, 0], 1 - plane[:, :, 1]], axis=2)


def slopes(plane: Plane, convention: Convention) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how the height rises for each pixel down and for each pixel to the right."""
    x, y, z = np.moveaxis(to_vectors(plane).astype(np.float64), 2, 0)
    return (y if convention == "opengl" else -y) / z, -x / z


def find_convention(plane: Plane) -> Convention | None:
    """Tell where y points: the slopes must be those of a height, whose rise does not depend on the way taken.

    Returns:
        None if neither convention fits clearly.
    """
    down, right = slopes(plane, "opengl")
    one, other = np.diff(right, axis=0)[:, :-1], np.diff(down, axis=1)[:-1]
    # A difference between neighbors is dominated by noise and rounding; means of 2 x 2 are less.
    one, other = (each - each.mean() for each in (one, other))
    strength = float(np.sqrt(np.sum(one**2) * np.sum(other**2)))
    correlation = float(np.sum(one * other)) / strength if strength > 0 else 0.0
    if abs(correlation) < CLEAR:
        return None
    return "opengl" if correlation > 0 else "directx"


def integrate(plane: Plane, convention: Convention) -> NDArray[np.float64]:
    """Return the height, in pixels, whose normals come nearest; it wraps, and its mean is 0.

    References:
        Frankot and Chellappa, "A method for enforcing integrability in shape from shading algorithms", 1988; with the
        frequencies of central differences.
    """
    down, right = slopes(plane, convention)
    rows, columns = (1j * np.sin(2 * np.pi * np.fft.fftfreq(side)) for side in down.shape)
    power = np.abs(rows[:, None]) ** 2 + np.abs(columns[None, :]) ** 2
    spectrum = np.conj(rows[:, None]) * np.fft.fft2(down) + np.conj(columns[None, :]) * np.fft.fft2(right)
    spectrum = np.where(power > 1e-12, spectrum / np.maximum(power, 1e-12), 0)
    return np.asarray(np.fft.ifft2(spectrum).real)


def normals_of(height: NDArray[np.floating], convention: Convention) -> Plane:
    """Return the normals of a height in pixels that wraps, from central differences; the reverse of `integrate`."""
    down, right = ((np.roll(height, -1, axis) - np.roll(height, 1, axis)) / 2 for axis in (0, 1))
    vectors = np.stack([-right, down if convention == "opengl" else -down, np.ones_like(down)], axis=2)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return ((vectors[:, :, :2] + 1) / 2).astype(np.float32)


def light(
    albedo: Float[np.ndarray, "height width 3"], plane: Plane, convention: Convention, angle: float = 135.0
) -> NDArray[np.float32]:
    """Draw a surface under a light at 45 degrees above it, by Lambert's law, with some light from everywhere.

    Args:
        albedo: RGB in [0, 1].
        plane: the normals.
        convention: where their y points.
        angle: where the light comes from, in degrees: 0 is right, 90 above, 180 left.

    Returns:
        RGB in [0, 1].
    """
    turn = np.deg2rad(angle)
    towards = np.array([np.cos(turn), np.sin(turn) * (1 if convention == "opengl" else -1), 1.0]) / np.sqrt(2)
    shade = 0.25 + 0.75 * np.sqrt(2) * np.maximum(to_vectors(plane) @ towards, 0)
    return np.clip(albedo * shade[:, :, None] ** (1 / 2.2), 0, 1).astype(np.float32)
