"""What every optimizer has in common."""

import copy
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.functions import bowl, rosenbrock

from subjective.optimize.adam import Adam
from subjective.optimize.creation import create_optimizer
from subjective.optimize.lbfgs import LBFGS
from subjective.optimize.lbfgsb import LBFGSB
from subjective.optimize.minimizer import EndError, NonFiniteLossError, minimize
from subjective.optimize.registry import OPTIMIZERS


@pytest.mark.parametrize("name", ["lbfgsb", "lbfgs"])
def test_it_finds_the_minimum_of_rosenbrocks_valley(name, in_float64):
    result = minimize(rosenbrock, jnp.zeros(6), optimizer=create_optimizer(name), max_steps=200, tolerance=1e-15)
    np.testing.assert_allclose(result.value, np.ones(6), atol=1e-5)
    assert result.converged


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_that_was_stopped_goes_on_bit_for_bit(name):
    """From any of its points, taken as it was told and copied, as a file would."""
    start = jnp.linspace(-1, 1, 12).reshape(3, 4)

    def fn(x):
        return rosenbrock(x.reshape(-1))

    points, losses = {}, []

    def keep(step):
        losses.append(step.loss)
        if step.step in (0, 1, 7, 15):
            points[step.step] = copy.deepcopy(step.position)

    options = {"optimizer": create_optimizer(name, history=4), "max_steps": 25, "tolerance": 0.0, "first_step": 0.02}
    whole = minimize(fn, start, on_step=keep, **options)
    for number, point in points.items():
        again = []
        rest = minimize(fn, start, resume=point, on_step=lambda step, again=again: again.append(step.loss), **options)
        assert np.asarray(rest.value).tobytes() == np.asarray(whole.value).tobytes()
        assert again == losses[number + 1 :]
        assert (rest.steps, rest.evaluations, rest.message) == (whole.steps, whole.evaluations, whole.message)


def test_the_units_of_the_loss_do_not_matter():
    def path(scale):
        losses = []
        fn = lambda x: (scale * rosenbrock(x)[0], ())  # noqa: E731
        minimize(fn, jnp.zeros(4), max_steps=10, on_step=lambda step: losses.append(step.loss / scale))
        return losses

    np.testing.assert_allclose(path(2.0**20), path(2.0**-20), rtol=1e-6)


@pytest.mark.parametrize("name", ["lbfgsb", "lbfgs"])
def test_it_ends_when_ten_steps_lower_the_loss_by_less_than_the_tolerance(name):
    """Together, however little single ones do, and not before."""

    def losses(**options):
        seen = []
        given = {
            "optimizer": create_optimizer(name),
            "max_steps": 80,
            "first_step": 0.01,
            "on_step": lambda step: seen.append(step.loss),
        }
        return minimize(rosenbrock, jnp.zeros(12), **given, **options), seen

    _, all_of_them = losses(tolerance=0.0)
    for tolerance in (0.3, 0.9):
        result, seen = losses(tolerance=tolerance)
        assert result.converged
        assert f"10 steps lowered the loss by less than {tolerance:g} of it" in result.message
        assert seen == all_of_them[: len(seen)]
        assert seen[-1] > (1 - tolerance) * seen[-11]
        assert all(seen[at + 20] < (1 - tolerance) * seen[at] for at in range(len(seen) - 30))


