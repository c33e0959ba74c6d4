import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import noise

from subjective.pyramid import expand, gaussian_pyramid
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Analysis, Term
from subjective.synthesis.stages import (
    Stage,
    add_margin,
    enlarge,
    plan_stages,
    reduce_to_stage,
    remove_margin,
    stage_size,
)


def term(layers, octaves=None):
    return Term(STATISTICS["gram"], layers, (1.0,) * len(layers), octaves)


STEPS = sum
"""As many steps as there are rows and columns."""

FOUR = Analysis((0, 1, 2, 3), (term(("rgb", "band")),))


def planes(seed, size):
    return jnp.asarray(noise(*size, 3, seed=seed))


def two_stages(size, steps=1):
    """A stage that is made, and the one before it."""
    fine, coarse = plan_stages("coarse-to-fine", size, Analysis((0, steps), FOUR.terms), {}, STEPS)[::-1]
    return fine, coarse


def test_stages_go_from_the_coarsest_octave_to_the_full_picture():
    stages = plan_stages("coarse-to-fine", (100, 67), FOUR, {}, STEPS)
    assert [stage.octave for stage in stages] == [3, 2, 1, 0]
    assert [stage.first_octave for stage in stages] == [3, 2, 1, 0]
    assert [stage.size for stage in stages] == [(13, 9), (25, 17), (50, 34), (100, 67)]
    assert [stage.analysis for stage in stages] == [FOUR.from_octave(octave) for octave in (3, 2, 1, 0)]
    assert stages[0].analysis.octaves == (0,)
    assert stages[-1].analysis == FOUR


@pytest.mark.slow
def test_the_size_of_a_stage_is_that_of_its_octave():
    for padding in ("circular", "same"):
        pyramid = gaussian_pyramid(planes(0, (37, 20)), 4, padding)
        for octave, level in enumerate(pyramid):
            assert level.shape[:2] == (stage_size(37, octave), stage_size(20, octave))


def test_octaves_may_be_two_apart():
    stages = plan_stages("coarse-to-fine", (64, 48), Analysis((0, 2, 4), FOUR.terms), {}, STEPS)
    assert [(stage.octave, stage.first_octave, stage.size) for stage in stages] == [
        (4, 2, (4, 3)),
        (2, 1, (16, 12)),
        (0, 0, (64, 48)),
    ]
    assert [stage.analysis.octaves for stage in stages] == [(0,), (0, 2), (0, 2, 4)]


@pytest.mark.parametrize(
    ("size", "octaves", "least", "sides"),
    [
        ((512, 512), (0, 1, 2, 3, 4), 128, [128, 256, 512]),
        ((256, 1024), (0, 1, 2, 3), 128, [128, 256]),
        ((250, 250), (0, 1, 2, 3), 125, [125, 250]),
        ((250, 250), (0, 1, 2, 3), 126, [250]),
        ((64, 64), (0, 2, 4), 16, [16, 64]),
        ((100, 100), (0,), 128, [100]),
        ((100, 100), (0, 1, 2), 26, [50, 100]),
        ((100, 100), (0, 1, 2), 25, [25, 50, 100]),
    ],
)
def test_the_first_stage_has_some_size_or_full_size(size, octaves, least, sides):
    analysis = Analysis(octaves, FOUR.terms)
    stages = plan_stages("coarse-to-fine", size, analysis, {}, STEPS, least)
    assert [min(stage.size) for stage in stages] == sides
    assert stages == plan_stages("coarse-to-fine", size, analysis, {}, STEPS)[-len(sides) :]


def test_plain_is_the_last_stage_alone():
    plain = plan_stages("plain", (100, 67), FOUR, {}, STEPS)
    assert plain == [Stage(0, (100, 67), FOUR, 0, 167)]
    assert plan_stages("coarse-to-fine", (100, 67), FOUR, {}, STEPS)[-1:] == plain


def test_the_last_quarter_of_the_last_stage_is_float32():
    rough = dataclasses.replace(FOUR, precision="bfloat16")
    *before, last, exact = plan_stages("coarse-to-fine", (100, 67), rough, {}, STEPS)
    assert {stage.analysis.precision for stage in (*before, last)} == {"bfloat16"}
    assert exact == Stage(0, (100, 67), FOUR, 0, 42)
    assert (last.steps, last.size) == (125, (100, 67))
    value = planes(0, (100, 67))
    np.testing.assert_array_equal(enlarge(value, last, exact, planes(1, (100, 67)), "circular"), value)


