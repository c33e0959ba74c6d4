import numpy as np
import pytest
from helpers.feedforward import STYLE, TEXTURE

from subjective.checks import InputError
from subjective.feedforward.train import train


@pytest.mark.slow
@pytest.mark.parametrize("config", [TEXTURE, STYLE], ids=["texture", "style"])
def test_training_lowers_the_loss(small_params, rng, config):
    source = rng.uniform(size=(48, 48, 3)).astype(np.float32) ** 3
    pictures = rng.uniform(size=(2, 16, 16, 3)).astype(np.float32)
    losses = []
    train(
        [source],
        config,
        params=small_params,
        photographs=None if config.texture else iter([pictures] * 25),
        on_step=lambda step: losses.append(step.loss),
    )
    assert len(losses) == 25
    assert np.mean(losses[-5:]) < 0.9 * losses[0]


def test_a_training_that_goes_nowhere_ends_and_says_so(small_params, rng):
    source = rng.uniform(size=(48, 48, 3)).astype(np.float32)
    bad = np.full((2, 16, 16, 3), np.nan, np.float32)
    with pytest.raises(InputError, match=r"^10 steps one after the other .* lower learning_rate"):
        train([source], STYLE, params=small_params, photographs=iter([bad] * 50))


def test_a_training_without_a_source_is_refused(small_params):
    with pytest.raises(InputError, match="no source was given"):
        train([], TEXTURE, params=small_params)
