"""Pictures that are written in strips."""

import numpy as np
import pytest
from PIL import Image

from subjective.planes.streams import TIFF_ROWS, write_stream


def written(folder, suffix, picture, cuts):
    path = folder / f"picture{suffix}"
    with path.open("wb") as file:
        write_stream(file, suffix, picture.shape[:2], np.split(picture, cuts))
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    ("size", "cuts"),
    [
        ((1, 1), []),
        ((3, 1), [1]),
        ((200, 7), [1, 2, 150]),
        ((2 * TIFF_ROWS, 5), [TIFF_ROWS]),
        ((300, 33), range(1, 300)),
    ],
)
def test_strips_of_any_height_are_read_back_as_one_picture(tmp_path, rng, suffix, size, cuts):
    picture = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    picture[: size[0] // 2] //= 64  # a part that compresses
    with Image.open(written(tmp_path, suffix, picture, list(cuts))) as read:
        assert read.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(read), picture)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_strips_are_taken_as_they_are_written(tmp_path, suffix):
    """However many there are, few are in memory."""
    taken, ahead = 0, []

    def strips():
        nonlocal taken
        for _ in range(200):
            taken += 1
            ahead.append(taken * TIFF_ROWS * 300 - file.tell())  # rows of noise do not compress
            yield np.random.default_rng(taken).integers(0, 256, (TIFF_ROWS, 100, 3), dtype=np.uint8)

    with (tmp_path / "noise").open("wb") as file:
        write_stream(file, suffix, (200 * TIFF_ROWS, 100), strips())
    assert max(ahead) < 80 * TIFF_ROWS * 300


def test_a_png_is_smaller_than_its_pixels_where_neighbors_are_alike(tmp_path):
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (256, 256, 3))
    assert written(tmp_path, ".png", ramp.copy(), [100]).stat().st_size < ramp.size / 50
