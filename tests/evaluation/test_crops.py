"""Crops of sources and parts of pictures: where they lie, how large they are, how many there are."""

import numpy as np
import pytest

from subjective.evaluation.crops import FEWER_CROPS, MOST_CROPS, allot, crop_size, cut_crops, cut_parts


@pytest.mark.parametrize(
    ("shape", "expected"), [((128, 128), (128, 128)), ((400, 90), (160, 90)), ((40, 500), (40, 128))]
)
def test_crops_of_half_a_source_are_its_corners(gravel, shape, expected):
    height, width = crop_size([gravel], (*shape, 3))
    assert (height, width) == expected
    crops = cut_crops(gravel, expected)
    for crop in (
        gravel[:height, :width],
        gravel[:height, -width:],
        gravel[-height:, :width],
        gravel[-height:, -width:],
    ):
        assert any(np.array_equal(crop, one) for one in crops)


@pytest.mark.parametrize(
    ("shape", "size", "count"),
    [
        ((64, 64), (32, 32), 4),
        ((97, 70), (32, 32), 6),
        ((640, 640), (32, 32), MOST_CROPS),
        ((2000, 1700), (500, 500), FEWER_CROPS),
    ],
)
def test_crops_lie_all_over_a_source_and_do_not_overlap(shape, size, count):
    places = np.repeat(np.arange(np.prod(shape), dtype=np.float32).reshape(*shape, 1), 3, axis=2)
    crops = cut_crops(places, size)
    assert len(crops) == count
    pixels = np.concatenate([crop[..., 0].ravel() for crop in crops])
    assert len(np.unique(pixels)) == len(pixels)
    rows, columns = np.divmod(pixels.astype(int), shape[1])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, shape[0] - 1, 0, shape[1] - 1)


def test_crops_of_all_sources_are_of_one_size(gravel):
    assert crop_size([gravel, gravel[:100], gravel[:, :80]], (200, 200, 3)) == (50, 40)


@pytest.mark.parametrize(("shape", "size", "count"), [((64, 64), (64, 64), 1), ((96, 130), (64, 64), 6)])
def test_parts_cover_a_picture(shape, size, count):
    places = np.repeat(np.arange(np.prod(shape), dtype=np.float32).reshape(*shape, 1), 3, axis=2)
    parts = cut_parts(places, size)
    assert len(parts) == count
    assert {part.shape for part in parts} == {(*size, 3)}
    assert len(np.unique(np.concatenate([part.ravel() for part in parts]))) == np.prod(shape)


def test_parts_of_a_large_picture_are_evenly_spread():
    rows = np.repeat(np.indices((640, 640), np.float32)[0][..., None], 3, axis=2)
    tops = sorted({int(part[0, 0, 0]) for part in cut_parts(rows, (64, 64))})
    assert tops == [0, 192, 384, 576]


def test_samples_are_allotted_by_weight_and_never_more_than_there_are():
    assert allot(None, [10, 10], 100) == [10, 10]
    assert allot(None, [10, 10, 10, 10], 20) == [5, 5, 5, 5]
    assert allot(np.array([0.75, 0.25]), [12, 12], 100) == [12, 4]
    assert allot(np.array([0.75, 0.25]), [12, 12], 8) == [6, 2]
