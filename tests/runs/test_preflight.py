"""What is said before the first step; that it comes true is measured by experiments/06_size.py."""

import dataclasses
import re

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import noise
from jax import lax

from subjective.checks import InputError
from subjective.runs import preflight
from subjective.runs.memory import allowed_bytes, format_size
from subjective.runs.preflight import TooLargeError, choose_to_fit, compile_job, fit_to_memory
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.problem import Job
from subjective.synthesis.texture import prepare
from subjective.synthesis.wang import prepare as prepare_tiles
from subjective.synthesis.wang_config import TilesConfig
from subjective.terminal import format_duration

LAYERS = {"layers": ("conv1_1", "pool1", "conv3_2"), "statistic": ("gram", "spectrum@rgb=0.1"), "octaves": 3}
SOURCE = [(300, 300)]


def config(size, **changes):
    return SynthesisConfig(output_width=size, **LAYERS | changes)


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4e9), ("800MB", 8e8), ("1.5 GiB", 1.5 * 2**30), ("2g", 2e9), ("512MiB", 2**29), ("1TB", 1e12)],
)
def test_a_limit_is_read(text, size):
    assert allowed_bytes(text) == int(size)


@pytest.mark.parametrize("text", ["", "much", "4", "-4GB", "0GB", ".GB", "1.2.3GB", "GB"])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(ValueError, match="memory_limit is"):
        allowed_bytes(text)


def test_without_a_limit_it_is_what_is_free():
    assert 2**28 < allowed_bytes(None) < 2**50


def test_what_fits_is_left_alone(small_params):
    asked = config(512)
    plan = choose_to_fit(asked, small_params, SOURCE, 10**12)
    assert asked.optimizer_name == plan.optimizer == "lbfgsb"
    assert plan.tile == 512, "the whole picture, by name"
    assert plan.precision == "float32", "by name, so that a run on another device keeps it"
    assert dataclasses.replace(plan, tile=None, optimizer=None, precision=None) == asked


def test_lbfgs_is_chosen_where_lbfgsb_would_be_but_cannot_run(small_params, monkeypatch):
    monkeypatch.delattr("scipy.optimize._lbfgsb.setulb")
    small, large = config(512), config(2048)
    names = [(asked.optimizer_name, asked.preferred_optimizer) for asked in (small, large)]
    assert names == [("lbfgs", "lbfgsb"), ("lbfgs", "lbfgs")]
    assert choose_to_fit(small, small_params, SOURCE, 10**12).optimizer == "lbfgs"
    assert config(512, optimizer="adam", bounds=True).optimizer_name == "adam"
    for settings in ({"optimizer": "lbfgsb"}, {"bounds": True}):
        with pytest.raises(InputError, match="lbfgsb needs"):
            config(512, **settings)


@pytest.mark.slow
def test_tiles_come_before_an_optimizer_that_remembers_less(small_params):
    base = preflight.process_bytes()
    plans = [choose_to_fit(config(1400), small_params, SOURCE, base + int(more * 1e9)) for more in (7, 2.5, 1.4, 1.1)]
    assert [plan.optimizer_name for plan in plans] == ["lbfgsb", "lbfgsb", "lbfgs", "lbfgs"]
    assert plans[0].tile == 1400
    assert plans[1].tile >= 128
    assert plans[2].history_type in ("float32", "bfloat16")
    assert plans[3].history_type == "bfloat16"


@pytest.mark.slow
def test_a_preconditioner_is_given_up_before_an_optimizer_that_needs_ten_times_the_steps(small_params):
    base, met = preflight.process_bytes(), []
    for limit in np.geomspace(5e9, 3e8, 40):
        try:
            plan = choose_to_fit(config(1400), small_params, SOURCE, base + int(limit))
        except ValueError:
            break
        if (plan.optimizer_name, plan.preconditioned) not in met:
            met.append((plan.optimizer_name, plan.preconditioned))
    assert met == [("lbfgsb", True), ("lbfgs", True), ("lbfgs", False), ("adam", False)]
    asked = config(1400, preconditioner="octaves")
    with pytest.raises(ValueError, match="needs"):
        choose_to_fit(asked, small_params, SOURCE, base + int(limit))


def test_what_was_asked_for_is_kept(small_params):
    for asked in (config(1400, tile=64), config(1400, optimizer="adam"), config(1400, bounds=True)):
        plan = choose_to_fit(asked, small_params, SOURCE, 10**12)
        assert (plan.tile, plan.optimizer_name, plan.bounds) == (asked.tile or 1400, asked.optimizer_name, asked.bounds)
    tight = choose_to_fit(
        config(1400, optimizer="lbfgsb"), small_params, SOURCE, preflight.process_bytes() + 25 * 10**8
    )
    assert tight.optimizer == "lbfgsb"
    assert tight.tile < 1400


@pytest.mark.slow
def test_what_cannot_fit_is_refused_with_both_sizes(small_params):
    with pytest.raises(ValueError, match=r"a picture of 8000x8000 needs \d+\.\d GB of memory, and 3\.0 GB may be used"):
        choose_to_fit(config(8000), small_params, SOURCE, 3 * 10**9)


@pytest.mark.slow
def test_a_statistic_that_has_no_tiles_is_planned_without(small_params):
    asked = config(1400, statistic=("sliced",))
    assert choose_to_fit(asked, small_params, SOURCE, 10**12).tile == 1400
    with pytest.raises(ValueError, match="needs"):
        choose_to_fit(asked, small_params, SOURCE, preflight.process_bytes() + 2 * 10**9)


