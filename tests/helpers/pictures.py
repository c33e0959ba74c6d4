"""Pictures for tests: where the project's own lie, and small ones made of noise."""

from pathlib import Path

import numpy as np

from subjective import images

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "experiments" / "sources"
REFERENCE = ROOT / "tests" / "reference"
ROCK, GRAVEL = REFERENCE / "rock_320x256.png", REFERENCE / "gravel_256x320.png"


def noise(*shape, seed=0):
    """White noise in [0, 1), float32."""
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def smooth_noise(seed=0, size=(80, 72)):
    """Smooth colored noise, so that there is something to match."""
    return images.resize(noise(size[0] // 4, size[1] // 4, 3, seed=seed), size)


def photograph(name="rock", width=128):
    """One of the experiments' sources."""
    return images.read_image(SOURCES / f"{name}.jpg", width=width)


def circle(frames=12):
    """So many pictures on a circle: a loop that is steady and closes."""
    one, other = np.random.default_rng(0).standard_normal((2, 32, 40, 3)) * 0.1
    turns = 2 * np.pi * np.arange(frames) / frames
    return np.stack([0.5 + np.cos(turn) * one + np.sin(turn) * other for turn in turns]).astype(np.float32)


def halves(height, width):
    """Masks of two regions with a soft border, left and right."""
    left = np.clip(np.linspace(3, -2, width), 0, 1)
    return np.stack([np.tile(left, (height, 1)), np.tile(1 - left, (height, 1))], axis=2).astype(np.float32)
