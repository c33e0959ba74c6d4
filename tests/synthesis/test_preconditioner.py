"""The metric of L-BFGS' steps, as a linear map and as what it does to a real loss."""

import copy
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import photograph

from subjective.colors import OPPONENT
from subjective.network.normalization import load_params
from subjective.optimize.creation import create_optimizer
from subjective.optimize.lbfgs import LBFGS
from subjective.optimize.lbfgsb import LBFGSB
from subjective.optimize.minimizer import minimize
from subjective.optimize.preconditioned import Preconditioned
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.preconditioner import BRIGHTNESS, COLOR, LEVELS, apply_octave_gains
from subjective.synthesis.texture import synthesize

OPTIMIZERS = [LBFGSB(), LBFGS()]


def matrix_of(shape):
    """The map as a matrix, column by column."""
    size = int(np.prod(shape))
    return np.asarray(jax.vmap(apply_octave_gains)(jnp.eye(size).reshape(size, *shape))).reshape(size, size)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(8, 8, 3), (7, 10, 3), (1, 5, 3)])
def test_it_is_symmetric_for_any_size(shape, in_float64):
    matrix = matrix_of(shape)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-14)


@pytest.mark.slow
def test_its_eigenvalues_lie_between_its_gains(in_float64):
    values = np.linalg.eigvalsh(matrix_of((16, 8, 3)))
    assert values.min() == pytest.approx(COLOR ** (LEVELS - 1), abs=1e-12)
    assert values.max() == pytest.approx(1, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(7, 10, 3), (25, 9, 3)])
def test_its_eigenvalues_lie_between_its_gains_at_odd_sides_too(shape, in_float64):
    values, last = np.linalg.eigvalsh(matrix_of(shape)), COLOR ** (LEVELS - 1)
    assert last - 1e-12 < values.min() < 1.05 * last
    assert 0.95 < values.max() < 1 + 1e-12


@pytest.mark.parametrize(("axis", "gain"), [(0, BRIGHTNESS), (1, COLOR), (2, COLOR)])
def test_even_color_has_the_last_gain_and_the_finest_waves_the_first(axis, gain, in_float64):
    even = np.broadcast_to(OPPONENT[axis], (32, 32, 3))
    np.testing.assert_allclose(apply_octave_gains(jnp.asarray(even)), gain ** (LEVELS - 1) * even, atol=1e-12)
    finest = np.where(np.indices((32, 32)).sum(axis=0) % 2, 1.0, -1.0)[..., None] * even
    np.testing.assert_allclose(apply_octave_gains(jnp.asarray(finest)), finest, atol=1e-12)


@pytest.mark.slow
def test_several_pictures_are_mapped_one_by_one():
    pictures = jax.random.normal(jax.random.key(0), (3, 12, 8, 3))
    np.testing.assert_array_equal(
        apply_octave_gains(pictures), jnp.stack([apply_octave_gains(picture) for picture in pictures])
    )


def steep(image, center, inverse):
    """A quadratic loss whose Hessian the map's square inverts, apart from a factor of up to two."""
    waves = jnp.linspace(1, 2, image.size)
    return jnp.sum(waves * (inverse @ (image - center).reshape(-1)) ** 2), ()


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_loss_that_is_as_steep_as_it_assumes_takes_few_steps(optimizer, in_float64):
    shape = (8, 8, 3)
    center, inverse = jax.random.normal(jax.random.key(1), shape), jnp.asarray(np.linalg.inv(matrix_of(shape)))

    def steps(optimizer):
        result = minimize(steep, jnp.zeros(shape), (center, inverse), optimizer, tolerance=1e-12)
        np.testing.assert_allclose(result.value, center, atol=1e-4)
        return result.steps

    assert steps(Preconditioned(optimizer, apply_octave_gains)) * 3 < steps(optimizer)


def picture_loss(image, target):
    return jnp.sum((jnp.sin(3 * image) - target) ** 2), ()


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_that_was_stopped_goes_on_bit_for_bit(optimizer):
    start, points, losses = jax.random.normal(jax.random.key(2), (9, 6, 3)), {}, []

    def keep(step):
        losses.append(step.loss)
        if step.step in (0, 1, 7):
            points[step.step] = copy.deepcopy(step.position)

    how = Preconditioned(dataclasses.replace(optimizer, history=4), apply_octave_gains)
    options = {"max_steps": 12, "tolerance": 0.0, "first_step": 0.02}
    whole = minimize(picture_loss, start, (jnp.zeros(()),), how, on_step=keep, **options)
    for number, point in points.items():
        again = []
        rest = minimize(
            picture_loss,
            jnp.zeros_like(start),
            (jnp.zeros(()),),
            how,
            resume=point,
            on_step=lambda step, again=again: again.append(step.loss),
            **options,
        )
        assert np.asarray(rest.value).tobytes() == np.asarray(whole.value).tobytes()
        assert again == losses[number + 1 :]
        assert rest.evaluations == whole.evaluations


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_first_step_is_as_long_in_pixels_as_without(optimizer, in_float64):
    start = jax.random.normal(jax.random.key(3), (16, 16, 3))

    def slope(image, along):  # of a straight line the first step that is tried is as good as any
        return jnp.sum(image * along) + 1e-9 * jnp.sum(image**2), ()

    def length(optimizer):
        seen = []
        minimize(
            slope,
            start,
            (jax.random.normal(jax.random.key(4), start.shape),),
            optimizer,
            first_step=0.01,
            max_steps=1,
            on_step=lambda step: seen.append(np.asarray(step.value)),
        )
        return float(np.sqrt(np.mean((seen[1] - seen[0]) ** 2)))

    assert length(Preconditioned(optimizer, apply_octave_gains)) == pytest.approx(length(optimizer), rel=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_that_goes_astray_is_taken_back_and_tried_again_shorter(optimizer):
    def cliff(image):
        loss = jnp.sum((image - 0.3) ** 2)
        return jnp.where(jnp.max(jnp.abs(image)) > 0.5, jnp.inf, loss), ()

    how = Preconditioned(optimizer, apply_octave_gains)
    result = minimize(cliff, jnp.zeros((8, 8, 3)), (), how, first_step=20.0)
    np.testing.assert_allclose(result.value, np.full((8, 8, 3), 0.3), atol=1e-4)


def test_a_start_without_gradient_is_a_minimum():
    how = Preconditioned(LBFGSB(), apply_octave_gains)
    result = minimize(lambda image: (jnp.sum(image**2), ()), jnp.zeros((4, 4, 3)), (), how)
    assert result.converged
    assert "gradient is zero" in result.message


@pytest.mark.parametrize(
    ("name", "settings", "what"),
    [("lbfgsb", {"bounds": (0.0, 1.0)}, "given with bounds"), ("adam", {}, "given with the optimizer adam")],
)
def test_bounds_and_adam_have_coordinates_of_their_own(name, settings, what):
    with pytest.raises(ValueError, match=what):
        create_optimizer(name, preconditioner=apply_octave_gains, **settings)
    with pytest.raises(ValueError, match=what):
        Preconditioned(create_optimizer(name, **settings), apply_octave_gains)


@pytest.mark.slow
def test_a_real_picture_takes_two_thirds_of_the_steps():
    gravel, params = photograph("gravel")[:64, :64], load_params()

    def loss(preconditioner, steps):
        config = SynthesisConfig(output_width=64, preconditioner=preconditioner, enough=0.0, max_iter=steps)
        return synthesize([gravel], config, params=params)[0].loss

    assert loss("octaves", 20) < loss("none", 30)
