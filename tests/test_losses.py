from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.analyses import analyze_fast
from helpers.pictures import noise

from subjective.losses import match, novelty_loss, texture_loss, weighted_sum
from subjective.network.formats.layout import random_params
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Analysis, Term, parse_term

GRAM = STATISTICS["gram"]

TWO_OCTAVES = Analysis(octaves=(0, 1), terms=(parse_term("gram@pool1,conv3_2"),))
WEIGHTED = replace(TWO_OCTAVES, terms=(Term(GRAM, ("pool1", "conv3_2"), (2.0, 3.0)),))


def random_image(seed, size=(24, 32)):
    return jnp.asarray(noise(*size, 3, seed=seed))


# conv3_2 at octave 1 sees every 2 * 4 = 8th pixel: rolls by 8 respect octaves and layers.
@pytest.mark.slow
def test_circular_loss_and_gradient_roll_with_the_picture(in_float64):
    params = jax.tree.map(lambda x: x.astype(np.float64), random_params(0, blocks=3))
    targets = analyze_fast(params, random_image(0).astype(jnp.float64), TWO_OCTAVES)
    loss = jax.jit(jax.value_and_grad(texture_loss(TWO_OCTAVES), has_aux=True))
    image = random_image(1).astype(jnp.float64)
    (here, _), gradient = loss(image, targets, params)
    for roll in [(8, 0), (0, -16), (16, 8)]:
        (there, _), moved = loss(jnp.roll(image, roll, (0, 1)), targets, params)
        assert float(there) == pytest.approx(float(here), rel=1e-10)
        np.testing.assert_allclose(moved, jnp.roll(gradient, roll, (0, 1)), atol=1e-10 * float(jnp.abs(gradient).max()))


# One with every part of the path (two octaves, three layers, pooling fused and not), the others with one octave.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("padding", "pooling", "octaves", "layers"),
    [
        ("circular", "average", (0, 1), ("conv1_1", "pool1", "conv3_2")),
        ("valid", "average", (0,), ("pool1", "conv2_1")),
        ("same", "max", (0,), ("conv1_1", "pool1")),
    ],
)
def test_gradients_are_finite_differences_in_float64(padding, pooling, octaves, layers, in_float64):
    params = jax.tree.map(lambda x: x.astype(np.float64), random_params(0, blocks=3))
    analysis = Analysis(octaves, (Term(GRAM, layers, (1.0,) * len(layers)),), padding, pooling)
    size = (36, 28)
    targets = analyze_fast(params, random_image(0, size).astype(jnp.float64), analysis)
    loss = jax.jit(jax.value_and_grad(texture_loss(analysis, tuple(1.0 + o for o in octaves)), has_aux=True))
    image = random_image(1, size).astype(jnp.float64)
    direction = jnp.asarray(np.random.default_rng(2).standard_normal(image.shape))
    gradient = loss(image, targets, params)[1]
    step = 1e-7

    def along(t):
        return float(loss(image + t * direction, targets, params)[0][0])

    numeric = (along(step) - along(-step)) / (2 * step)
    # ReLU bends at zero, so that a central difference is exact to first order only
    assert float(jnp.vdot(gradient, direction)) == pytest.approx(numeric, rel=1e-5)


@pytest.mark.slow
def test_the_loss_is_zero_at_its_target_and_the_sum_of_its_parts(small_params):
    loss = jax.jit(texture_loss(WEIGHTED, (1.0, 0.5)))
    targets = analyze_fast(small_params, random_image(0), TWO_OCTAVES)
    assert float(loss(random_image(0), targets, small_params)[0]) < 1e-9 * float(
        loss(random_image(1), targets, small_params)[0]
    )
    total, parts = loss(random_image(1), targets, small_params)
    assert float(total) == pytest.approx(sum(map(float, jax.tree.leaves(parts))), rel=1e-6)


def test_weights_multiply_the_parts(small_params):
    targets = analyze_fast(small_params, random_image(0), TWO_OCTAVES)
    _, plain = jax.jit(texture_loss(TWO_OCTAVES))(random_image(1), targets, small_params)
    _, weighted = jax.jit(texture_loss(WEIGHTED, (1.0, 0.5)))(random_image(1), targets, small_params)
    for octave, octave_weight in enumerate((1.0, 0.5)):
        for layer, layer_weight in (("pool1", 2.0), ("conv3_2", 3.0)):
            expected = octave_weight * layer_weight * float(plain[octave][layer]["gram"])
            assert float(weighted[octave][layer]["gram"]) == pytest.approx(expected, rel=1e-6)


