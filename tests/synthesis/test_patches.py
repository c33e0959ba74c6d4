"""Pictures made of patches of their sources."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers.pictures import GRAVEL, noise, smooth_noise

from subjective.colors import OPPONENT
from subjective.evaluation.pixels import copied_share
from subjective.images import read_image
from subjective.synthesis.palette import match_colors, nudge_colors
from subjective.synthesis.patch_places import add_places, keep_places
from subjective.synthesis.patch_search import (
    COMPONENTS,
    SIDE,
    collect_patches,
    count_uses,
    find_nearest,
    follow_neighbors,
)
from subjective.synthesis.patches import Form, _enlarge_places, _Placed, carry_maps, join_patches
from subjective.synthesis.starts import key_of
from subjective.synthesis.survey import find_lattice, fit_waves

RED, GREEN = np.array([0.8, 0.1, 0.1]), np.array([0.1, 0.8, 0.1])


def stripes(height=40, width=48, period=8):
    """Dark rows on a light ground."""
    rows = (np.arange(height) % period < 2)[:, None, None]
    return np.broadcast_to(np.where(rows, 0.2, 0.7), (height, width, 3)).astype(np.float32)


def patches_of(picture):
    """All patches of a picture that wraps, one a row."""
    wrapped = np.pad(picture, ((0, SIDE - 1), (0, SIDE - 1), (0, 0)), mode="wrap")
    found = np.lib.stride_tricks.sliding_window_view(wrapped, (SIDE, SIDE), axis=(0, 1))
    return np.moveaxis(found, 2, 4).reshape(-1, SIDE**2 * 3)


def join(*sources, size=(32, 40), weights=None, seed=0):
    return join_patches(sources, weights or (1.0,) * len(sources), size, key_of(seed, 0))


def test_rows_stay_rows():
    """Nearly all that varies in the picture varies from row to row, and a quarter of the rows is dark, as ever."""
    for seed in range(3):
        made = join(stripes(), size=(32, 40), seed=seed)
        assert made.shape == (32, 40, 3)
        assert made[..., 0].mean(axis=1).var() > 0.5 * made[..., 0].var()
        assert np.mean(made[..., 0] < 0.45) == pytest.approx(0.25, abs=0.03)


def test_a_picture_repeats_as_its_source_does():
    """The picture is 2.6 periods wide: three whole ones go around it, and all their joints meet."""
    rows, columns = np.mgrid[:96, :96]
    is_joint = (rows % 24 < 4) | ((columns + 12 * (rows // 24)) % 24 < 4)
    source = np.where(is_joint, 0.2, 0.6)[:, :, None] + 0.15 * (smooth_noise(size=(96, 96)) - 0.5)
    size = (96, 63)
    waves = fit_waves(find_lattice(source), source.shape, size)
    for seed in range(2):
        shade = join_patches([source], (1.0,), size, key_of(seed, 0), Form(waves=waves)).mean(axis=2)
        for shift in ((0, 21), (48, 0), (24, -10)):
            assert np.corrcoef(shade.ravel(), np.roll(shade, shift, (0, 1)).ravel())[0, 1] > 0.5


@pytest.mark.slow
def test_a_large_picture_has_the_strength_of_its_source_at_each_scale():
    source = smooth_noise(size=(128, 128)) + 0.2 * noise(128, 128, 3)
    made = join(source, size=(120, 128))
    for scale in (1, 4):
        own, theirs = (picture[: 120 // scale * scale, : 128 // scale * scale] for picture in (made, source))
        reduced = [
            p.reshape(p.shape[0] // scale, scale, p.shape[1] // scale, scale, 3).mean(axis=(1, 3))
            for p in (own, theirs)
        ]
        strength = [(picture @ OPPONENT.T).std(axis=(0, 1)) for picture in reduced]
        np.testing.assert_allclose(strength[0], strength[1], rtol=0.25)


def test_one_color_is_matched_to_the_middle_one():
    colors = np.repeat(np.array([[0.1], [0.6], [0.9]], np.float32), 3, axis=1)
    made = match_colors(np.full((4, 4, 3), 0.3, np.float32), colors, np.random.default_rng(0))
    np.testing.assert_allclose(made, 0.6, atol=1e-3)


def test_colors_are_nudged_but_no_blue_becomes_brown():
    """Of two kinds of stones, a picture has more of one than its source; and all are a little too dark."""
    random = np.random.default_rng(0)
    kinds = np.array([[0.6, 0.5, 0.4], [0.3, 0.5, 0.7]])

    def stones(*counts):
        return (np.repeat(kinds, counts, axis=0) + random.normal(0, 0.02, (sum(counts), 3))).astype(np.float32)

    source, picture = stones(500, 500), stones(600, 400) - np.float32(0.02)
    made = nudge_colors(picture.reshape(25, 40, 3), source, np.random.default_rng(1), (3,)).reshape(-1, 3)
    is_brown = made[:, 0] > made[:, 2]
    np.testing.assert_array_equal(is_brown, np.arange(1000) < 600)
    matched = match_colors(picture.reshape(25, 40, 3), source, np.random.default_rng(1), (3,)).reshape(-1, 3)
    assert np.count_nonzero(matched[:600, 0] < matched[:600, 2]) > 50
    same = stones(500, 500)
    dark = nudge_colors((same - 0.02).reshape(25, 40, 3), same, np.random.default_rng(1), (3,)).reshape(-1, 3)
    np.testing.assert_allclose(dark, same, atol=0.012)


def test_maps_are_carried_to_where_a_picture_has_them():
    """A picture that was cut from the source and wrapped at another place gets the maps of that place."""
    source = smooth_noise(size=(64, 72))
    maps = np.concatenate([1 - source.mean(axis=2, keepdims=True), source[:, :, :2] ** 2], axis=2)
    cut = (slice(8, 48), slice(16, 64))
    carried = carry_maps(source, maps, source[cut], key_of(0, 0), (1, 2))
    assert carried.shape == (40, 48, 3)
    inner = (slice(7, -7), slice(7, -7))  # beside its border a cut picture has no patches of the source
    for channel in range(3):
        assert np.corrcoef(carried[inner][..., channel].ravel(), maps[cut][inner][..., channel].ravel())[0, 1] > 0.95


def test_every_patch_looks_like_a_patch_of_the_source():
    source = smooth_noise(size=(48, 48))
    theirs = patches_of(source)  # some wrap around the source, and are patches of none

    def distance(picture):
        return np.mean([np.square(theirs - one).mean(axis=1).min() for one in patches_of(picture)[::7]])

    assert distance(join(source)) < 0.4 * distance(smooth_noise(1, (32, 40)))


def test_all_parts_of_a_source_are_found_in_the_picture():
    source = np.concatenate([np.tile(color, (40, 20, 1)) for color in (RED, GREEN)], axis=1)
    source = (source + 0.02 * noise(40, 40, 3)).astype(np.float32)
    red = np.mean([(join(source, seed=seed)[..., 0] > 0.45).mean() for seed in range(3)])
    assert 0.2 < red < 0.8


def test_several_sources_count_by_their_weights():
    grain = 0.05 * smooth_noise(size=(24, 24))
    red, green = ((color + grain).astype(np.float32) for color in (RED, GREEN))
    shares = [(join(red, green, weights=weights)[..., 0] > 0.45).mean() for weights in ((20.0, 1.0), (1.0, 20.0))]
    assert shares[0] > shares[1]
    assert (join(red, green, weights=(0.0, 1.0))[..., 0] < 0.45).all()


@pytest.mark.slow
def test_the_same_key_makes_the_same_picture_and_another_key_another():
    source = smooth_noise(size=(48, 48))
    np.testing.assert_array_equal(join(source), join(source))
    assert np.abs(join(source) - join(source, seed=1)).mean() > 0.02


def test_the_nearest_patch_is_that_of_a_plain_search():
    source, picture = smooth_noise(size=(24, 24)), smooth_noise(1, (20, 28))
    patches = collect_patches([source], [1.0], np.random.default_rng(0))
    with ThreadPoolExecutor(2) as threads:
        found, scale, missed = find_nearest(patches, picture, np.zeros(patches.at.shape[1], np.float32), threads)
    ours = ((patches_of(picture) - patches.mean) @ patches.axes).astype(np.float64)
    apart = np.square(ours[:, None] - patches.components[None]).sum(axis=2)
    nearest = apart.min(axis=1)
    np.testing.assert_allclose(apart[np.arange(len(ours)), found.ravel()], nearest, atol=1e-4 * nearest.max())
    np.testing.assert_allclose(missed, apart.min(axis=0), atol=1e-4 * missed.max())
    assert patches.components.shape[1] == COMPONENTS
    np.testing.assert_array_equal(scale, scale[0, 0])  # no patch was missing before


def test_patches_that_continue_their_neighbors_copy_a_picture_that_is_part_of_the_source():
    """Few patches are known, none of them at the places of the picture's; their neighbors' neighbors are."""
    source = smooth_noise(size=(96, 96))
    picture = source[8:88, 8:88]
    patches = collect_patches([source], [1.0], np.random.default_rng(0))
    known = np.flatnonzero((patches.at[1] % 16 == 0) & (patches.at[2] % 16 == 0))
    patches = dataclasses.replace(patches, at=patches.at[:, known], components=patches.components[known])
    none_missed = np.zeros(len(known), np.float32)
    with ThreadPoolExecutor(2) as threads:
        nearest = find_nearest(patches, picture, none_missed, threads)
        at = follow_neighbors(patches, picture, nearest, threads)
    is_copy = (at[1] == np.arange(80)[:, None] + 8) & (at[2] == np.arange(80) + 8)
    before = np.zeros((80, 80), bool)
    before[patches.at[1, nearest.numbers] == np.arange(80)[:, None] + 8] = True
    before &= patches.at[2, nearest.numbers] == np.arange(80) + 8
    assert is_copy.sum() > 4 * before.sum() > 0
    source_number, rows, columns = at
    assert (source_number == 0).all()
    assert rows.min() >= 0
    assert columns.min() >= 0
    assert max(rows.max(), columns.max()) <= 96 - SIDE


def test_patches_stay_where_they_were_and_give_way_to_those_that_continue_them():
    """Without a search, a wrong patch among those of a copy is replaced by the one that continues its neighbors."""
    source = smooth_noise(size=(64, 64))
    picture = source[4:44, 8:56]
    patches = collect_patches([source], [1.0], np.random.default_rng(0))
    right = np.stack(np.broadcast_arrays(0, np.arange(40)[:, None] + 4, np.arange(48) + 8))
    wrong = right.copy()
    wrong[:, 20, 20] = 0, 50, 2
    with ThreadPoolExecutor(2) as threads:
        at = follow_neighbors(patches, picture, None, threads, before=wrong)
    inside = np.s_[:, :30, :38]  # a picture that wraps goes on at its left where the copy ends
    np.testing.assert_array_equal(at[inside], right[inside])


def test_a_patch_that_the_picture_has_too_often_counts_as_less_similar():
    sources = [smooth_noise(size=(40, 40)), smooth_noise(1, (30, 50))]
    patches = collect_patches(sources, [1.0, 3.0], np.random.default_rng(0))
    evenly = patches.at[:, np.random.default_rng(1).integers(patches.at.shape[1], size=(40, 40))]
    counted = count_uses(patches, evenly, [1.0, 3.0])
    assert counted.overuse(patches.at).mean() < 1.4
    assert np.median(counted.used[counted.used > 0]) == pytest.approx(1, abs=0.25)
    crowded = evenly.copy()
    crowded[:, :10] = np.array([1, 12, 20])[:, None, None]
    factors = count_uses(patches, crowded, [1.0, 3.0]).overuse(np.array([[1, 1, 0], [12, 12, 12], [20, 5, 20]]))
    assert factors[0] > 5 > 1.5 > max(factors[1:])
    assert (patches.overuse(evenly) == 1).all()  # nothing is known yet


@pytest.mark.parametrize(("stride", "stride_here"), [(1, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("growth", [2**0.5, 2])
def test_a_piece_of_a_source_is_the_same_piece_at_a_larger_size(stride: int, stride_here: int, growth: float):
    small, source = (40, 56), (60, 80)
    size, shape = (tuple(round(growth * side) for side in sides) for sides in (small, source))
    corner = np.stack(np.broadcast_arrays(0, np.arange(0, 40, stride)[:, None] + 5, np.arange(0, 56, stride) + 9))
    placed = _Placed(corner, small, np.array([[0, *source]]), stride)
    found = _enlarge_places(placed, size, np.array([[0, *shape]]), stride_here)
    rows, columns = np.arange(0, size[0] - 8, stride_here), np.arange(0, size[1] - 8, stride_here)
    wanted_rows, wanted_columns = rows + 5 * growth, columns + 9 * growth
    assert (found[0] == 0).all()
    assert np.abs(found[1, : len(rows), 0] - np.minimum(wanted_rows, shape[0] - SIDE)).max() < 1.1
    assert np.abs(found[2, 0, : len(columns)] - np.minimum(wanted_columns, shape[1] - SIDE)).max() < 1.1


@pytest.mark.slow
def test_large_pieces_stay_as_they_are_and_small_ones_do_not():
    source = read_image(str(GRAVEL))
    shares = []
    for keeps in (True, False):
        made = join_patches([source], (1.0,), (128, 128), key_of(0, 0), Form(keeps_pieces=keeps))
        shares.append(copied_share(made, [source]))
    assert shares[0] > 5 * max(shares[1], 0.01)


@pytest.mark.parametrize("size", [(8, 8), (9, 70), (33, 17)])
def test_any_size_can_be_made(size):
    made = join(smooth_noise(size=(20, 11)), size=size)
    assert made.shape == (*size, 3)
    assert np.isfinite(made).all()


def test_a_piece_that_is_off_by_a_pixel_goes_to_its_place_in_the_period():
    """Each patch of the picture comes from one period away and a pixel beside, as after a picture has grown."""
    rows, columns = np.mgrid[:64, :64]
    source = np.where((rows % 16 < 3) | (columns % 16 < 3), 0.2, 0.6)[:, :, None] + 0.1 * noise(64, 64, 3)
    waves = fit_waves(find_lattice(source), source.shape, (48, 48))
    patches = add_places(collect_patches([source], (1.0,), np.random.default_rng(0)), waves, source.shape, (48, 48))
    rows, columns = np.indices((24, 24)) * 2
    right = np.stack([0 * rows, rows % 32 + 16, columns % 32])
    for shift in ((0, 0), (1, 0), (-1, 1)):
        off = right + np.array([0, *shift])[:, None, None]
        inside = patches.is_inside(off)
        np.testing.assert_array_equal(keep_places(patches, off, 2)[:, inside], right[:, inside])


def test_patches_of_other_sources_stay_where_they_are():
    patches = collect_patches([noise(20, 20, 3)], (1.0,), np.random.default_rng(0))
    at = np.zeros((3, 5, 5), np.intp)
    assert keep_places(patches, at, 2) is at
