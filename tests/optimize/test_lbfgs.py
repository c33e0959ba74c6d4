"""L-BFGS with its memory on the device."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.functions import bowl

from subjective.optimize.lbfgs import LBFGS, direction
from subjective.optimize.lbfgsb import LBFGSB
from subjective.optimize.minimizer import minimize


@pytest.mark.slow
def test_directions_of_lbfgs_are_those_of_optax(in_float64):
    rng, history = np.random.default_rng(0), 3
    transform = optax.scale_by_lbfgs(memory_size=history, scale_init_precond=True)
    value, shape = jnp.asarray(rng.standard_normal((2, 5))), (history, 2, 5)
    matrix = rng.standard_normal((10, 10))
    matrix = jnp.asarray(matrix @ matrix.T + np.eye(10))
    state, memory, previous = transform.init(value), [jnp.zeros(shape), jnp.zeros(shape), jnp.zeros(history)], None
    for count in range(7):
        gradient = (matrix @ value.reshape(-1)).reshape(2, 5)
        if previous is not None:
            step, change = value - previous[0], gradient - previous[1]
            new = (step, change, jnp.sum(step * change))
            memory = [array.at[(count - 1) % history].set(part) for array, part in zip(memory, new, strict=True)]
        updates, state = transform.update(gradient, state, value)
        if count:
            found = direction(gradient, *memory, count, 1.0)
            np.testing.assert_allclose(found, -updates, rtol=1e-9, atol=1e-12)
        previous = (value, gradient)
        value = value + jnp.asarray(0.1 * rng.standard_normal((2, 5)))


@pytest.mark.slow
def test_lbfgs_needs_as_many_evaluations_as_lbfgsb():
    """On a hard valley of 200 dimensions, in float32: within a few percent of the loss."""
    rng = np.random.default_rng(0)
    scales = jnp.asarray(np.geomspace(1, 1e4, 200), jnp.float32)
    start = jnp.asarray(rng.standard_normal((10, 20)), jnp.float32)

    def fn(x):
        flat = x.reshape(-1)
        loss = jnp.sum(scales * (1 - jnp.cos(flat))) + jnp.sum(flat**2)
        return loss, ()

    found = {}
    for label, optimizer in {
        "lbfgsb": LBFGSB(),
        "lbfgs": LBFGS(),
        "half": LBFGS(history_type="bfloat16"),
    }.items():
        result = minimize(fn, start, (), optimizer, max_steps=60, tolerance=0.0, first_step=0.01)
        found[label] = (np.log(result.loss), result.evaluations)
    begin = np.log(float(fn(start)[0]))
    gained = {label: begin - loss for label, (loss, _) in found.items()}
    assert gained["lbfgs"] > 0.9 * gained["lbfgsb"]
    assert gained["half"] > 0.8 * gained["lbfgsb"]
    assert found["lbfgs"][1] < 1.2 * found["lbfgsb"][1]


def test_the_history_is_allocated_at_once_and_of_the_type_asked_for():
    kept = []

    def keep(step):
        arrays = jax.tree.leaves(step.position.state.arrays)
        kept.append(sum(array.size for array in arrays if array.dtype == jnp.bfloat16))

    narrow = LBFGS(history=6, history_type="bfloat16")
    minimize(bowl, jnp.zeros((4, 3)), (jnp.ones((4, 3)),), narrow, max_steps=1, on_step=keep)
    assert kept == [2 * 6 * 12] * 2, "six steps and six changes of the gradient, of twelve numbers each"
    assert LBFGS(history=6).bytes_per_number - narrow.bytes_per_number == 24
