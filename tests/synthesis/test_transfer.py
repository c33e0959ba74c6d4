"""Style transfer from the library."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import noise, photograph

from subjective.colors import to_grey
from subjective.losses import variation_loss
from subjective.network.vgg import extract_features
from subjective.runs import checkpoints
from subjective.synthesis.coarse_to_fine import run
from subjective.synthesis.config import TransferConfig
from subjective.synthesis.transfer import prepare, transfer

SMALL = {
    "octaves": 2,
    "layers": ("conv1_1", "pool1"),
    "statistic": ("gram",),
    "content_layers": ("conv2_2",),
    "max_iter": 8,
    "coarse_iter": 8,
}


def content():
    """Two flat halves under a grid: 40 x 48."""
    picture = np.full((40, 48, 3), 0.3, np.float32)
    picture[:, 24:] = 0.7
    picture[::8] = 0.1
    return picture


def style():
    return photograph("gravel")


@pytest.fixture(scope="module")
def made(small_params):
    [result] = transfer(content(), [style()], TransferConfig(**SMALL), params=small_params)
    return result


def losses(result):
    parts = [
        (name, float(part))
        for octave in result.parts["features"]
        for there in octave.values()
        for name, part in there.items()
    ]
    return tuple(sum(part for name, part in parts if (name == "content") is of) for of in (True, False))


@pytest.mark.slow
def test_the_picture_has_the_contents_size_and_begins_with_it(small_params, made):
    assert made.value.shape == (40, 48, 3)
    for octaves in (None, 2):
        config = TransferConfig(**SMALL | {"max_iter": 0, "schedule": "plain", "octaves": octaves})
        [start] = transfer(content(), [style()], config, params=small_params)
        np.testing.assert_array_equal(start.value, content())
    assert losses(start)[0] == pytest.approx(0, abs=1e-9)
    assert losses(made)[1] < losses(start)[1] / 3


@pytest.mark.slow
@pytest.mark.parametrize("colors", ["style", "luminance"])
def test_a_margin_is_cut_off_at_every_stage(small_params, colors):
    steps = []
    config = TransferConfig(**SMALL | {"max_iter": 1, "coarse_iter": 1}, colors=colors, margin=7)
    picture = content()[:-1]  # 53 x 62 with it, then 27 x 31
    [made] = transfer(picture, [style()], config, params=small_params, on_step=lambda _, step: steps.append(step))
    assert made.value.shape == (39, 48, 3)
    assert [step.value.shape for step in steps] == [(21, 25, 3)] * 2 + [(39, 48, 3)]


def test_what_is_said_at_the_end_is_of_the_picture_without_its_margin(small_params):
    """A quarter of the content is too bright; with its margin, which mirrors the rest, a seventh."""
    bright = content()
    bright[:, 18:30] = 1.5
    config = TransferConfig(**SMALL | {"max_iter": 0, "schedule": "plain"})
    assert config.margin_pixels == 16
    [result] = run(prepare(bright, [style()], config, small_params))
    assert "25% of it lies beyond black or white" in result.message


@pytest.mark.slow
def test_with_a_margin_a_rim_is_painted_as_the_middle_is(small_params):
    def painted(margin):
        """How much of the paint of the middle the outermost two pixels have."""
        config = TransferConfig(**SMALL | {"content_weight": 0.01}, margin=margin)
        paint = np.abs(transfer(content(), [style()], config, params=small_params)[0].value - content())
        rims = (paint[:2], paint[-2:], paint[:, :2], paint[:, -2:])
        return np.mean([rim.mean() for rim in rims]) / paint[8:-8, 8:-8].mean()

    assert painted(0) < 0.85
    assert 0.9 < painted(16) < 1.1


@pytest.mark.slow
def test_more_weight_on_the_content_keeps_more_of_it(small_params):
    [near], [far] = (
        transfer(
            content(), [style()], TransferConfig(**SMALL, schedule="plain", content_weight=weight), params=small_params
        )
        for weight in (10, 0.01)
    )
    assert losses(near)[0] / 10 < losses(far)[0] / 0.01 / 2
    assert losses(far)[1] < losses(near)[1] / 2


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["same", "valid", "circular"])
def test_the_content_loss_is_the_mean_squared_difference_of_features(small_params, padding):
    config = TransferConfig(
        **SMALL | {"octaves": 1, "schedule": "plain"},
        relative=False,
        content_weight=2.0,
        padding_mode=padding,
        margin=3,
        output_width=48,
        output_height=40,
    )
    job = prepare(content(), [style()], config, small_params)
    loss, argument = job.problem(job.stages[0])
    picture, mirrored = noise(46, 54, 3), np.pad(content(), ((3, 3), (3, 3), (0, 0)), mode="reflect")
    _, parts = jax.jit(loss)(jnp.asarray(picture), argument)
    maps = [
        extract_features(small_params, jnp.asarray(image), ("conv2_2",), padding=padding)["conv2_2"]
        for image in (picture, mirrored)
    ]
    wanted = 2 * np.mean((np.asarray(maps[0], np.float64) - np.asarray(maps[1], np.float64)) ** 2)
    np.testing.assert_allclose(parts["features"][0]["conv2_2"]["content"], wanted, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("padding", "name"), [("same", "content"), ("valid", "content_sum"), ("circular", "content")])
def test_tiles_give_what_the_whole_picture_gives(small_params, padding, name):
    big = np.tile(content(), (2, 1, 1))
    picture = jnp.asarray(noise(80, 48, 3))
    found = []
    for tile in (None, 16):
        config = TransferConfig(
            **SMALL | {"schedule": "plain"},
            content_statistic=name,
            padding_mode=padding,
            tile=tile,
            margin=0,
            output_width=48,
            output_height=80,
        )
        job = prepare(big, [style()], config, small_params)
        loss, argument = job.problem(job.stages[0])
        found.append(jax.jit(jax.value_and_grad(lambda x, loss=loss, argument=argument: loss(x, argument)[0]))(picture))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-5)
    difference = jnp.linalg.norm(found[1][1] - found[0][1])
    assert difference < 1e-4 * jnp.linalg.norm(found[0][1])


@pytest.mark.slow
def test_a_part_of_a_style_is_measured_as_if_it_were_all(small_params):
    """A style of which one half is another picture, masked away."""
    half = style()[:96, :60]
    both = np.concatenate([half, noise(96, 60, 3)], axis=1)
    mask = np.zeros((96, 120), np.float32)
    mask[:, :50] = 1
    config = TransferConfig(**SMALL | {"max_iter": 0}, output_width=48, output_height=40)
    targets = [
        prepare(content(), [given], config, small_params, parts=parts).problem
        for given, parts in ((half[:, :50], None), (both, [mask]))
    ]
    one, other = (
        problem(prepare(content(), [half], config, small_params).stages[-1])[1]["features"][0][0] for problem in targets
    )
    for layer in ("conv1_1", "pool1"):
        np.testing.assert_allclose(other[layer]["gram"], one[layer]["gram"], rtol=0.1)


@pytest.mark.slow
def test_regions_take_styles_of_their_own(small_params):
    masks = np.zeros((40, 48, 2), np.float32)
    masks[:, :24, 0] = masks[:, 24:, 1] = 1
    styles = [photograph("grass"), photograph("sand")]
    config = TransferConfig(**SMALL, schedule="plain", content_weight=0)
    found = np.asarray(transfer(content(), styles, config, params=small_params, masks=masks)[0].value)
    for part, own in ((found[:, 4:20], styles[0]), (found[:, 28:44], styles[1])):
        assert np.abs(part.mean(axis=(0, 1)) - own.mean(axis=(0, 1))).max() < 0.1


def test_luminance_alone_leaves_the_contents_colors(small_params):
    colored = content() * np.asarray([1.0, 0.5, 0.2], np.float32)
    config = TransferConfig(**SMALL, schedule="plain", colors="luminance")
    [found] = transfer(colored, [style()], config, params=small_params)
    value = np.asarray(found.value)
    np.testing.assert_allclose(value - to_grey(value), colored - to_grey(colored), atol=1e-5)
    assert np.abs(to_grey(value) - to_grey(colored)).max() > 0.05


@pytest.mark.slow
def test_variation_is_that_of_neighbors():
    step = jnp.zeros((6, 6, 3)).at[:, 3:].set(0.5)
    # One step a row inside; around the sides another.
    np.testing.assert_allclose(variation_loss(1.0, True)(step)[0], 0.25 * 2 / 6, rtol=1e-6)
    np.testing.assert_allclose(variation_loss(1.0, False)(step)[0], 0.25 / 5, rtol=1e-6)
    gradient = jax.grad(lambda x: variation_loss(1.25, True)(x)[0])(jnp.full((4, 4, 3), 0.5))
    assert jnp.isfinite(gradient).all()


@pytest.mark.slow
def test_variation_smooths(small_params, made):
    [smooth] = transfer(content(), [style()], TransferConfig(**SMALL, tv_weight=100), params=small_params)
    found, plain = (variation_loss(1.25, False)(result.value)[0] for result in (smooth, made))
    assert found < plain / 2


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["lbfgsb", "adam"])
def test_a_transfer_resumes_bit_for_bit(small_params, tmp_path, optimizer):
    config = TransferConfig(**SMALL | {"max_iter": 3}, optimizer=optimizer)

    def keep(_, step):
        if step.position.stage == 1 and not checkpoints.find(tmp_path):
            checkpoints.write(tmp_path, 1, step.position, {})

    [whole] = transfer(content(), [style()], config, params=small_params, on_step=keep)
    position, _ = checkpoints.read(checkpoints.find(tmp_path)[0])
    [again] = transfer(content(), [style()], config, params=small_params, resume=position)
    np.testing.assert_array_equal(again.value, whole.value)
