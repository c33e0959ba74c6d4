"""Regions of a picture, each of a texture of its own."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subjective.cli import main
from subjective.config import SynthesisConfig
from subjective.guides import guides_of, whole_masks
from subjective.images import read_image, write_image
from subjective.losses import texture_loss
from subjective.pyramid import PADDINGS
from subjective.statistics import STATISTICS, Analysis, Term, analyze
from subjective.synthesis import synthesize
from subjective.vgg import extract_features

SOURCES = Path(__file__).parent.parent / "experiments" / "sources"
LAYERS = ("conv1_1", "pool1", "conv2_1")
BY_REGION = [name for name, statistic in STATISTICS.items() if statistic.by_region]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def halves(height, width):
    """A soft border between left and right."""
    left = np.clip(np.linspace(3, -2, width), 0, 1)
    return np.stack([np.tile(left, (height, 1)), np.tile(1 - left, (height, 1))], axis=2).astype(np.float32)


def look(names, layers=LAYERS, octaves=(0, 1), **changes):
    terms = tuple(Term(STATISTICS[name], layers, (1.0,) * len(layers)) for name in names)
    return Analysis(octaves, terms, **changes)


@pytest.mark.parametrize("padding", PADDINGS)
def test_masks_have_the_size_of_each_map_and_add_up_to_one(small_params, padding):
    masks = halves(49, 54)
    guides = jax.jit(lambda masks: guides_of(masks, (0, 1), padding, small_params))(masks)
    layers = ("conv1_1", "pool1", "conv2_2")
    features = jax.eval_shape(
        lambda image: extract_features(small_params, image, layers, padding=padding), noise(49, 54, 3)
    )
    for layer, features_there in features.items():
        assert guides[0][layer].shape[:2] == features_there.shape[:2]
    for of_octave in guides:
        for layer, there in of_octave.items():
            np.testing.assert_allclose(there.sum(axis=2), 1, atol=1e-5, err_msg=layer)
    assert guides[1]["rgb"].shape[:2] == guides[1]["opponent"].shape[:2]


def test_a_guided_gram_is_the_weighted_sum_over_pixels(small_params, in_float64):
    image, masks = jnp.asarray(noise(24, 31, 3), jnp.float64), jnp.asarray(halves(24, 31), jnp.float64)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), small_params)
    analysis = look(["gram"], ("pool1",), regions=2)
    guides = jax.jit(lambda: guides_of(masks, (0, 1), "circular", params))()
    found = jax.jit(lambda: analyze(params, image, analysis, guides))()[0]["pool1"]["gram"]
    features = np.asarray(jax.jit(lambda: extract_features(params, image, ("pool1",)))()["pool1"])
    for region in range(2):
        weights = np.asarray(guides[0]["pool1"][:, :, region])
        pairs = np.einsum("yx,yxc,yxd->cd", weights, features, features)
        np.testing.assert_allclose(found[region], pairs / weights.sum() / features.shape[2], rtol=1e-10)


@pytest.mark.parametrize("name", BY_REGION)
def test_one_region_that_is_everything_is_the_whole_picture(small_params, name):
    side = 64 if name == "autocorrelation32" else 72
    image, everywhere = jnp.asarray(noise(side, 80, 3)), jnp.ones((side, 80, 1))
    layers = ("rgb", "pool1") if name in ("gram", "covariance", "gaussian") else ("rgb",)
    guides = guides_of(everywhere, (0,), "circular", small_params)
    guided = jax.jit(lambda: analyze(small_params, image, look([name], layers, (0,), regions=1), guides))()
    whole = jax.jit(lambda: analyze(small_params, image, look([name], layers, (0,))))()
    for found, wanted in zip(jax.tree.leaves(guided), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(found[0], wanted, atol=1e-5 * float(jnp.abs(wanted).max()))


@pytest.mark.parametrize("padding", ["circular", "valid"])
@pytest.mark.parametrize("name", ["covariance"])
def test_tiles_measure_regions_as_the_whole_picture_does(small_params, padding, name, in_float64):
    image = jnp.asarray(noise(91, 86, 3), jnp.float64)
    masks = jnp.asarray(halves(86, 91).swapaxes(0, 1), jnp.float64)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), small_params)
    guides = jax.jit(lambda: guides_of(masks, (0, 1), padding, params))()
    targets = jax.jit(lambda: analyze(params, image[::-1], look([name], padding=padding, regions=2), guides))()

    def evaluated(tile):
        loss = texture_loss(look([name], padding=padding, regions=2, tile=tile), relative=True)
        return jax.jit(jax.value_and_grad(lambda image: loss(image, targets, params, guides)[0]))(image)

    (loss, gradient), (wanted, slope) = evaluated(8), evaluated(None)
    np.testing.assert_allclose(loss, wanted, rtol=1e-10)
    np.testing.assert_allclose(gradient, slope, atol=1e-10 * float(jnp.abs(slope).max()))


@pytest.mark.parametrize("tile", [None, 16])
def test_each_region_gets_its_own_texture(small_params, tile):
    sources = [read_image(SOURCES / f"{name}.jpg", width=128) for name in ("grass", "sand")]
    config = SynthesisConfig(
        output_width=64, octaves=2, layers=LAYERS, max_iter=15, tile=tile, statistic=("gram", "spectrum@rgb=0.1")
    )
    (result,) = synthesize(sources, config, params=small_params, masks=halves(64, 64))
    found = np.asarray(result.value)
    left, right = (found[:, part].mean(axis=(0, 1)) for part in (slice(0, 24), slice(40, 64)))
    for color, (own, other) in zip((left, right), (sources, sources[::-1]), strict=True):
        near, far = (np.linalg.norm(color - source.mean(axis=(0, 1))) for source in (own, other))
        assert near < far / 2
    assert result.loss < result.begun / 5


def test_a_regions_spectrum_does_not_see_its_border(in_float64):
    """Of white noise on the left and a black half on the right: that of the noise alone."""
    measure = STATISTICS["spectrum"]
    left = noise(64, 64, 3) - 0.5
    image = np.concatenate([left, np.full_like(left, 5.0)], axis=1)
    weights = np.concatenate([np.ones((64, 64)), np.zeros((64, 64))], axis=1)
    found = measure.regional(jnp.asarray(image), jnp.asarray(weights), True)
    wanted = measure.measure(jnp.asarray(left), False)
    assert float(jnp.abs(found - wanted).mean()) < 0.05 * float(wanted.mean())


def test_what_cannot_be_taken_of_a_region_is_refused(small_params):
    for name in ("sliced", "shifted", "autocorrelation@rgb"):
        config = SynthesisConfig(output_width=64, octaves=1, layers=LAYERS, statistic=("gram", name))
        with pytest.raises(ValueError, match=f"{name.split('@')[0]} cannot be taken of a part"):
            synthesize([noise(80, 80, 3)], config, params=small_params, masks=np.ones((64, 64, 1)))


def test_the_rest_is_the_last_sources():
    left = halves(8, 20)[:, :, 0]
    np.testing.assert_allclose(whole_masks([left], 2), halves(8, 20), atol=1e-6)
    np.testing.assert_allclose(whole_masks([left, left], 2)[:, :, 0], 0.5)


@pytest.mark.parametrize(
    ("masks", "sources", "message"),
    [
        ([np.ones((4, 4))] * 3, 2, "got 3 pictures for 2 sources; give one for each source"),
        ([np.ones((4, 4))], 1, "divides the picture between sources, and there is one"),
        ([np.ones((4, 4))], 3, "got 1 pictures for 3 sources"),
        ([np.ones((4, 4))], 2, "source 2 holds no part of the picture"),
    ],
)
def test_masks_that_do_not_fit_the_sources_are_refused(masks, sources, message):
    with pytest.raises(ValueError, match=message):
        whole_masks(masks, sources)


def test_masks_of_another_size_are_refused(small_params):
    config = SynthesisConfig(output_width=64, octaves=1, layers=LAYERS)
    with pytest.raises(ValueError, match=r"masks are of shape \(64, 60, 1\); wanted \(64, 64, 1\)"):
        synthesize([noise(80, 80, 3)], config, params=small_params, masks=np.ones((64, 60, 1)))


def test_the_program_takes_masks_of_any_size(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_image("left.png", np.repeat(halves(30, 30)[:, :, :1], 3, axis=2))
    sources = [str(SOURCES / f"{name}.jpg") for name in ("grass", "sand")]
    flags = ["-s", *sources, "-sw", "128", "-ow", "64", "-o", "2", "-m", "3", "--no-evaluate"]
    assert main(["synthesize", *flags, "--blend-map", "left.png"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    made = read_image(folder / "result.png")
    assert np.abs(made[:, :24].mean(axis=(0, 1)) - made[:, 40:].mean(axis=(0, 1))).max() > 0.1
    assert main(["synthesize", "--config", str(folder / "config.json")]) == 0
    again = Path(capsys.readouterr().out.strip())
    np.testing.assert_array_equal(read_image(again / "result.png"), made)
    assert main(["synthesize", *flags, "--blend-map", "left.png", "--source-weights", "1", "2"]) == 2
    assert "--source-weights and --blend-map both say" in capsys.readouterr().err
