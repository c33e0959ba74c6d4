"""Loops from the library and from the command line."""

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from helpers.pictures import SOURCES
from subjective.cli.evaluate import scores_of_run
from subjective.cli.main import main
from subjective.evaluation.motion import distances
from subjective.images import read_image
from subjective.network.normalization import load_params
from subjective.runs import checkpoints
from subjective.synthesis.config import AnimationConfig
from subjective.synthesis.morph import around
from subjective.synthesis.problem import prepared_animation
from subjective.synthesis.texture import animate

SMALL = {
    "output_width": 32,
    "octaves": 2,
    "layers": ("conv1_1", "pool1"),
    "statistic": ("gram",),
    "max_iter": 8,
    "count": 6,
    "if_order": 3,  # in every test that it means nothing to: they share their programs
}
FLAGS = ["-ow", "32", "-o", "2", "-l", "conv1_1", "pool1", "--statistic", "gram", "-m", "3", "-c", "4"]


def source(name="rock"):
    return read_image(SOURCES / f"{name}.jpg", width=128)


@pytest.fixture(scope="module")
def loop(small_params):
    return animate([source()], AnimationConfig(**SMALL), params=small_params)


def test_a_loop_closes_and_its_frames_are_as_far_apart_as_asked(loop):
    assert loop.value.shape == (6, 32, 32, 3)
    found = distances(np.asarray(loop.value))
    assert np.ptp(found.values) < 0.25 * np.mean(found.values)
    assert loop.parts["interframe"].keys() == {"1", "2", "3"}
    assert float(sum(loop.parts["interframe"].values())) < 0.05  # a fifth off
    assert loop.loss < loop.begun / 5


def test_the_weight_of_the_distances_counts(small_params, loop):
    alone, far = (
        animate([source()], AnimationConfig(**SMALL, **changes), params=small_params)
        for changes in ({"if_weight": 0}, {"if_shift": 3})
    )
    steps = [np.mean(distances(np.asarray(result.value)).values) for result in (loop, far, alone)]
    assert steps[1] > 1.3 * steps[0]
    assert steps[2] > 1.3 * steps[0]


@pytest.mark.parametrize("batch", [2, 4])
def test_frames_made_together_are_those_made_one_by_one(small_params, loop, batch):
    config = AnimationConfig(**SMALL | {"max_iter": 2})
    alone = animate([source()], config, params=small_params)
    together = animate([source()], AnimationConfig(**SMALL | {"max_iter": 2}, batch=batch), params=small_params)
    np.testing.assert_allclose(together.value, alone.value, atol=1e-3)


@pytest.mark.parametrize("seed", ["symmetric", "phases"])
def test_every_start_differs_from_frame_to_frame(small_params, seed):
    """The 2017 program blurred its symmetric start across frames, which so began alike."""
    config = AnimationConfig(**SMALL | {"max_iter": 0, "schedule": "plain"}, seed=seed)
    frames = np.asarray(animate([source()], config, params=small_params).value)
    found = distances(frames)
    assert np.ptp(found.values) < 0.2 * np.mean(found.values)
    assert min(found.values) > 0.3 * frames.std(axis=(1, 2)).mean()


def test_every_stage_of_a_loop_starts_with_detail_that_turns(small_params):
    config = AnimationConfig(**SMALL | {"max_iter": 0})
    frames = np.asarray(animate([source()], config, params=small_params).value)
    detail = frames - (np.roll(frames, 1, axis=1) + np.roll(frames, 1, axis=2)) / 2
    grain = source() - (np.roll(source(), 1, axis=0) + np.roll(source(), 1, axis=1)) / 2
    assert detail.std() == pytest.approx(grain[8:-8, 8:-8].std(), rel=0.4)
    assert distances(detail).flicker == pytest.approx(2 * np.sin(np.pi / 6), rel=1e-3)


def test_a_picture_may_be_every_frames_start(small_params):
    start = source()[:32, :32]
    config = AnimationConfig(**SMALL | {"max_iter": 0, "schedule": "plain"})
    frames = np.asarray(animate([source()], config, params=small_params, init=start).value)
    assert 0 < np.abs(frames - start).max() < 10 * config.noise


def test_a_morph_goes_from_keyframe_to_keyframe_and_back(small_params):
    dark, light = source() * 0.4, 0.6 + source("gravel") * 0.4
    weights = around(6, 2)
    result = animate([dark, light], AnimationConfig(**SMALL), params=small_params, weights=weights)
    means = np.asarray(result.value).mean(axis=(1, 2, 3))
    wanted = weights @ [dark.mean(), light.mean()]
    np.testing.assert_allclose(means, wanted, atol=0.06)


def test_textures_turn_into_one_another_by_geodesic_mean_unless_said(small_params):
    pair = [source("rock"), source("grass")]
    shares = np.array([[1, 0], [0.5, 0.5], [0, 1], [0.5, 0.5]])
    settings = {"output_width": 64, "count": 4, "octaves": 1, "layers": ("pool1",), "statistic": ("gram",)}

    def grams(mode):
        job = prepared_animation(pair, AnimationConfig(**settings, join_mode=mode), small_params, shares)
        (targets, _), _ = job.problem(job.stages[-1])[1]["texture"]
        return targets[0]["pool1"]["gram"]

    unsaid, geodesic, average = (np.asarray(grams(mode)) for mode in (None, "geodesic", "average"))
    np.testing.assert_array_equal(unsaid, geodesic)
    np.testing.assert_array_equal(unsaid[::2], average[::2])
    np.testing.assert_allclose(average[1], (average[0] + average[2]) / 2, rtol=1e-5)
    assert not np.allclose(unsaid[1], average[1], rtol=1e-2)


