"""Textures from the library: what `synthesize` makes, and what it refuses."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import noise, smooth_noise

from subjective.optimize.protocol import value_and_gradient
from subjective.statistics.registry import STATISTICS
from subjective.synthesis import texture
from subjective.synthesis.config import SynthesisConfig

SMALL = {
    "output_width": 32,
    "output_height": 24,
    "octaves": 2,
    "max_iter": 8,
    "statistic": ("gram",),
    "layers": ("pool1", "conv3_2"),
}
FROM_NOISE = SMALL | {"init": "random"}  # where the start means nothing: patches would take longer than all the rest


def test_the_loss_falls_and_the_picture_has_the_size_asked_for(small_params):
    losses = []
    [result] = texture.synthesize(
        [smooth_noise()],
        SynthesisConfig(**SMALL, init="random"),
        params=small_params,
        on_step=lambda _, step: losses.append(step.loss),
    )
    assert result.value.shape == (24, 32, 3)
    assert result.loss < 0.1 * losses[0]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_picture(small_params):
    def made(seed):
        [result] = texture.synthesize([smooth_noise()], SynthesisConfig(**FROM_NOISE, seed=seed), params=small_params)
        return np.asarray(result.value).tobytes()

    assert made(1) == made(1)
    assert made(1) != made(2)


@pytest.mark.slow
def test_a_loss_and_its_gradient_are_the_same_bytes_wherever_arrays_lie(small_params):
    """XLA may compile a loop twice and choose by addresses; of this picture, half of the runs then differed."""
    config = SynthesisConfig(
        output_width=72,
        output_height=192,
        octaves=2,
        layers=("conv1_1", "pool1", "conv3_2"),
        statistic=("gram", "spectrum@rgb=0.1"),
        init="random",
    )
    job = texture.prepare([smooth_noise(0, (120, 100))], config, small_params)
    loss, arguments = job.problem(job.stages[-1])
    picture = jnp.asarray(smooth_noise(1, config.size))
    found, kept = set(), []
    for size in range(30):
        (scalar, _), gradient = value_and_gradient(loss)(picture, arguments)
        found.add(np.asarray(scalar).tobytes() + np.asarray(gradient).tobytes())
        kept.append((gradient, jnp.zeros(1000 + 37 * size)))  # so that the next ones lie elsewhere
    assert len(found) == 1


@pytest.mark.slow
def test_pictures_of_a_count_are_independent_of_each_other(small_params):
    both = texture.synthesize([smooth_noise()], SynthesisConfig(**FROM_NOISE, count=2), params=small_params)
    [alone] = texture.synthesize([smooth_noise()], SynthesisConfig(**FROM_NOISE), params=small_params)
    np.testing.assert_array_equal(both[0].value, alone.value)
    assert not np.allclose(both[0].value, both[1].value, atol=0.05)


def test_pictures_of_a_count_that_start_from_one_picture_differ(small_params):
    first, second = texture.synthesize(
        [smooth_noise()], SynthesisConfig(**SMALL, count=2), params=small_params, init=smooth_noise(5, (24, 32))
    )
    assert not np.allclose(first.value, second.value, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["lbfgsb", "lbfgs", "adam"])
@pytest.mark.parametrize(
    ("value", "changes", "remark"),
    [
        (0.0, {}, None),
        (0.5, {"noise": 0.0}, "one flat color"),
        (1.0, {"mul": 65504.0}, "beyond black or white"),
        (None, {"mul": 1e9}, "the loss hardly fell"),
        (None, {"mul": -1.0}, None),
        (None, {"first_step": 100.0}, None),
    ],
)
def test_no_picture_ends_flat_or_not_finite_without_a_word(small_params, optimizer, value, changes, remark):
    picture = smooth_noise() if value is None else np.full((80, 72, 3), value, np.float32)
    config = SynthesisConfig(**SMALL | {"max_iter": 60} | changes, optimizer=optimizer)
    [result] = texture.synthesize([picture], config, params=small_params)
    made = np.clip(np.asarray(result.value), 0, 1)
    assert np.isfinite(result.value).all()
    assert np.isfinite(result.loss)
    if made.std() < 1 / 255:
        assert "one flat color" in result.message or "beyond" in result.message
    if remark is not None and optimizer != "adam":  # which gets nowhere near in sixty short steps
        assert remark in result.message


@pytest.mark.slow
def test_bounds_keep_every_value_between_black_and_white(small_params):
    def made(**settings):
        config = SynthesisConfig(**SMALL | {"max_iter": 25}, mul=3.0, **settings)
        return texture.synthesize([smooth_noise()], config, params=small_params)[0].value

    bound = made(bounds=True)
    assert float(jnp.max(made())) > 1
    assert float(jnp.min(bound)) >= 0
    assert float(jnp.max(bound)) <= 1


@pytest.mark.slow
def test_starting_from_a_solution_leaves_little_to_do(small_params):
    picture = smooth_noise(3, (64, 64))
    config = {"output_width": 64, "octaves": 2, "padding_mode": "valid", "layers": ("pool1",), "statistic": ("gram",)}
    config |= {"schedule": "plain", "init": "random", "block": 0.0}  # of a source blocks differ
    [start] = texture.synthesize([picture], SynthesisConfig(**config, max_iter=0), params=small_params)
    [result] = texture.synthesize([picture], SynthesisConfig(**config, max_iter=3), params=small_params, init=picture)
    assert result.loss < 1e-10 * start.loss


@pytest.mark.slow
def test_coarse_to_fine_starts_the_full_picture_far_lower_than_noise(small_params):
    def first_loss(schedule):
        losses = {}
        texture.synthesize(
            [smooth_noise()],
            SynthesisConfig(**SMALL, schedule=schedule, init="random"),
            params=small_params,
            on_step=lambda _, step: losses.setdefault(step.value.shape, step.loss),
        )
        return losses[24, 32, 3]

    assert first_loss("coarse-to-fine") < 0.7 * first_loss("plain")


@pytest.mark.slow
@pytest.mark.parametrize("statistic", sorted(STATISTICS))
def test_every_statistic_can_be_minimized(small_params, statistic):
    losses, side = [], 128 if statistic == "autocorrelation32" else 64
    config = SynthesisConfig(
        output_width=side, octaves=1, layers=("pool1",), statistic=(statistic,), max_iter=20, schedule="plain"
    )
    start = smooth_noise(7, (side, side))
    start[::4] = np.minimum(start[::4] + 0.2, 1)  # lines for `grid` to find
    [result] = texture.synthesize(
        [smooth_noise(0, (128, 112))],
        config,
        params=small_params,
        init=start,
        on_step=lambda _, step: losses.append(step.loss),
    )
    assert result.loss < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("unfit", "message"),
    [
        (np.full((80, 72, 3), 255, np.float32), "source 1 holds floats from 255 to 255; .* divide by 255"),
        (np.zeros((80, 72, 5), np.float32), "source 1 has shape"),
        (np.full((80, 72, 3), np.nan, np.float32), "source 1 holds NaN"),
    ],
)
def test_arrays_that_are_no_images_are_refused(small_params, unfit, message):
    with pytest.raises(ValueError, match=message):
        texture.synthesize([unfit], SynthesisConfig(**SMALL), params=small_params)


def test_masks_of_another_shape_and_masks_beside_weights_are_refused(small_params):
    sources = [smooth_noise(0), smooth_noise(1)]
    with pytest.raises(ValueError, match=r"masks are of shape \(24, 32, 1\); wanted \(24, 32, 2\)"):
        texture.synthesize(sources, SynthesisConfig(**SMALL), params=small_params, masks=noise(24, 32, 1))
    config = SynthesisConfig(**SMALL, source_weights=(1.0, 2.0))
    with pytest.raises(ValueError, match="leave out source weights"):
        texture.synthesize(sources, config, params=small_params, masks=noise(24, 32, 2))


def test_each_source_needs_a_weight(small_params):
    with pytest.raises(ValueError, match="source_weights got 2 numbers for 1 source"):
        texture.synthesize([smooth_noise()], SynthesisConfig(source_weights=(1.0, 2.0), **SMALL), params=small_params)
