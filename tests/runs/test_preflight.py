"""What is said before the first step; that it comes true is measured by experiments/06_size.py."""

import dataclasses

import numpy as np
import pytest

from subjective.runs import preflight
from subjective.runs.memory import duration_text, memory_limit, size_text
from subjective.runs.preflight import planned
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.problem import prepared
from subjective.synthesis.texture import synthesize

LAYERS = {"layers": ("conv1_1", "pool1", "conv3_2"), "statistic": ("gram", "spectrum@rgb=0.1"), "octaves": 3}
SOURCE = [(300, 300)]


def config(size, **changes):
    return SynthesisConfig(output_width=size, **LAYERS | changes)


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4e9), ("800MB", 8e8), ("1.5 GiB", 1.5 * 2**30), ("2g", 2e9), ("512MiB", 2**29), ("1TB", 1e12)],
)
def test_a_limit_is_read(text, size):
    assert memory_limit(text) == int(size)


@pytest.mark.parametrize("text", ["", "much", "4", "-4GB", "0GB", ".GB", "1.2.3GB", "GB"])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(ValueError, match="--memory-limit is"):
        memory_limit(text)


def test_without_a_limit_it_is_what_is_free():
    assert 2**28 < memory_limit(None) < 2**50


def test_what_fits_is_left_alone(small_params):
    asked = config(512)
    plan = planned(asked, small_params, SOURCE, 10**12)
    assert asked.method == plan.optimizer == "lbfgsb"
    assert plan.tile == 512, "the whole picture, by name"
    assert dataclasses.replace(plan, tile=None, optimizer=None) == asked


def test_tiles_come_before_an_optimizer_that_remembers_less(small_params):
    base = preflight.process_bytes()
    plans = [planned(config(1400), small_params, SOURCE, base + int(more * 1e9)) for more in (7, 2.5, 1.4, 1.1)]
    assert [plan.method for plan in plans] == ["lbfgsb", "lbfgsb", "lbfgs", "lbfgs"]
    assert plans[0].tile == 1400
    assert plans[1].tile >= 128
    assert plans[2].history_type in ("float32", "bfloat16")
    assert plans[3].history_type == "bfloat16"


def test_a_preconditioner_is_given_up_before_an_optimizer_that_needs_ten_times_the_steps(small_params):
    base, met = preflight.process_bytes(), []
    for limit in np.geomspace(5e9, 3e8, 120):
        try:
            plan = planned(config(1400), small_params, SOURCE, base + int(limit))
        except ValueError:
            break
        if (plan.method, plan.preconditioned) not in met:
            met.append((plan.method, plan.preconditioned))
    assert met == [("lbfgsb", True), ("lbfgs", True), ("lbfgs", False), ("adam", False)]
    asked = config(1400, preconditioner="octaves")
    with pytest.raises(ValueError, match="needs"):
        planned(asked, small_params, SOURCE, base + int(limit))


def test_what_was_asked_for_is_kept(small_params):
    for asked in (config(1400, tile=64), config(1400, optimizer="adam"), config(1400, bounds=True)):
        plan = planned(asked, small_params, SOURCE, 10**12)
        assert (plan.tile, plan.method, plan.bounds) == (asked.tile or 1400, asked.method, asked.bounds)
    tight = planned(config(1400, optimizer="lbfgsb"), small_params, SOURCE, preflight.process_bytes() + 25 * 10**8)
    assert tight.optimizer == "lbfgsb"
    assert tight.tile < 1400


def test_what_cannot_fit_is_refused_with_both_sizes(small_params):
    with pytest.raises(ValueError, match=r"a picture of 8000x8000 needs \d+\.\d GB of memory, and 3\.0 GB may be used"):
        planned(config(8000), small_params, SOURCE, 3 * 10**9)


def test_a_statistic_that_has_no_tiles_is_planned_without(small_params):
    asked = config(1400, statistic=("sliced",))
    assert planned(asked, small_params, SOURCE, 10**12).tile == 1400
    with pytest.raises(ValueError, match="needs"):
        planned(asked, small_params, SOURCE, preflight.process_bytes() + 2 * 10**9)


def test_a_forecast_is_of_the_job_that_then_runs(small_params):
    source = np.random.default_rng(0).uniform(size=(100, 100, 3)).astype(np.float32)
    asked = SynthesisConfig(output_width=64, octaves=2, layers=("pool1",), statistic=("gram",), max_iter=3)
    job = prepared([source], asked, small_params)
    programs = preflight.compiled(job)
    assert programs.peak_bytes > 10**8
    found = preflight.forecast(job, programs)
    assert 0 < found.evaluation_seconds < found.total_seconds
    assert preflight.compiled(job).seconds < programs.seconds / 3, "nothing is compiled twice"
    [result] = synthesize([source], asked, params=small_params)
    assert result.steps <= 3 + 5
    assert "memory at most, compiled in" in str(programs)
    assert "a step at full size" in str(found)
    assert "in all" in str(found)


def test_what_does_not_fit_once_compiled_is_never_evaluated(small_params, monkeypatch):
    source = np.random.default_rng(0).uniform(size=(100, 100, 3)).astype(np.float32)
    asked = SynthesisConfig(output_width=64, octaves=2, layers=("pool1",), statistic=("gram",), max_iter=3)
    monkeypatch.setattr(preflight, "planned", lambda config, *_: config)
    monkeypatch.setattr(preflight, "forecast", lambda *_: pytest.fail("evaluated"))
    tries = iter([asked])

    def prepare(choice):
        next(tries, None) or pytest.fail("tried again")
        monkeypatch.setattr(preflight, "planned", refuse)
        return prepared([source], choice, small_params)

    def refuse(*_):
        raise ValueError("nothing fits")

    with pytest.raises(ValueError, match=r"needs [\d.]+ [MG]B of memory, and 1 MB may be used"):
        preflight.fitted(asked, small_params, [(100, 100)], prepare, 10**6, lambda _: None)


def test_sizes_and_times_are_for_people():
    assert [size_text(size) for size in (2.34e9, 5e8)] == ["2.3 GB", "500 MB"]
    assert [duration_text(seconds) for seconds in (12, 600, 7200)] == ["12 s", "10 min", "2.0 h"]
