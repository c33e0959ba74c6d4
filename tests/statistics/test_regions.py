"""Regions of a picture, each of a texture of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import halves, noise

from subjective.checks import InputError
from subjective.choices import PADDINGS
from subjective.cli.arguments import flag_of
from subjective.losses import texture_loss
from subjective.network.vgg import extract_features
from subjective.statistics.analysis import analyze
from subjective.statistics.regions import TRUST_POWER, WEIGHT_POWER, carry_masks, complete_masks
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import PICTURE_LAYERS, Analysis, Term

LAYERS = ("conv1_1", "pool1", "conv2_1")
BY_REGION = [name for name, statistic in STATISTICS.items() if statistic.by_region]


def analysis_of(names, layers=LAYERS, octaves=(0, 1), **changes):
    terms = tuple(Term(STATISTICS[name], layers, (1.0,) * len(layers)) for name in names)
    return Analysis(octaves, terms, **changes)


@pytest.mark.slow
@pytest.mark.parametrize("padding", PADDINGS)
def test_weights_have_the_size_of_each_map_and_shares_add_up_to_one(small_params, padding):
    masks = halves(49, 54)
    regions = jax.jit(lambda masks: carry_masks(masks, (0, 1), padding, small_params))(masks)
    layers = ("conv1_1", "pool1", "conv2_2")
    features = jax.eval_shape(
        lambda image: extract_features(small_params, image, layers, padding=padding), noise(49, 54, 3)
    )
    for layer, features_there in features.items():
        assert regions[0][layer].weights.shape[:2] == features_there.shape[:2]
    for of_octave in regions:
        for layer, there in of_octave.items():
            shares = there.weights if layer in PICTURE_LAYERS else there.weights ** (1 / WEIGHT_POWER)
            np.testing.assert_allclose(shares.sum(axis=2), 1, atol=1e-5, err_msg=layer)
    assert regions[1]["rgb"].weights.shape[:2] == regions[1]["opponent"].weights.shape[:2]


def test_a_picture_has_regions_or_blocks_not_both(small_params):
    analysis, masks = analysis_of(["gram"], octaves=(0,), blocks=(2, 2)), halves(32, 32)

    def measured(image):
        return analyze(small_params, image, analysis, carry_masks(jnp.asarray(masks), (0,), "circular", small_params))

    with pytest.raises(ValueError, match=r"regions or blocks, here \(2, 2\); wanted one of the two"):
        jax.eval_shape(measured, noise(32, 32, 3))


@pytest.mark.slow
def test_what_sees_one_region_alone_counts_for_it_in_full_and_elsewhere_not_at_all(small_params):
    masks = np.zeros((64, 96, 2), np.float32)
    masks[:, :48, 0] = masks[:, 48:, 1] = 1
    (regions,) = jax.jit(lambda: carry_masks(jnp.asarray(masks), (0,), "same", small_params))()
    for layer, scale, reach in (("conv1_1", 1, 1), ("conv1_2", 1, 2), ("conv2_2", 2, 6), ("conv3_1", 4, 10)):
        left = regions[layer].weights[:, :, 0]
        columns = np.arange(left.shape[1]) * scale
        assert bool(jnp.all(left[:, columns + scale + reach <= 48] > 1 - 1e-6))
        assert bool(jnp.all(left[:, columns - reach >= 48] < 1e-6))
        around = (columns + scale > 48 - reach) & (columns < 48 + reach)
        assert bool(jnp.all((left[:, around] > 1e-9) & (left[:, around] < 1)))


@pytest.mark.slow
def test_a_region_is_trusted_as_far_as_a_layer_can_see_it_alone(small_params):
    masks = np.zeros((96, 96, 2), np.float32)
    masks[:, 36:60, 0] = 1
    masks[:, :, 1] = 1 - masks[:, :, 0]
    regions = jax.jit(lambda: carry_masks(jnp.asarray(masks), (0, 1, 2), "circular", small_params))()
    np.testing.assert_allclose(regions[0]["rgb"].trust, 1, atol=1e-6)
    narrow = [float(of_octave["pool2"].trust[0]) for of_octave in regions]
    assert narrow[0] > 2 * narrow[1] > 4 * narrow[2]
    for of_octave in regions:
        for layer, there in of_octave.items():
            assert there.trust[0] < there.trust[1] + 1e-6, layer
    seen = np.asarray(regions[1]["pool2"].weights[:, :, 0], np.float64) ** (1 / WEIGHT_POWER)
    mean = (seen * seen**WEIGHT_POWER).sum() / (seen**WEIGHT_POWER).sum()
    assert narrow[1] == pytest.approx(mean**TRUST_POWER, rel=1e-4)


def test_the_loss_counts_each_region_as_far_as_it_is_trusted(small_params):
    image, masks = jnp.asarray(noise(48, 48, 3)), jnp.asarray(halves(48, 48))
    analysis = analysis_of(["gram"], ("pool1",), (0,))
    (regions,) = jax.jit(lambda: carry_masks(masks, (0,), "circular", small_params))()
    targets = ({"pool1": {"gram": jnp.asarray(noise(2, 4, 4))}},)

    compiled = jax.jit(texture_loss(analysis))

    def loss(trust):
        doubted = regions | {"pool1": regions["pool1"]._replace(trust=jnp.asarray(trust, jnp.float32))}
        return float(compiled(image, targets, small_params, (doubted,))[0])

    assert loss((0.3, 0.6)) == pytest.approx(0.3 * loss((1, 0)) + 0.6 * loss((0, 1)), rel=1e-5)
    assert loss((0, 0)) == 0 < loss((1, 0))


@pytest.mark.slow
def test_the_gram_of_a_region_is_the_weighted_sum_over_pixels(small_params, in_float64):
    image, masks = jnp.asarray(noise(24, 31, 3), jnp.float64), jnp.asarray(halves(24, 31), jnp.float64)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), small_params)
    analysis = analysis_of(["gram"], ("pool1",))

    @jax.jit
    def measured(params, image, masks):
        regions = carry_masks(masks, (0, 1), "circular", params)
        return regions, analyze(params, image, analysis, regions), extract_features(params, image, ("pool1",))

    regions, analyzed, extracted = measured(params, image, masks)
    found, features = analyzed[0]["pool1"]["gram"], np.asarray(extracted["pool1"])
    for region in range(2):
        weights = np.asarray(regions[0]["pool1"].weights[:, :, region])
        pairs = np.einsum("yx,yxc,yxd->cd", weights, features, features)
        np.testing.assert_allclose(found[region], pairs / weights.sum() / features.shape[2], rtol=1e-10)


@pytest.mark.parametrize("name", BY_REGION)
def test_one_region_that_is_everything_is_the_whole_picture(small_params, name):
    side = 64 if name == "autocorrelation32" else 72
    picture, everywhere = jnp.asarray(noise(side, 80, 3)), jnp.ones((side, 80, 1))
    layers = ("rgb", "pool1") if name in ("gram", "covariance", "gaussian") else ("rgb",)
    analysis = analysis_of([name], layers, (0,))

    @jax.jit
    def by_region_and_whole(params, image, masks):
        regions = carry_masks(masks, (0,), "circular", params)
        return analyze(params, image, analysis, regions), analyze(params, image, analysis)

    by_region, whole = by_region_and_whole(small_params, picture, everywhere)
    for found, wanted in zip(jax.tree.leaves(by_region), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(found[0], wanted, atol=1e-5 * float(jnp.abs(wanted).max()))


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["circular", "valid"])
@pytest.mark.parametrize("name", ["covariance"])
def test_tiles_measure_regions_as_the_whole_picture_does(small_params, padding, name, in_float64):
    image = jnp.asarray(noise(91, 86, 3), jnp.float64)
    masks = jnp.asarray(halves(86, 91).swapaxes(0, 1), jnp.float64)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), small_params)
    whole, tiled = (analysis_of([name], padding=padding, tile=tile) for tile in (None, 8))

    @jax.jit
    def evaluated(params, image, masks):
        regions = carry_masks(masks, (0, 1), padding, params)
        targets = analyze(params, image[::-1], whole, regions)

        def of(analysis):
            loss = texture_loss(analysis, relative=True)
            return jax.value_and_grad(lambda image: loss(image, targets, params, regions)[0])(image)

        return of(tiled), of(whole)

    (loss, gradient), (wanted, slope) = evaluated(params, image, masks)
    np.testing.assert_allclose(loss, wanted, rtol=1e-10)
    np.testing.assert_allclose(gradient, slope, atol=1e-10 * float(jnp.abs(slope).max()))


def test_a_regions_spectrum_does_not_see_its_border(in_float64):
    """Of white noise on the left and a black half on the right: that of the noise alone."""
    measure = STATISTICS["spectrum"]
    left = noise(64, 64, 3) - 0.5
    image = np.concatenate([left, np.full_like(left, 5.0)], axis=1)
    weights = np.concatenate([np.ones((64, 64)), np.zeros((64, 64))], axis=1)
    found = jax.jit(lambda: measure.measure_region(jnp.asarray(image), jnp.asarray(weights), True))()
    wanted = jax.jit(lambda: measure.measure(jnp.asarray(left), False))()
    assert float(jnp.abs(found - wanted).mean()) < 0.05 * float(wanted.mean())


def test_the_last_source_has_the_rest():
    left = halves(8, 20)[:, :, 0]
    np.testing.assert_allclose(complete_masks([left], 2), halves(8, 20), atol=1e-6)
    np.testing.assert_allclose(complete_masks([left, left], 2)[:, :, 0], 0.5)


@pytest.mark.parametrize(
    ("masks", "sources", "message"),
    [
        ([np.ones((4, 4))] * 3, 2, "masks got 3 pictures for 2 sources; give one for each source"),
        ([np.ones((4, 4))], 1, "masks divides the picture between sources, and there is one"),
        ([np.ones((4, 4))], 3, "masks got 1 picture for 3 sources"),
        ([np.ones((4, 4))], 2, "masks: source 2 holds no part of the picture"),
    ],
)
def test_masks_that_do_not_fit_the_sources_are_refused(masks, sources, message):
    with pytest.raises(InputError, match=message):
        complete_masks(masks, sources)


def test_masks_are_named_by_the_setting_that_they_came_by():
    with pytest.raises(InputError, match="content_mask got 3 pictures") as caught:
        complete_masks([np.ones((4, 4))] * 3, 2, "content_mask")
    assert caught.value.render(flag_of).startswith("--content-mask got 3 pictures")