def test_a_stage_at_which_nothing_is_left_to_match_is_left_out():
    analysis = Analysis((0, 1, 2), (term(("rgb",), (0, 1)), term(("band",), (0,))))
    stages = plan_stages("coarse-to-fine", (32, 32), analysis, {}, STEPS)
    assert [stage.octave for stage in stages] == [1, 0]
    assert stages[0].analysis == Analysis((0, 1), (term(("rgb",), (0,)),))


def test_a_stage_that_is_too_small_is_left_out(small_params):
    # conv3_2 sees every fourth pixel, so it wants four of them; at octave 1 of a picture of 6 there are three
    analysis = Analysis((0, 1, 2), (term(("rgb",)), term(("conv3_2",), (1,))))
    assert [stage.octave for stage in plan_stages("coarse-to-fine", (8, 9), analysis, small_params, STEPS)] == [2, 1, 0]
    assert [stage.octave for stage in plan_stages("coarse-to-fine", (9, 6), analysis, small_params, STEPS)] == [2]


@pytest.mark.parametrize("padding", ["circular", "same", "valid"])
@pytest.mark.parametrize(("size", "steps"), [((24, 16), 1), ((23, 17), 1), ((23, 18), 2)])
def test_a_stage_whose_value_is_its_starts_own_reduction_begins_as_that_start(padding, size, steps):
    stage, before = two_stages(size, steps)
    full = planes(0, size)
    value = reduce_to_stage(full, before, padding)
    assert value.shape[:2] == before.size
    np.testing.assert_array_equal(enlarge(value, before, stage, full, padding), full)


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["circular", "same", "valid"])
@pytest.mark.parametrize(("size", "steps"), [((24, 16), 1), ((23, 17), 1), ((23, 18), 2)])
def test_what_a_stage_made_brighter_stays_as_much_brighter(padding, size, steps):
    stage, before = two_stages(size, steps)
    full = planes(0, size)
    value = gaussian_pyramid(full, steps + 1, "same" if padding == "valid" else padding)[-1] + 0.25
    found = enlarge(value, before, stage, full, padding)
    np.testing.assert_allclose(found, full + 0.25, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2])
def test_a_start_without_detail_is_what_was_made_before_enlarge(steps):
    stage, before = two_stages((32, 24), steps)
    value = planes(1, before.size)
    found = enlarge(value, before, stage, jnp.zeros((32, 24, 3)), "circular")
    expected = value
    for size in [(16, 12), (32, 24)][-steps:]:
        expected = expand(expected, size)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_circular_start_moves_with_what_it_is_made_of(steps):
    stage, before = two_stages((32, 24), steps)
    full, value = planes(0, (32, 24)), planes(1, before.size)
    here = enlarge(value, before, stage, full, "circular")
    for rows, columns in [(1, 0), (0, -1), (3, 2)]:
        moved = jnp.roll(full, (rows * 2**steps, columns * 2**steps), (0, 1))
        there = enlarge(jnp.roll(value, (rows, columns), (0, 1)), before, stage, moved, "circular")
        expected = jnp.roll(here, (rows * 2**steps, columns * 2**steps), (0, 1))
        np.testing.assert_allclose(there, expected, atol=1e-6)
    assert float(jnp.abs(here - full).max()) > 0.1


def test_a_valid_picture_is_enlarged_by_mirroring():
    stage, before = two_stages((23, 16))
    full, value = planes(0, (23, 16)), planes(1, before.size)
    valid, same, circular = (enlarge(value, before, stage, full, padding) for padding in ("valid", "same", "circular"))
    np.testing.assert_array_equal(valid, same)
    assert float(jnp.abs(valid - circular).max()) > 0.01


@pytest.mark.parametrize("size", [(40, 48), (39, 48)])
def test_a_margin_mirrors_the_picture_and_is_cut_off_at_every_stage(size):
    picture, margin = noise(*size, 3), 8
    whole = add_margin(picture, margin)
    np.testing.assert_array_equal(whole[margin - 1, margin:-margin], picture[1])
    np.testing.assert_array_equal(whole[margin:-margin, -margin], picture[:, -2])
    for stage in plan_stages("coarse-to-fine", whole.shape[:2], Analysis((0, 1), FOUR.terms), {}, STEPS):
        there = remove_margin(reduce_to_stage(whole, stage, "same"), margin, whole.shape[:2])
        assert there.shape[:2] == tuple(stage_size(side, stage.octave) for side in size)
    np.testing.assert_array_equal(there, picture)
