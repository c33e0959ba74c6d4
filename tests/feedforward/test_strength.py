"""How strongly pictures are repainted."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.feedforward import random_network
from scipy.ndimage import gaussian_filter

from subjective.checks import InputError
from subjective.feedforward.network_file import TrainedNetwork
from subjective.feedforward.repaint import repaint
from subjective.feedforward.strength import mix_compiled


@pytest.fixture
def pair(rng):
    """A picture, and another that lies near the middle of the range, so that nothing is clipped."""
    return [0.5 + 0.05 * rng.normal(size=(40, 30, 3)).clip(-3, 3).astype(np.float32) for _ in range(2)]


def mixed(pair, strength, border="reflect"):
    return np.asarray(mix_compiled(*pair, jnp.float32(strength), border), np.float64)


@pytest.mark.parametrize(("border", "mode"), [("reflect", "mirror"), ("same", "mirror"), ("circular", "wrap")])
def test_strokes_come_with_the_strength_and_the_palette_with_its_square(pair, border, mode):
    picture, painted = np.asarray(pair, np.float64)
    smooth = gaussian_filter(painted - picture, (5, 5, 0), mode=mode, truncate=3)
    for strength, palette in ((0.5, 0.25), (2, 1)):
        wanted = picture + strength * (painted - picture - smooth) + palette * smooth
        np.testing.assert_allclose(mixed(pair, strength, border), wanted, atol=1e-6)
    np.testing.assert_allclose(mixed(pair, 1, border), painted, atol=1e-6)


def test_a_palette_never_goes_beyond_the_styles():
    """A smooth change of color is the same for every strength from 1 up."""
    pair = [np.full((40, 30, 3), value, np.float32) for value in (0.3, 0.6)]
    for strength, level in ((0, 0.3), (0.5, 0.375), (1, 0.6), (4, 0.6)):
        np.testing.assert_allclose(mixed(pair, strength), level, atol=1e-6)


@pytest.mark.slow
def test_a_network_paints_as_strongly_as_it_is_asked(rng):
    network = TrainedNetwork(*random_network(depth=1))
    image = rng.uniform(size=(16, 20, 3)).astype(np.float32)
    whole, none = (repaint(network, image, (0.5, 0.5), strength=strength) for strength in (1, 0))
    np.testing.assert_array_equal(none, image)
    np.testing.assert_array_equal(whole, repaint(network, image, (0.5, 0.5)))
    half = repaint(network, image, (0.5, 0.5), strength=0.5)
    np.testing.assert_allclose(half, mixed((image, whole), 0.5), atol=1e-6)
    with pytest.raises(InputError, match="strength is -1; wanted 0 to 4"):
        repaint(network, image, (0.5, 0.5), strength=-1)
