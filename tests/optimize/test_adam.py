"""Adam, optax's."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.functions import rosenbrock

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
