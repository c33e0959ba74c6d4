"""What networks are trained by, against its formulas; and which settings and pictures it refuses."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import networks as plain
from helpers.feedforward import STYLE, TEXTURE

from subjective.checks import InputError
from subjective.feedforward.config import TRAIN_PRESETS, TrainConfig
from subjective.feedforward.loss import Objective, make_objective, measure_targets

LOOK = dataclasses.replace(TEXTURE, size=32, layers=("conv1_1", "pool1"), octaves=2)

loss_of = jax.jit(Objective.loss, static_argnums=0)


@pytest.mark.slow
def test_targets_are_mixed_as_the_sources_are(small_params, rng):
    sources = [rng.uniform(size=(40, 44, 3)).astype(np.float32) for _ in range(2)]
    objective = make_objective(LOOK, small_params, [(40, 44)] * 2)
    targets = measure_targets(sources, objective, small_params)
    made = jnp.asarray(rng.uniform(size=(32, 32, 3)), jnp.float32)
    alone = [measure_targets([source], objective, small_params) for source in sources]
    for place in range(2):
        loss, _ = loss_of(objective, made, None, jnp.eye(2)[place], targets, small_params)
        wanted, _ = loss_of(objective, made, None, jnp.ones(1), alone[place], small_params)
        assert float(loss) == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.slow
def test_a_picture_left_as_it_is_has_no_content_loss(small_params, rng):
    source = rng.uniform(size=(40, 44, 3)).astype(np.float32)
    config = dataclasses.replace(LOOK, texture=False, content_layer="pool1")
    objective = make_objective(config, small_params, [(40, 44)])
    targets = measure_targets([source], objective, small_params)
    image = jnp.asarray(rng.uniform(size=(32, 32, 3)), jnp.float32)
    _, same = loss_of(objective, image, image, jnp.ones(1), targets, small_params)
    total, parts = loss_of(objective, image, image[::-1], jnp.ones(1), targets, small_params)
    assert float(same["content"]) == 0
    assert float(parts["content"]) > 0
    assert set(parts) == {"octave 0", "octave 1", "content"}
    assert float(total) == pytest.approx(sum(map(float, parts.values())), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("padding", "apart"), [(None, False), ("valid", False), ("same", True)])
def test_around_a_picture_is_nothing_unless_zeros_are_asked_for(small_params, rng, padding, apart):
    """A source's own picture is of its style to the last digit, but where zeros around it are looked at too."""
    source = rng.uniform(size=(32, 32, 3)).astype(np.float32)
    config = dataclasses.replace(LOOK, texture=False, content_layer="pool1", padding_mode=padding)
    objective = make_objective(config, small_params, [(32, 32)])
    targets = measure_targets([source], objective, small_params)
    loss, _ = loss_of(objective, jnp.asarray(source), jnp.asarray(source), jnp.ones(1), targets, small_params)
    assert (float(loss) > 1e-3) if apart else (float(loss) < 1e-9)


@pytest.mark.slow
def test_variation_is_the_mean_square_between_neighbors(small_params, rng):
    source, made = (rng.uniform(size=(32, 36, 3)).astype(np.float32) for _ in range(2))
    objective = make_objective(dataclasses.replace(LOOK, variation_weight=0.5), small_params, [(32, 36)])
    targets = measure_targets([source], objective, small_params)
    total, parts = loss_of(objective, jnp.asarray(made), None, jnp.ones(1), targets, small_params)
    wanted = 0.5 * sum((np.diff(made.astype(np.float64), axis=axis) ** 2).mean() for axis in (0, 1))
    assert float(parts["variation"]) == pytest.approx(wanted, rel=1e-5)
    assert float(total) == pytest.approx(sum(map(float, parts.values())), rel=1e-5)


@pytest.mark.slow
def test_matlab_setting_is_johnsons_loss(vgg16, rng):
    """Squared Frobenius distance of Gram matrices over H W C, mean squared difference of content, on 0 to 255."""
    config = dataclasses.replace(TRAIN_PRESETS["matlab"], size=32)
    source = rng.uniform(size=(96, 100, 3)).astype(np.float32)
    objective = make_objective(config, vgg16, [(96, 100)])
    targets = measure_targets([source], objective, vgg16)
    made, original = (rng.uniform(size=(32, 32, 3)).astype(np.float32) for _ in range(2))
    loss, parts = loss_of(objective, jnp.asarray(made), jnp.asarray(original), jnp.ones(1), targets, vgg16)

    layers = {name: (layer["kernel"], layer["bias"]) for name, layer in vgg16.items() if name.startswith("conv")}

    def features(image, padding):
        return plain.vgg_features(image[:, :, ::-1] * np.float64(255) - vgg16["input"]["mean"], layers, padding, "max")

    def gram(maps):
        rows = maps.reshape(-1, maps.shape[2])
        return rows.T @ rows / maps.size

    ours, theirs, kept = features(made, "zero"), features(source, "valid"), features(original, "zero")
    style = sum(
        3e-8 * ((gram(ours[layer]) - gram(theirs[layer])) ** 2).sum()
        for layer in ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
    )
    content = 1e-4 * ((ours["conv3_3"] - kept["conv3_3"]) ** 2).mean()
    assert float(parts["content"]) == pytest.approx(content, rel=1e-4)
    assert float(loss) == pytest.approx(style + content, rel=1e-4)


def test_a_layer_that_the_loss_network_lacks_is_refused_with_what_to_get(small_params):
    config = dataclasses.replace(STYLE, content_layer="conv5_1")
    with pytest.raises(InputError, match=r"no layer 'conv5_1'; it has conv1_1, .*weights fetch vgg19-keras"):
        make_objective(config, small_params, [(64, 64)])


def test_a_size_too_small_for_the_content_is_refused(vgg16):
    config = TrainConfig(size=32, layers=("conv1_1",), content_layer="conv4_2")
    with pytest.raises(InputError, match=r"^size of 32x32 pixels is too small for 1 octave of conv1_1, conv4_2"):
        make_objective(config, vgg16, [(64, 64)])


def test_a_source_too_small_is_refused(small_params):
    with pytest.raises(InputError, match=r"^source 2 of 64x5 pixels is too small for 2 octaves of conv1_1, pool1"):
        make_objective(LOOK, small_params, [(64, 64), (5, 64)])


@pytest.mark.parametrize(
    ("texture", "source", "octaves"),
    [(True, (200, 200), (0, 1, 2)), (True, (12, 200), (0,)), (False, (200, 200), (0,))],
)
def test_octaves_are_as_many_as_there_is_room_for_and_one_for_a_style(small_params, texture, source, octaves):
    config = dataclasses.replace(LOOK, octaves=None, size=128, texture=texture, content_layer="pool1")
    assert make_objective(config, small_params, [source]).analysis.octaves == octaves
