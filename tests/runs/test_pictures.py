import numpy as np
import pytest
from PIL import ImageFont

from subjective.cli.sweep import SHOWN, _lines
from subjective.runs.pictures import CELL, GAP, LEAST, LINE, contact_sheet


def flag(height, width):
    """Red above green, a row of blue at the bottom."""
    picture = np.zeros((height, width, 3), np.float32)
    picture[: height // 2, :, 0] = picture[height // 2 :, :, 1] = 1
    picture[-height // 16 :] = [0, 0, 1]
    return picture


@pytest.mark.parametrize("size", [(64, 64), (40, 300), (CELL, 100)])
def test_a_picture_is_shown_pixel_by_pixel_under_its_lines(size):
    picture = flag(*size)
    sheet = contact_sheet([(["one", "two"], picture)])
    top = GAP + 2 * LINE + GAP // 2
    np.testing.assert_allclose(sheet[top : top + size[0], GAP : GAP + size[1]], picture)
    assert sheet.shape == (top + size[0] + GAP, max(size[1], LEAST) + 2 * GAP, 3)
    assert sheet[:top].min() < 0.5, "the lines"


@pytest.mark.parametrize("size", [(2 * CELL, 2 * CELL), (3 * CELL, 96)])
def test_a_larger_picture_is_shown_whole(size):
    sheet = contact_sheet([([], flag(*size))])
    shown = sheet[GAP // 2 + GAP :][:CELL, GAP : GAP + round(CELL * size[1] / size[0])]
    np.testing.assert_allclose(shown[2, 2], [1, 0, 0], atol=0.02)
    np.testing.assert_allclose(shown[CELL * 3 // 4, -2], [0, 1, 0], atol=0.02)
    np.testing.assert_allclose(shown[-2, -2], [0, 0, 1], atol=0.02)


def test_pictures_stand_in_rows_of_so_many():
    cells = [(["a"], flag(32, 32))] * 5
    wide, high = (contact_sheet(cells, columns).shape for columns in (5, 1))
    assert wide[1] == 5 * (LEAST + GAP) + GAP
    assert high[0] > 4 * wide[0] - 5 * GAP
    with pytest.raises(ValueError, match="no picture"):
        contact_sheet([])


def test_the_scores_of_a_sweep_fit_the_smallest_cell():
    scores = {name: {"score": 12.345} for line in SHOWN for name in line}
    lines = _lines({"loss": 0.01234, "full_size_evaluations": 1234.4, "scores": scores})
    assert lines == ["loss 0.01234, 1234 evaluations", "gram 12.35, sliced 12.35", "peak 12.35, repeats 12.35"]
    assert max(ImageFont.load_default(12).getlength(line) for line in lines) <= LEAST
