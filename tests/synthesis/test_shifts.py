"""Unknown pixels filled with shifted copies of known ones."""

import numpy as np
import pytest
from helpers.pictures import noise, smooth_noise

from subjective.synthesis import shifts
from subjective.synthesis.held import Held, fill_nearest
from subjective.synthesis.shifts import fill_by_shifts
from subjective.synthesis.starts import key_of


def with_hole(picture, hole):
    known = np.ones(picture.shape[:2], bool)
    known[hole] = False
    return Held(fill_nearest(np.where(known[..., None], picture, 0), known), known)


def fill(held, *sources, seed=0):
    return fill_by_shifts(held, list(sources) or [held], key_of(seed, 0))


def checks(size=96, period=12):
    """Squares of two colors, which repeat in both directions."""
    rows, columns = np.mgrid[:size, :size] // (period // 2)
    return np.where((rows + columns)[..., None] % 2, [0.8, 0.6, 0.3], [0.2, 0.3, 0.4]).astype(np.float32)


def test_known_pixels_stay_and_all_others_come_from_the_source():
    picture = smooth_noise(size=(60, 70))
    held = with_hole(picture, np.s_[20:45, 30:55])
    made = fill(held)
    np.testing.assert_array_equal(made[held.known], picture[held.known])
    colors = {tuple(color) for color in picture[held.known].tolist()}
    assert all(tuple(color) in colors for color in made[~held.known].tolist())


@pytest.mark.parametrize(
    "hole", [np.s_[30:66, 25:70], np.s_[:, 60:], np.s_[50:, 50:]], ids=["inside", "side", "corner"]
)
def test_a_regular_pattern_goes_on_without_an_error(hole):
    picture = checks()
    np.testing.assert_array_equal(fill(with_hole(picture, hole)), picture)


def test_a_picture_that_wraps_goes_on_at_its_other_side():
    """Of a pattern that does not fit its size, the strip is filled so that both sides join: no step is a new one."""
    picture = np.tile(np.linspace(0, 1, 64, dtype=np.float32)[:, None, None], (1, 64, 3))
    strips = np.s_[:, [*range(10), *range(54, 64)]]
    known = np.ones((64, 64), bool)
    known[strips] = False
    made = fill(Held(fill_nearest(picture, known), known, (False, True)))
    np.testing.assert_allclose(made, picture, atol=0.05)


@pytest.mark.slow
def test_a_large_hole_is_filled_from_coarse_to_fine_with_whole_colors():
    picture = checks(192, 24)
    held = with_hole(picture, np.s_[40:150, 40:150])  # 12,100 pixels
    made = fill(held)
    wrong = np.abs(made - picture).max(axis=2) > 0.1
    assert wrong.mean() < 0.01


def test_another_source_fills_the_hole_with_its_own_pixels():
    red = np.zeros((40, 44, 3), np.float32) + [0.9, 0.1, 0.1] + 0.05 * noise(40, 44, 1)
    held = with_hole(smooth_noise(size=(48, 48)), np.s_[16:32, 16:32])
    source = Held(red.astype(np.float32), np.ones((40, 44), bool))
    made = fill(held, source)
    assert (made[16:32, 16:32, 0] > 0.8).all()


def test_a_hole_larger_than_what_is_known_is_filled():
    picture = smooth_noise(size=(64, 64))
    known = np.zeros((64, 64), bool)
    known[20:40, 20:44] = True
    made = fill(Held(fill_nearest(picture, known), known))
    colors = {tuple(color) for color in picture[known].tolist()}
    assert all(tuple(color) in colors for color in made.reshape(-1, 3).tolist())


def test_the_same_key_gives_the_same_picture_and_another_key_another():
    held = with_hole(noise(50, 50, 3), np.s_[15:35, 15:35])
    np.testing.assert_array_equal(fill(held), fill(held))
    assert np.abs(fill(held) - fill(held, seed=1)).max() > 0.1


def test_a_reduced_picture_does_not_mix_known_pixels_with_others():
    picture = np.where(np.arange(64)[:, None, None] < 32, 0.25, 1.0) * np.ones((64, 64, 3), np.float32)
    known = np.broadcast_to(np.arange(64)[:, None] < 32, (64, 64))
    reduced = Held(picture.astype(np.float32), known).reduce(2)
    assert reduced.known.shape == (16, 16)
    np.testing.assert_allclose(reduced.picture, 0.25, atol=1e-6)


def test_a_step_of_color_is_spread_when_copies_blend():
    """The picture is brighter at its right side, so that copies from there do not fit at the left."""
    picture = 0.4 * smooth_noise(size=(60, 60)) + np.linspace(0, 0.5, 60, dtype=np.float32)[None, :, None]
    held = with_hole(picture.astype(np.float32), np.s_[20:40, 20:40])
    plain, blended = (fill_by_shifts(held, [held], key_of(0, 0), blends=blends) for blends in (False, True))
    np.testing.assert_array_equal(blended[held.known], picture[held.known])
    into = [np.abs(made[20:40, 20] - made[20:40, 19]).mean() for made in (plain, blended)]
    assert into[1] < into[0]
    regular = with_hole(checks(), np.s_[30:66, 25:70])
    np.testing.assert_allclose(fill_by_shifts(regular, [regular], key_of(0, 0), blends=True), checks(), atol=1e-3)


def test_steps_are_spread_alike_by_factors_and_by_conjugate_gradients(monkeypatch):
    held = with_hole(smooth_noise(size=(60, 60)), np.s_[20:40, 10:50])
    made = []
    for most in (shifts.MOST_FACTORED, 0):
        monkeypatch.setattr(shifts, "MOST_FACTORED", most)
        made.append(fill_by_shifts(held, [held], key_of(0, 0), blends=True))
    np.testing.assert_allclose(*made, atol=1e-3)  # BLEND_TOLERANCE is a share of the right side, not of the colors
