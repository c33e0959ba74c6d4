"""A state that comes from a file is checked before it is used: compiled code trusts the numbers in it."""

import copy

import jax.numpy as jnp
import numpy as np
import pytest

from subjective.checks import InputError
from subjective.optimize.adam import Adam
from subjective.optimize.lbfgs import LBFGS
from subjective.optimize.lbfgsb import LBFGSB
from subjective.optimize.minimizer import minimize
from subjective.optimize.preconditioned import Preconditioned

CENTER = jnp.linspace(-1, 1, 12, dtype=jnp.float32).reshape(3, 4)
STEEP = jnp.asarray(10.0 ** np.arange(-3, 3).repeat(2), jnp.float32).reshape(3, 4)


def bowl(x):
    loss = jnp.sum(STEEP * (x - CENTER) ** 4 + jnp.sin(3 * x))
    return loss, {"bowl": loss}


def halved(x):
    return x * jnp.float32(0.5)


OPTIMIZERS = {
    "lbfgsb": LBFGSB(history=3),
    "bounded": LBFGSB(history=3, bounds=(-0.5, 0.5)),
    "lbfgs": LBFGS(history=3),
    "half": LBFGS(history=3, history_type="bfloat16"),
    "adam": Adam(),
    "preconditioned": Preconditioned(LBFGSB(history=3), halved),
}


def point_of(optimizer, steps=5):
    """Where a minimization stands after some steps."""
    points = []
    start = jnp.zeros((3, 4), jnp.float32)
    minimize(bowl, start, (), optimizer, max_steps=steps, on_step=lambda step: points.append(step.position))
    return copy.deepcopy(points[-1])


def resumed(optimizer, point):
    return minimize(bowl, jnp.zeros((3, 4), jnp.float32), (), optimizer, max_steps=9, resume=point)


def refused(optimizer, point):
    with pytest.raises(InputError, match="the point to resume from is damaged, or of another run") as caught:
        resumed(optimizer, point)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_point_of_the_same_minimization_is_taken_and_others_are_not(name):
    optimizer = OPTIMIZERS[name]
    whole = point_of(optimizer)
    straight = minimize(bowl, jnp.zeros((3, 4), jnp.float32), (), optimizer, max_steps=9)
    np.testing.assert_array_equal(resumed(optimizer, copy.deepcopy(whole)).value, straight.value)
    for array in whole.state.arrays:
        without, renamed, longer, other = (copy.deepcopy(whole) for _ in range(4))
        del without.state.arrays[array]
        renamed.state.arrays["other"] = renamed.state.arrays.pop(array)
        longer.state.arrays[array] = np.zeros(
            5 if array != "isave" else 45, np.asarray(whole.state.arrays[array]).dtype
        )
        other.state.arrays[array] = np.asarray(whole.state.arrays[array]).astype(np.complex64)
        for point in (without, renamed, longer, other):
            refused(optimizer, point)
        if np.asarray(whole.state.arrays[array]).dtype.kind == "f":
            for value in (np.nan, np.inf):
                point = copy.deepcopy(whole)
                point.state.arrays[array] = point.state.arrays[array] * 0 + type(point.state.loss)(value)
                refused(optimizer, point)


def test_every_state_of_a_run_passes_the_check():
    """With bounds that hold and release variables, and after many more steps than the history has pairs."""
    checked = []
    for name in ("lbfgsb", "bounded", "lbfgs", "half", "adam"):
        optimizer = OPTIMIZERS[name]

        class Checked(type(optimizer)):
            def advance(self, problem, state):
                self.check(problem, state)
                checked.append(name)  # noqa: B023 (called before the next turn)
                return super().advance(problem, state)

        minimize(bowl, jnp.full((3, 4), 2.0, jnp.float32), (), Checked(**vars(optimizer)), max_steps=15)
    assert len(checked) >= 40


INTEGERS = [
    ("isave", 3, 1), ("isave", 10, 10**6), ("isave", 15, -1), ("isave", 26, 3), ("isave", 26, -1), ("isave", 27, 4),
    ("isave", 27, -1), ("isave", 28, 99), ("isave", 30, -5), ("isave", 30, 2**31 - 1), ("isave", 37, 13),
    ("isave", 37, -1), ("isave", 39, -4), ("isave", 40, 14), ("iwa", 0, 12), ("iwa", 0, -1), ("iwa", 13, 4),
    ("iwa", 25, 10**6), ("iwa", 25, -3), ("task", 0, 0), ("task", 0, 5), ("lsave", 1, 2), ("unit", (), 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("array", "place", "value"), INTEGERS)
def test_whole_numbers_that_the_routine_would_take_for_places_are_refused(array, place, value):
    optimizer = OPTIMIZERS["bounded"]
    point = point_of(optimizer)
    changed = np.array(point.state.arrays[array])
    assert changed[place] != value
    changed[place] = value
    point.state.arrays[array] = changed if changed.ndim else changed[()]
    refused(optimizer, point)


def test_whole_numbers_of_another_width_are_taken():
    """Scipy may be built for either."""
    optimizer = OPTIMIZERS["lbfgsb"]
    narrow = point_of(optimizer)
    wide = copy.deepcopy(narrow)
    for name in ("iwa", "task", "ln_task", "lsave", "isave"):
        wide.state.arrays[name] = wide.state.arrays[name].astype(np.int64)
    np.testing.assert_array_equal(resumed(optimizer, wide).value, resumed(optimizer, narrow).value)
    far = point_of(optimizer)
    far.state.arrays["iwa"] = far.state.arrays["iwa"].astype(np.int64) + 2**32  # would be small in 32 bits
    refused(optimizer, far)
