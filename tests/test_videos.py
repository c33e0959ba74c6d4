"""Loops as files that play: what other programs read of them."""

import imageio.v3 as iio
import numpy as np
import pytest
from helpers.pictures import circle
from PIL import Image

from subjective.videos import FORMATS, write_video, write_videos


@pytest.mark.slow
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


@pytest.mark.slow
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
