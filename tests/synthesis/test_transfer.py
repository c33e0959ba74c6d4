"""Style transfer from the library and from the command line."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers.pictures import SOURCES
from subjective.cli.main import main
from subjective.colors import LUMA, luminance, match_colors, with_luminance
from subjective.images import read_image, write_image
from subjective.losses import variation_loss
from subjective.network.vgg import extract_features
from subjective.runs import checkpoints
from subjective.statistics.analysis import analyze
from subjective.synthesis import coarse_to_fine, presets
from subjective.synthesis.config import SynthesisConfig, TransferConfig
from subjective.synthesis.problem import prepared_transfer
from subjective.synthesis.texture import synthesize, transfer

SMALL = {
    "octaves": 2,
    "layers": ("conv1_1", "pool1"),
    "statistic": ("gram",),
    "content_layers": ("conv2_2",),
    "max_iter": 8,
    "coarse_iter": 8,
}
FLAGS = [
    "-ow",
    "48",
    "-o",
    "2",
    "-l",
    "conv1_1",
    "pool1",
    "--statistic",
    "gram",
    "--content-layers",
    "conv2_2",
    "-m",
    "3",
]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def style(name="gravel"):
    return read_image(SOURCES / f"{name}.jpg", width=128)


def content():
    """Two flat halves under a grid: 40 x 48."""
    picture = np.full((40, 48, 3), 0.3, np.float32)
    picture[:, 24:] = 0.7
    picture[::8] = 0.1
    return picture


@pytest.fixture(scope="module")
def made(small_params):
    return transfer(content(), [style()], TransferConfig(**SMALL), params=small_params)


def losses(result):
    parts = [
        (name, float(part))
        for octave in result.parts["features"]
        for there in octave.values()
        for name, part in there.items()
    ]
    return tuple(sum(part for name, part in parts if (name == "content") is of) for of in (True, False))


def test_the_picture_has_the_contents_size_and_begins_with_it(small_params, made):
    assert made.value.shape == (40, 48, 3)
    for octaves in (None, 2):
        config = TransferConfig(**SMALL | {"max_iter": 0, "schedule": "plain", "octaves": octaves})
        start = transfer(content(), [style()], config, params=small_params)
        np.testing.assert_array_equal(start.value, content())
    assert losses(start)[0] == pytest.approx(0, abs=1e-9)
    assert losses(made)[1] < losses(start)[1] / 3


@pytest.mark.parametrize("colors", ["style", "luminance"])
def test_a_margin_is_cut_off_at_every_stage(small_params, colors):
    steps = []
    config = TransferConfig(**SMALL | {"max_iter": 1, "coarse_iter": 1}, colors=colors, margin=7)
    picture = content()[:-1]  # 53 x 62 with it, then 27 x 31
    made = transfer(picture, [style()], config, params=small_params, on_step=lambda _, step: steps.append(step))
    assert made.value.shape == (39, 48, 3)
    assert [step.value.shape for step in steps] == [(21, 25, 3)] * 2 + [(39, 48, 3)]


def test_what_is_said_at_the_end_is_of_the_picture_without_its_margin(small_params, monkeypatch):
    seen, looks = [], coarse_to_fine._looks
    monkeypatch.setattr(progression, "_looks", lambda picture: seen.append(picture.shape) or looks(picture))
    config = TransferConfig(**SMALL | {"max_iter": 1, "coarse_iter": 1})
    assert config.mirrored > 0
    transfer(content(), [style()], config, params=small_params)
    assert seen == [content().shape]


def test_the_margin_grows_with_the_octaves_and_is_shared_out():
    margins = [TransferConfig(octaves=octaves).mirrored for octaves in (1, 2, 3, 4, 5)]
    assert margins == [8, 16, 32, 32, 32]
    assert TransferConfig(octaves=2, output_width=512, devices=8).size == (576, 576), "multiples of eight rows on each"
    assert TransferConfig(octaves=2, padding_mode="circular", output_width=64).size == (64, 64)
    assert TransferConfig(octaves=2, margin=3, output_width=64).size == (70, 70)


def test_with_a_margin_a_rim_is_painted_as_the_middle_is(small_params):
    def painted(margin):
        """How much of the paint of the middle the outermost two pixels have."""
        config = TransferConfig(**SMALL | {"content_weight": 0.01}, margin=margin)
        paint = np.abs(transfer(content(), [style()], config, params=small_params).value - content())
        rims = (paint[:2], paint[-2:], paint[:, :2], paint[:, -2:])
        return np.mean([rim.mean() for rim in rims]) / paint[8:-8, 8:-8].mean()

    assert painted(0) < 0.85
    assert 0.9 < painted(16) < 1.1


def test_more_weight_on_the_content_keeps_more_of_it(small_params):
    near, far = (
        transfer(content(), [style()], TransferConfig(**SMALL, content_weight=weight), params=small_params)
        for weight in (10, 0.01)
    )
    assert losses(near)[0] / 10 < losses(far)[0] / 0.01 / 2
    assert losses(far)[1] < losses(near)[1] / 2


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
    job = prepared_transfer(content(), [style()], config, small_params)
    loss, argument = job.problem(job.stages[0])
    picture, mirrored = noise(46, 54, 3), np.pad(content(), ((3, 3), (3, 3), (0, 0)), mode="reflect")
    _, parts = jax.jit(loss)(jnp.asarray(picture), argument)
    maps = [
        extract_features(small_params, jnp.asarray(image), ("conv2_2",), padding=padding)["conv2_2"]
        for image in (picture, mirrored)
    ]
    wanted = 2 * np.mean((np.asarray(maps[0], np.float64) - np.asarray(maps[1], np.float64)) ** 2)
    np.testing.assert_allclose(parts["features"][0]["conv2_2"]["content"], wanted, rtol=1e-4)


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
        job = prepared_transfer(big, [style()], config, small_params)
        loss, argument = job.problem(job.stages[0])
        found.append(jax.jit(jax.value_and_grad(lambda x, loss=loss, argument=argument: loss(x, argument)[0]))(picture))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-5)
    difference = jnp.linalg.norm(found[1][1] - found[0][1])
    assert difference < 1e-4 * jnp.linalg.norm(found[0][1])


def test_a_part_of_a_style_is_measured_as_if_it_were_all(small_params):
    """A style of which one half is another picture, masked away."""
    half = style()[:96, :60]
    both = np.concatenate([half, noise(96, 60, 3)], axis=1)
    mask = np.zeros((96, 120), np.float32)
    mask[:, :50] = 1
    config = TransferConfig(**SMALL | {"max_iter": 0}, output_width=48, output_height=40)
    targets = [
        prepared_transfer(content(), [given], config, small_params, parts=parts).problem
        for given, parts in ((half[:, :50], None), (both, [mask]))
    ]
    one, other = (
        problem(prepared_transfer(content(), [half], config, small_params).stages[-1])[1]["features"][0][0]
        for problem in targets
    )
    for layer in ("conv1_1", "pool1"):
        np.testing.assert_allclose(other[layer]["gram"], one[layer]["gram"], rtol=0.1)


def test_regions_take_styles_of_their_own(small_params):
    masks = np.zeros((40, 48, 2), np.float32)
    masks[:, :24, 0] = masks[:, 24:, 1] = 1
    styles = [style("grass"), style("sand")]
    config = TransferConfig(**SMALL, content_weight=0)
    found = np.asarray(transfer(content(), styles, config, params=small_params, masks=masks).value)
    for part, own in ((found[:, 4:20], styles[0]), (found[:, 28:44], styles[1])):
        assert np.abs(part.mean(axis=(0, 1)) - own.mean(axis=(0, 1))).max() < 0.1


def test_luminance_alone_leaves_the_contents_colors(small_params):
    colored = content() * np.asarray([1.0, 0.5, 0.2], np.float32)
    found = transfer(colored, [style()], TransferConfig(**SMALL, colors="luminance"), params=small_params)
    value = np.asarray(found.value)
    np.testing.assert_allclose(value - luminance(value), colored - luminance(colored), atol=1e-5)
    assert np.abs(luminance(value) - luminance(colored)).max() > 0.05


def test_matched_colors_have_the_mean_and_covariance_wanted():
    image, like = 0.3 + 0.2 * noise(50, 60, 3), 0.3 + 0.3 * noise(40, 40, 3, seed=1) ** 2
    found = match_colors(image, like).reshape(-1, 3)
    np.testing.assert_allclose(found.mean(axis=0), like.reshape(-1, 3).mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(np.cov(found.T), np.cov(like.reshape(-1, 3).T), atol=2e-4)
    np.testing.assert_allclose(match_colors(image, image), image, atol=1e-5)


def test_luminance_is_exchanged_and_colors_stay():
    image, grey = noise(9, 8, 3), noise(9, 8, 3, seed=1)
    found = with_luminance(image, grey)
    np.testing.assert_allclose(found @ LUMA, grey @ LUMA, atol=1e-6)
    np.testing.assert_allclose(found - luminance(found), image - luminance(image), atol=1e-6)


def test_variation_is_that_of_neighbors():
    step = jnp.zeros((6, 6, 3)).at[:, 3:].set(0.5)
    # One step a row inside; around the sides another.
    np.testing.assert_allclose(variation_loss(1.0, True)(step)[0], 0.25 * 2 / 6, rtol=1e-6)
    np.testing.assert_allclose(variation_loss(1.0, False)(step)[0], 0.25 / 5, rtol=1e-6)
    gradient = jax.grad(lambda x: variation_loss(1.25, True)(x)[0])(jnp.full((4, 4, 3), 0.5))
    assert jnp.isfinite(gradient).all()


def test_variation_smooths(small_params, made):
    smooth = transfer(content(), [style()], TransferConfig(**SMALL, tv_weight=100), params=small_params)
    found, plain = (variation_loss(1.25, False)(result.value)[0] for result in (smooth, made))
    assert found < plain / 2


@pytest.mark.parametrize("optimizer", ["lbfgsb", "adam"])
def test_it_is_gone_on_with_bit_for_bit(small_params, tmp_path, optimizer):
    config = TransferConfig(**SMALL | {"max_iter": 3}, optimizer=optimizer)

    def keep(_, step):
        if step.position.stage == 1 and not checkpoints.found(tmp_path):
            checkpoints.write(tmp_path, 1, step.position, {})

    whole = transfer(content(), [style()], config, params=small_params, on_step=keep)
    position, _ = checkpoints.read(checkpoints.found(tmp_path)[0])
    again = transfer(content(), [style()], config, params=small_params, resume=position)
    np.testing.assert_array_equal(again.value, whole.value)


def test_content_is_no_statistic_of_a_texture(small_params):
    with pytest.raises(ValueError, match="--seed content is of transfer"):
        synthesize([style()], SynthesisConfig(seed="content"), params=small_params)
    look = (
        prepared_transfer(
            content(), [style()], TransferConfig(**SMALL, output_width=48, output_height=40), small_params
        )
        .stages[-1]
        .analysis
    )
    with pytest.raises(ValueError, match="none was given"):
        analyze(small_params, jnp.asarray(content()), look)


@pytest.mark.parametrize("name", presets.LIKES)
def test_every_published_programs_settings_run(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_image("content.png", content())
    source = str(SOURCES / "gravel.jpg")
    few = ["-m", "2", "--no-evaluate", "-n", "0", "-ow", "96", "-ss", "0.2"]
    assert main(["transfer", "content.png", "-s", source, "--like", name, *few]) == 0
    folder = Path(capsys.readouterr().out.strip())
    settings = json.loads((folder / "config.json").read_text())["settings"]
    for key, value in presets.LIKES[name].items():
        if key not in ("max_iter", "save_every"):
            assert settings[key] == (list(value) if isinstance(value, tuple) else value), key
    (picture,) = json.loads((folder / "summary.json").read_text())["pictures"]
    assert picture["steps"] > 0
    assert np.isfinite(picture["loss"])


# The program


def test_the_program_writes_the_picture_where_it_is_wanted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_image("content.png", content())
    write_image("left.png", np.tile(np.linspace(1, 0, 30, dtype=np.float32)[None, :, None], (20, 1, 3)))
    sources = [str(SOURCES / f"{name}.jpg") for name in ("grass", "sand")]
    flags = ["transfer", "content.png", "--style", *sources, "-sw", "128", *FLAGS, "--out", "made.png"]
    assert main([*flags, "--content-mask", "left.png"]) == 0
    captured = capsys.readouterr()
    folder = Path(captured.out.strip())
    assert "content loss" in captured.err
    assert "24x20 step 5/5 " in captured.err
    assert "48x40 step 3/3 " in captured.err
    assert read_image("made.png").shape == (40, 48, 3)
    assert (folder / "result.png").read_bytes() == Path("made.png").read_bytes()
    (picture,) = json.loads((folder / "summary.json").read_text())["pictures"]
    assert picture["scores"]["style_loss"] > 0
    again = ["transfer", "--config", str(folder / "config.json"), "--no-evaluate"]
    assert main(again) == 0
    grey = ["-m", "1", "--colors", "luminance", "--statistic", "gram", "spectrum", "--margin", "0"]
    assert main([*again[:1], "left.png", *again[1:], *grey]) == 0
    assert "no octave has room for spectrum; it is left out" in capsys.readouterr().err
    anew = read_image("made.png")  # of 30 x 20
    assert anew.shape == (32, 48, 3)
    assert np.abs(anew - luminance(anew)).max() < 0.02, "as grey as the content"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["none.png", "-s", "STYLE"], "no such content: 'none.png'"),
        (["content.png", "-s", "STYLE", "--content-weight", "-1"], "--content-weight is -1.0; wanted a number of 0"),
        (["content.png", "-s", "STYLE", "--style-mask", "a", "b"], "--style-mask got 2 for 1 styles"),
        (["content.png", "-s", "STYLE", "--out", "no/such.png"], "--out is 'no/such.png', in a folder that is not"),
        (["content.png", "-s", "STYLE", "-c", "4"], "--count is 4; a transfer makes one picture"),
        (["content.png", "-s", "STYLE", "--out", "."], "--out is '.', which is a folder"),
        (["content.png", "-s", "STYLE", "--margin", "-300"], "--margin is -300; wanted 0 or more pixels"),
        (["content.png", "-s", "STYLE", "-oh", "0"], "--output-height is 0; wanted 1 or more"),
        (["content.png", "-s", "STYLE", "--margin", "9999"], "512x512 with its margin is larger than"),
        (["content.png", "-s", "STYLE", "-ow", "24", "-o", "3"], "the content with its margin of 88x84 pixels is too"),
        (["content.png", "-s", "STYLE", "--content-mask", "content.png"], "--content-mask divides the picture"),
        (["content.png", "-s", "STYLE", "-sw", "20", *FLAGS], "is too small for 2 octaves"),
        (["content.png", "-s", "STYLE", "--content-layers", "conv9_1"], "no layer 'conv9_1'"),
    ],
)
def test_unfit_flags_are_refused_in_one_line(tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    write_image("content.png", content())
    assert main(["transfer", *(str(SOURCES / "rock.jpg") if flag == "STYLE" else flag for flag in flags)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
