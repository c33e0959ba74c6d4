"""Estimates without compiling, against what real runs took on the machine that the constants were measured on."""

import dataclasses

import pytest

from subjective.checks import InputError
from subjective.runs.estimate import estimate_memory, estimate_run
from subjective.runs.preflight import TooLargeError
from subjective.runs.rates import Rates
from subjective.synthesis.config import NoveltyConfig, SynthesisConfig
from subjective.synthesis.forecast import forecast_plan
from subjective.synthesis.plan import make_plan
from subjective.synthesis.presets import preset

LARGE = 10**12
FEW = {"octaves": 2, "layers": ("conv1_1", "pool2"), "statistic": ("gram",)}
SOURCE = [(512, 512)]


def estimate(config, params, sizes=SOURCE, limit=LARGE, rates=Rates()):  # noqa: B008
    return estimate_run(make_plan(config, params, sizes).config, params, sizes, limit, rates)


MEASURED = [  # seconds from experiments/16_forecasts.md, without measuring and reading; memory of the whole process
    (SynthesisConfig(output_width=256), SOURCE, 39.6 - 5.8, 1.12e9),
    (SynthesisConfig(output_width=1024, optimizer="lbfgsb"), SOURCE, 430.6 - 17.3, 3.92e9),  # of 06_size.md
    (preset("best", output_width=256), SOURCE, 82.0 - 2.6, None),
    (NoveltyConfig(output_width=96, count=4), [], 44.9, None),
]


@pytest.mark.slow
@pytest.mark.parametrize(("config", "sizes", "seconds", "peak"), MEASURED, ids=["256", "1024", "best", "novelty"])
def test_an_estimate_is_what_real_runs_took(vgg16, config, sizes, seconds, peak):
    """Time within 35 %, on the machine that the constants were measured on; memory within 20 %."""
    found = estimate(config, vgg16, sizes)
    whole = forecast_plan(found.config, found.plan.stages, found.evaluation_seconds)
    assert whole.total_seconds + found.preparing_seconds == pytest.approx(seconds, rel=0.35)
    assert peak is None or found.peak_bytes == pytest.approx(peak, rel=0.2)


def test_an_estimate_with_corrected_rates_is_what_was_measured(small_params):
    config, rates = SynthesisConfig(output_width=128, **FEW), Rates(evaluating=3.0, compiling=2.0, loading=0.5)
    first = estimate(config, small_params, rates=rates)
    measured = tuple(0.7 * seconds for seconds in first.evaluation_seconds)
    rates = first.correct(rates, measured, 33.0)
    again = estimate(config, small_params, rates=rates)
    assert again.evaluation_seconds == pytest.approx(measured)
    assert again.preparing_seconds < first.preparing_seconds / 5, "its programs are in the cache now"
    rates = again.correct(rates, measured, 2.5)
    assert estimate(config, small_params, rates=rates).preparing_seconds == pytest.approx(2.5)
    other = estimate(dataclasses.replace(config, pooling="max"), small_params, rates=rates)
    assert other.preparing_seconds == pytest.approx(33.0), "other programs, as many of them"


def test_more_of_anything_takes_more(small_params):
    def takes(**changes):
        config = SynthesisConfig(**{"output_width": 256} | FEW | changes)
        found = estimate(config, small_params)
        return sum(found.evaluation_seconds), found.peak_bytes

    base = takes()
    deeper = {"layers": (*FEW["layers"], "conv3_1")}
    for changes in ({"output_width": 320}, deeper, {"statistic": ("gram", "spectrum")}):
        assert all(more > less for more, less in zip(takes(**changes), base, strict=True)), changes
    assert takes(history=30)[1] > base[1]
    assert takes(tile=64)[0] > base[0]


def test_what_does_not_fit_is_refused_and_what_the_rule_of_thumb_misjudges_is_not(small_params):
    config = make_plan(SynthesisConfig(output_width=128, **FEW), small_params, SOURCE).config
    needed = estimate_memory(config, small_params, SOURCE)
    assert estimate(config, small_params, limit=int(1.01 * needed)).peak_bytes <= 1.01 * needed
    with pytest.raises(TooLargeError, match="a picture of 128x128 needs"):
        estimate(config, small_params, limit=needed // 2)


def test_a_source_too_large_to_be_measured_is_named_in_place_of_the_picture(small_params):
    config, large = SynthesisConfig(output_width=128, **FEW), [(3000, 3000)]
    with pytest.raises(InputError, match=r"the source of 3000x3000 takes 1\.\d GB of memory, and 1\.5 GB may be used"):
        estimate(config, small_params, large, limit=1_500_000_000)
    assert estimate(config, small_params, large, limit=2_000_000_000).peak_bytes < 2_000_000_000