def test_weights_of_another_shape_are_refused(small_params):
    with pytest.raises(ValueError, match=r"weights are of shape \(5, 1\); wanted \(6, 1\)"):
        animate([source()], AnimationConfig(**SMALL), params=small_params, weights=np.ones((5, 1)))


@pytest.mark.parametrize("optimizer", ["lbfgsb", "lbfgs"])
def test_a_loop_is_gone_on_with_bit_for_bit(small_params, tmp_path, optimizer):
    config = AnimationConfig(**SMALL | {"max_iter": 3}, optimizer=optimizer)

    def keep(_, step):
        if step.position.stage == 1 and not checkpoints.found(tmp_path):
            checkpoints.write(tmp_path, 1, step.position, {})

    whole = animate([source()], config, params=small_params, on_step=keep)
    position, _ = checkpoints.read(checkpoints.found(tmp_path)[0])
    again = animate([source()], config, params=small_params, resume=position)
    np.testing.assert_array_equal(again.value, whole.value)


# The program


def refusal(capsys, *words):
    assert main(["animate", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_the_program_leaves_frames_loops_and_how_they_move(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rock, gravel = (str(SOURCES / f"{name}.jpg") for name in ("rock", "gravel"))
    assert main(["animate", "--keyframes", rock, gravel, "-sw", "128", "--fps", "8", *FLAGS]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert sorted(path.suffix for path in folder.glob("loop.*")) == [".gif", ".mp4", ".webp"]
    assert iio.imread(folder / "result-003.png").shape == (32, 32, 3)
    assert iio.imread(folder / "motion.png").size > 0
    (picture,) = json.loads((folder / "summary.json").read_text())["pictures"]
    assert len(picture["files"]) == len(picture["scores"]["frames"]) == 4
    assert picture["scores"]["loops"] == ["loop.gif", "loop.webp", "loop.mp4"]
    assert len(picture["scores"]["motion"]["pixels"]["values"]) == 4
    at_rock, rocks = read_image(folder / "result-000.png"), [read_image(name, width=128) for name in (rock, gravel)]
    alone, both = (
        scores_of_run([at_rock], some, load_params(), ())[0]["color"]["score"] for some in (rocks[:1], rocks)
    )
    found = picture["scores"]["frames"][0]["color"]["score"]
    assert abs(found - alone) < abs(both - alone) / 4, "a keyframe is measured against its own source"
    assert main(["animate", "--config", str(folder / "config.json"), "--no-evaluate"]) == 0
    again = Path(capsys.readouterr().out.strip())
    for name in picture["files"]:
        np.testing.assert_array_equal(read_image(again / name), read_image(folder / name))


def test_weights_come_from_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("shares.csv").write_text("1,0\n3,1\n0,1\n1,1\n")
    sources = [str(SOURCES / f"{name}.jpg") for name in ("rock", "gravel")]
    flags = ["-s", *sources, "-sw", "128", *FLAGS, "--formats", "gif"]
    assert main(["animate", *flags, "--frame-weights", "shares.csv"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert json.loads((folder / "config.json").read_text())["frame_weights"][1] == [0.75, 0.25]
    (picture,) = json.loads((folder / "summary.json").read_text())["pictures"]
    frame, read = read_image(folder / "result-001.png"), [read_image(name, width=128) for name in sources]
    wanted, other = (scores_of_run([frame], read, load_params(), (), shares)[0] for shares in ((4, 1), (1, 1)))
    found = picture["scores"]["frames"][1]["color"]["score"]
    assert abs(found - wanted["color"]["score"]) < abs(found - other["color"]["score"]) / 4, "to a quarter"
    assert [path.name for path in folder.glob("loop.*")] == ["loop.gif"]
    assert "has 4 lines of 2 numbers; wanted 5 of 2" in refusal(
        capsys, *flags, "-c", "5", "--frame-weights", "shares.csv"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-s", "ROCK", "-c", "1"], "--count is 1; wanted 2 frames or more"),
        ([], "--source and --keyframes: neither came"),
        (["-s", "ROCK", "--keyframes", "ROCK", "ROCK"], "--source and --keyframes: both came"),
        (["--keyframes", "ROCK"], "--keyframes got one picture"),
        (["--keyframes", "ROCK", "FOLDER"], "give each keyframe as one file"),
        (["-s", "ROCK", "--if-order", "0"], "--if-order is 0; wanted 1 or more"),
        (["-s", "ROCK", "--if-shift", "nan"], "--if-shift is nan; wanted a number of 0 or more"),
        (["-s", "ROCK", "--ease", "linear"], "--ease linear is of --keyframes"),
        (["--keyframes", *["ROCK"] * 3, "-c", "2"], "--count is 2 for 3 keyframes"),
        (["-s", "ROCK", "--if-shift", "60", "-sw", "64", *FLAGS], "too small to be moved by 120; enlarge it"),
        (["-s", "ROCK", "--fps", "0"], "--fps is 0; wanted a number above 0"),
        (["-s", "ROCK", "--batch", "0"], "--batch is 0; wanted 1 or more"),
        (["-s", "ROCK", "--devices", "5"], "--count is 24, which 5 devices cannot share"),
        (["-s", "ROCK", "--source-weights", "1", "--frame-weights", "x.csv"], "all say what the frames are made of"),
    ],
)
def test_unfit_flags_are_refused_in_one_line(tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    words = {"ROCK": str(SOURCES / "rock.jpg"), "FOLDER": str(SOURCES)}
    found = refusal(capsys, *(words.get(flag, flag) for flag in flags))
    assert message in found.splitlines()[-1]
