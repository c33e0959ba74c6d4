"""Measures of pixels, on pictures of which the answer is known."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from helpers.pictures import noise
from hypothesis import given, settings
from hypothesis import strategies as st

from subjective.colors import OPPONENT
from subjective.evaluation import pixels


def colored(seed, exponent, side=128):
    """Noise that wraps, whose amplitude falls with frequency by a power, around grey."""
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side), indexing="ij"))
    frequencies[0, 0] = np.inf
    waves = np.fft.fft2(np.random.default_rng(seed).standard_normal((side, side, 3)), axes=(0, 1))
    field = np.fft.ifft2(waves * frequencies[:, :, None] ** -exponent, axes=(0, 1)).real
    return (0.5 + 0.1 * field / field.std()).astype(np.float32)


def grey(values):
    """A grey picture of a plane of values."""
    return np.repeat(np.asarray(values, np.float32)[:, :, None], 3, axis=2)


@settings(max_examples=50, deadline=None)
@given(height=st.integers(16, 200), width=st.integers(16, 200), side=st.integers(1, 16), most=st.integers(1, 400))
def test_windows_are_as_many_as_allowed_and_inside_the_picture(height, width, side, most):
    found = pixels.place_windows((height, width, 3), side, most)
    assert 1 <= len(found) <= most
    for rows, columns in found:
        assert rows.stop - rows.start == columns.stop - columns.start == side
        assert 0 <= rows.start <= height - side
        assert 0 <= columns.start <= width - side


@pytest.mark.parametrize(
    ("shape", "side", "count"),
    [((128, 128), 128, 1), ((129, 128), 128, 2), ((256, 128), 128, 3), ((300, 200), 128, 12), ((50, 70), 16, 30)],
)
def test_windows_cover_the_picture(shape, side, count):
    found = pixels.place_windows((*shape, 3), side, 30)
    assert len(found) == count
    covered = np.zeros(shape, bool)
    for window in found:
        covered[window] = True
    assert covered.all()


def test_luminance_weighs_green_most_and_keeps_grey():
    np.testing.assert_allclose(pixels.luminance(np.eye(3, dtype=np.float32)[None]), [[0.299, 0.587, 0.114]])
    np.testing.assert_allclose(pixels.luminance(np.full((2, 3, 3), 0.5, np.float32)), 0.5)


def test_the_radial_spectrum_of_white_noise_is_its_variance_at_every_frequency():
    picture = noise(256, 256, 3)
    found = pixels.radial_spectrum(picture)
    assert found.shape == (63,)
    variance = pixels.luminance(picture).var()
    # Ring r has about 2πr frequencies, half of them its own; the window makes neighbors alike, several windows help.
    radii = np.arange(2, 65)
    assert (np.abs(found / variance - 1) < 5 / np.sqrt(np.pi * radii)).all()
    assert found[20:].mean() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize(("rows", "columns", "ring"), [(0, 9, 9), (20, 0, 20), (6, 8, 10), (30, -40, 50)])
@pytest.mark.parametrize("size", [(128, 128), (200, 170)])
def test_the_radial_spectrum_of_a_wave_peaks_at_its_ring(size, rows, columns, ring):
    y, x = np.mgrid[: size[0], : size[1]]
    found = pixels.radial_spectrum(grey(0.5 + 0.2 * np.cos(2 * np.pi * (rows * y + columns * x) / 128)))
    assert int(np.argmax(found)) + 2 == ring
    away = np.abs(np.arange(2, 65) - ring) > 2
    assert found[away].max() < 1e-6 * found.max()  # a Hann window leaks into neighbors alone


def test_the_spectrum_knows_no_brightness_and_falls_as_the_noise_does():
    picture = 0.2 + 0.4 * noise(128, 128, 3)
    there = pixels.radial_spectrum((picture + np.float32(0.3)).astype(np.float32))
    np.testing.assert_allclose(there, pixels.radial_spectrum(picture), rtol=1e-5)
    steep = pixels.radial_spectrum(colored(0, 1.0))
    # power at 8 and at 32 cycles: two octaves of 6 dB
    assert 10 * np.log10(steep[5:8].mean() / steep[28:33].mean()) == pytest.approx(12, abs=2)


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0])
def test_the_spectrum_error_of_another_contrast_is_that_contrast_in_decibels(factor):
    picture = 0.3 + 0.4 * noise(128, 128, 3)
    other = (0.5 + factor * (picture - 0.5)).astype(np.float32)
    found = pixels.spectrum_error(pixels.radial_spectrum(other), pixels.radial_spectrum(picture))
    assert found == pytest.approx(abs(20 * np.log10(factor)), abs=1e-3)  # rounding of float32 pixels
    assert pixels.spectrum_error(pixels.radial_spectrum(picture), pixels.radial_spectrum(picture)) == 0


@pytest.mark.parametrize("side", [64, 128])
@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.5])
def test_noise_of_any_color_has_no_isolated_peak(exponent, side):
    assert 0.7 < pixels.spectral_peak(colored(1, exponent), side) < 1.6


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_a_grid_of_dots_is_an_isolated_peak(exponent):
    picture = 0.25 + colored(1, exponent) / 2  # deviates by 0.05
    plain = pixels.spectral_peak(picture, 128)
    picture[::4, ::4] += 0.1
    assert pixels.spectral_peak(picture, 128) > max(2.5, plain + 1)


def test_a_checkerboard_is_an_isolated_peak():
    picture, cells = colored(2, 1.0), np.arange(128) // 2
    board = (-1.0) ** np.add.outer(cells, cells)
    assert pixels.spectral_peak(picture + grey(0.03 * board), 128) > 2.5


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_peak_counts_wherever_it_is(row, column):
    picture = np.tile(colored(1, 1.0), (2, 2, 1))
    plain = pixels.spectral_peak(picture, 128)
    picture[128 * row :, 128 * column :][:128:4, :128:4] += 0.1
    assert pixels.spectral_peak(picture, 128) > plain + 0.3


def test_a_larger_picture_has_no_higher_peak_by_chance():
    small = np.mean([pixels.spectral_peak(colored(seed, 1.0, 64), 64) for seed in range(8)])
    assert pixels.spectral_peak(colored(1, 1.0, 512), 64) == pytest.approx(small, abs=0.15)


def test_a_flat_picture_has_neither_peak_nor_repetition():
    flat = np.full((64, 64, 3), 0.4, np.float32)
    assert pixels.spectral_peak(flat, 64) < 1.6
    assert pixels.repetition(flat, 4) == 0


def test_quantiles_are_evenly_spread_ordered_values():
    values = np.random.default_rng(0).permutation(256 * 5).astype(float)
    np.testing.assert_array_equal(pixels.take_quantiles(values), np.arange(256) * 5 + 2)
    columns = np.stack([values, -values], axis=1)
    np.testing.assert_array_equal(pixels.take_quantiles(columns)[:, 0], pixels.take_quantiles(values))
    np.testing.assert_array_equal(pixels.take_quantiles(columns)[:, 1], pixels.take_quantiles(-values))


def test_the_opponent_axes_are_at_right_angles_and_of_length_one():
    np.testing.assert_allclose(OPPONENT @ OPPONENT.T, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(OPPONENT[1:] @ np.ones(3), 0, atol=1e-15)  # grey has no color


def test_colors_do_not_depend_on_where_they_are_or_how_often_all_occur():
    picture = noise(32, 32, 3)
    shuffled = np.random.default_rng(1).permutation(picture.reshape(-1, 3)).reshape(picture.shape)
    np.testing.assert_allclose(pixels.color_distance(shuffled, picture), 0, atol=1e-12)
    np.testing.assert_allclose(pixels.color_distance(np.tile(picture, (2, 3, 1)), picture), 0, atol=1e-12)


def test_the_color_distance_of_another_brightness_is_that_many_levels():
    picture = 0.2 + 0.4 * noise(32, 32, 3)
    channels, axes = pixels.color_distance((picture + 10 / 255).astype(np.float32), picture)
    np.testing.assert_allclose(channels, 10, atol=1e-4)
    np.testing.assert_allclose(axes, [10 * np.sqrt(3), 0, 0], atol=1e-4)  # of all three, along one axis


def test_the_color_distance_is_that_of_scipy():
    one, other = noise(32, 32, 3), noise(32, 32, 3, seed=1) ** 2
    expected = [scipy.stats.wasserstein_distance(one[..., c].ravel(), other[..., c].ravel()) for c in range(3)]
    # 256 quantiles of 1024 values: each is off by less than the step between values, hardly more than one level
    np.testing.assert_allclose(pixels.color_distance(one, other)[0], 255 * np.array(expected), atol=0.5)


def test_opponent_axes_see_colors_that_channels_do_not():
    random = np.random.default_rng(0)
    red, green = random.uniform(size=(2, 32, 32))
    apart = np.stack([red, green, green], axis=2).astype(np.float32)
    together = np.stack([np.sort(red.ravel()), np.sort(green.ravel()), np.sort(green.ravel())], axis=1)
    together = together.reshape(32, 32, 3).astype(np.float32)
    channels, axes = pixels.color_distance(apart, together)
    np.testing.assert_allclose(channels, 0, atol=1e-12)
    assert axes.mean() > 10


def test_a_picture_that_wraps_has_no_seam():
    picture = colored(0, 2.0)
    for axis in (0, 1):
        ratio, usual, score = pixels.seam(picture, axis)
        assert 0.7 < ratio < 1.4
        assert 1 < usual < 1.6
        assert score < 2


def test_a_seam_is_found_along_its_own_axis():
    ramp = np.linspace(-0.2, 0.2, 128, dtype=np.float32)
    picture = colored(0, 2.0)
    plain = [pixels.seam(picture, axis)[0] for axis in (0, 1)]
    rows, columns = picture + ramp[:, None, None], picture + ramp[None, :, None]
    assert pixels.seam(rows, 0)[0] > 5
    assert pixels.seam(rows, 1)[0] == pytest.approx(plain[1], rel=1e-4)
    assert pixels.seam(columns, 1)[0] > 5
    assert pixels.seam(columns, 0)[0] == pytest.approx(plain[0], rel=1e-4)


def test_the_seam_of_a_ramp_is_all_of_its_steps_at_once():
    ramp = grey(np.repeat(np.linspace(0, 1, 65)[:, None], 20, axis=1))
    ratio, usual, score = pixels.seam(ramp, 0)
    assert ratio == pytest.approx(64, rel=1e-5)
    assert usual == pytest.approx(1, abs=1e-4)
    assert score == pytest.approx(np.log(64) / np.log(1.1), rel=1e-5)
    assert pixels.seam(ramp, 1)[2] == pytest.approx(1), "no step at all, as everywhere"


def test_a_seam_of_half_a_crop_is_larger_than_chance():
    picture = colored(0, 2.0)[:64, :50]
    for axis in (0, 1):
        ratio, usual, score = pixels.seam(picture, axis)
        assert ratio > usual
        assert score > 2


def test_half_a_step_and_twice_a_step_are_equally_far_from_a_step():
    inside = [0.9, 1.1, 0.8, 1.2]
    scores = [pixels.compare_steps(around, inside)[2] for around in (0.5, 1, 2)]
    assert scores == [pytest.approx(scores[2]), 0, pytest.approx(scores[0])]
    assert scores[0] > 2


def test_a_step_that_is_a_tenth_larger_is_as_good_as_equal_steps_get():
    assert pixels.compare_steps(1.1, [1.0] * 4) == (pytest.approx(1.1), 1, pytest.approx(1))


@pytest.mark.parametrize("side", [24, 32, 40])
def test_a_verbatim_repetition_is_one(side):
    picture = np.tile(noise(side, side, 3), (6, 6, 1))[:128, :128]
    assert pixels.repetition(picture, 8) == pytest.approx(1, abs=0.03)  # edges are blurred another way
    other = (0.5 + 0.2 * (picture - 0.5)).astype(np.float32)
    assert pixels.repetition(other, 8) == pytest.approx(pixels.repetition(picture, 8), abs=1e-4)


def test_a_repetition_along_one_axis_is_found():
    picture = np.tile(noise(128, 32, 3), (1, 4, 1))
    assert pixels.repetition(picture, 8) == pytest.approx(1, abs=0.03)
    assert pixels.repetition(picture.transpose(1, 0, 2), 8) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("shape", [(30, 41), (24, 17)])
def test_repetition_is_the_highest_correlation_of_all_shifts_up_to_half(shape):
    """Shift by shift, pixels that have a partner alone."""
    picture, coarse = noise(*shape, 3, seed=3), 3.0
    gray = pixels.luminance(picture)
    detail = gray - scipy.ndimage.gaussian_filter(gray, coarse / 2, mode="reflect")
    detail -= detail.mean()
    height, width = shape
    found = [
        np.mean(detail[y:, max(x, 0) : width + min(x, 0)] * detail[: height - y, max(-x, 0) : width + min(-x, 0)])
        for y in range(height // 2 + 1)
        for x in range(-(width // 2), width // 2 + 1)
        if np.hypot(y, x) > coarse
    ]
    assert pixels.repetition(picture, coarse) == pytest.approx(max(found) / np.mean(detail**2), abs=1e-5)


def test_noise_does_not_repeat():
    assert abs(pixels.repetition(noise(128, 128, 3), 8)) < 0.1
    assert abs(pixels.repetition(colored(0, 1.0), 8)) < 0.3


def test_a_half_repetition_is_half():
    picture = np.tile(noise(32, 32, 3), (4, 4, 1)) / 2 + noise(128, 128, 3, seed=1) / 2
    assert pixels.repetition(picture, 8) == pytest.approx(0.5, abs=0.06)


def test_a_crop_of_the_source_is_copied():
    source = noise(120, 100, 3)
    assert pixels.copied_share(source[31:91, 17:77].copy(), [source]) == 1
    assert pixels.copied_share(source[31:91, 17:77].copy(), [noise(64, 64, 3, seed=1), source]) == 1


def test_a_copy_of_other_contrast_and_brightness_is_still_one():
    source = noise(80, 80, 3)
    assert pixels.copied_share((0.3 + 0.4 * source[5:65, 9:69]).astype(np.float32), [source]) == 1


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_what_is_like_the_source_is_not_copied_from_it(exponent):
    assert pixels.copied_share(colored(0, exponent)[:64, :64], [colored(1, exponent)]) == 0


def test_a_mirrored_source_is_not_copied():
    source = noise(80, 80, 3)
    assert pixels.copied_share(source[:, ::-1].copy(), [source]) == 0


@pytest.mark.parametrize("axis", [0, 1])
def test_the_share_copied_is_that_of_patches_within_the_copy(axis):
    source, picture = noise(128, 128, 3), noise(128, 128, 3, seed=1)
    np.moveaxis(picture, axis, 0)[:64] = np.moveaxis(source, axis, 0)[30:94]
    # Patches of 23 pixels at every fourth pixel: 27 places along an axis, of which 11 lie within 64 pixels. A blur
    # takes the last one a little beyond, and one that is almost inside may count.
    assert pixels.copied_share(picture, [source]) == pytest.approx(11 / 27, abs=1.01 / 27)


def test_a_picture_without_contrast_is_not_copied():
    flat = np.full((64, 64, 3), 0.5, np.float32)
    assert pixels.copied_share(flat, [flat, noise(64, 64, 3)]) == 0


def test_faint_patches_do_not_count_as_copied():
    source = noise(120, 64, 3)
    source[60:] = 0.5 + 0.001 * (source[60:] - 0.5)
    # about as many patches lie in the lower half as in the upper; those across the middle have contrast
    assert 0.45 < pixels.copied_share(source, [source]) < 0.8
