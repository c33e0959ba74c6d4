import numpy as np
import pytest

from subjective.morph import around, read_weights


@pytest.mark.parametrize("ease", ["smooth", "linear"])
@pytest.mark.parametrize(("frames", "keyframes"), [(24, 3), (10, 4), (7, 2), (5, 1)])
def test_every_row_adds_up_to_one_and_no_step_is_a_jump(frames, keyframes, ease):
    weights = around(frames, keyframes, ease)
    assert weights.shape == (frames, keyframes)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights >= 0).all()
    np.testing.assert_array_equal(weights[0], np.eye(keyframes)[0])
    # Around the end as within; half a cosine is steepest in the middle, by π / 2.
    steps = np.abs(np.roll(weights, -1, axis=0) - weights).max(axis=1)
    assert steps.max() <= np.pi / 2 * keyframes / frames + 1e-12


def test_each_keyframe_is_passed_in_turn():
    np.testing.assert_array_equal(around(12, 3)[[0, 4, 8]], np.eye(3))
    np.testing.assert_allclose(around(4, 1, "linear"), np.ones((4, 1)))
    np.testing.assert_allclose(around(8, 2, "linear")[:, 1], [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25])


def test_smooth_rests_at_a_keyframe():
    smooth, linear = (around(24, 2, ease)[1, 1] for ease in ("smooth", "linear"))
    assert smooth < linear / 4


def test_a_table_of_weights_is_read(tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text("bark, stone\n1,0\n\n1,1\n0.5, 1.5\n")
    np.testing.assert_allclose(read_weights(str(path), 3, 2), [[1, 0], [0.5, 0.5], [0.25, 0.75]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,0\n0,1\n", "has 2 lines of 2 numbers; wanted 3 of 2: a line for each frame"),
        ("1,0\n0,1\n1\n", "has 3 lines of 1 or 2 numbers"),
        ("1,0\n0,1\n-1,2\n", "line 3 of 'w.csv' is -1, 2; wanted numbers of 0 or more"),
        ("1,0\n0,0\n1,2\n", "line 2 of"),
        ("1,0\n0,nan\n1,2\n", "line 2 of"),
        ("1,0\n0,x\n1,2\n", "line 2 of"),
        ("", "has 0 lines of no numbers"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path, text, message):
    path = tmp_path / "w.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_weights(str(path), 3, 2)


def test_no_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        read_weights(str(tmp_path / "none.csv"), 3, 2)
