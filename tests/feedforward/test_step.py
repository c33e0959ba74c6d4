import jax
import numpy as np
import pytest
from helpers.feedforward import STYLE, TEXTURE

from subjective.feedforward.loss import measure_targets
from subjective.feedforward.step import compile_step, first_state, make_batch
from subjective.feedforward.train import plan_training


def first_step(config, params, source, pictures=None):
    """The state before and after a step, and what the step reports."""
    plan = plan_training([source], config, params)
    targets, before = measure_targets([source], plan.objective, params), first_state(plan, 0)
    return before, *compile_step(plan)(before, make_batch(config, 1, 0, pictures), targets, params)


@pytest.mark.slow
def test_a_step_moves_the_parameters_along_adams_direction(small_params, rng):
    before, after, report = first_step(TEXTURE, small_params, rng.uniform(size=(48, 48, 3)).astype(np.float32))
    assert bool(report["moved"])
    assert int(after.step) == 1
    change = jax.tree.map(lambda new, old: np.abs(np.asarray(new - old)).max(), after.params, before.params)
    # Adam's first step is the learning rate, wherever the gradient is not tiny; that rises to its full size in two.
    assert max(jax.tree.leaves(change)) == pytest.approx(TEXTURE.learning_rate / 2, rel=1e-3)


@pytest.mark.slow
def test_a_step_that_is_not_finite_moves_nothing(small_params, rng):
    bad = np.full((2, 16, 16, 3), np.nan, np.float32)
    before, after, report = first_step(STYLE, small_params, rng.uniform(size=(48, 48, 3)).astype(np.float32), bad)
    assert not bool(report["moved"])
    assert int(after.step) == 1
    jax.tree.map(np.testing.assert_array_equal, after.params, before.params)
    jax.tree.map(np.testing.assert_array_equal, after.optimizer, before.optimizer)


def test_a_batch_is_the_same_whenever_it_is_asked_for():
    first, again, later = (make_batch(TEXTURE, 3, step) for step in (5, 5, 6))
    np.testing.assert_array_equal(first.blends, again.blends)
    np.testing.assert_array_equal(jax.random.key_data(first.keys), jax.random.key_data(again.keys))
    assert not (jax.random.key_data(first.keys) == jax.random.key_data(later.keys)).any()
    np.testing.assert_allclose(first.blends.sum(1), 1, rtol=1e-6)