SMALL = {"output_width": 64, "octaves": 2, "layers": ("pool1",), "statistic": ("gram",), "max_iter": 3}


@pytest.mark.slow
def test_a_compiled_job_is_timed_and_not_compiled_again(small_params):
    job = prepare([noise(100, 100, 3)], SynthesisConfig(**SMALL), small_params)
    programs = compile_job(job)
    assert programs.peak_bytes > 10**8
    seconds = programs.time_evaluations()
    assert len(seconds) == len(job.stages)
    assert all(0 < each < programs.seconds for each in seconds)
    assert compile_job(job).seconds < programs.seconds / 3, "nothing is compiled twice"
    assert "memory at most, compiled in" in str(programs)


@pytest.mark.slow
def test_what_fits_is_prepared_once_and_what_it_takes_is_said(small_params):
    notes, prepared = [], []

    def prepare_once(choice):
        prepared.append(choice)
        return prepare([noise(100, 100, 3)], choice, small_params)

    asked = SynthesisConfig(**SMALL, first_stage=32)
    fitted = fit_to_memory(asked, small_params, [(100, 100)], prepare_once, 10**12, notes.append)
    choice = fitted.config
    assert prepared == [choice]
    assert fitted.job.config == choice
    assert len(fitted.evaluation_seconds) == len(fitted.job.stages)
    assert choice == choose_to_fit(asked, small_params, [(100, 100)], 10**12)
    assert notes[0] == "compiling for 64x64 pixels by lbfgsb ..."
    assert re.fullmatch(r"[\d.]+ [GM]B of memory at most, compiled in \d+ s", notes[1])


def wasteful(job, copies):
    """A job whose loss holds so many copies of its picture, of 49 kB each, in memory."""

    def loss(value, arguments):
        held = lax.optimization_barrier(jnp.outer(jnp.ones(copies), value.ravel()))
        return jnp.sum(jnp.sin(held)), {}

    return Job(job.config, job.stages, lambda *place: (loss, ()), job.start)


@pytest.mark.slow
def test_what_does_not_fit_once_compiled_is_never_evaluated(small_params):
    notes, prepared, limit = [], [], preflight.process_bytes() + 2 * 10**9

    def prepare_too_large(choice):
        prepared.append(choice)
        return wasteful(prepare([noise(100, 100, 3)], choice, small_params), 10**6)

    with pytest.raises(TooLargeError, match=r"a picture of 64x64 needs [\d.]+ GB of memory, and [\d.]+ GB may be used"):
        fit_to_memory(SynthesisConfig(**SMALL), small_params, [(100, 100)], prepare_too_large, limit, notes.append)
    assert len(set(prepared)) == len(prepared) > 0, "what has failed is not tried again"
    assert not [note for note in notes if "a step" in note]


@pytest.mark.slow
def test_what_a_compiled_program_takes_makes_tiles_and_optimizer_smaller(small_params):
    """The rule of thumb is off by some gigabytes for the first choice, and right for the next."""
    notes, prepared = [], []

    def prepare_first_too_large(choice):
        prepared.append(choice)
        job = prepare([noise(100, 100, 3)], choice, small_params)
        return job if len(prepared) > 1 else wasteful(job, 120_000)

    limit = preflight.process_bytes() + 6 * 10**9
    asked = SynthesisConfig(**SMALL)
    choice = fit_to_memory(asked, small_params, [(100, 100)], prepare_first_too_large, limit, notes.append).config
    first, second = prepared
    assert choice == second
    assert (second.tile, second.optimizer_name) != (first.tile, first.optimizer_name)
    assert "memory at most, compiled in" in notes[-1]


@pytest.mark.slow
def test_where_the_rule_of_thumb_refuses_by_little_the_compiler_decides(small_params):
    """The rule asks for the memory of the compiler, which a small picture does not need."""

    def prepare_small(choice):
        return prepare([noise(100, 100, 3)], choice, small_params)

    asked, limit, notes = SynthesisConfig(**SMALL, first_stage=32), preflight.process_bytes() - 5 * 10**8, []
    with pytest.raises(TooLargeError):
        choose_to_fit(asked, small_params, [(100, 100)], limit)
    fitted = fit_to_memory(asked, small_params, [(100, 100)], prepare_small, limit, notes.append)
    assert fitted.job.config == fitted.config
    with pytest.raises(TooLargeError):
        fit_to_memory(asked, small_params, [(100, 100)], prepare_small, limit // 4, notes.append)


def test_sizes_and_times_are_for_people():
    assert [format_size(size) for size in (2.34e9, 5e8)] == ["2.3 GB", "500 MB"]
    assert [format_duration(seconds) for seconds in (12, 125, 600, 7200, 12000)] == [
        "12 s",
        "2 min 5 s",
        "10 min",
        "2 h",
        "3 h 20 min",
    ]


@pytest.mark.slow
def test_stages_with_one_program_are_compiled_and_timed_once(small_params):
    """The turns of a set of tiles differ in an argument only."""
    tiles = {"output_width": 32, "octaves": 1, "layers": ("conv1_1",), "statistic": ("gram",), "init": "random"}
    job = prepare_tiles([noise(64, 64, 3)], TilesConfig(**tiles), small_params)
    compiled = compile_job(job)
    assert len(job.stages) == len(compiled.evaluations) == 5
    assert len(set(compiled.evaluations)) == 1
    assert len(set(compiled.time_evaluations())) == 1
