"""What pictures score of which is known what is wrong with them."""

import importlib.util
import sys

import numpy as np
import pytest
import scipy.ndimage

from subjective.checks import InputError
from subjective.evaluation.features import LAYERS
from subjective.evaluation.scores import Score
from subjective.evaluation.yardstick import Yardstick, check_sizes, evaluate
from subjective.images import read_image, write_image

NAMES = {"gram", "sliced_wasserstein", "spectrum", "peak", "color", "opponent"}
NAMES |= {"seam_rows", "seam_columns", "repetition", "copied"}
NAMES |= {"long_range", "grain", "tints", "color_edges"}
OF_WINDOWS = {"fidelity", "coverage"}  # not of crops of 64 pixels and less


def blurred(picture, sigma):
    return scipy.ndimage.gaussian_filter(picture, (sigma, sigma, 0), mode="mirror")


@pytest.fixture(scope="module")
def scores(gravel, params):
    """Of pictures of which is known what is wrong with them."""
    crop = gravel[64:192, 64:192]  # in the middle, so that no crop of the four corners is this one
    grid = crop.copy()
    grid[::4, ::4] += 0.15
    pictures = {
        "crop": crop,
        "blurred": blurred(crop, 0.7),
        "grid": grid,
        "tile": np.tile(gravel[100:132, 150:182], (4, 4, 1)),
        "noise": np.random.default_rng(0).uniform(size=crop.shape).astype(np.float32),
    }
    yardstick = Yardstick([gravel], crop.shape, params, portilla_simoncelli=False)
    return {name: yardstick.score(picture) for name, picture in pictures.items()}


def quick(picture, sources, params, **options):
    return evaluate(picture, sources, params, **{"portilla_simoncelli": False, **options})


@pytest.mark.slow
def test_every_measure_has_a_value_and_a_finite_score(scores):
    for name, found in scores.items():
        assert set(found) == NAMES | OF_WINDOWS, name
        for measure, score in found.items():
            assert isinstance(score, Score)
            assert np.isfinite([score.value, score.reference, score.score]).all(), (name, measure)
            assert score.score >= 0


@pytest.mark.slow
def test_a_crop_of_the_source_scores_about_one(scores):
    measures = {"gram", "sliced_wasserstein", "spectrum", "peak", "color", "opponent", "long_range", "tints"}
    for measure in measures | OF_WINDOWS:
        assert 0.5 < scores["crop"][measure].score < 2, measure
    assert scores["crop"]["repetition"].score < 1.5


@pytest.mark.slow
def test_a_seam_is_a_fault_a_fact_or_left_out_as_the_picture_is_meant_to_tile(gravel, params):
    source, picture = gravel[:128, :128], gravel[160:224, 64:128] + np.linspace(-0.2, 0.2, 64)[:, None, None]
    picture = np.clip(picture, 0, 1).astype(np.float32)
    fault, fact, nothing = (quick(picture, [source], params, tiles=tiles) for tiles in (True, None, False))
    assert "a clear seam between top and bottom" in fault.sentence
    assert fault.worst.measure.key == "seam_rows"
    assert "seam" not in fact.sentence
    assert fact.worst.measure.key != "seam_rows"
    assert "tiles from top to bottom" in str(fact)
    assert fault["seam_rows"].score == fact["seam_rows"].score
    assert set(nothing) == NAMES - {"seam_rows", "seam_columns"}


@pytest.mark.slow
def test_a_source_is_a_copy_of_itself_and_close_to_itself(gravel, params):
    source = gravel[:128, :128]
    sentence = quick(source, [source], params).sentence
    assert sentence == "as close to its source as a crop; a copy of its source or of parts of it"


@pytest.mark.slow
def test_sentences_name_what_is_wrong(scores):
    assert "fine grain is far off" in scores["blurred"].sentence
    assert scores["blurred"].worst.measure.key == "spectrum"
    assert "regular pattern of pixels" in scores["grid"].sentence
    assert "repeats itself" in scores["tile"].sentence
    sentence = scores["noise"].sentence
    assert sentence.startswith("structure, fine grain, colors and borders of colors are far off; 100% of")


@pytest.mark.slow
def test_a_crop_of_the_source_is_copied(scores):
    assert scores["crop"]["copied"].value == 1
    assert scores["crop"]["copied"].score > 2


