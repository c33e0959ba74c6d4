"""Layouts: how a picture begins, and what it keeps."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import smooth_noise

from subjective.colors import OPPONENT
from subjective.pyramid import gaussian_pyramid
from subjective.statistics.analysis import analyze
from subjective.synthesis import material
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.layout import (
    begins_with_patches,
    fit_regular,
    held_octave,
    join_layouts,
    keeps_pieces,
    layout_octave,
    make_layouts,
)
from subjective.synthesis.material_config import MaterialConfig
from subjective.synthesis.survey import find_lattice
from subjective.synthesis.texture import prepare, synthesize

SMALL = {"output_width": 128, "octaves": 2, "layers": ("pool1",), "statistic": ("gram",)}
SOURCE = smooth_noise(size=(64, 64))


@pytest.mark.parametrize(("side", "octave"), [(1, 0), (512, 0), (724, 0), (725, 1), (1024, 1), (4096, 3)])
def test_a_layout_is_as_large_as_its_time_allows(side, octave):
    assert layout_octave((side, 2 * side), 512) == octave
    assert layout_octave((side, 2 * side), 17) == min(octave, 1)


@pytest.mark.parametrize(("side", "octave"), [(1, 0), (64, 0), (127, 0), (128, 1), (256, 2), (512, 2), (4096, 3)])
def test_a_picture_is_held_where_it_is_small_but_not_too_small(side, octave):
    assert held_octave((side, 2 * side), 512) == octave
    finest = layout_octave((side, 2 * side), 512)
    assert held_octave((side, 2 * side), 512, is_regular=True) == max(min(octave, 1), finest)
    assert held_octave((side, 2 * side), 17) == min(octave, 1)


@pytest.mark.parametrize(("side", "octave"), [(96, 0), (1024, 0), (2048, 1)])
def test_a_picture_begins_at_its_layout(small_params, side, octave):
    source = smooth_noise(size=(96, 96))
    config = SynthesisConfig(output_width=side, octaves=4, layers=("pool1",), statistic=("gram",))
    octaves = [stage.octave for stage in prepare([source], config, small_params).stages]
    assert octaves == list(range(octave, -1, -1))
    asked = dataclasses.replace(config, first_stage=1)
    assert [stage.octave for stage in prepare([source], asked, small_params).stages] == [3, 2, 1, 0]


def test_other_starts_begin_with_smaller_stages(small_params):
    config = SynthesisConfig(output_width=256, octaves=3, layers=("pool1",), statistic=("gram",))
    job = prepare([SOURCE], dataclasses.replace(config, init="random"), small_params)
    assert [stage.octave for stage in job.stages] == [1, 0]


def regular(period=14, side=128):
    """Tiles under noise."""
    rows, columns = np.mgrid[:side, :side] % period
    joints = np.where((rows < 3) | (columns < 3), 0.2, 0.6)[:, :, None]
    return (joints + 0.1 * (smooth_noise(size=(side, side)) - 0.5)).astype(np.float32)


@pytest.mark.parametrize("verb", ["texture", "material"])
def test_a_regular_source_is_stretched_so_that_whole_periods_go_around(small_params, verb):
    settings = {"output_width": 64, "octaves": 1, "layers": ("pool1",), "statistic": ("gram",)}
    if verb == "texture":
        job = prepare([regular()], SynthesisConfig(**settings), small_params)
    else:
        job = material.prepare(regular(), ("albedo",), MaterialConfig(**settings), small_params)
    [scored] = job.scored
    # 4.6 periods of 14 pixels have no room in a picture that wraps, and 5 have.
    np.testing.assert_allclose(np.abs(find_lattice(scored).vectors).max(axis=1), 64 / 5, rtol=0.02)
    assert any("stretched by 9%" in note for note in job.notes)


def test_the_targets_are_those_of_the_stretched_source(small_params):
    settings = {"output_width": 64, "octaves": 1, "layers": ("pool1",), "statistic": ("gram",)}
    job = prepare([regular()], SynthesisConfig(**settings), small_params)
    [target] = job.problem(job.stages[-1])[1]["verb"]["texture"][0]
    analysis = dataclasses.replace(job.stages[-1].analysis, padding="valid")
    for source, is_measured in ((job.scored[0], True), (regular(), False)):
        [found] = analyze(small_params, jnp.asarray(source), analysis)
        off = np.abs(found["pool1"]["gram"] / target["pool1"]["gram"] - 1).max()
        assert (off < 1e-3) == is_measured, off


def test_fused_sources_have_common_colors_and_small_pieces(small_params):
    pair = [SOURCE, (0.5 * SOURCE[:, ::-1, ::-1] + [0.3, 0.1, 0.0]).astype(np.float32)]
    config = SynthesisConfig(**SMALL, join_mode="fuse")
    job = prepare(pair, config, small_params)
    first, second = (one.mean((0, 1)) for one in job.scored)
    np.testing.assert_allclose(first, second, atol=0.01)
    assert np.abs(pair[0].mean((0, 1)) - pair[1].mean((0, 1))).max() > 0.05
    assert not keeps_pieces(config, 2)
    assert keeps_pieces(config, 1)
    assert keeps_pieces(dataclasses.replace(config, pieces="large"), 2)
    assert keeps_pieces(SynthesisConfig(**SMALL), 2)
    assert begins_with_patches(config, pair)


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["circular", "same"])
def test_a_layout_has_the_size_of_each_octave(monkeypatch, padding):
    monkeypatch.setattr("subjective.synthesis.layout.MOST_PIXELS", 150 * 131 / 3)
    layouts = join_layouts(SynthesisConfig(output_width=131, output_height=150, padding_mode=padding), [SOURCE])
    assert layouts.octave == 1
    sizes = [layouts.at(0, 0, octave).shape[:2] for octave in range(4)]
    assert sizes == [(150, 131), (75, 66), (38, 33), (19, 17)]


@pytest.mark.slow
def test_every_picture_and_attempt_has_a_layout_of_its_own():
    layouts = join_layouts(SynthesisConfig(output_width=64), [SOURCE])
    made = [np.asarray(layouts.at(*place, 0)) for place in ((0, 0), (1, 0), (0, 1))]
    assert min(np.abs(made[0] - made[1]).mean(), np.abs(made[0] - made[2]).mean()) > 0.02
    np.testing.assert_array_equal(made[0], layouts.at(0, 0, 0))


@pytest.mark.slow
def test_the_loss_is_the_distance_from_the_layout(small_params):
    config = SynthesisConfig(**SMALL, layout_weight=0.7)
    job = prepare([SOURCE], config, small_params)
    layouts = make_layouts(job.config, [SOURCE])
    full = job.stages[-1]
    loss, arguments = job.problem(full, 1, 0)
    picture = np.asarray(job.start(1, 0, full)) + 0.1 * smooth_noise(2, full.size)
    loss = jax.jit(loss)
    parts = loss(jnp.asarray(picture, jnp.float32), arguments)[1]
    small = gaussian_pyramid(jnp.asarray(picture, jnp.float32), 2, "circular")[-1]
    apart = (np.asarray(small) - np.asarray(layouts.at(1, 0, 1))) @ OPPONENT.T / layouts.deviations(1)
    assert float(parts["layout"]) == pytest.approx(0.7 * np.mean(apart**2), rel=1e-4)
    another = loss(jnp.asarray(picture, jnp.float32), job.problem(full, 0, 0)[1])[1]
    assert float(another["layout"]) > 2 * float(parts["layout"])


@pytest.mark.slow
def test_the_start_is_the_layout_and_loses_nothing_to_it(small_params):
    job = prepare([SOURCE], SynthesisConfig(**SMALL, noise=0.0), small_params)
    for stage in job.stages:
        loss, arguments = job.problem(stage)
        assert float(jax.jit(loss)(job.start(0, 0, stage), arguments)[1]["layout"]) < 0.1


@pytest.mark.slow
def test_other_starts_and_weight_0_have_no_such_loss(small_params):
    for changes in ({"init": "random"}, {"layout_weight": 0.0}):
        job = prepare([SOURCE], SynthesisConfig(**SMALL | changes), small_params)
        loss, arguments = job.problem(job.stages[0])
        parts = jax.eval_shape(loss, job.start(0, 0, job.stages[0]), arguments)[1]
        assert set(parts) == {"texture"}


@pytest.mark.slow
def test_a_second_picture_needs_no_new_program(small_params):
    first, second = (prepare([SOURCE], SynthesisConfig(**SMALL, seed=seed), small_params) for seed in range(2))
    for one, other in zip(first.stages, second.stages, strict=True):
        assert first.problem(one)[0] is second.problem(other)[0]


@pytest.mark.slow
def test_tiny_sources_have_no_layout_and_small_ones_a_larger_one(small_params):
    config = SynthesisConfig(**SMALL | {"octaves": 1})
    assert make_layouts(config, [SOURCE[:7]]) is None
    assert make_layouts(config, [SOURCE[:9]]).octave == 0
    [made] = synthesize(SOURCE[:16, :24], SynthesisConfig(**SMALL | {"octaves": 1, "max_iter": 1}), params=small_params)
    assert made.picture.shape == (128, 128, 3)


def test_sources_that_become_one_material_have_no_layout():
    config = SynthesisConfig(**SMALL)
    assert make_layouts(config, [SOURCE, SOURCE]) is not None
    geodesic = dataclasses.replace(config, join_mode="geodesic")
    assert make_layouts(geodesic, [SOURCE, SOURCE]) is None
    assert make_layouts(geodesic, [SOURCE]) is not None


@pytest.mark.slow
def test_a_picture_keeps_the_tints_of_its_source(small_params):
    """One half is red and one half is green: from noise, a picture gets a mixture everywhere."""
    ramp = np.linspace(-0.5, 0.5, 64)[None, :, None] * np.array([1.0, -1.0, 0.0])
    source = np.clip(0.5 + 0.6 * ramp + 0.2 * (SOURCE - 0.5), 0, 1).astype(np.float32)

    def drift(picture):
        return float(np.std(np.asarray(gaussian_pyramid(jnp.asarray(picture), 4, "same")[-1]) @ OPPONENT[1]))

    made = [
        synthesize(source, SynthesisConfig(**SMALL, init=init, max_iter=15), params=small_params)[0].picture
        for init in ("patches", "random")
    ]
    assert drift(made[0]) > 0.8 * drift(source)
    assert drift(made[0]) > drift(made[1])


def test_a_source_that_would_become_too_small_is_measured_as_it_is(small_params):
    settings = {"octaves": 3, "layers": ("conv3_2",), "statistic": ("gram",)}
    # 4.6 periods of 56 pixels become 5, and 260 pixels 238: less than three octaves of conv3_2 need.
    source = regular(56, 260)
    job = prepare([source], SynthesisConfig(output_width=256, **settings), small_params)
    assert fit_regular(job.config, source, 1).measured.shape[0] < 240
    least = fit_regular(job.config, source, 250)
    assert least.measured is source
    assert "stretched" not in least.note


def test_a_source_that_is_hardly_off_keeps_its_fine_detail():
    source = regular(16, 130)
    found = fit_regular(SynthesisConfig(output_width=65), source, 1)
    assert found.measured is source
    assert found.source.shape != source.shape
    assert 0 <= found.source.min() <= found.source.max() <= 1
