"""Tiles give what the whole picture gives; untiled, the same statistics have tests of their own."""

import dataclasses
import math
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import SOURCES
from hypothesis import example, given, settings
from hypothesis import strategies as st

from subjective.choices import PADDINGS
from subjective.compilation import jit
from subjective.images import MAX_PIXELS, read_image
from subjective.losses import texture_loss
from subjective.network.formats.layout import random_params
from subjective.network.normalization import load_params
from subjective.statistics.analysis import analyze
from subjective.statistics.registry import STATISTICS
from subjective.statistics.room import smallest_picture
from subjective.statistics.terms import Analysis, Term
from subjective.statistics.tiling import choose_tiling, row_unit

LAYERS = ("conv1_1", "pool1", "pool2", "conv3_2")


def terms(names, layers=LAYERS):
    return tuple(Term(STATISTICS[name], layers, (1.0,) * len(layers)) for name in names)


def noise(size):
    return [np.random.default_rng(seed).uniform(size=(*size, 3)) for seed in (0, 1)]


def difference(params, pictures, analysis, tile, dtype=np.float64, targets=None):
    """Relative, of loss and gradient of one picture towards another's statistics, between tiles and none."""
    here, there = (jnp.asarray(picture, dtype) for picture in pictures)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
    if targets is None:
        targets = jit(lambda image, params: analyze(params, image, analysis))(there, params)

    def evaluated(tile):
        loss = texture_loss(dataclasses.replace(analysis, tile=tile), relative=True)
        (scalar, _), gradient = jit(jax.value_and_grad(loss, has_aux=True))(here, targets, params)
        return float(scalar), np.asarray(gradient)

    whole, found = evaluated(None), evaluated(tile)
    return abs(found[0] - whole[0]) / whole[0], np.linalg.norm(found[1] - whole[1]) / np.linalg.norm(whole[1])


@pytest.fixture(scope="module")
def targets_of(small_params):
    """Those of one picture for a statistic at two octaves, to which pictures of any size and padding compare."""

    @lru_cache
    def targets_of(name):
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, np.float64), small_params)
        analysis = Analysis((0, 1), terms([name]))
        return jit(lambda image, params: analyze(params, image, analysis))(jnp.asarray(noise((144, 136))[1]), params)

    return targets_of


@pytest.mark.slow
@settings(max_examples=2, deadline=None)
@given(
    height=st.integers(40, 110),
    width=st.integers(40, 90),
    tile=st.integers(1, 90),
    padding=st.sampled_from(PADDINGS),
    pooling=st.sampled_from(["average", "max"]),
    name=st.sampled_from(["gram", "covariance", "shifted"]),
    octaves=st.sampled_from([(0,), (0, 1), (1,)]),
)
@example(height=131, width=67, tile=24, padding="circular", pooling="average", name="shifted", octaves=(0, 1))
@example(height=67, width=41, tile=4, padding="circular", pooling="max", name="gram", octaves=(0, 1))
@example(height=141, width=80, tile=32, padding="valid", pooling="average", name="gram", octaves=(0, 1))
def test_any_picture_in_any_tiles_has_the_same_loss_and_gradient(
    small_params, targets_of, height, width, tile, padding, pooling, name, octaves
):
    with jax.enable_x64(True):
        analysis = Analysis(octaves, terms([name]), padding, pooling)
        least = smallest_picture(analysis, small_params)
        size = (max(height, least), max(width, least))
        targets = tuple(targets_of(name)[octave] for octave in octaves)
        loss, gradient = difference(small_params, noise(size), analysis, tile, targets=targets)
        assert loss < 1e-12
        assert gradient < 1e-11


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["circular", "valid"])
def test_lags_reach_over_tiles(small_params, padding, in_float64):
    analysis = Analysis((0,), terms(["autocorrelation"], ("conv1_1", "pool1")), padding)
    loss, gradient = difference(small_params, noise((75, 69)), analysis, 8)
    assert loss < 1e-12
    assert gradient < 1e-11


@pytest.mark.slow
@pytest.mark.usefixtures("with_all_passes")
def test_the_real_network_agrees_in_float32():
    analysis = Analysis((0, 1), (*terms(["gram"]), *terms(["spectrum"], ("rgb",))))
    pictures = [read_image(SOURCES / f"{name}.jpg")[:139, :112] for name in ("gravel", "rock")]
    loss, gradient = difference(load_params(), pictures, analysis, 48, np.float32)
    assert loss < 1e-6
    assert gradient < 1e-4


def test_a_tile_is_whole_rows_of_the_deepest_layer(small_params):
    assert row_unit(["conv1_2"], small_params) == 1
    assert row_unit(["pool1", "conv2_2"], small_params) == 2
    assert row_unit(["pool1", "conv3_2"], small_params) == 4
    four_blocks = random_params(0, blocks=4)
    assert row_unit(["conv4_1", "pool1"], four_blocks) == row_unit(["pool3"], four_blocks) == 8
    tiled = Analysis((0, 1), terms(["gram"]), tile=30)
    assert choose_tiling(tiled, 0, 100, small_params).rows == 32
    assert choose_tiling(tiled, 1, 32, small_params) is None  # no more than a tile: measured in one piece
    assert choose_tiling(Analysis((0,), terms(["gram"])), 0, 100, small_params) is None


@pytest.mark.parametrize("name", ["sliced", "spectrum", "gaussian"])
def test_what_does_not_add_up_is_refused_at_the_networks_layers_alone(name, small_params):
    of_network, of_picture = (Analysis((0,), terms([name], (layer,)), tile=8) for layer in ("pool1", "rgb"))
    assert choose_tiling(of_picture, 0, 100, small_params) is None
    if name == "gaussian":
        assert choose_tiling(of_network, 0, 100, small_params).rows == 8
        return
    with pytest.raises(ValueError, match=f"{name} at pool1 does not add up over tiles.*gram"):
        choose_tiling(of_network, 0, 100, small_params)


@pytest.mark.slow
def test_frames_go_through_vmap(small_params):
    frames = jnp.asarray(np.random.default_rng(0).uniform(size=(2, 70, 64, 3)), jnp.float32)
    analysis = Analysis((0,), terms(["gram"]), tile=16)

    def size(image):
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(analyze(small_params, image, analysis)))

    together = jax.jit(jax.vmap(jax.grad(size)))(frames)
    alone = jax.jit(jax.grad(size))
    for i, frame in enumerate(frames):
        np.testing.assert_allclose(together[i], alone(frame), atol=1e-5 * float(jnp.abs(together[i]).max()))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, statistic in STATISTICS.items() if statistic.sums])
def test_the_largest_picture_has_no_more_numbers_than_are_counted(vgg16, name):
    """Its first map has more than an int32 holds."""
    side = math.isqrt(MAX_PIXELS)
    analysis = Analysis((0, 1), terms([name]), tile=128)
    picture = jax.ShapeDtypeStruct((side, side, 3), jnp.float32)
    found = jax.eval_shape(lambda image: analyze(vgg16, image, analysis), picture)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype(jnp.float32)}
