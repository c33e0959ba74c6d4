import numpy as np

from subjective.runs.pictures import draw_curves, thin_out


def test_curves_show_what_is_finite():
    steps, lines = thin_out(
        list(range(1, 1001)), {"loss": [float("nan"), *np.geomspace(1e3, 1e-2, 999).tolist()]}, most=100
    )
    assert len(steps) == len(lines["loss"]) == 100
    sheet = draw_curves(lines, steps, [np.ones((50, 60, 3), np.float32)])
    assert sheet.shape == (400, 708, 3)
    assert (sheet < 0.1).all(2).sum() > 500


def test_no_curve_is_an_empty_chart():
    assert draw_curves({"loss": []}, []).shape == (400, 640, 3)
