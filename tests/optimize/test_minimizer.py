import copy
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize

from subjective.optimize.lbfgs import direction
from subjective.optimize.minimizer import NonFiniteLossError, minimize
from subjective.optimize.registry import bytes_per_number

METHODS = ("lbfgsb", "lbfgs", "adam")


def rosenbrock(x):
    loss = jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    return loss, {"all": loss}


def bowl(x, center):
    return jnp.sum((x - center) ** 2), ()


@pytest.mark.parametrize("method", ["lbfgsb", "lbfgs"])
def test_it_finds_the_minimum_of_rosenbrocks_valley(method, in_float64):
    result = minimize(rosenbrock, jnp.zeros(6), method=method, max_steps=200, tolerance=1e-15)
    np.testing.assert_allclose(result.value, np.ones(6), atol=1e-5)
    assert result.converged


@pytest.mark.parametrize("bounds", [None, (-0.3, 0.8)])
def test_it_takes_the_very_steps_of_scipy(bounds, in_float64, with_all_passes):
    """To the last bit: the compiled routine is scipy's, the loop around it ours."""

    def valley(y):  # of this test's own, so that it is compiled here
        return rosenbrock(y)

    found, expected, start = [], [], np.linspace(-0.2, 0.4, 6)
    minimize(
        valley,
        jnp.asarray(start),
        max_steps=25,
        tolerance=0,
        bounds=bounds,
        on_step=lambda s: found.append(s.value),
    )
    fn = jax.jit(jax.value_and_grad(lambda y: rosenbrock(y)[0]))
    scale = 1 / np.linalg.norm(fn(jnp.asarray(start))[1])
    unit = 1 / np.sqrt(6) * np.sqrt(6)
    scipy.optimize.minimize(
        lambda x: tuple(np.asarray(part) * (scale / unit) for part in fn(jnp.asarray(x))),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=None if bounds is None else scipy.optimize.Bounds(*bounds),
        callback=lambda intermediate_result: expected.append(intermediate_result.x.copy()),
        options={"maxiter": 25, "ftol": 0, "gtol": 0, "maxls": 20},
    )
    assert len(expected) == len(found) - 1
    for step, (one, other) in enumerate(zip(found[1:], expected, strict=True)):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-15, err_msg=f"step {step}")


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_was_stopped_goes_on_bit_for_bit(method):
    """From any of its points, taken as it was told and copied, as a file would."""
    start = jnp.linspace(-1, 1, 12).reshape(3, 4)

    def fn(x):
        return rosenbrock(x.reshape(-1))

    points, losses = {}, []

    def keep(step):
        losses.append(step.loss)
        if step.step in (0, 1, 7, 15):
            points[step.step] = copy.deepcopy(step.position)

    options = {"method": method, "max_steps": 25, "tolerance": 0.0, "first_step": 0.02, "history": 4}
    whole = minimize(fn, start, on_step=keep, **options)
    for number, point in points.items():
        again = []
        rest = minimize(fn, start, resume=point, on_step=lambda step, again=again: again.append(step.loss), **options)
        assert np.asarray(rest.value).tobytes() == np.asarray(whole.value).tobytes()
        assert again == losses[number + 1 :]
        assert (rest.steps, rest.evaluations, rest.message) == (whole.steps, whole.evaluations, whole.message)


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


def test_adam_takes_the_steps_of_optax():
    transform, value = optax.adam(0.03), jnp.zeros(4)
    state, expected = transform.init(value), []
    for _ in range(10):
        expected.append(value)
        updates, state = transform.update(jax.grad(lambda x: rosenbrock(x)[0])(value), state)
        value = optax.apply_updates(value, updates)
    seen = []
    minimize(
        rosenbrock, jnp.zeros(4), method="adam", max_steps=9, first_step=0.03, on_step=lambda s: seen.append(s.value)
    )
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-6)


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
    for label, options in {
        "lbfgsb": {"method": "lbfgsb"},
        "lbfgs": {"method": "lbfgs"},
        "half": {"method": "lbfgs", "history_type": "bfloat16"},
    }.items():
        result = minimize(fn, start, max_steps=60, tolerance=0.0, first_step=0.01, **options)
        found[label] = (np.log(result.loss), result.evaluations)
    begin = np.log(float(fn(start)[0]))
    gained = {label: begin - loss for label, (loss, _) in found.items()}
    assert gained["lbfgs"] > 0.9 * gained["lbfgsb"]
    assert gained["half"] > 0.8 * gained["lbfgsb"]
    assert found["lbfgs"][1] < 1.2 * found["lbfgsb"][1]