@pytest.mark.parametrize("name", ["lbfgsb", "adam"])
def test_values_stay_within_bounds_at_every_step(name):
    target = jnp.array([-1.0, 0.5, 3.0])
    seen = []
    result = minimize(
        bowl,
        jnp.full(3, 0.2),
        (target,),
        create_optimizer(name, bounds=(0.0, 1.0)),
        on_step=lambda step: seen.append(np.asarray(step.value)),
    )
    np.testing.assert_allclose(result.value, [0, 0.5, 1], atol=1e-6 if name == "lbfgsb" else 1e-3)
    assert all(values.min() >= 0 and values.max() <= 1 for values in seen)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_reported_once_each_with_falling_losses_and_the_start_first(name):
    steps = []
    result = minimize(rosenbrock, jnp.zeros(4), optimizer=create_optimizer(name), max_steps=15, on_step=steps.append)
    assert [step.step for step in steps] == list(range(result.steps + 1))
    assert name == "adam" or all(b.loss < a.loss for a, b in pairwise(steps))
    for step in (steps[0], steps[7], steps[-1]):
        loss, gradient = jax.value_and_grad(lambda x: rosenbrock(x)[0])(step.value)
        assert step.loss == pytest.approx(float(loss), rel=1e-5)
        assert step.parts["all"] == step.loss
        assert step.gradient_norm == pytest.approx(float(jnp.linalg.norm(gradient)), rel=1e-4)
    best = min(steps, key=lambda step: step.loss) if name == "adam" else steps[-1]
    assert result.loss == best.loss
    assert result.evaluations == steps[-1].evaluations + (best is not steps[-1]), "the best one is evaluated again"
    np.testing.assert_array_equal(result.value, best.value)


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


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_loss_that_turns_nan_names_the_step_and_keeps_the_last_finite_point(name):
    with pytest.raises(NonFiniteLossError, match=r"nan in step \d+; the last finite point is kept") as caught:
        minimize(
            breaks_below,
            jnp.full(4, 3.0),
            (1.0,),
            create_optimizer(name),
            first_step=0.1,
            max_steps=5000,
            tolerance=0.0,
        )
    assert caught.value.result is not None
    assert np.isfinite(caught.value.result.value).all()
    assert caught.value.result.loss >= 1


def cliff(x):
    """Finite near the start alone: a step of the length asked for is far too long."""
    loss = jnp.sum((x - 0.3) ** 2)
    return jnp.where(jnp.max(jnp.abs(x)) > 0.5, jnp.inf, loss), ()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_that_goes_astray_is_taken_back_and_tried_again_shorter(name):
    seen = []
    result = minimize(
        cliff,
        jnp.zeros((4, 5)),
        optimizer=create_optimizer(name),
        first_step=20.0,
        max_steps=400,
        on_step=lambda s: seen.append(s.loss),
    )
    assert np.isfinite(seen).all()
    assert max(seen) < 100 * seen[0]
    np.testing.assert_allclose(result.value, np.full((4, 5), 0.3), atol=0.02)


def test_a_loss_that_is_infinite_from_the_start_says_so():
    with pytest.raises(NonFiniteLossError, match="inf at the starting picture"):
        minimize(lambda x: (jnp.sum(x) / 0.0, ()), jnp.ones(2))


def test_what_on_step_raises_comes_through():
    def stop(step):
        if step.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimize(rosenbrock, jnp.zeros(4), on_step=stop)


def test_on_step_may_end_the_minimization_at_its_last_step():
    def end(step):
        if step.step == 3:
            raise EndError("it is late")

    result = minimize(rosenbrock, jnp.zeros(4), on_step=end)
    short = minimize(rosenbrock, jnp.zeros(4), max_steps=3)
    assert (result.steps, result.converged, result.message) == (3, False, "it is late")
    np.testing.assert_array_equal(result.value, short.value)


@pytest.mark.parametrize(
    "unfit",
    [{"max_steps": -1}, {"tolerance": -1.0}, {"tolerance": float("nan")}, {"first_step": 0.0}],
)
def test_unfit_numbers_are_refused(unfit):
    with pytest.raises(ValueError, match=f"{next(iter(unfit))} is"):
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


@pytest.mark.parametrize("optimizer", [LBFGSB, LBFGS])
def test_a_history_of_nothing_is_refused(optimizer):
    with pytest.raises(ValueError, match="history is 0; wanted 1 or more"):
        optimizer(history=0)


@pytest.mark.parametrize("optimizer", [LBFGSB, Adam])
def test_bounds_without_room_between_them_are_refused(optimizer):
    with pytest.raises(ValueError, match=r"bounds are .* wanted a lower and a higher number"):
        optimizer(bounds=(1.0, 0.0))
