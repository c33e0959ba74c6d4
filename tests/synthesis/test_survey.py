"""How sources repeat themselves."""

import numpy as np
import pytest
from helpers.pictures import noise, photograph, smooth_noise

from subjective.synthesis.survey import Lattice, find_lattice, fit_waves, stretch_to_fit


def tiles(period, side=128, shift=0.0):
    """Tiles under noise; each row of tiles is shifted by a share of the period."""
    rows, columns = np.mgrid[:side, :side]
    columns = columns + shift * period * (rows // period)
    joints = (rows % period < 3) | (columns % period < 3)
    picture = np.where(joints, 0.2, 0.6)[:, :, None] + 0.1 * (noise(side, side, 3) - 0.5)
    return picture.astype(np.float32)


def stripes(period, axis, side=128):
    along = np.where(np.arange(side) % period < 3, 0.2, 0.6)
    picture = np.broadcast_to(np.expand_dims(along, 1 - axis)[:, :, None], (side, side, 3))
    return (picture + 0.3 * (noise(side, side, 3) - 0.5)).astype(np.float32)


def are_whole_periods(vectors, *wanted):
    """Whether each of the wanted shifts is a sum of multiples of the vectors."""
    multiples = np.linalg.lstsq(vectors.T, np.array(wanted, float).T, rcond=None)[0]
    return np.abs(multiples - multiples.round()).max() < 0.1


@pytest.mark.parametrize("period", [12, 16, 25])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_tiles_have_their_periods(period, shift):
    vectors = find_lattice(tiles(period, shift=shift)).vectors
    assert are_whole_periods(vectors, (0, period), (period, -shift * period))
    assert abs(np.linalg.det(vectors)) == pytest.approx(period**2, rel=0.03)  # and no multiples of them


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("period", [12, 17, 40])
def test_rows_and_columns_have_a_distance(axis, period):
    found = find_lattice(stripes(period, axis))
    np.testing.assert_allclose(found.vectors, [np.eye(2)[axis] * period], rtol=0.02)
    assert found.description == f"{('rows', 'columns')[axis]} of {period} pixels"


def test_a_large_source_is_reduced_and_its_period_is_that_of_the_whole():
    vectors = find_lattice(np.repeat(np.repeat(tiles(16, 256), 5, axis=0), 5, axis=1)).vectors
    assert are_whole_periods(vectors, (0, 80), (80, 0))


def test_noise_has_none():
    for seed in range(5):
        assert find_lattice(smooth_noise(seed, (128, 128))) is None
        assert find_lattice(noise(128, 128, 3, seed=seed)) is None


@pytest.mark.slow
def test_photographs_are_told_apart():
    names = ("tiles", "metal", "planks", "rock", "gravel", "grass", "soil", "sand", "slate", "paving")
    found = {name: find_lattice(photograph(name, 512)) for name in names}
    assert {name for name in names if found[name]} == {"tiles", "metal", "planks"}
    assert [len(found[name].vectors) for name in ("tiles", "metal", "planks")] == [2, 2, 1]


@pytest.mark.parametrize("size", [(64, 64), (60, 100), (256, 80)])
@pytest.mark.parametrize(
    "vectors", [[[12.3, 0.2], [0.1, 9.4]], [[21.0, 32.0], [0.0, 64.0]], [[0.0, 17.0]], [[90.0, 0]]]
)
def test_waves_wrap_and_stretch_the_lattice_little(vectors, size):
    lattice = Lattice(np.array(vectors, float), 0.5)
    waves = fit_waves(lattice, (300, 200, 3), size)
    np.testing.assert_array_equal(waves.picture, waves.picture.round())
    np.testing.assert_allclose(waves.source / [300, 200] @ lattice.vectors.T, np.eye(len(vectors)), atol=1e-9)
    assert np.linalg.matrix_rank(waves.picture) == len(vectors)
    stretched = np.abs(waves.picture / size @ lattice.vectors.T - np.eye(len(vectors))).max()
    assert stretched <= max(0.5 * np.linalg.norm(vectors, axis=1).max() / min(size), 0.1)


@pytest.mark.parametrize("size", [(4, 4), (16, 200), (1, 1)])
def test_small_and_flat_sources_have_none(size):
    assert find_lattice(np.full((*size, 3), 0.4, np.float32)) is None
    assert find_lattice(noise(*size, 3)) is None


@pytest.mark.parametrize("source", [tiles(20), tiles(16, shift=0.5), stripes(17, 0), stripes(17, 1)])
def test_a_stretched_source_repeats_as_the_picture_does(source):
    size = (150, 142)
    waves = fit_waves(find_lattice(source), source.shape, size)
    stretched, its_waves = stretch_to_fit(source, waves, size)
    np.testing.assert_allclose(its_waves.source / stretched.shape[:2], waves.picture / size)
    found = find_lattice(stretched).vectors
    around = found @ (waves.picture / size).T  # waves along each period: whole numbers
    assert np.abs(around - around.round()).max() < 0.06
    assert np.abs(around).max() > 0.9
    assert stretched.mean() == pytest.approx(source.mean(), abs=0.02)


def test_a_source_that_fits_stays_and_one_that_would_become_another_is_left_alone():
    source = tiles(16)
    for size in ((128, 64), (23, 23)):  # the second holds 1.4 periods
        waves = fit_waves(Lattice(np.eye(2) * 16, 0.9), source.shape, size)
        stretched, its_waves = stretch_to_fit(source, waves, size)
        np.testing.assert_allclose(stretched, source, atol=1e-5)
        np.testing.assert_allclose(its_waves.source, waves.source)
