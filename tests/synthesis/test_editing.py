"""Edits: a part of a picture is made, and the rest is kept."""

import numpy as np
import pytest
from helpers.pictures import noise, smooth_noise

from subjective.checks import InputError
from subjective.evaluation.pixels import seam
from subjective.optimize.protocol import value_and_gradient
from subjective.synthesis.edit_config import ExpandConfig, RepairConfig, TileableConfig
from subjective.synthesis.editing import Edit, check_edit, fade, find_rectangle, prepare
from subjective.synthesis.expand import edit_of as expand_edit
from subjective.synthesis.expand import expand_picture
from subjective.synthesis.repair import edit_of as repair_edit
from subjective.synthesis.repair import repair
from subjective.synthesis.result import Stop
from subjective.synthesis.tileable import edit_of as tileable_edit
from subjective.synthesis.tileable import make_tileable

SMALL = {"octaves": 1, "max_iter": 4, "statistic": ("gram",), "layers": ("pool1",), "enough": 0.0}
FROM_NOISE = SMALL | {"init": "random"}  # where the start means nothing: patches would take longer than all the rest


def bytes_of(picture):
    return np.rint(np.asarray(picture) * 255).astype(np.uint8)


def picture_in_bytes(size=(48, 56), seed=0):
    return bytes_of(smooth_noise(seed, size))


def hole(shape, inside=np.s_[14:34, 18:40]):
    mask = np.zeros(shape[:2], bool)
    mask[inside] = True
    return mask


@pytest.mark.slow
def test_repair_keeps_each_byte_and_fills_the_rest(small_params):
    picture = picture_in_bytes()
    mask, losses = hole(picture.shape), []
    damaged = np.where(mask[..., None], 255, picture)
    [result] = repair(
        damaged, RepairConfig(**SMALL), params=small_params, fill=mask, on_step=lambda _, step: losses.append(step.loss)
    )
    made = bytes_of(result.picture)
    np.testing.assert_array_equal(made[~mask], picture[~mask])
    assert (made[mask] < 250).any(axis=1).all()  # nothing of the white is left
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_a_part_that_begins_near_to_the_picture_needs_no_step(small_params):
    picture = picture_in_bytes()
    config, steps = RepairConfig(**SMALL | {"enough": 1.0}), []
    [result] = repair(
        picture, config, params=small_params, fill=hole(picture.shape), on_step=lambda _, step: steps.append(step.step)
    )
    assert (result.steps, steps) == (0, [0])
    assert result.message.endswith("which is near enough")


def test_the_loss_that_is_enough_is_that_of_parts_as_large_as_what_is_made(small_params):
    picture = smooth_noise(0, (96, 96))
    enough = []
    for side in (20, 40):
        edit = repair_edit(picture, np.ones((96, 96)), RepairConfig(), fill=hole((96, 96), np.s_[:side, :side]))
        job = prepare(edit, RepairConfig(**SMALL | {"enough": 1.0}), small_params)
        enough.append(job.enough(job.stages[-1]))
    assert enough[0] > 1.5 * enough[1]  # a smaller part of a photograph is further from the whole


@pytest.mark.slow
def test_transparent_pixels_are_filled_as_a_mask_fills_them(small_params):
    picture = picture_in_bytes()
    mask = hole(picture.shape)
    with_alpha = np.concatenate([picture, np.where(mask, 128, 255)[..., None].astype(np.uint8)], axis=2)
    config = RepairConfig(**FROM_NOISE)
    [by_alpha] = repair(with_alpha, config, params=small_params)
    [by_fill] = repair(picture, config, params=small_params, fill=mask)
    np.testing.assert_array_equal(by_alpha.value, by_fill.value)
    opaque = np.ones(mask.shape, np.float32)
    by_keep = repair_edit(picture, opaque, config, keep=~mask)
    np.testing.assert_array_equal(by_keep.kept, repair_edit(picture, opaque, config, fill=mask).kept)


@pytest.mark.slow
def test_the_filled_part_is_like_what_is_sampled(small_params):
    """Half of the picture is red, half is green, and the hole lies in both; only the green half is sampled."""
    right = np.arange(64)[None, :, None] >= 32
    picture = np.where(right, [0.1, 0.7, 0.1], [0.7, 0.1, 0.1]) + 0.1 * noise(48, 64, 3) - 0.05
    mask = hole(picture.shape, np.s_[14:34, 24:40])
    sample = np.broadcast_to(right[..., 0], (48, 64)) & ~mask
    config = RepairConfig(**SMALL)
    [result] = repair(picture.astype(np.float32), config, params=small_params, fill=mask, sample=sample)
    made = result.picture[mask]
    assert (made[:, 1] > made[:, 0]).mean() > 0.9