def test_relative_distances_do_not_depend_on_the_unit_of_the_features(small_params):
    """Every filter of the first layer ten times as loud, and so every later one: the same relative loss."""
    louder = small_params | {
        "conv1_1": {"kernel": 10 * small_params["conv1_1"]["kernel"], "bias": 10 * small_params["conv1_1"]["bias"]}
    }
    analysis = Analysis(octaves=(0, 1), terms=(parse_term("gram@conv1_1"), parse_term("covariance@conv1_1=2")))
    loss = jax.jit(texture_loss(analysis, relative=True))
    plain, loud = (
        float(loss(random_image(1), analyze_fast(params, random_image(0), analysis), params)[0])
        for params in (small_params, louder)
    )
    assert loud == pytest.approx(plain, rel=1e-4)
    absolute = jax.jit(texture_loss(analysis))
    targets = analyze_fast(small_params, random_image(0), analysis)
    _, parts = absolute(random_image(1), targets, small_params)
    _, relative = loss(random_image(1), targets, small_params)
    size = float(jnp.sum(targets[1]["conv1_1"]["gram"] ** 2))
    assert float(relative[1]["conv1_1"]["gram"]) == pytest.approx(float(parts[1]["conv1_1"]["gram"]) / size, rel=1e-5)


def test_many_targets_are_served_by_one_trace(small_params):
    traces = 0
    inner = texture_loss(TWO_OCTAVES)

    @jax.jit
    def loss(image, targets):
        nonlocal traces
        traces += 1
        return inner(image, targets, small_params)[0]

    losses = {float(loss(random_image(9), analyze_fast(small_params, random_image(s), TWO_OCTAVES))) for s in range(4)}
    assert len(losses) == 4
    assert traces == 1


def test_nothing_is_broadcast_in_a_loss():
    one, frames = jnp.zeros((3, 3)), jnp.zeros((2, 3, 3))
    terms = (parse_term("gram@pool1"),)
    with pytest.raises(ValueError, match="shape"):
        match(({"pool1": {"gram": frames}},), ({"pool1": {"gram": one}},), terms)
    with pytest.raises(ValueError, match="shape"):
        match(({"pool1": {"gram": jnp.zeros((1, 3))}},), ({"pool1": {"gram": one}},), terms)
    with pytest.raises(ValueError, match="structure"):
        match(({"pool1": {"gram": one}},) * 2, ({"pool1": {"gram": one}},), terms)


def test_frames_never_reach_a_loss_of_one_image(small_params):
    targets = analyze_fast(small_params, random_image(0), TWO_OCTAVES)
    frames = jnp.stack([random_image(1), random_image(2)])
    with pytest.raises(Exception, match=r"(?i)shape|type-check|rank"):
        texture_loss(TWO_OCTAVES)(frames, targets, small_params)


def test_each_frame_has_its_own_loss_under_vmap(small_params):
    targets = analyze_fast(small_params, random_image(0), TWO_OCTAVES)
    loss = jax.jit(texture_loss(TWO_OCTAVES))
    frames = jnp.stack([random_image(1), random_image(2)])
    together = jax.vmap(lambda frame: loss(frame, targets, small_params)[0])(frames)
    apart = [float(loss(frame, targets, small_params)[0]) for frame in frames]
    np.testing.assert_allclose(together, apart, rtol=1e-4)


def test_a_weighted_sum_weighs_its_terms_and_wants_arguments_for_each():
    loss = weighted_sum(
        {
            "square": (2.0, lambda x: (jnp.sum(x**2), {"all": jnp.sum(x**2)})),
            "line": (3.0, lambda x, slope: (slope * jnp.sum(x), ())),
        }
    )
    total, parts = loss(jnp.array([1.0, 2.0]), {"square": (), "line": (10.0,)})
    assert float(total) == 2 * 5 + 3 * 30
    assert float(parts["square"]["all"]) == 10
    with pytest.raises(ValueError, match="terms"):
        loss(jnp.array([1.0]), {"square": ()})


@pytest.mark.slow
@pytest.mark.parametrize("internal", [False, True])
def test_novelty_is_the_distance_of_the_products_of_statistics_from_the_identity(internal, small_params):
    analysis = Analysis(octaves=(0, 1), terms=(parse_term("gram@pool1,conv2_1"),))
    frames = jnp.stack([random_image(s) for s in (1, 2, 3)])
    total, _ = jax.jit(novelty_loss(analysis, 0.5, internal=internal))(frames, small_params)
    found = [analyze_fast(small_params, frame, analysis) for frame in frames]
    groups = []
    for layer in analysis.layers:
        vectors = np.array([[np.ravel(octave[layer]["gram"]) for octave in picture] for picture in found], np.float64)
        groups += list(vectors) if internal else [vectors[:, octave] for octave in range(2)]
    expected = sum(np.sum((group @ group.T - 0.5 * np.eye(len(group))) ** 2) for group in groups)
    assert float(total) == pytest.approx(expected, rel=1e-4)
