"""Windows of sources over the seams of a picture, against brute force."""

import itertools

import numpy as np
import pytest
from helpers.pictures import smooth_noise

from subjective.synthesis import seams
from subjective.synthesis.patch_search import SIDE, collect_patches
from subjective.synthesis.seams import SEEN, Windows, mend_seams
from subjective.synthesis.sheet import gather_places, make_sheet, spread_places

ONE = Windows((0.4, 0.3), 4)


def patches_of(*sources):
    return collect_patches(sources, (1.0,) * len(sources), np.random.default_rng(0))


def noise(*size, seed=0):
    return np.random.default_rng(seed).random((*size, 3), dtype=np.float32)


def places_at(at):
    """Return source, row and column of each pixel of a picture whose every pixel has a patch."""
    middles = np.roll(at, (SIDE // 2, SIDE // 2), axis=(1, 2)).copy()
    middles[1:] += SIDE // 2
    return middles


def sum_of_seams(sources, places):
    """Add up all seams of a picture, one after the other."""
    variance = np.concatenate([source.reshape(-1, 3) for source in sources]).var(axis=0).mean()
    total = 0.0
    for row, column in np.ndindex(*places.shape[1:]):
        source, down, right = places[:, row, column]
        for step in ((1, 0), (0, 1)):
            other, below, beside = places[:, (row + step[0]) % places.shape[1], (column + step[1]) % places.shape[2]]
            if (source, down + step[0], right + step[1]) == (other, below, beside):
                continue
            one = sources[source][down, right] - sources[other][below - step[0], beside - step[1]]
            two = sources[source][down + step[0], right + step[1]] - sources[other][below, beside]
            total += float(np.sum(one**2) + np.sum(two**2)) / variance + SEEN
    return total


def uses_of(sheet, counts):
    ones = np.ones(len(sheet.pixels), np.float32)
    return seams._Uses(sheet.allowed.shape, ones * counts, ones, ones)


def random_places(sources, size, seed=0):
    random = np.random.default_rng(seed)
    number = random.integers(len(sources), size=size)
    return np.stack([number, *(random.integers(min(s.shape[a] for s in sources) - SIDE, size=size) for a in (0, 1))])


@pytest.mark.parametrize("sizes", [[(40, 48)], [(40, 48), (56, 32)]])
def test_the_seams_of_a_mended_picture_sum_up_to_less(sizes):
    sources = [smooth_noise(number, size) for number, size in enumerate(sizes)]
    at = random_places(sources, (36, 44))
    mended = mend_seams(patches_of(*sources), at, (36, 44), 1, ONE)
    assert sum_of_seams(sources, places_at(mended)) < 0.5 * sum_of_seams(sources, places_at(at))


def test_all_patches_of_a_mended_picture_are_inside_their_sources():
    sources = [noise(40, 48), noise(30, 60, seed=1)]
    mended = mend_seams(patches_of(*sources), random_places(sources, (36, 44)), (36, 44), 1, ONE)
    assert patches_of(*sources).is_inside(mended).all()


def test_a_picture_without_seams_stays_as_it_is():
    """A source that wraps, of which the picture is one whole period."""
    period = noise(24, 24)
    source = np.tile(period, (2, 2, 1))
    rows, columns = np.indices((24, 24))
    at = np.stack([0 * rows, rows, columns])
    mended = mend_seams(patches_of(source), at, (24, 24), 1, Windows((0.4,), 4))
    np.testing.assert_array_equal(source[tuple(places_at(mended)[1:])], source[tuple(places_at(at)[1:])])


@pytest.mark.parametrize("spread", [0.0, 1e-5])
def test_a_source_of_one_color_and_a_white_spot_has_costs_that_can_be_counted(spread):
    source = 0.2 + spread * noise(60, 60)
    source[30, 30] = 1
    at = random_places([source], (48, 48))
    mended = mend_seams(patches_of(source), at, (48, 48), 1, ONE)
    assert patches_of(source).is_inside(mended).all()
    if spread:
        assert sum_of_seams([source], places_at(mended)) < sum_of_seams([source], places_at(at))


def test_patches_that_lie_apart_are_found_again():
    """Every second patch of every second row says where all of a piece's pixels are."""
    source = noise(60, 60)
    rows, columns = np.mgrid[0:30:2, 0:34:2]
    at = np.stack([0 * rows, rows + 5, columns + 7])
    sheet = make_sheet(patches_of(source))
    places = spread_places(sheet.number(at), (30, 34), 2, sheet.width)
    _, down, right = sheet.find(places)
    inside = np.s_[SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2]
    np.testing.assert_array_equal(down[inside], (np.indices((30, 34))[0] + 5 - SIDE // 2)[inside])
    np.testing.assert_array_equal(right[inside], (np.indices((30, 34))[1] + 7 - SIDE // 2)[inside])
    np.testing.assert_array_equal(sheet.find(gather_places(places, (15, 17), 2, sheet.width)), at)


def test_a_piece_goes_on_around_a_picture_of_odd_size():
    """The last patch of a row is one pixel from the first one, where the others are two pixels apart."""
    period = noise(25, 31)
    source = np.tile(period, (3, 3, 1))
    patches = patches_of(source)
    sheet = make_sheet(patches)
    rows, columns = np.mgrid[0:25:2, 0:31:2]
    at = np.stack([0 * rows, rows + 25, columns + 31])
    places = spread_places(sheet.number(at), (25, 31), 2, sheet.width)
    _, down, right = sheet.find(places)
    np.testing.assert_array_equal(source[down + SIDE // 2, right + SIDE // 2], period)
    _, down, right = sheet.find(gather_places(places, (13, 16), 2, sheet.width))
    np.testing.assert_array_equal(down % 25, rows)
    np.testing.assert_array_equal(right % 31, columns)


@pytest.mark.parametrize("seed", range(6))
def test_no_other_cut_has_less_seams(seed):
    """All 512 ways to take the inner pixels of a window of 5 x 5 from one of two places."""
    sheet = make_sheet(patches_of(noise(20, 20, seed=seed)))
    random = np.random.default_rng(seed)
    old = int(sheet.number(np.array([0, *random.integers(0, 8, size=2)]))) + sheet.offsets(5)
    if seed % 2:  # a picture that has seams already
        old[:, 3:] += 2 * sheet.width + 1
    start = int(sheet.number(np.array([0, *random.integers(0, 8, size=2)])))
    new = start + sheet.offsets(5)

    def cost(inner):
        takes = np.zeros((5, 5), bool)
        takes[1:-1, 1:-1] = np.reshape(inner, (3, 3))
        made = np.where(takes, new, old)
        prices = seams._price(sheet, made[:-1], made[1:], 0), seams._price(sheet, made[:, :-1], made[:, 1:], 1)
        seen = float(sum(price.sum() for price in prices))
        return seen + float(more[takes].sum())

    more = random.normal(0, 3, (5, 5)).astype(np.float32)
    takes = seams._cut(sheet, old, new, more)
    assert not takes[[0, -1]].any()
    assert not takes[:, [0, -1]].any()
    best = min(cost(inner) for inner in itertools.product((False, True), repeat=9))
    found = cost(takes[1:-1, 1:-1].ravel())
    if seed % 2:
        assert found <= cost([False] * 9)  # where old seams cost more than two new ones, less than the best is found
    else:
        assert found == pytest.approx(best, rel=1e-3)


def test_a_window_is_taken_from_where_a_source_fits_but_not_from_where_it_is():
    source = np.tile(noise(24, 24), (1, 2, 1))
    patches = patches_of(source)
    sheet = make_sheet(patches)
    old = int(sheet.number(np.array([0, 2, 3]))) + sheet.offsets(12)
    start = seams._fit(sheet, patches, uses_of(sheet, 1.0), old, (0, 0))
    assert start == old[0, 0] + 24


def test_of_two_places_that_fit_the_one_is_taken_that_the_picture_has_less_often():
    source = np.tile(noise(24, 24), (1, 3, 1))
    patches = patches_of(source)
    sheet = make_sheet(patches)
    old = int(sheet.number(np.array([0, 2, 3]))) + sheet.offsets(12)
    for often, rare in ((24, 48), (48, 24)):
        counts = np.ones(len(sheet.pixels), np.float32)
        counts[old + often] = 5
        assert seams._fit(sheet, patches, uses_of(sheet, counts), old, (0, 0)) == old[0, 0] + rare


def test_a_striking_thing_is_seen_no_more_often_than_others():
    """One red spot in a grey source; a picture of twice the area, in which the spot is at first four times."""
    source = 0.5 + 0.1 * (smooth_noise(3, (48, 48)) - 0.5)
    source[20:28, 20:28] = (1, 0, 0)
    rows, columns = np.indices((48, 96))
    at = np.stack([0 * rows, rows % 24 + 12, columns % 24 + 12])
    at[1:] -= SIDE // 2

    def count_spots(at):
        _, down, right = places_at(at)
        return np.count_nonzero((down >= 20) & (down < 28) & (right >= 20) & (right < 28)) / 64

    assert count_spots(at) == 8
    mended = mend_seams(patches_of(source), at, (48, 96), 1, Windows((0.45, 0.3), 8))
    assert count_spots(mended) <= 3


def test_each_source_keeps_its_share():
    """Uses are compared within a source: a source that a picture has three times as much of does not become rarer."""
    sources = [smooth_noise(number, (48, 48)) for number in range(2)]
    at = random_places(sources, (40, 40))
    at[0] = np.random.default_rng(0).random((40, 40)) < 0.25
    patches = patches_of(*sources)
    sheet = make_sheet(patches)
    uses = seams._count_uses(sheet, patches, sheet.number(at))
    expected = uses.expected.reshape(uses.shape)
    assert expected[10, 10] / expected[60, 10] == pytest.approx(3, rel=0.2)


def test_windows_fit_into_the_smallest_source_and_the_picture():
    assert Windows((0.5,), 2).list_sides(100, (80, 90)) == [50] * round(2 * 80 * 90 / 2500)
    assert set(Windows((0.9,), 2).list_sides(100, (60, 90))) == {58}
    assert Windows((0.5,), 2).list_sides(20, (80, 90)) == []
    assert len(Windows((0.5,), 2).list_sides(30, (800, 900))) == 300
