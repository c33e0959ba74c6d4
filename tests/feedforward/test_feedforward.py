"""The two networks, what they are trained by, and one real step of training."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from helpers import networks as plain
import pytest

from subjective.feedforward import network_file, train
from subjective.feedforward.config import LIKE, TrainConfig, check_blend
from subjective.feedforward.layers import convolve, doubled, padded
from subjective.feedforward.loss import CONTENT, objective_of, targets_of
from subjective.feedforward.networks import Architecture, noise_for, noise_sizes
from subjective.feedforward.repaint import repaint
from subjective.feedforward.step import batch_of, first_state, parameters_of, step_of, with_parameters

# One layer at one octave is quickly compiled; the same number of steps makes the same program.
SMALL = TrainConfig(
    texture=True, size=16, batch=2, steps=25, width=2, depth=1, learning_rate=1e-2,
    layers=("conv1_1",), statistic=("gram",), octaves=1,
)  # fmt: skip
STYLE = dataclasses.replace(SMALL, texture=False, content_layer="conv1_1", content_weight=1.0)


def network(kind="style", border="reflect", sources=2, width=4, depth=2, seed=0):
    """A network all of whose parameters, gains and shifts too, are random."""
    architecture = Architecture(kind, sources, width, depth, border)
    params = parameters_of(architecture.build(seed))
    random = np.random.default_rng(seed + 1)
    return architecture, jax.tree.map(lambda leaf: leaf + 0.1 * random.normal(size=leaf.shape).astype("f4"), params)


@pytest.fixture
def picture(rng):
    return rng.uniform(size=(37, 50, 3)).astype(np.float32)


# The networks


def test_transform_net_is_what_its_formulas_say(rng):
    architecture, params = network()
    image = rng.uniform(size=(36, 44, 3)).astype(np.float32)
    blend = np.array([0.3, 0.7], np.float32)
    flat = {name: np.asarray(leaf, np.float64) for name, leaf in network_file.flat(params).items()}

    def block(x, place, stride=1, relu=plain.relu):
        kernel = flat[f"blocks.{place}.convolution.kernel"]
        gain, shift = (blend.astype(np.float64) @ flat[f"blocks.{place}.norm.{part}"] for part in ("gain", "shift"))
        y = plain.convolved(plain.padded(x, len(kernel) // 2, "reflect"), kernel, stride=stride)
        return relu(plain.instance_normalized(y, gain, shift))

    x = image.astype(np.float64) * 2 - 1
    for place, stride in enumerate((1, 2, 2)):
        x = block(x, place, stride)
    for place in (3, 5):
        x = x + block(block(x, place), place + 1, relu=lambda y: y)
    for place in (7, 8):
        x = block(plain.doubled(x), place)
    wanted = (np.tanh(plain.convolved(plain.padded(x, 4, "reflect"), flat["last.kernel"])) + 1) / 2
    np.testing.assert_allclose(train.paint(architecture, params, image, blend), wanted, atol=1e-5)


@pytest.mark.parametrize("side", [1, 3, 9])
def test_convolutions_are_sums_over_a_window(rng, side):
    x = jnp.asarray(rng.normal(size=(11, 12, 5)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(side, side, 5, 3)), jnp.float32)
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(x), (side, side), axis=(0, 1))
    wanted = np.einsum("hwcij,ijco->hwo", windows, np.asarray(kernel))
    np.testing.assert_allclose(jax.jit(convolve)(x, kernel), wanted, atol=1e-4)


def test_borders_are_those_of_numpy(rng):
    x = jnp.asarray(rng.normal(size=(6, 7, 2)), jnp.float32)
    for border, mode in (("reflect", "reflect"), ("circular", "wrap"), ("same", "constant")):
        np.testing.assert_array_equal(padded(x, 2, 3, border), np.pad(x, ((2, 2), (3, 3), (0, 0)), mode=mode))
    assert doubled(x).shape == (12, 14, 2)


def test_a_repainted_picture_keeps_any_size(rng):
    architecture, params = network(depth=1, width=2)
    for size in ((16, 16), (17, 30)):
        image = rng.uniform(size=(*size, 3)).astype(np.float32)
        painted = train.paint(architecture, params, image, (0.5, 0.5))
        assert painted.shape == image.shape
        assert 0 <= painted.min() < painted.max() <= 1


@pytest.mark.parametrize(("border", "rows"), [("reflect", 7), ("circular", 16), ("same", 1000)])
def test_strips_give_the_picture_that_the_whole_gives(picture, border, rows):
    architecture, params = network(border=border, depth=1)
    blend = np.array([0.3, 0.7], np.float32)
    whole = train.paint(architecture, params, picture, blend)
    strips = repaint(architecture, params, picture, blend, rows=rows, host_bytes=9000)
    # Float32 sums in another order, through seven normalizations.
    np.testing.assert_allclose(strips, whole, atol=1e-5)


def test_a_circular_network_moves_with_its_picture(rng):
    architecture, params = network(border="circular")
    image = rng.uniform(size=(32, 48, 3)).astype(np.float32)
    painted = train.paint(architecture, params, image, (1.0, 0.0))
    moved = train.paint(architecture, params, np.roll(image, (4, 8), (0, 1)), (1.0, 0.0))
    np.testing.assert_allclose(moved, np.roll(painted, (4, 8), (0, 1)), atol=1e-5)


def test_a_texture_tiles(rng):
    """Noise that is moved around the border moves the texture with it: there is no seam."""
    architecture, params = network("texture", "circular", depth=2)
    noise = noise_for(jax.random.key(0), (32, 48), 2)
    net = with_parameters(architecture, params)
    moved = [jnp.roll(z, (2**k, 2**k), (0, 1)) for k, z in enumerate(noise)]
    blend = jnp.array([0.5, 0.5])
    np.testing.assert_allclose(net(moved, blend), jnp.roll(net(noise, blend), (2, 2), (0, 1)), atol=1e-5)


def test_a_texture_has_any_size():
    architecture, params = network("texture", "circular", depth=2, width=2)
    for size in ((32, 48), (13, 6)):
        assert train.draw(architecture, params, size, (0.5, 0.5), 0).shape == (*size, 3)
    assert noise_sizes((45, 70), 3) == [(12, 18), (23, 35), (45, 70)]


def test_seeds_and_blends_make_other_textures():
    architecture, params = network("texture", "circular")
    first = train.draw(architecture, params, (32, 32), (1.0, 0.0), 0)
    np.testing.assert_array_equal(first, train.draw(architecture, params, (32, 32), (1.0, 0.0), 0))
    assert np.abs(first - train.draw(architecture, params, (32, 32), (1.0, 0.0), 1)).mean() > 0.01
    assert np.abs(first - train.draw(architecture, params, (32, 32), (0.0, 1.0), 0)).mean() > 0.01


# The objective

LOOK = dataclasses.replace(SMALL, size=32, layers=("conv1_1", "pool1"), octaves=2)


def test_targets_are_mixed_as_the_sources_are(small_params, rng):
    sources = [rng.uniform(size=(40, 44, 3)).astype(np.float32) for _ in range(2)]
    objective = objective_of(LOOK, small_params, [(40, 44)] * 2)
    targets = targets_of(sources, objective, small_params)
    made = jnp.asarray(rng.uniform(size=(32, 32, 3)), jnp.float32)
    alone = [targets_of([source], objective, small_params) for source in sources]
    for place in range(2):
        loss, _ = objective.loss(made, None, jnp.eye(2)[place], targets, small_params)
        wanted, _ = objective.loss(made, None, jnp.ones(1), alone[place], small_params)
        assert float(loss) == pytest.approx(float(wanted), rel=1e-5)


def test_a_picture_left_as_it_is_has_no_content_loss(small_params, rng):
    source = rng.uniform(size=(40, 44, 3)).astype(np.float32)
    config = dataclasses.replace(LOOK, texture=False, content_layer="pool1")
    objective = objective_of(config, small_params, [(40, 44)])
    targets = targets_of([source], objective, small_params)
    image = jnp.asarray(rng.uniform(size=(32, 32, 3)), jnp.float32)
    _, same = objective.loss(image, image, jnp.ones(1), targets, small_params)
    total, parts = objective.loss(image, image[::-1], jnp.ones(1), targets, small_params)
    assert float(same["content"]) == 0
    assert float(parts["content"]) > 0
    assert set(parts) == {"octave 0", "octave 1", "content"}
    assert float(total) == pytest.approx(sum(map(float, parts.values())), rel=1e-5)


def test_around_a_picture_is_nothing_unless_zeros_are_asked_for(small_params, rng):
    """A source's own picture is of its style to the last digit, but where zeros around it are looked at too."""
    source = rng.uniform(size=(32, 32, 3)).astype(np.float32)
    for padding, apart in ((None, False), ("valid", False), ("same", True)):
        config = dataclasses.replace(LOOK, texture=False, content_layer="pool1", padding_mode=padding)
        objective = objective_of(config, small_params, [(32, 32)])
        targets = targets_of([source], objective, small_params)
        loss, _ = objective.loss(jnp.asarray(source), jnp.asarray(source), jnp.ones(1), targets, small_params)
        assert (float(loss) > 1e-3) is apart, float(loss)
        assert apart or float(loss) < 1e-9


