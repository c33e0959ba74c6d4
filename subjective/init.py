"""The starting image of an optimization."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

NOISE = 1 / 255
"""Standard deviation of the noise that every start carries, the same in red, green and blue.

Faint on purpose: noise as strong as a texture's own contrast stays visible to the end, since the
layers matched by default hardly see the highest frequencies. Without color, since few textures have as much of it
at the highest frequencies, and what is too much takes long to go (`experiments/LOG.md`).
"""

SYMMETRIC_BLUR = 50.0
SYMMETRIC_CONTRAST = 28 / 255
"""Blur (standard deviation in pixels) and contrast (of the pattern) that the 2017 program used."""

Start = NDArray[np.float32]


def initial_image(
    seed: str, size: tuple[int, int], mean: Any, rng_seed: int, number: int = 0, *, noise: float = NOISE
) -> Start:
    """Make a starting image.

    Args:
        seed: ``random``: the mean color under faint noise; ``symmetric``: a smooth pattern as well, that mirrors
            left to right and top to bottom and wraps.
        size: (height, width) in pixels.
        mean: RGB in [0, 1].
        rng_seed: the run's seed, from 0 to 2^32 - 1.
        number: of the picture; each has its own noise.
        noise: its standard deviation.

    Returns:
        Image ``(height, width, 3)``.

    Raises:
        ValueError: another seed.
    """
    noise_key, pattern_key = jax.random.split(jax.random.fold_in(jax.random.key(rng_seed), number))
    image = np.asarray(mean, dtype=np.float32).reshape(1, 1, 3) + noise * _normal(noise_key, size)[:, :, :1]
    if seed == "symmetric":
        image += SYMMETRIC_CONTRAST * _symmetric_pattern(pattern_key, size)
    elif seed != "random":
        raise ValueError(f"unknown seed {seed!r}; wanted 'random', 'symmetric' or a picture file")
    return image.astype(np.float32)


def variation(image: Any, rng_seed: int, number: int, *, noise: float = NOISE) -> Start:
    """A given starting image for one of several pictures: the first takes it as it is, the others under faint noise.

    Without it pictures that start alike would end alike, or never part.

    Args:
        image: ``(height, width, 3)`` in [0, 1].
        rng_seed: the run's seed.
        number: of the picture.
        noise: its standard deviation.

    Returns:
        Image of the same shape.
    """
    start = np.asarray(image, dtype=np.float32)
    if number == 0:
        return start
    key = jax.random.fold_in(jax.random.key(rng_seed), number)
    return start + np.float32(noise) * _normal(key, (start.shape[0], start.shape[1]))[:, :, :1]


def _normal(key: jax.Array, size: tuple[int, int]) -> Start:
    return np.asarray(jax.random.normal(key, (*size, 3)))


def _symmetric_pattern(key: jax.Array, size: tuple[int, int]) -> Start:
    """Smooth noise of unit variance, equal to its mirror images."""
    noise = _normal(key, size)
    noise = noise + noise[::-1, :, :]
    noise = noise + noise[:, ::-1, :]
    # Each frame and channel by itself: the 2017 program blurred across frames as well. On a
    # small picture a blur as wide as the picture would leave a flat color.
    blur = min(SYMMETRIC_BLUR, min(size) / 8)
    smooth = scipy.ndimage.gaussian_filter(noise, (blur, blur, 0), mode="wrap")
    smooth -= smooth.mean(axis=(0, 1), keepdims=True)
    return smooth / max(float(smooth.std()), 1e-12)
