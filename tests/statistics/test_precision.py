"""Feature maps in bfloat16: what it changes and what it leaves alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import SOURCES

from subjective.images import read_image
from subjective.losses import texture_loss
from subjective.network.vgg import extract_features
from subjective.runs import checkpoints
from subjective.statistics.analysis import analyze
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Analysis, Term
from subjective.synthesis.config import NoveltyConfig, SynthesisConfig
from subjective.synthesis.novelty import invent
from subjective.synthesis.texture import synthesize

EVERYWHERE = ("conv1_1", "pool1", "conv3_2")
LIKE_PLANNED = {
    "output_width": 48,
    "octaves": 2,
    "layers": ("conv1_1", "pool1"),
    "statistic": ("gram",),
    "max_iter": 8,
}
CONFIG = SynthesisConfig(**LIKE_PLANNED, first_stage=1, precision="bfloat16", enough=0.0)  # all steps of each stage


def picture(size=(64, 96)):
    return jnp.asarray(read_image(SOURCES / "gravel.jpg")[100 : 100 + size[0], 100 : 100 + size[1]], jnp.float32)


def analysis(*names, layers=EVERYWHERE, precision="bfloat16", **changes):
    terms = tuple(Term(STATISTICS[name], layers, (1.0,) * len(layers)) for name in names)
    return Analysis((0, 1), terms, precision=precision, **changes)


def analyzed(params, how):
    return jax.jit(lambda params, image: analyze(params, image, how))(params, picture())


@pytest.mark.slow
def test_the_first_convolution_sees_the_picture_in_float32(vgg16):
    extract = jax.jit(extract_features, static_argnames=("layers", "precision"))
    narrow, wide = (extract(vgg16, picture(), EVERYWHERE, precision=each) for each in ("bfloat16", "float32"))
    assert {features.dtype for features in narrow.values()} == {jnp.dtype(jnp.bfloat16)}
    np.testing.assert_array_equal(narrow["conv1_1"], wide["conv1_1"].astype(jnp.bfloat16))
    for layer, features in wide.items():
        assert jnp.linalg.norm(narrow[layer] - features) < 0.01 * jnp.linalg.norm(features), layer


@pytest.mark.slow
@pytest.mark.parametrize("name", STATISTICS)
def test_every_statistic_is_summed_in_float32(name):
    features = jnp.asarray(np.random.default_rng(0).uniform(size=(72, 80, 8)), jnp.bfloat16)
    measure = STATISTICS[name].measure
    found = measure(features, True)
    assert found.dtype == jnp.float32
    with jax.enable_x64(True):
        wanted = np.asarray(measure(features.astype(jnp.float64), True))
    # The products of bfloat16 numbers are exact in float32. A float32 sum of n of them is off by at most n/2 spacings
    # of the sum of their sizes, in whatever order; that sum is at most the largest element, by Cauchy and Schwarz.
    bound = 72 * 80 * np.finfo(np.float32).eps / 2 * np.abs(wanted).max()
    assert np.abs(found - wanted).max() < bound
    rounded = jnp.asarray(wanted, jnp.bfloat16)
    assert np.abs(rounded.astype(jnp.float32) - wanted).max() > bound, "bfloat16 would not be noticed"


@pytest.mark.slow
def test_tiles_give_what_the_whole_picture_gives(vgg16):
    whole = analyzed(vgg16, analysis("gram"))
    tiled = analyzed(vgg16, analysis("gram", tile=24))
    for found, wanted in zip(jax.tree.leaves(tiled), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-3 * float(jnp.abs(wanted).max()))


@pytest.mark.slow
def test_far_from_the_target_the_gradient_is_that_of_float32(vgg16):
    """Near it the error grows (`experiments/08_precision.py`), and the last steps are float32."""
    start = 0.5 + 0.1 * jnp.asarray(np.random.default_rng(0).standard_normal((64, 96, 3)), jnp.float32)

    def gradient(precision):
        how = analysis("gram", precision=precision)
        loss = texture_loss(how, relative=True)
        return jax.jit(jax.grad(loss, has_aux=True))(start, analyzed(vgg16, how), vgg16)[0]

    narrow, wide = gradient("bfloat16"), gradient("float32")
    assert narrow.dtype == jnp.float32
    assert 0 < jnp.linalg.norm(narrow - wide) < 0.05 * jnp.linalg.norm(wide)


@pytest.fixture(scope="module")
def made(small_params, tmp_path_factory):
    """A synthesis, the stage of each step, and a checkpoint of the first step of each stage."""
    folder, told, kept = tmp_path_factory.mktemp("made"), [], {}

    def keep(_, step):
        stage = step.position.stage
        told.append(stage)
        if stage not in kept:
            (folder / str(stage)).mkdir()
            kept[stage] = checkpoints.write(folder / str(stage), 1, step.position, {})

    (result,) = synthesize([np.asarray(picture())], CONFIG, params=small_params, on_step=keep)
    return result, told, kept


@pytest.mark.slow
def test_a_synthesis_ends_in_float32(small_params, made):
    result, told, _ = made
    assert result.steps == told.count(0) - 1 + told.count(1) + told.count(2)
    assert told.count(1) == 6
    assert told.count(2) == 2
    how = analysis("gram", layers=("conv1_1", "pool1"), precision="float32")
    target = jax.jit(lambda image: analyze(small_params, image, dataclasses.replace(how, padding="valid")))(picture())
    loss = jax.jit(texture_loss(how, relative=True))(result.value, target, small_params)[0]
    assert result.loss - result.parts["layout"] == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.slow
def test_it_is_gone_on_with_bit_for_bit_from_every_stage(small_params, made):
    whole, _, kept = made
    assert sorted(kept) == [0, 1, 2]
    for path in kept.values():
        position, _ = checkpoints.read(path)
        (again,) = synthesize([np.asarray(picture())], CONFIG, params=small_params, resume=position)
        np.testing.assert_array_equal(again.value, whole.value)
        assert (again.steps, again.evaluations, again.loss) == (whole.steps, whole.evaluations, whole.loss)


@pytest.mark.slow
def test_pictures_out_of_nothing_end_in_float32_too(small_params):
    told = []
    config = NoveltyConfig(**LIKE_PLANNED | {"octaves": 1}, count=2, precision="bfloat16")
    results = invent(config, params=small_params, on_step=lambda _, step: told.append(step.position.stage))
    assert [result.value.shape for result in results] == [(48, 48, 3)] * 2
    assert set(told) == {0, 1}