def test_matlab_setting_is_johnsons_loss(vgg16, rng):
    """Squared Frobenius distance of Gram matrices over H W C, mean squared difference of content, on 0 to 255."""
    config = dataclasses.replace(TrainConfig(size=32), **LIKE["matlab"] | {"size": 32})
    source = rng.uniform(size=(96, 100, 3)).astype(np.float32)
    objective = objective_of(config, vgg16, [(96, 100)])
    targets = targets_of([source], objective, vgg16)
    made, original = (rng.uniform(size=(32, 32, 3)).astype(np.float32) for _ in range(2))
    loss, parts = objective.loss(jnp.asarray(made), jnp.asarray(original), jnp.ones(1), targets, vgg16)

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
    with pytest.raises(ValueError, match=r"no layer 'conv5_1'; it has conv1_1, .*weights fetch vgg19-keras"):
        objective_of(config, small_params, [(64, 64)])


def test_a_size_too_small_for_the_content_is_refused(vgg16):
    config = TrainConfig(size=32, layers=("conv1_1",), content_layer="conv4_2")
    with pytest.raises(ValueError, match=r"--size of 32 pixels is too small for 1 octaves of conv1_1, conv4_2"):
        objective_of(config, vgg16, [(64, 64)])


def test_a_source_too_small_is_refused(small_params):
    with pytest.raises(ValueError, match="source 2 of 5 pixels is too small for 2 octaves"):
        objective_of(LOOK, small_params, [(64, 64), (5, 64)])


