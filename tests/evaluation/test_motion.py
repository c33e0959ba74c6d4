"""How a loop moves, on loops of which that is known."""

import io

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from subjective.evaluation.motion import distances, motion, plot
from subjective.runs.videos import FORMATS, write_video, write_videos

TURNS = 2 * np.pi * np.arange(12) / 12


def circle():
    """Twelve pictures on a circle: steady, and closed."""
    one, other = np.random.default_rng(0).standard_normal((2, 32, 40, 3)) * 0.1
    return np.stack([0.5 + np.cos(turn) * one + np.sin(turn) * other for turn in TURNS]).astype(np.float32)


def test_a_circle_is_steady_and_closes():
    found = distances(circle())
    assert np.ptp(found.values) < 0.1 * np.mean(found.values)
    assert found.flicker == pytest.approx(2 * np.sin(np.pi / 12), rel=0.01)
    assert found.across == pytest.approx(1 / np.sin(np.pi / 12), rel=0.01)


def test_frames_without_relation_flicker():
    found = distances(np.random.default_rng(0).uniform(size=(40, 16, 16, 3)))
    assert found.flicker == pytest.approx(3**0.5, rel=0.02)
    assert found.across == pytest.approx(1, rel=0.02)


def test_a_loop_that_does_not_close_is_noticed():
    arc = circle()[:7]
    figures = distances(arc).as_json()
    assert not figures["closes"]
    assert figures["around_the_end"] > 3 * figures["most"]
    assert distances(np.concatenate([arc, arc[-2:0:-1]])).as_json()["closes"]


def test_pictures_and_features_are_both_measured_and_plotted(small_params):
    frames = circle()
    found = motion(frames, small_params)
    assert set(found) == {"pixels", "features"}
    np.testing.assert_allclose(found["pixels"].values, distances(frames).values, rtol=0.01)  # clipped, hardly
    assert found["features"].flicker < 1.2
    picture = iio.imread(io.BytesIO(plot(frames, found)))
    assert picture.shape[0] > 100
    assert picture.std() > 10


def test_a_still_has_distances_of_zero():
    figures = distances(np.full((4, 8, 8, 3), 0.5)).as_json()
    assert figures["mean"] == figures["flicker"] == 0
    assert figures["closes"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_loop_plays(kind, tmp_path):
    frames = np.repeat(np.repeat(circle()[:, ::4, ::4], 4, axis=1), 4, axis=2)
    (name,) = write_videos(tmp_path, "loop", frames, 12.5, [kind])
    plugin = {"plugin": "pyav"} if kind == "mp4" else {"plugin": "pillow"}
    read = iio.imread(tmp_path / name, **plugin, **({} if kind == "mp4" else {"mode": "RGB", "index": ...}))
    assert read.shape == (12, 32, 40, 3)
    assert np.abs(read / 255 - frames).mean() < 0.06
    if kind == "mp4":
        facts = iio.immeta(tmp_path / name, **plugin)
        assert (facts["codec"], facts["video_format"], facts["fps"]) == ("h264", "yuv420p", 12.5)
    else:
        with Image.open(tmp_path / name) as file:
            assert file.n_frames == 12
            file.seek(5)
            file.load()
            assert (file.info["duration"], file.info["loop"]) == (80, 0)


def test_an_odd_side_loses_a_pixel_in_mp4(tmp_path):
    write_video(tmp_path / "odd.mp4", circle()[:, :31, :39], 12)
    assert iio.imread(tmp_path / "odd.mp4", plugin="pyav").shape == (12, 30, 38, 3)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [("loop.avi", (2, 8, 8, 3), "wanted a name ending in .gif, .webp, .mp4"), ("a.gif", (8, 8, 3), "wanted .count")],
)
def test_other_files_and_shapes_are_refused(tmp_path, name, shape, message):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / name, np.zeros(shape), 12)
    assert not list(tmp_path.iterdir())