@pytest.mark.slow
def test_a_run_that_goes_on_from_a_position_ends_with_the_same_bits(small_params):
    picture, config = picture_in_bytes(), RepairConfig(**FROM_NOISE, count=2)
    arguments = {"params": small_params, "fill": hole(picture.shape)}
    whole = repair(picture, config, **arguments)
    positions = []

    def stop(number, step):
        positions.append(step.position)
        if number == 1 and step.step == 2:
            raise Stop

    repair(picture, config, **arguments, on_step=stop)
    again = repair(picture, config, **arguments, resume=positions[-1])
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one.value, other.value)
    assert np.abs(whole[0].picture - whole[1].picture).max() > 0.02  # variants


@pytest.mark.slow
def test_a_tileable_picture_keeps_its_middle_and_loses_its_seams(small_params):
    picture = picture_in_bytes()
    [result] = make_tileable(picture, TileableConfig(**SMALL, border="25%"), params=small_params)
    made = bytes_of(result.picture)
    np.testing.assert_array_equal(made[12:-12, 14:-14], picture[12:-12, 14:-14])
    for axis in (0, 1):
        assert seam(result.picture, axis)[0] < 0.6 * seam(np.float32(picture) / np.float32(255), axis)[0]


def test_one_axis_keeps_the_whole_of_the_other():
    edit = tileable_edit(noise(40, 50, 3), np.ones((40, 50), np.float32), TileableConfig(axis="x", border="9"))
    assert (edit.kept[:, 9:-9] == 1).all()
    assert not edit.kept[:, [*range(9), *range(41, 50)]].any()
    assert edit.wraps == (False, True)


def test_an_expanded_picture_holds_the_old_one_where_it_was_put():
    picture = noise(30, 40, 3)
    edit = expand_edit(picture, np.ones((30, 40), np.float32), ExpandConfig(left=10, top=3))
    np.testing.assert_array_equal(edit.picture[3:, 10:], picture)
    assert (edit.kept[3:, 10:] == 1).all()
    assert edit.kept.sum() == 30 * 40


@pytest.mark.parametrize(
    ("settings", "size", "place"),
    [
        ({"left": 3, "bottom": 2}, (32, 43), (0, 3)),
        ({"canvas": "50x40"}, (40, 50), (5, 5)),
        ({"canvas": "50x40", "at": "1,10"}, (40, 50), (10, 1)),
    ],
    ids=["sides", "size", "size and place"],
)
def test_where_an_expanded_picture_lies(settings, size, place):
    assert ExpandConfig(**settings).place_picture((30, 40)) == (size, place)


def test_the_loss_does_not_see_the_value_where_pixels_are_kept(small_params):
    picture = smooth_noise(size=(48, 56))
    mask = hole(picture.shape)
    edit = repair_edit(picture, np.ones((48, 56), np.float32), RepairConfig(**FROM_NOISE), fill=mask)
    job = prepare(edit, RepairConfig(**FROM_NOISE), small_params)
    stage = job.stages[-1]
    loss, arguments = job.problem(stage)
    value = job.start(0, 0, stage)
    gradient = np.asarray(value_and_gradient(loss)(value, arguments)[1])
    assert (gradient[~mask] == 0).all()
    assert (np.abs(gradient[mask]) > 0).mean() > 0.9
    value = value.at[~mask].set(0.5)
    np.testing.assert_array_equal(np.asarray(job.render(value, stage))[~mask], picture[~mask])


def test_a_fade_lies_inside_what_is_made_and_ends_after_its_pixels():
    known, kept = np.ones((1, 20), bool), np.arange(20)[None] < 8
    share = fade(known, kept, 3)[0]
    np.testing.assert_array_equal(share[:8], 1)
    np.testing.assert_allclose(share[8:12], [0.75, 0.5, 0.25, 0])
    assert (fade(kept, kept, 3) == kept).all()  # nothing of the old picture is known beyond