def test_octaves_are_as_many_as_there_is_room_for(small_params):
    config = dataclasses.replace(LOOK, octaves=None, size=128)
    assert objective_of(config, small_params, [(200, 200)]).analysis.octaves == (0, 1, 2)
    assert objective_of(config, small_params, [(12, 200)]).analysis.octaves == (0,)
    style = dataclasses.replace(config, texture=False, content_layer="pool1")
    assert objective_of(style, small_params, [(200, 200)]).analysis.octaves == (0,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 8}, "--size is 8; wanted 16 or more"),
        ({"devices": 2, "batch": 3}, "--batch is 3; wanted a multiple of --devices 2"),
        ({"texture": False, "zoom": 0.5}, "--zoom is 0.5; wanted 1 or more"),
        ({"zoom": 2}, "--zoom is 2; a texture is learned from no photographs"),
        ({"padding_mode": "same"}, "--padding-mode is same; a texture is always seen circular"),
        ({"border": "reflect"}, "--border is reflect; a texture's is circular"),
        ({"learning_rate": float("nan")}, "--learning-rate is nan"),
        ({"statistic": ("gramm",)}, "--statistic: unknown statistic 'gramm'"),
        ({"width": 0}, "--width, --depth or --octaves is 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes).check()


def test_shares_sum_to_one():
    assert check_blend((1, 3), 2) == (0.25, 0.75)
    assert check_blend(None, 4) == (0.25,) * 4
    with pytest.raises(ValueError, match="--blend got 1 numbers for 2 sources"):
        check_blend((1,), 2)


# Training


def test_a_step_moves_the_parameters_along_adams_direction(small_params, rng):
    source = rng.uniform(size=(48, 48, 3)).astype(np.float32)
    plan = train.plan_of([source], SMALL, small_params)
    targets = targets_of([source], plan.objective, small_params)
    state = first_state(plan, 0)
    after, report = step_of(plan)(state, batch_of(SMALL, 1, 0), targets, small_params)
    assert bool(report["moved"])
    assert int(after.step) == 1
    change = jax.tree.map(lambda new, old: np.abs(np.asarray(new - old)).max(), after.params, state.params)
    # Adam's first step is the learning rate, wherever the gradient is not tiny; that rises to its full size in two.
    assert max(jax.tree.leaves(change)) == pytest.approx(SMALL.learning_rate / 2, rel=1e-3)


@pytest.mark.parametrize("config", [SMALL, STYLE])
def test_training_lowers_the_loss(small_params, rng, config):
    source = rng.uniform(size=(48, 48, 3)).astype(np.float32) ** 3
    pictures = rng.uniform(size=(2, 16, 16, 3)).astype(np.float32)
    losses = []
    train.train(
        [source],
        config,
        params=small_params,
        photographs=None if config.texture else iter([pictures] * 25),
        on_step=lambda step: losses.append(step.loss),
    )
    assert len(losses) == 25
    assert np.mean(losses[-5:]) < 0.9 * losses[0]


def test_a_step_that_is_not_finite_moves_nothing(small_params, rng):
    source = rng.uniform(size=(48, 48, 3)).astype(np.float32)
    plan = train.plan_of([source], STYLE, small_params)
    targets = targets_of([source], plan.objective, small_params)
    state = first_state(plan, 0)
    bad = np.full((2, 16, 16, 3), np.nan, np.float32)
    after, report = step_of(plan)(state, batch_of(STYLE, 1, 0, bad), targets, small_params)
    assert not bool(report["moved"])
    assert int(after.step) == 1
    jax.tree.map(np.testing.assert_array_equal, after.params, state.params)
    jax.tree.map(np.testing.assert_array_equal, after.optimizer, state.optimizer)


def test_a_training_that_goes_nowhere_ends_and_says_so(small_params, rng):
    source = rng.uniform(size=(48, 48, 3)).astype(np.float32)
    bad = np.full((2, 16, 16, 3), np.nan, np.float32)
    with pytest.raises(ValueError, match=r"10 steps one after the other .* lower --learning-rate"):
        train.train([source], STYLE, params=small_params, photographs=iter([bad] * 50))


def test_a_batch_is_the_same_whenever_it_is_asked_for():
    first, again, later = (batch_of(SMALL, 3, step) for step in (5, 5, 6))
    np.testing.assert_array_equal(first.blends, again.blends)
    np.testing.assert_array_equal(jax.random.key_data(first.keys), jax.random.key_data(again.keys))
    assert not (jax.random.key_data(first.keys) == jax.random.key_data(later.keys)).any()
    np.testing.assert_allclose(first.blends.sum(1), 1, rtol=1e-6)


def test_content_is_no_statistic_that_can_be_asked_for():
    with pytest.raises(ValueError, match="unknown statistic 'content'"):
        dataclasses.replace(SMALL, statistic=(CONTENT.name,)).check()
