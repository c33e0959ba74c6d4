"""How a loop moves, on loops of which that is known."""

import io

import imageio.v3 as iio
import numpy as np
import pytest
from helpers.pictures import circle

from subjective.evaluation.motion import measure_distances, measure_motion
from subjective.runs.pictures import plot_motion


def test_a_circle_is_steady_and_closes():
    found = measure_distances(circle())
    assert np.ptp(found.values) < 0.1 * np.mean(found.values)
    assert found.flicker == pytest.approx(2 * np.sin(np.pi / 12), rel=0.01)
    assert found.across == pytest.approx(1 / np.sin(np.pi / 12), rel=0.01)
    assert found.scores.sentence == "closes evenly; moves steadily"


def test_frames_without_relation_flicker():
    found = measure_distances(np.random.default_rng(0).uniform(size=(40, 16, 16, 3)))
    assert found.flicker == pytest.approx(3**0.5, rel=0.02)
    assert found.across == pytest.approx(1, rel=0.02)
    assert found.scores.sentence == "closes evenly; flickers"


def test_a_loop_that_does_not_close_is_noticed():
    arc = circle()[:7]
    figures = measure_distances(arc).to_json()
    assert not figures["closes"]
    assert "uneven at its end" in figures["sentence"]
    assert figures["worst"] == "end"
    assert figures["around_the_end"] > 3 * figures["most"]
    assert measure_distances(np.concatenate([arc, arc[-2:0:-1]])).to_json()["closes"]


@pytest.mark.slow
def test_pictures_and_features_are_both_measured_and_plotted(small_params):
    frames = circle()
    found = measure_motion(frames, small_params)
    assert set(found) == {"pixels", "features"}
    np.testing.assert_allclose(found["pixels"].values, measure_distances(frames).values, rtol=0.01)  # clipped, hardly
    assert found["features"].flicker < 1.2
    picture = iio.imread(io.BytesIO(plot_motion(frames, found)))
    assert picture.shape[0] > 100
    assert picture.std() > 10


def test_a_still_has_distances_of_zero():
    figures = measure_distances(np.full((4, 8, 8, 3), 0.5)).to_json()
    assert figures["mean"] == figures["flicker"] == 0
    assert figures["closes"]