@pytest.mark.parametrize("wraps", [(False, False), (True, False), (True, True)])
def test_the_largest_rectangle_is_that_of_a_search(wraps):
    marked = noise(9, 11, seed=3) < 0.8
    rows, columns = find_rectangle(marked, wraps)
    assert marked[np.ix_(rows, columns)].all()
    turned = np.roll(marked, [9 // 2 * wraps[0], 11 // 2 * wraps[1]], axis=(0, 1))
    areas = [
        (bottom - top) * (right - left)
        for top in range(9)
        for bottom in range(top + 1, 10)
        for left in range(11)
        for right in range(left + 1, 12)
        if turned[top:bottom, left:right].all()
    ]
    assert len(rows) * len(columns) == max(areas)


def test_a_mirror_image_lies_only_at_sides_where_something_is_made():
    opaque = np.ones((40, 40), np.float32)
    inside = repair_edit(noise(40, 40, 3), opaque, RepairConfig(), fill=hole((40, 40), np.s_[36:39, 36:38]))
    assert [bool(margin) for margin in inside.margins] == [False, True, False, True] or all(inside.margins)
    whole = tileable_edit(noise(40, 40, 3), opaque, TileableConfig())
    assert not any(whole.margins)
    one = tileable_edit(noise(200, 200, 3), np.ones((200, 200), np.float32), TileableConfig(axis="x"))
    assert [bool(margin) for margin in one.margins] == [True, True, False, False]
    right = expand_edit(noise(100, 100, 3), np.ones((100, 100), np.float32), ExpandConfig(right=64))
    assert [bool(margin) for margin in right.margins] == [True, True, False, True]


PICTURE = np.full((40, 40, 3), 0.5, np.float32)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda p: repair(PICTURE, params=p), "nothing to make: all pixels are kept"),
        (lambda p: repair(PICTURE, params=p, fill=np.zeros((40, 40), bool)), "nothing to make"),
        (lambda p: repair(PICTURE, params=p, fill=np.ones((40, 40), bool)), "nothing to keep"),
        (lambda p: repair(PICTURE, params=p, keep=np.zeros((40, 40), bool)), "nothing to keep"),
        (lambda p: repair(PICTURE, params=p, fill=np.ones((40, 41))), "fill is of 41x40 pixels; wanted 40x40"),
        (
            lambda p: repair(PICTURE, params=p, fill=hole((40, 40)), keep=hole((40, 40))),
            "fill and keep both say what is filled",
        ),
        (
            lambda p: repair(PICTURE, params=p, fill=hole((40, 40)), sample=np.zeros((40, 40), bool)),
            "no part of the picture is left to take statistics from",
        ),
        (lambda p: make_tileable(PICTURE, TileableConfig(border="50%"), params=p), "border is '50%', 20 of 40 pixels"),
        (lambda p: make_tileable(PICTURE, TileableConfig(border="0"), params=p), "wanted 1 pixel or more"),
        (lambda p: make_tileable(PICTURE, TileableConfig(border="5", feather=5), params=p), "feather is 5, as wide as"),
        (lambda p: expand_picture(PICTURE, params=p), "nothing is added; give left, right, top, bottom or"),
        (
            lambda p: expand_picture(PICTURE, ExpandConfig(canvas="50x40", at="11,0"), params=p),
            "wanted a place that holds the picture of 40x40 and more",
        ),
        (lambda p: repair(PICTURE[:9, :9], params=p, fill=hole((9, 9), np.s_[2:4, 2:4])), "wanted at least"),
        (lambda p: repair("missing.png", params=p), "missing.png"),
    ],
)
def test_what_cannot_be_edited_is_refused(small_params, call, says):
    with pytest.raises(InputError) as error:
        call(small_params)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("kind", "settings", "says"),
    [
        (RepairConfig, {"padding_mode": "valid"}, "padding_mode is valid; an edit only takes circular"),
        (RepairConfig, {"block": 1.0}, "block is 1; an edit only takes 0"),
        (RepairConfig, {"feather": -1}, "feather is -1"),
        (TileableConfig, {"border": "a lot"}, "border is 'a lot'; wanted a share such as '15%'"),
        (ExpandConfig, {"canvas": "big"}, "is 'big'; wanted WIDTHxHEIGHT"),
        (ExpandConfig, {"canvas": "80x80", "left": 3}, "were both given; give one of them"),
        (ExpandConfig, {"at": "1,2"}, "at is '1,2'; wanted X,Y"),
    ],
)
def test_settings_that_no_edit_takes_are_refused(kind, settings, says):
    with pytest.raises(InputError) as error:
        kind(**settings)
    assert says in str(error.value)


def test_an_edit_that_keeps_only_faded_pixels_is_refused():
    share = np.full((8, 8), 0.5, np.float32)
    with pytest.raises(InputError, match="nothing to keep"):
        check_edit(Edit(PICTURE[:8, :8], share, [PICTURE], [np.ones((40, 40), bool)]))
