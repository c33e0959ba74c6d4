"""Sets of tiles: what is optimized, and what comes out."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import photograph

from subjective import losses
from subjective.checks import InputError
from subjective.evaluation.laying import find_seams
from subjective.planes.corners import cut_sheet, lay_window, place_tiles
from subjective.runs import checkpoints
from subjective.synthesis.coarse_to_fine import run
from subjective.synthesis.layout import layout_octave
from subjective.synthesis.stages import Stage
from subjective.synthesis.tile_parts import share, shared_pixels
from subjective.synthesis.wang import (
    TURNS,
    choose_toruses,
    divide_stages,
    make_tiles,
    pairs_of,
    prepare,
    tiles_of,
)
from subjective.synthesis.wang_config import TilesConfig

SMALL = {"output_width": 32, "octaves": 2, "layers": ("pool1", "conv2_1"), "statistic": ("gram",), "schedule": "plain"}


@pytest.fixture(scope="module")
def made(small_params, tmp_path_factory):
    """A small set, and the position after its first step on the third torus, as read from disk."""
    folder = tmp_path_factory.mktemp("tiles")

    def keep(_, step):
        if step.position.stage == 2 and step.step == 6 and not checkpoints.find(folder):
            checkpoints.write(folder, 1, step.position, {})

    [result] = make_tiles(photograph(), TilesConfig(**SMALL, max_iter=10), params=small_params, on_step=keep)
    position, _ = checkpoints.read(checkpoints.find(folder)[0])
    return result, position


@pytest.mark.slow
def test_a_set_of_tiles_is_complete_and_lowers_its_loss(made):
    result, _ = made
    assert result.picture.shape == (128, 128, 3)
    assert result.tiles.tiles.shape == (16, 32, 32, 3)
    assert result.loss < result.begun / 2
    np.testing.assert_array_equal(result.tiles.sheet, np.rint(255.0 * result.picture))


@pytest.mark.slow
def test_a_laid_plane_has_no_seam(made):
    """Neither in its values nor in its gradients, whatever tiles meet."""
    tiles = made[0].tiles
    plane = lay_window(tiles, (640, 640), seed=5).astype(np.float32)
    for axis in (0, 1):
        ratio, _ = find_seams(plane, 32, axis)
        assert 0.7 < ratio < 1.4
        bends = np.abs(np.diff(np.moveaxis(plane, axis, 0), n=2, axis=0)).mean(axis=(1, 2))
        place = np.arange(len(bends)) % 32
        at_border, inside = (place == 30) | (place == 31), (place > 4) & (place < 26)
        assert 0.6 < bends[at_border].mean() / bends[inside].mean() < 1.5


@pytest.mark.slow
def test_tiles_that_share_nothing_have_seams():
    """The measure sees what the test above says is not there."""
    sheet = photograph(width=128)[:128, :128]
    plane = lay_window(tiles_of(sheet, 2), (640, 640), seed=5).astype(np.float32)
    assert min(find_seams(plane, 32, axis)[0] for axis in (0, 1)) > 1.5


@pytest.mark.slow
def test_a_set_of_tiles_resumes_bit_for_bit_within_a_turn(made, small_params):
    result, position = made
    [again] = make_tiles(photograph(), TilesConfig(**SMALL, max_iter=10), params=small_params, resume=position)
    np.testing.assert_array_equal(again.value, result.value)
    assert again.steps == result.steps


@pytest.mark.slow
def test_the_loss_is_that_of_the_picture_which_numpy_lays(small_params):
    config = TilesConfig(**SMALL, max_iter=10, init="random", noise=0.2)
    job = prepare([photograph()], config, small_params)
    stage = job.stages[1]
    value = job.start(0, 0, stage)
    loss, arguments = job.problem(stage)
    found, _ = loss(value, arguments)
    tiles = cut_sheet(share(np.asarray(value), 2), 2)
    laid = place_tiles(tiles, choose_toruses(2, config.seed)[1])
    wanted, _ = losses.texture_loss(stage.analysis, relative=True)(jnp.asarray(laid), *arguments["texture"])
    assert float(found) == pytest.approx(float(wanted), rel=1e-4)


@pytest.mark.parametrize("colors", [2, 3])
def test_toruses_show_new_pairs_and_end_with_every_tile_once(colors):
    toruses = choose_toruses(colors, 7)
    assert len(toruses) == TURNS
    for number in (0, -1):
        assert len(np.unique(toruses[number])) == colors**4
    met = set()
    for torus in toruses[:-1]:
        before = len(met)
        met |= pairs_of(torus)
        assert len(met) > before + colors**4 // 2
    again, other = choose_toruses.__wrapped__(colors, 7), choose_toruses(colors, 8)
    assert all(np.array_equal(one, two) for one, two in zip(toruses, again, strict=True))
    assert not np.array_equal(toruses[1], other[1])


def test_the_steps_at_full_size_are_divided_and_uneven_stages_left_out(small_params):
    analysis = prepare([photograph()], TilesConfig(**SMALL), small_params).analysis
    stages = [Stage(octave, (4, 4), analysis, 0, 7) for octave in (5, 2, 0)]
    found = divide_stages(stages, TilesConfig(output_width=48), 5)
    assert [(stage.octave, stage.turn, stage.steps) for stage in found] == [
        (2, 0, 7), (0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 3, 2), (0, 4, 2),
    ]  # fmt: skip
    none = divide_stages([Stage(0, (4, 4), analysis, 0, 0)], TilesConfig(), 5)
    assert [stage.steps for stage in none] == [0], "no steps, but a picture"


@pytest.mark.slow
def test_without_steps_the_tiles_are_patches_of_the_source_that_fit(small_params):
    config = TilesConfig(**SMALL, max_iter=0, noise=0.0)
    [result] = run(prepare([photograph()], config, small_params))
    plane = lay_window(tiles_of(np.clip(np.asarray(result.value), 0, 1), 2), (320, 320), 0)
    for axis in (0, 1):
        assert 0.6 < find_seams(plane, 32, axis)[0] < 1.5
    assert plane.std() > 0.6 * 255 * photograph().std(), "patches are not averaged away"


@pytest.mark.parametrize(
    ("side", "colors", "source", "count"),
    [(128, 2, 256, 4), (128, 2, 342, 2), (128, 2, 2000, 1), (32, 3, 64, 9), (32, 3, 128, 3), (32, 3, 1000, 1)],
)
def test_blocks_are_squares_of_whole_tiles_that_are_large_enough(side, colors, source, count):
    config = TilesConfig(output_width=side, colors=colors)
    assert config.blocks([(source, source + 9)]) == (count, count)
    assert config.blocks([(source, source), (10**6, 10**6)]) == (count, count), "of several sources, the smallest"
    assert TilesConfig(output_width=side, colors=colors, block=0.0).blocks([(source, source)]) == (1, 1)


def test_a_tile_shares_some_pixels_at_least():
    assert [shared_pixels(side) for side in (8, 32, 128)] == [1, 1, 4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output_width": 100}, "wanted the side of a tile, a multiple of 16"),
        ({"output_width": 16}, "output_width is 16; wanted 32 or more"),
        ({"output_height": 64}, "leave it out: tiles are square"),
        ({"padding_mode": "valid"}, "wanted circular"),
        ({"count": 2}, "a run makes one set of tiles"),
        ({"devices": 2}, "on one device"),
        ({"colors": 4}, "colors is 4; wanted 2 to 3"),
        ({"output_width": 2**14}, "ask for less"),
    ],
)
def test_settings_that_make_no_tiles_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        TilesConfig(**changes)


def test_every_size_has_whole_tiles_where_patches_are_joined():
    """The largest sheets that a config takes have their patches at a sixteenth of the size."""
    with pytest.raises(InputError, match="ask for less"):
        TilesConfig(output_width=1296, colors=3)
    for side in range(16, 1296, 16):
        assert side % 2 ** layout_octave((9 * side, 9 * side), 10**6) == 0
