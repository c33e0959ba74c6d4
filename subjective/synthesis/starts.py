"""The starting pictures of an optimization."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from subjective.checks import InputError
from subjective.choices import INITS
from subjective.synthesis.config import PictureConfig
from subjective.synthesis.plan import SOURCE_PADDING
from subjective.synthesis.settings import NOISE
from subjective.synthesis.stages import Stage, reduce_to_stage

SYMMETRIC_BLUR = 50.0
SYMMETRIC_CONTRAST = 28 / 255
"""Standard deviation of the blur, in pixels, and contrast of the pattern, both as in the 2017 program."""

PHASES_CONTRAST = 0.3
"""Contrast of random phases, as a share of the sources' own contrast. A share of 0.3 is enough to fix where a lattice
lies; with a share of 1, the result kept more errors of the random phases, such as shifted rows."""

LOOP_CONTRAST = 1.0
"""Contrast of the random phases of a loop's frames, at every stage, as a share of the sources' own contrast. With this
contrast the detail changes steadily from frame to frame, and the flicker (`FrameDistances`) is 0.59. From faint
noise the detail grows differently in each frame, and the flicker is 0.87 (`experiments/LOG.md`, 2026-11-21)."""


Image = NDArray[np.float32]
Key = np.random.SeedSequence


def initial_image(init: str, size: tuple[int, int], mean: Any, key: Key, *, noise: float = NOISE) -> Image:
    """Make a starting image.

    Args:
        init: ``random`` makes the mean color under faint noise. ``symmetric`` adds a smooth pattern that equals its
            mirror images and wraps. ``phases`` makes the same as ``random``; `make_start` adds `random_phases`.
        size: (height, width) in pixels.
        mean: RGB in [0, 1].
        key: from `key_of`; the noise comes from the key.
        noise: standard deviation of the noise.

    Returns:
        Image ``(height, width, 3)``.

    Raises:
        InputError: ``init`` is none of `INITS`.
    """
    image = np.asarray(mean, dtype=np.float32).reshape(1, 1, 3) + np.float32(noise) * _normal(key, 0, size, 1)
    if init == "symmetric":
        image += SYMMETRIC_CONTRAST * _symmetric_pattern(key, size)
    elif init not in INITS:
        raise InputError(
            f"unknown start {init!r}; wanted 'patches', 'random', 'symmetric' or 'phases'; in Python, a "
            "starting picture is the verb's own argument init"
        )
    return image.astype(np.float32)


def key_of(seed: int, number: int, attempt: int = 0) -> Key:
    """Make the key from which all noise of a start comes.

    Args:
        seed: the run's seed, from 0 to 2^32 - 1.
        number: number of the picture; each picture has noise of its own.
        attempt: number of the attempt at the picture; each attempt has noise of its own.
    """
    return Key(seed, spawn_key=(number, attempt))


def random_phases(
    sources: Sequence[Any],
    weights: Sequence[float],
    size: tuple[int, int],
    key: Key,
    contrast: float = PHASES_CONTRAST,
) -> Image:
    """Make noise with the sources' spectrum and random phases: a texture's period repeats all over the noise.

    White noise is convolved with the middle of each source; this middle is faded out towards its sides.

    Args:
        sources: images ``(height, width, 3)`` at the scale of the picture.
        weights: how much each source counts.
        size: (height, width) of the picture.
        key: from `key_of`; the phases come from the key.
        contrast: contrast of the noise, as a share of the sources' own contrast.

    Returns:
        Image of mean 0 and ``contrast`` times the sources' standard deviation.

    References:
        Galerne, Gousseau and Morel, "Random phase textures: theory and synthesis", 2011.
    """
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    total = np.zeros((*size, 3))
    for number, (source, share) in enumerate(zip(sources, shares, strict=True)):
        pixels = np.asarray(source, dtype=np.float64)
        spot = _fade_out(pixels, size)
        white = _normal(key, 2 + number, size, 1)  # one for all colors, so that the colors stay together
        spectrum = scipy.fft.fft2(white, axes=(0, 1)) * scipy.fft.fft2(spot, size, axes=(0, 1))
        noise = scipy.fft.ifft2(spectrum, axes=(0, 1)).real
        noise *= np.std(pixels - pixels.mean(axis=(0, 1))) / max(float(noise.std()), 1e-12)
        total += np.sqrt(share) * noise
    return (contrast * total).astype(np.float32)


def _fade_out(source: Any, size: tuple[int, int]) -> Any:
    """Cut out the middle of a source, at most as large as ``size``, and fade its contrast out towards its sides."""
    height, width = (min(own, wanted) for own, wanted in zip(source.shape[:2], size, strict=True))
    top, left = (source.shape[0] - height) // 2, (source.shape[1] - width) // 2
    middle = source[top : top + height, left : left + width]
    fade = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    return (middle - middle.mean(axis=(0, 1))) * fade[:, :, None]


def vary_image(image: Any, key: Key | None, *, noise: float = NOISE) -> Image:
    """Add faint noise to a starting image, so that several pictures or attempts differ.

    Without the noise, pictures that start alike would end alike.

    Args:
        image: ``(height, width, 3)`` in [0, 1].
        key: from `key_of`; None for no noise.
        noise: standard deviation of the noise.

    Returns:
        Image of the same shape.
    """
    start = np.asarray(image, dtype=np.float32)
    if key is None:
        return start
    return start + np.float32(noise) * _normal(key, 0, (start.shape[0], start.shape[1]), 1)


def _normal(key: Key, use: int, size: tuple[int, int], channels: int) -> Image:
    """Make white noise ``(height, width, channels)``; each use of a key has noise of its own."""
    its = Key(key.entropy, spawn_key=(*key.spawn_key, use))
    return np.random.default_rng(its).standard_normal((*size, channels), np.float32)


def _symmetric_pattern(key: Key, size: tuple[int, int]) -> Image:
    """Make smooth noise of unit variance that equals its mirror images."""
    noise = _normal(key, 1, size, 3)
    noise = noise + noise[::-1, :, :]
    noise = noise + noise[:, ::-1, :]
    # Each frame and channel is blurred by itself; the 2017 program blurred across frames as well. A small
    # picture is blurred less, because a blur as wide as the picture would leave a flat color.
    blur = min(SYMMETRIC_BLUR, min(size) / 8)
    smooth = scipy.ndimage.gaussian_filter(noise, (blur, blur, 0), mode="wrap")
    smooth -= smooth.mean(axis=(0, 1), keepdims=True)
    return smooth / max(float(smooth.std()), 1e-12)


Start = Callable[[int, int, Stage], jax.Array]
"""``start(picture, attempt, stage)``: the starting value of one attempt at a picture, at the size of a stage."""


def make_start(
    config: PictureConfig,
    sources: Sequence[np.ndarray],
    mean: np.ndarray,
    init: np.ndarray | None,
    first: Stage,
    *,
    loops: bool = False,
) -> Start:
    """Make the starting pictures that a config asks for.

    Args:
        config: ``init``, ``seed``, ``noise`` and padding.
        sources: images, for the spectrum of random phases.
        mean: color of the start, ``(3,)``, or of each of its pixels, ``(height, width, 3)``.
        init: a starting image of the full picture's size, instead of the start that the config names.
        first: the first stage, the only one at which a still picture starts with random phases.
        loops: whether the starts are those of a loop's frames, which have random phases at every stage.
    """
    shares = getattr(config, "source_weights", None) or (1.0,) * len(sources)

    def start(picture: int, attempt: int, stage: Stage) -> jax.Array:
        key = key_of(config.seed, picture, attempt)
        if init is not None:
            image = vary_image(init, key if picture or attempt else None, noise=config.noise)
            return reduce_to_stage(image, stage, config.padding_mode)
        color = mean if mean.ndim == 1 else np.zeros(3)
        image = initial_image(config.init, stage.size, color, key, noise=config.noise)
        if mean.ndim == 3:
            image = image + np.asarray(reduce_to_stage(mean, stage, config.padding_mode))
        if config.init == "phases" and (loops or stage == first):
            reduced = [reduce_to_stage(source, stage, SOURCE_PADDING) for source in sources]
            image = image + random_phases(reduced, shares, stage.size, key, LOOP_CONTRAST if loops else PHASES_CONTRAST)
        return jnp.asarray(image)

    return start
