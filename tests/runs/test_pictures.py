"""Contact sheets."""

import numpy as np
import pytest

from subjective.runs.pictures import CELL, GAP, LEAST_WIDTH, LINE_HEIGHT, draw_contact_sheet


def flag(height, width):
    """Red above green, a row of blue at the bottom."""
    picture = np.zeros((height, width, 3), np.float32)
    picture[: height // 2, :, 0] = picture[height // 2 :, :, 1] = 1
    picture[-height // 16 :] = [0, 0, 1]
    return picture


@pytest.mark.parametrize("size", [(64, 64), (40, 300), (CELL, 100)])
def test_a_picture_is_shown_pixel_by_pixel_under_its_lines(size):
    picture = flag(*size)
    sheet = draw_contact_sheet([(["one", "two"], picture)])
    top = GAP + 2 * LINE_HEIGHT + GAP // 2
    np.testing.assert_allclose(sheet[top : top + size[0], GAP : GAP + size[1]], picture)
    assert sheet.shape == (top + size[0] + GAP, max(size[1], LEAST_WIDTH) + 2 * GAP, 3)
    assert sheet[:top].min() < 0.5, "the lines"


@pytest.mark.parametrize("size", [(2 * CELL, 2 * CELL), (3 * CELL, 96)])
def test_a_larger_picture_is_shown_whole(size):
    sheet = draw_contact_sheet([([], flag(*size))])
    shown = sheet[GAP // 2 + GAP :][:CELL, GAP : GAP + round(CELL * size[1] / size[0])]
    np.testing.assert_allclose(shown[2, 2], [1, 0, 0], atol=0.02)
    np.testing.assert_allclose(shown[CELL * 3 // 4, -2], [0, 1, 0], atol=0.02)
    np.testing.assert_allclose(shown[-2, -2], [0, 0, 1], atol=0.02)


def test_pictures_stand_in_rows_of_so_many():
    cells = [(["a"], flag(32, 32))] * 5
    wide, high = (draw_contact_sheet(cells, columns).shape for columns in (5, 1))
    assert wide[1] == 5 * (LEAST_WIDTH + GAP) + GAP
    assert high[0] > 4 * wide[0] - 5 * GAP
    with pytest.raises(ValueError, match="no picture"):
        draw_contact_sheet([])


@pytest.mark.parametrize(
    "line", ["loss 0.01234, 1234 evaluations", "gram 12.35, sliced 12.35", "peak 12.35, repeats 12.35"]
)
def test_the_lines_of_a_sweep_fit_the_smallest_cell(line):
    narrow, wide = (
        draw_contact_sheet([([line], flag(32, width))])[GAP : GAP + LINE_HEIGHT] for width in (32, 2 * LEAST_WIDTH)
    )
    assert narrow.shape[1] == LEAST_WIDTH + 2 * GAP
    np.testing.assert_array_equal(narrow, wide[:, : LEAST_WIDTH + 2 * GAP])
    assert (wide[:, LEAST_WIDTH + 2 * GAP :] == 1).all()


def test_a_line_that_is_too_long_ends_with_three_dots_within_its_cell():
    line = 20 * "peak 12.35, "
    narrow, wide = (
        draw_contact_sheet([([line], flag(32, width))])[GAP : GAP + LINE_HEIGHT] for width in (32, 2 * LEAST_WIDTH)
    )
    assert (narrow[:, LEAST_WIDTH + GAP :] == 1).all()
    assert not np.array_equal(narrow, wide[:, : LEAST_WIDTH + 2 * GAP])