@pytest.mark.slow
def test_a_blurred_crop_is_found_by_its_spectrum_and_its_features(scores):
    crop, found = scores["crop"], scores["blurred"]
    assert found["spectrum"].score > 5
    assert found["gram"].score > 2 * crop["gram"].score
    assert found["sliced_wasserstein"].score > 2 * crop["sliced_wasserstein"].score
    assert found["gram"].score > 2.5
    assert found["peak"].score < 1.5
    assert found["repetition"].score < 1.5


@pytest.mark.slow
def test_scores_details_say_where_a_picture_is_off(scores):
    """A blur is nothing at a quarter of the size, and most of all where finest detail is."""
    found = scores["blurred"]
    for measure in ("gram", "sliced_wasserstein"):
        places = found[measure].details
        assert found[measure].score == pytest.approx(np.mean(list(places.values())))
        assert {place.partition("@")[0] for place in places} == set(LAYERS)
        assert places["conv1_2@1"] > 4 * places["conv1_2@0.25"], measure
    assert not found["spectrum"].details


@pytest.mark.slow
def test_a_channel_that_is_off_is_named(gravel, params):
    source, picture = gravel[:128, :128], gravel[160:224, 64:128]
    redder = np.clip(picture + np.array([0.2, 0, 0], np.float32), 0, 1)
    was, found = (quick(one, [source], params) for one in (picture, redder))
    assert found["color"].details["red"] > 3 * was["color"].details["red"]
    for channel in ("green", "blue"):
        assert found["color"].details[channel] == was["color"].details[channel]
    assert max(found["opponent"].details, key=found["opponent"].details.get) == "red-green"


@pytest.mark.slow
def test_a_grid_is_found_by_its_peak_and_by_little_else(scores):
    crop, found = scores["crop"], scores["grid"]
    assert found["peak"].score > 10
    assert found["peak"].value > 2.5
    for measure in ("gram", "sliced_wasserstein", "spectrum", "opponent", "repetition"):
        assert found[measure].score < 2 * crop[measure].score, measure


@pytest.mark.slow
def test_a_verbatim_tile_is_found_by_repetition(scores):
    assert scores["tile"]["repetition"].value == pytest.approx(1, abs=0.03)
    assert scores["tile"]["repetition"].score > 4
    for name in ("crop", "blurred", "grid", "noise"):
        assert scores[name]["repetition"].value < 0.4, name


@pytest.mark.slow
def test_a_tile_as_large_as_a_crop_is_found_by_repetition(gravel, params):
    found = quick(np.tile(gravel[60:124, 70:134], (2, 2, 1)), [gravel[:128, :128]], params)
    assert found["repetition"].value == pytest.approx(1, abs=0.03)
    assert found["repetition"].score > 4


