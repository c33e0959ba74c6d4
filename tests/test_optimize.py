from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from subjective.optimize import NonFiniteLossError, minimize


def rosenbrock(x):
    loss = jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    return loss, {"all": loss}


def bowl(x, center):
    return jnp.sum((x - center) ** 2), ()


def test_it_finds_the_minimum_of_rosenbrocks_valley(in_float64):
    result = minimize(rosenbrock, jnp.zeros(6), max_steps=200, tolerance=1e-15)
    np.testing.assert_allclose(result.value, np.ones(6), atol=1e-5)
    assert result.converged


def test_it_takes_the_very_steps_of_scipy(in_float64):
    found, expected = [], []
    minimize(rosenbrock, jnp.zeros(6), max_steps=12, tolerance=0, on_step=lambda step: found.append(step.loss))
    scipy.optimize.minimize(
        lambda x: tuple(map(np.asarray, jax.value_and_grad(lambda y: rosenbrock(y)[0])(x))),
        np.zeros(6),
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: expected.append(float(intermediate_result.fun)),
        options={"maxiter": 12},
    )
    np.testing.assert_allclose(found[1:], expected, rtol=1e-9)


def test_the_units_of_the_loss_do_not_matter():
    def path(scale):
        losses = []
        fn = lambda x: (scale * rosenbrock(x)[0], ())  # noqa: E731
        minimize(fn, jnp.zeros(4), max_steps=10, on_step=lambda step: losses.append(step.loss / scale))
        return losses

    np.testing.assert_allclose(path(2.0**20), path(2.0**-20), rtol=1e-6)


def test_values_stay_within_bounds_at_every_step():
    target = jnp.array([-1.0, 0.5, 3.0])
    seen = []
    result = minimize(
        bowl, jnp.full(3, 0.2), (target,), bounds=(0.0, 1.0), on_step=lambda step: seen.append(np.asarray(step.value))
    )
    np.testing.assert_allclose(result.value, [0, 0.5, 1], atol=1e-6)
    assert all(values.min() >= 0 and values.max() <= 1 for values in seen)


def test_steps_are_reported_once_each_with_falling_losses_and_the_start_first():
    steps = []
    result = minimize(rosenbrock, jnp.zeros(4), max_steps=15, on_step=steps.append)
    assert [step.step for step in steps] == list(range(result.steps + 1))
    assert all(b.loss < a.loss for a, b in pairwise(steps))
    for step in (steps[0], steps[7], steps[-1]):
        loss, gradient = jax.value_and_grad(lambda x: rosenbrock(x)[0])(step.value)
        assert step.loss == pytest.approx(float(loss), rel=1e-5)
        assert step.parts["all"] == step.loss
        assert step.gradient_norm == pytest.approx(float(jnp.linalg.norm(gradient)), rel=1e-4)
    assert result.loss == steps[-1].loss
    assert result.evaluations == steps[-1].evaluations
    np.testing.assert_array_equal(result.value, steps[-1].value)


def test_no_step_evaluates_and_returns_the_start():
    result = minimize(rosenbrock, jnp.zeros(4), max_steps=0)
    np.testing.assert_array_equal(result.value, np.zeros(4))
    assert (result.steps, result.evaluations) == (0, 1)


def test_a_start_without_gradient_is_a_minimum():
    assert minimize(bowl, jnp.ones(3), (jnp.ones(3),)).converged


def test_a_loss_is_compiled_once_for_all_its_arguments():
    traces = 0

    def traced(x, center):
        nonlocal traces
        traces += 1
        return bowl(x, center)

    for center in range(3):
        minimize(traced, jnp.zeros(2), (jnp.full(2, float(center + 1)),))
    assert traces == 1


def test_the_same_call_gives_the_same_bytes():
    first, second = (minimize(rosenbrock, jnp.zeros(8), max_steps=20) for _ in range(2))
    assert np.asarray(first.value).tobytes() == np.asarray(second.value).tobytes()


def breaks_below(x, limit):
    loss = jnp.sum(x**2)
    return jnp.where(loss < limit, jnp.nan, loss), ()


def test_a_loss_that_turns_nan_names_the_step_and_keeps_the_last_finite_point():
    with pytest.raises(NonFiniteLossError, match=r"nan in step \d+; the last finite point is kept") as caught:
        minimize(breaks_below, jnp.full(4, 3.0), (1.0,))
    assert caught.value.result is not None
    assert np.isfinite(caught.value.result.value).all()
    assert caught.value.result.loss >= 1


def test_a_loss_that_is_infinite_from_the_start_says_so():
    with pytest.raises(NonFiniteLossError, match="inf at the starting picture"):
        minimize(lambda x: (jnp.sum(x) / 0.0, ()), jnp.ones(2))


def test_what_on_step_raises_comes_through():
    def stop(step):
        if step.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimize(rosenbrock, jnp.zeros(4), on_step=stop)


@pytest.mark.parametrize(
    "unfit",
    [{"max_steps": -1}, {"tolerance": -1.0}, {"tolerance": float("nan")}, {"history": 0}, {"bounds": (1.0, 0.0)}],
)
def test_unfit_numbers_are_refused(unfit):
    with pytest.raises(ValueError, match=next(iter(unfit))):
        minimize(rosenbrock, jnp.zeros(4), **unfit)


def test_the_first_step_does_not_depend_on_the_number_of_elements():
    def first_change(count):
        seen = []
        minimize(
            bowl,
            jnp.zeros(count),
            (jnp.full(count, 5.0),),
            max_steps=1,
            first_step=0.01,
            on_step=lambda step: seen.append(np.asarray(step.value)),
        )
        return float(np.sqrt(np.mean((seen[1] - seen[0]) ** 2)))

    # the line search of the first step may lengthen the 0.01 that is tried, by the same factor for both
    assert first_change(10) == pytest.approx(first_change(1000), rel=1e-4)
    assert first_change(10) >= 0.01 * (1 - 1e-6)
    with pytest.raises(ValueError, match="first_step is 0"):
        minimize(bowl, jnp.zeros(3), (jnp.ones(3),), first_step=0.0)