def test_the_history_of_lbfgs_is_allocated_at_once_and_of_the_type_asked_for():
    seen = []
    minimize(
        bowl,
        jnp.zeros((4, 3)),
        (jnp.ones((4, 3)),),
        method="lbfgs",
        history=6,
        history_type="bfloat16",
        max_steps=1,
        on_step=lambda step: seen.append({name: (a.shape, a.dtype) for name, a in step.position.state.arrays.items()}),
    )
    assert seen[0] == seen[1]
    assert seen[0]["steps"] == seen[0]["changes"] == ((6, 4, 3), jnp.bfloat16)
    assert bytes_per_number("lbfgs", 6, "float32") - bytes_per_number("lbfgs", 6, "bfloat16") == 24


def test_the_units_of_the_loss_do_not_matter():
    def path(scale):
        losses = []
        fn = lambda x: (scale * rosenbrock(x)[0], ())  # noqa: E731
        minimize(fn, jnp.zeros(4), max_steps=10, on_step=lambda step: losses.append(step.loss / scale))
        return losses

    np.testing.assert_allclose(path(2.0**20), path(2.0**-20), rtol=1e-6)


@pytest.mark.parametrize("method", ["lbfgsb", "lbfgs"])
def test_it_ends_when_ten_steps_lower_the_loss_by_less_than_the_tolerance(method):
    """Together, however little single ones do, and not before."""

    def losses(**options):
        seen = []
        given = {"method": method, "max_steps": 80, "first_step": 0.01, "on_step": lambda step: seen.append(step.loss)}
        return minimize(rosenbrock, jnp.zeros(12), **given, **options), seen

    _, all_of_them = losses(tolerance=0.0)
    for tolerance in (0.3, 0.9):
        result, seen = losses(tolerance=tolerance)
        assert result.converged
        assert f"10 steps lowered the loss by less than {tolerance:g} of it" in result.message
        assert seen == all_of_them[: len(seen)]
        assert seen[-1] > (1 - tolerance) * seen[-11]
        assert all(seen[at + 20] < (1 - tolerance) * seen[at] for at in range(len(seen) - 30))


@pytest.mark.parametrize("method", ["lbfgsb", "adam"])
def test_values_stay_within_bounds_at_every_step(method):
    target = jnp.array([-1.0, 0.5, 3.0])
    seen = []
    result = minimize(
        bowl,
        jnp.full(3, 0.2),
        (target,),
        method=method,
        bounds=(0.0, 1.0),
        on_step=lambda step: seen.append(np.asarray(step.value)),
    )
    np.testing.assert_allclose(result.value, [0, 0.5, 1], atol=1e-6 if method == "lbfgsb" else 1e-3)
    assert all(values.min() >= 0 and values.max() <= 1 for values in seen)


@pytest.mark.parametrize("method", METHODS)
def test_steps_are_reported_once_each_with_falling_losses_and_the_start_first(method):
    steps = []
    result = minimize(rosenbrock, jnp.zeros(4), method=method, max_steps=15, on_step=steps.append)
    assert [step.step for step in steps] == list(range(result.steps + 1))
    assert method == "adam" or all(b.loss < a.loss for a, b in pairwise(steps))
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


@pytest.mark.parametrize("method", METHODS)
def test_a_loss_that_turns_nan_names_the_step_and_keeps_the_last_finite_point(method):
    with pytest.raises(NonFiniteLossError, match=r"nan in step \d+; the last finite point is kept") as caught:
        minimize(breaks_below, jnp.full(4, 3.0), (1.0,), method=method, first_step=0.1, max_steps=5000, tolerance=0.0)
    assert caught.value.result is not None
    assert np.isfinite(caught.value.result.value).all()
    assert caught.value.result.loss >= 1


def cliff(x):
    """Finite near the start alone: a step of the length asked for is far too long."""
    loss = jnp.sum((x - 0.3) ** 2)
    return jnp.where(jnp.max(jnp.abs(x)) > 0.5, jnp.inf, loss), ()


@pytest.mark.parametrize("method", METHODS)
def test_a_step_that_goes_astray_is_taken_back_and_tried_again_shorter(method):
    seen = []
    result = minimize(
        cliff, jnp.zeros((4, 5)), method=method, first_step=20.0, max_steps=400, on_step=lambda s: seen.append(s.loss)
    )
    assert np.isfinite(seen).all()
    assert max(seen) < 100 * seen[0]
    np.testing.assert_allclose(result.value, np.full((4, 5), 0.3), atol=0.02)


def test_an_exploding_step_of_adam_is_none():
    def steep(x):
        return jnp.sum(jnp.exp(jnp.abs(x) * 40)) + jnp.sum((x - 0.1) ** 2), ()

    seen = []
    minimize(
        steep, jnp.full(3, 0.01), method="adam", first_step=1.0, max_steps=20, on_step=lambda s: seen.append(s.loss)
    )
    assert max(seen) < 100 * seen[0]


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


def test_bounds_that_lbfgs_cannot_keep_are_refused():
    with pytest.raises(ValueError, match="lbfgs cannot keep; use lbfgsb or adam"):
        minimize(rosenbrock, jnp.zeros(4), method="lbfgs", bounds=(0.0, 1.0))