@pytest.mark.slow
def test_a_source_that_repeats_itself_exactly_is_no_yardstick_of_nothing(params):
    board = np.where((np.indices((256, 256)) // 8).sum(axis=0) % 2, 0.8, 0.2).astype(np.float32)
    board = np.repeat(board[..., None], 3, axis=2)
    found = quick(board[3:131, 5:133], [board], params)
    for measure in ("gram", "spectrum"):
        assert found[measure].score < 20, measure


def test_what_is_no_picture_is_refused(gravel, params):
    with pytest.raises(ValueError, match="the picture has shape"):
        quick(gravel[..., 0], [gravel], params)
    with pytest.raises(ValueError, match="a source holds NaN"):
        quick(gravel, [gravel, np.full_like(gravel, np.nan)], params)


@pytest.mark.slow
def test_noise_is_far_from_the_source_and_copies_nothing(scores):
    found = scores["noise"]
    for measure in ("gram", "sliced_wasserstein", "spectrum", "color", "opponent"):
        assert found[measure].score > 4, measure
    assert found["copied"].value == found["copied"].score == 0
    assert found["peak"].score < 1.5


@pytest.mark.slow
def test_noise_has_no_seam(scores):
    for axis in ("seam_rows", "seam_columns"):
        assert scores["noise"][axis].score < 1
        assert scores["crop"][axis].score > 1
        assert scores["crop"][axis].value > scores["crop"][axis].reference


@pytest.mark.slow
def test_what_lies_outside_zero_and_one_is_clipped(gravel, params):
    source = gravel[:128, :128]
    picture = (3 * gravel[160:224, 64:128] - 0.7).astype(np.float32)
    assert picture.min() < -0.1
    assert picture.max() > 1.1
    before = picture.copy()
    found = quick(picture, [source], params)
    assert found == quick(np.clip(picture, 0, 1), [source], params)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.slow
def test_sources_are_taken_together_and_may_differ_in_size(gravel, params):
    picture = gravel[160:224, 64:128]
    one, both = [gravel[:128, :128]], [gravel[:128, :128], gravel[128:, 64:]]
    apart, together = quick(picture, one, params), quick(picture, both, params)
    assert together["gram"].reference != apart["gram"].reference
    assert together["gram"].score < 2.5
    assert apart["copied"].value < 0.5 < together["copied"].value == 1, "the picture lies within the second source"


@pytest.mark.slow
def test_a_picture_may_be_larger_than_its_source(gravel, params):
    crop = gravel[:64, :64]
    found = quick(np.tile(crop, (3, 2, 1)), [crop], params)
    assert set(found) == NAMES
    assert all(np.isfinite(score.score) for score in found.values())


@pytest.mark.slow
def test_the_score_of_windows_has_a_map_of_the_whole_picture_or_none(gravel, params):
    noise = np.random.default_rng(0).uniform(size=(128, 128, 3)).astype(np.float32)
    picture = np.concatenate([gravel[64:192, 64:192], noise])
    yardstick = Yardstick([gravel], picture.shape, params, portilla_simoncelli=False)
    found = yardstick.score(picture)["fidelity"].map
    assert found.shape == picture.shape[:2]
    assert found[:96].mean() < 1.2 < 2 < found[160:].mean()  # windows between them see both
    assert yardstick.score(np.tile(gravel[:128, :128], (7, 6, 1)))["fidelity"].map is None  # 16 parts do not cover it


@pytest.mark.slow
def test_a_large_source_counts_as_a_whole(params):
    """Not its corners alone."""
    source = np.full((96, 96, 3), 0.2, np.float32)
    source[32:64, 32:64] = 0.9
    source += np.random.default_rng(0).normal(0, 0.02, source.shape).astype(np.float32)
    corner = source[:32, :32]
    mixed = np.concatenate([source[32:36, 32:64], corner[4:]])  # about a ninth is bright
    of_corner, of_mixed = (quick(picture, [source], params)["color"].value for picture in (corner, mixed))
    assert of_mixed < 0.3 * of_corner
    assert of_corner == pytest.approx(255 * 0.7 / 9, rel=0.05)


@pytest.mark.slow
def test_a_picture_of_four_parts_is_as_close_as_they_are(gravel, params):
    source, part = gravel[:128, :128], gravel[160:224, 64:128]
    once, twice = (quick(picture, [source], params) for picture in (part, np.tile(part, (2, 2, 1))))
    for measure in ("gram", "sliced_wasserstein", "spectrum", "color", "opponent"):
        assert twice[measure] == once[measure], measure


@pytest.mark.slow
def test_each_source_is_held_against_itself_alone(gravel, params):
    """However unlike another it is."""
    one, other, picture = gravel[:128, :128], 1 - gravel[-128:, -128:], gravel[160:224, 64:128]
    first, second, both = (quick(picture, sources, params) for sources in ([one], [other], [one, other]))
    for measure in NAMES - {"seam_rows", "seam_columns"}:
        apart = sorted([first[measure].reference, second[measure].reference])
        assert apart[0] - 1e-9 <= both[measure].reference <= apart[1] + 1e-9, measure


@pytest.mark.slow
def test_sources_count_as_much_as_is_said(gravel, params):
    one, other = gravel[:64, :64], 1 - gravel[-64:, -64:]
    picture = np.concatenate([one[32:56, :32], other[:8, :32]])  # three quarters of one
    shares = ((3, 1), (1, 1), (1, 3))
    found = {share: quick(picture, [one, other], params, source_weights=share) for share in shares}
    colors = [scores["color"].value for scores in found.values()]
    assert colors == sorted(colors)
    assert colors[0] < 0.3 * colors[1]


def test_a_source_that_counts_for_nothing_may_be_of_any_size(gravel, params):
    one, other = gravel[:64, :64], 1 - gravel[-64:, -64:]
    picture = np.concatenate([one[32:56, :32], other[:8, :32]])
    alone = quick(picture, [one], params)
    for unused in (other, other[:16, :16]):
        assert quick(picture, [one, unused], params, source_weights=(2, 0)) == alone


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((1,), "source_weights got 1 number for 2 sources; give one for each source"),
        ((0, 0), "source_weights must be non-negative and not all zero; got 0 0"),
        ((1, -1), "source_weights must be non-negative and not all zero; got 1 -1"),
        ((np.inf, 1), "a number of source_weights is inf; wanted a finite number"),
        ((np.nan, 1), "a number of source_weights is nan; wanted a finite number"),
    ],
)
def test_source_weights_that_do_not_fit_are_refused(gravel, params, weights, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        quick(gravel, [gravel, gravel], params, source_weights=weights)


def test_what_is_too_small_or_missing_is_refused_with_sizes(gravel, params):
    with pytest.raises(ValueError, match=r"picture of 40x31 pixels.*32"):
        quick(gravel[:31, :40], [gravel], params)
    with pytest.raises(ValueError, match=r"source of 63x80 pixels.*64"):
        quick(gravel[:64, :64], [gravel, gravel[:80, :63]], params)
    with pytest.raises(ValueError, match="at least one"):
        quick(gravel, [], params)
    check_sizes(gravel[:32, :32], [gravel[:64, :64]])


def test_the_smallest_pictures_are_measured(gravel, params):
    found = quick(gravel[100:132, 100:132], [gravel[:64, :64]], params)
    assert all(np.isfinite(score.score) for score in found.values())


def test_without_plenoptic_its_measure_is_refused_or_left_out(gravel, params, monkeypatch):
    monkeypatch.setitem(sys.modules, "plenoptic", None)  # which makes its import fail
    picture, source = gravel[100:132, 100:132], gravel[:64, :64]
    with pytest.raises(ImportError, match=r"subjective\[evaluate\]"):
        evaluate(picture, [source], params, portilla_simoncelli=True)
    assert set(evaluate(picture, [source], params)) == NAMES


if importlib.util.find_spec("plenoptic"):  # pip install '.[evaluate]', which brings gigabytes along

    def test_with_plenoptic_its_measure_finds_noise(gravel, params):
        def score(picture):
            return evaluate(picture, [gravel[:96, :96]], params, portilla_simoncelli=True)["portilla_simoncelli"].score

        crop = gravel[160:208, 64:112]
        noise = np.random.default_rng(0).uniform(size=crop.shape).astype(np.float32)
        of_crop = score(crop)
        assert 0.3 < of_crop < 3
        assert score(noise) > 2 * of_crop
        assert score(0.5 * crop + 0.5 * crop.mean(axis=(0, 1))) > 1.5 * of_crop, "half the contrast"


@pytest.mark.slow
def test_one_yardstick_measures_pictures_one_by_one_as_evaluate_does(gravel, params):
    source, pictures = gravel[:128, :128], [gravel[160:224, 64:128], gravel[64:128, 160:224]]
    yardstick = Yardstick([source], pictures[0].shape, params, portilla_simoncelli=False)
    for picture in pictures:
        assert yardstick.score(picture) == quick(picture, [source], params)
    with pytest.raises(ValueError, match=r"shape \(48, 64, 3\)"):
        yardstick.score(pictures[0][:48])


def test_pictures_are_taken_in_any_form(gravel, small_params, tmp_path):
    picture = (255 * gravel[:96, :96]).round().astype(np.uint8)
    write_image(tmp_path / "made.png", picture)
    write_image(tmp_path / "source.png", gravel)
    as_arrays = quick(picture / np.float32(255), [read_image(tmp_path / "source.png")], small_params)
    as_files = evaluate(tmp_path / "made.png", str(tmp_path / "source.png"), small_params, portilla_simoncelli=False)
    assert {key: score.value for key, score in as_files.items()} == {k: s.value for k, s in as_arrays.items()}


def test_criteria_one_after_the_other_give_the_same_scores(gravel, params, monkeypatch):
    picture = gravel[:64, :64]
    beside = evaluate(picture, gravel, params, portilla_simoncelli=False)
    monkeypatch.setattr("subjective.evaluation.criteria.MOST_BESIDE", 0)
    assert evaluate(picture, gravel, params, portilla_simoncelli=False).to_json() == beside.to_json()
