"""Blocks: against loops over crops of a map, in tiles as whole, and what they are for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subjective.images import read_image, resize
from subjective.losses import match, sum_parts, texture_loss
from subjective.network.normalization import find_photographs
from subjective.statistics.analysis import analyze
from subjective.statistics.block_grid import WHOLE, choose_blocks
from subjective.statistics.blocks import Blocks
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Analysis, parse_term
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.targets import measure_sources
from subjective.synthesis.texture import synthesize

BY_BLOCK = [name for name, statistic in STATISTICS.items() if statistic.by_block]


def numbers(seed, shape):
    return np.random.default_rng(seed).uniform(size=(*shape, 5))


def crops(features, grid):
    """Row r of H is in block ⌊r n / H⌋ of n."""
    rows, columns = (np.arange(side) * n // side for side, n in zip(features.shape[:2], grid, strict=True))
    return [features[rows == row][:, columns == column] for row in range(grid[0]) for column in range(grid[1])]


def test_what_is_taken_of_blocks_is_known():
    assert BY_BLOCK == ["gram", "gram_sum", "covariance", "gaussian"]


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_BLOCK)
@pytest.mark.parametrize(("shape", "grid"), [((32, 48), (2, 3)), ((35, 50), (3, 4)), ((40, 9), (5, 1))])
def test_a_block_measures_as_a_crop_of_the_map(name, shape, grid, in_float64):
    statistic, features = STATISTICS[name], numbers(0, shape)
    found = Blocks((*shape, 5), grid).measure_map(statistic.sums, jnp.asarray(features), True)
    for one, crop in zip(found, crops(features, grid), strict=True):
        wanted = statistic.measure(jnp.asarray(crop), True)
        if name == "gram_sum":  # as if all of the map were like this block
            wanted = wanted * shape[0] * shape[1] / (crop.shape[0] * crop.shape[1])
        np.testing.assert_allclose(one, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_BLOCK)
@pytest.mark.parametrize("rows", [4, 5, 8, 16, 32, 64])
@pytest.mark.parametrize("shape", [(32, 48), (35, 50)])
def test_bands_of_rows_add_up_to_blocks(name, rows, shape, in_float64):
    sums, features, blocks = STATISTICS[name].sums, numbers(0, shape), Blocks((*shape, 5), (4, 3))
    padded = np.concatenate([features, numbers(1, (rows, shape[1]))])  # what is past the last row does not count

    @jax.jit
    def by_bands_and_whole(features, padded):
        def sum_band(first):
            own = (first + jnp.arange(rows) < shape[0]).astype(float)[:, None, None]
            return blocks.sum_rows(sums, jax.lax.dynamic_slice_in_dim(padded, first, rows), own, first, True)

        total = jax.lax.map(sum_band, jnp.arange(0, shape[0], rows)).sum(axis=0)
        return blocks.finish(sums, total, True), blocks.measure_map(sums, features, True)

    found, wanted = by_bands_and_whole(jnp.asarray(features), jnp.asarray(padded))
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


def test_a_small_map_has_fewer_blocks():
    assert Blocks((64, 20, 3), (16, 16)).counts == (8, 2)
    assert Blocks((7, 7, 3), (16, 16)).counts == WHOLE


def test_blocks_are_at_least_a_share_of_the_smallest_source():
    assert choose_blocks((512, 512), [(512, 512)], 0.5) == (2, 2)
    assert choose_blocks((256, 256), [(512, 512)], 0.5) == WHOLE
    assert choose_blocks((500, 1100), [(512, 512), (400, 800)], 0.5) == (2, 4)
    assert choose_blocks((4096, 4096), [(512, 512)], 0.5) == (16, 16)
    assert choose_blocks((8192, 512), [(512, 512)], 0.5) == (16, 2)
    assert choose_blocks((4096, 4096), [(512, 512)], 0) == choose_blocks((4096, 4096), [], 0.5) == WHOLE


@pytest.mark.slow
@pytest.mark.parametrize(("padding", "tile"), [("circular", 24), ("valid", 16)])
def test_tiles_have_the_same_loss_and_gradient_in_blocks(small_params, padding, tile, in_float64):
    """Bands of other numbers of rows: `test_bands_of_rows_add_up_to_blocks`."""
    terms = tuple(parse_term(text, ("pool1", "conv2_1"), (1.0, 1.0)) for text in ("gram", "spectrum@rgb=0.1"))
    whole = Analysis((0, 1), terms, padding, blocks=(3, 2))
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), small_params)
    picture, source = (np.random.default_rng(seed).uniform(size=(104, 88, 3)) for seed in (0, 1))
    [target] = measure_sources([source], whole, params)

    def at(tile):
        loss = texture_loss(Analysis((0, 1), terms, padding, tile=tile, blocks=(3, 2)), relative=True)
        value_and_gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))
        (scalar, _), gradient = value_and_gradient(jnp.asarray(picture), target, params)
        return scalar, gradient

    expected, expected_gradient = at(None)
    loss, gradient = at(tile)
    assert float(loss) == pytest.approx(float(expected), rel=1e-10)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-7, atol=1e-9 * float(jnp.abs(gradient).max()))


@pytest.mark.slow
def test_the_loss_of_blocks_is_that_of_the_whole_and_their_spread(small_params, in_float64):
    """Σ‖G_p − T‖² / n = ‖Ḡ − T‖² + Σ‖G_p − Ḡ‖² / n, where blocks are of one size."""
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), small_params)
    terms = (parse_term("gram", ("pool1",), (1.0,)),)
    picture, source = (jnp.asarray(np.random.default_rng(seed).uniform(size=(64, 64, 3))) for seed in (0, 1))
    blocks, whole = (Analysis((0,), terms, blocks=grid) for grid in ((2, 2), WHOLE))
    [[target]] = [analyze(params, source, whole)]
    [found], [mean] = analyze(params, picture, blocks), analyze(params, picture, whole)
    several, one, wanted = (each["pool1"]["gram"] for each in (found, mean, target))
    np.testing.assert_allclose(several.mean(axis=0), one, rtol=1e-10)
    spread = jnp.mean(jnp.sum((several - one[None]) ** 2, axis=(1, 2)))
    total = sum_parts(match((found,), (target,), terms, blocks=blocks.blocks))
    assert float(total) == pytest.approx(float(jnp.sum((one - wanted) ** 2) + spread), rel=1e-10)


@pytest.mark.slow
def test_a_large_picture_is_uniform(small_params):
    """Twice as large as its source each way, its quarters are as near to each other as they can be made."""
    source = resize(read_image(find_photographs()[0])[:256, :256], (48, 48))

    def spread(block):
        config = SynthesisConfig(
            output_width=96,
            octaves=2,
            layers=("pool1", "conv2_1"),
            statistic=("gram",),
            max_iter=20,
            block=block,
            init="random",
            schedule="plain",
        )
        [result] = synthesize([source], config, params=small_params)
        [found] = analyze(
            small_params, result.value, Analysis((0,), (parse_term("gram", ("pool1",), (1.0,)),), blocks=(4, 4))
        )
        grams = found["pool1"]["gram"]
        return float(jnp.sum(jnp.var(grams, axis=0)) / jnp.sum(jnp.mean(grams, axis=0) ** 2))

    assert spread(0.5) < 0.5 * spread(0.0)
