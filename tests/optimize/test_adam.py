"""Adam, optax's."""

import copy
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.functions import bowl, rosenbrock

from subjective.checks import InputError
from subjective.optimize.adam import Adam
from subjective.optimize.minimizer import minimize


@pytest.mark.slow
def test_adam_takes_the_steps_of_optax():
    transform, value = optax.adam(0.03), jnp.zeros(4)
    state, expected = transform.init(value), []
    for _ in range(10):
        expected.append(value)
        updates, state = transform.update(jax.grad(lambda x: rosenbrock(x)[0])(value), state)
        value = optax.apply_updates(value, updates)
    seen = []
    minimize(
        rosenbrock, jnp.zeros(4), optimizer=Adam(), max_steps=9, first_step=0.03, on_step=lambda s: seen.append(s.value)
    )
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-6)


def test_an_exploding_step_of_adam_is_none():
    def steep(x):
        return jnp.sum(jnp.exp(jnp.abs(x) * 40)) + jnp.sum((x - 0.1) ** 2), ()

    seen = []
    minimize(
        steep, jnp.full(3, 0.01), optimizer=Adam(), first_step=1.0, max_steps=20, on_step=lambda s: seen.append(s.loss)
    )
    assert max(seen) < 100 * seen[0]


def explore(steps, **options):
    """Adam with steps that are too long, from a point beside the minimum; and all that it told."""
    told = []

    def tell(step):
        told.append(copy.deepcopy(step))

    result = minimize(
        bowl,
        jnp.full((4, 4), 0.2),
        (jnp.zeros((4, 4)),),
        Adam(),
        first_step=1.0,
        max_steps=steps,
        on_step=tell,
        **options,
    )
    return result, told


def test_the_best_point_is_the_result_and_a_resumed_run_knows_it():
    result, told = explore(12)
    best = min(told, key=lambda step: step.loss)
    assert best.loss < told[-1].loss
    assert (result.loss, result.steps, result.parts) == (best.loss, 12, best.parts)
    np.testing.assert_array_equal(result.value, best.value)
    for step in told[:-1]:
        again, _ = explore(12, resume=step.position)
        np.testing.assert_array_equal(again.value, result.value)
        assert again.loss == result.loss


def test_a_point_of_before_that_knows_no_best_point_is_resumed():
    _, told = explore(12)
    point = told[5].position
    point.best, point.best_loss = None, math.inf
    again, _ = explore(12, resume=point)
    assert again.loss == min(step.loss for step in told[6:])


@pytest.mark.parametrize(
    "best", [np.zeros(3, np.float32), np.full((4, 4), np.nan, np.float32), "text", np.zeros((4, 4))]
)
def test_a_best_point_that_cannot_be_one_is_refused(best):
    point = explore(3)[1][-1].position
    point.best = best
    with pytest.raises(InputError, match="the point to resume from is damaged, or of another run"):
        explore(12, resume=point)
