"""scipy's L-BFGS-B: step for step its public function, whatever its private routine has become."""

import copy
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy
import scipy.optimize
from helpers.functions import rosenbrock

from subjective.checks import InputError
from subjective.optimize.lbfgs import LBFGS
from subjective.optimize.lbfgsb import LBFGSB, unavailable
from subjective.optimize.minimizer import minimize


@pytest.mark.parametrize("bounds", [None, (-0.3, 0.8)])
def test_it_takes_the_very_steps_of_scipy(bounds, in_float64, with_all_passes):
    """To the last bit: the compiled routine is scipy's, the loop around it ours."""

    def valley(y):  # of this test's own, so that it is compiled here
        return rosenbrock(y)

    found, expected, start = [], [], np.linspace(-0.2, 0.4, 6)
    minimize(
        valley,
        jnp.asarray(start),
        optimizer=LBFGSB(bounds=bounds),
        max_steps=25,
        tolerance=0,
        on_step=lambda s: found.append(s.value),
    )
    fn = jax.jit(jax.value_and_grad(lambda y: rosenbrock(y)[0]))
    scale = 1 / np.linalg.norm(fn(jnp.asarray(start))[1])
    unit = 1 / np.sqrt(6) * np.sqrt(6)  # to the last digit, which is not 1
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


def known_routine(change):
    """The installed routine under its own signature, except for what ``change(routine, arguments)`` does."""
    own = scipy.optimize._lbfgsb.setulb

    def setulb(*arguments):
        return change(own, arguments)

    setulb.__doc__ = own.__doc__
    return setulb


def called_by_scipy():
    """Whether a changed routine is called by scipy's own loop, which knows the change."""
    return sys._getframe(3).f_globals["__name__"].startswith("scipy.")


def with_other_codes(routine, arguments):
    """What the routine asks for has other numbers."""
    task = arguments[11]
    task[0] %= 100
    routine(*arguments)
    task[0] += 100


def with_larger_arrays(routine, arguments):
    """The routine writes one element past the end of `isave`; here that element is in the array's owner."""
    routine(*arguments)
    owner = arguments[13].base
    if owner is not None:
        owner[arguments[13].size] = 0


def with_hidden_state(routine, arguments, hidden=[]):  # noqa: B006
    """The routine keeps `dsave` to itself."""
    task, dsave = arguments[11], arguments[14]
    if task[0] != 0:
        dsave[:] = hidden[-1]
    routine(*arguments)
    hidden[:] = [dsave.copy()]


def with_other_units(routine, arguments):
    """The routine takes the gradient in other units than our loop gives it in."""
    arguments = list(arguments)
    if not called_by_scipy():
        arguments[6] = 2 * arguments[6]
    routine(*arguments)


@pytest.mark.parametrize("change", [with_other_codes, with_other_units, with_larger_arrays, with_hidden_state])
def test_a_routine_of_scipy_that_behaves_unlike_the_known_one_is_refused(change, monkeypatch):
    monkeypatch.setattr("scipy.optimize._lbfgsb.setulb", known_routine(change))
    assert unavailable()
    with pytest.raises(InputError, match=rf"lbfgsb needs .* and scipy {scipy.__version__} has another; use lbfgs or"):
        LBFGSB()
    assert minimize(rosenbrock, jnp.zeros(4), optimizer=LBFGS(), max_steps=3).steps == 3


@pytest.mark.parametrize("signature", ["setulb(m,x,l,u,nbd,f,g,factr,pgtol,wa,iwa,task,iprint,csave)\n\nFortran", None])
def test_a_routine_of_scipy_with_another_signature_is_never_called(signature, monkeypatch):
    calls = []
    routine = known_routine(lambda _, arguments: calls.append(arguments))
    routine.__doc__ = signature
    monkeypatch.setattr("scipy.optimize._lbfgsb.setulb", routine)
    with pytest.raises(InputError, match="lbfgsb needs"):
        LBFGSB()
    assert not calls


def test_a_run_goes_on_with_a_scipy_that_was_built_for_other_integers(monkeypatch):
    """The same steps; integers that such a routine would refuse are converted."""

    def of_other_integers(routine, arguments):
        integers = [array for array in arguments if isinstance(array, np.ndarray) and array.dtype.kind == "i"]
        if called_by_scipy():
            return routine(*arguments)
        if {array.dtype for array in integers} != {other}:
            raise TypeError(f"integers must be {other}")
        copies = {id(array): array.astype(own) for array in integers}
        routine(*(copies.get(id(argument), argument) for argument in arguments))
        for array in integers:
            array[:] = copies[id(array)]

    points, options = [], {"max_steps": 20, "tolerance": 0.0}
    whole = minimize(rosenbrock, jnp.zeros(6), on_step=lambda s: points.append(copy.deepcopy(s.position)), **options)
    own = points[0].state.arrays["task"].dtype
    other = np.dtype({4: np.int64, 8: np.int32}[own.itemsize])
    monkeypatch.setattr("scipy.optimize._lbfgsb.setulb", known_routine(of_other_integers))
    for start in (None, points[7]):
        again = minimize(rosenbrock, jnp.zeros(6), resume=start, **options)
        assert np.asarray(again.value).tobytes() == np.asarray(whole.value).tobytes()
