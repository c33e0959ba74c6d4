"""A stage ends where its picture is near enough to its source."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import noise

from subjective.losses import texture_loss
from subjective.optimize.minimizer import minimize
from subjective.statistics.analysis import analyze
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.extra import add_losses
from subjective.synthesis.texture import prepare, synthesize

SETTINGS = {
    "output_width": 32,
    "octaves": 2,
    "layers": ("conv1_1", "pool1"),
    "statistic": ("gram",),
    "block": 0.0,
    "layout_weight": 0.0,
}


def test_a_minimization_ends_at_the_first_loss_that_is_enough():
    def fn(value):
        loss = jnp.sum(value**2)
        return loss, loss

    seen = []
    start = jnp.ones(4)
    result = minimize(fn, start, enough=1.0, first_step=0.05, on_step=lambda step: seen.append(step.loss))
    assert [loss <= 1 for loss in seen] == [False] * (len(seen) - 1) + [True]
    assert len(seen) > 2
    assert (result.converged, result.message) == (True, "the loss is at most 1, which is near enough")
    assert minimize(fn, start, enough=4.0).steps == 0


@pytest.mark.slow
def test_enough_is_a_share_of_the_loss_of_the_sources_quarters(small_params):
    source = noise(80, 96, 3) ** 2
    source[:40] *= 0.7  # quarters differ
    [job, half] = [prepare([source], SynthesisConfig(**SETTINGS, enough=share), small_params) for share in (1.0, 0.5)]
    analysis = dataclasses.replace(job.analysis, padding="valid")
    loss = jax.jit(texture_loss(analysis, relative=True))
    whole = jax.jit(lambda image, params: analyze(params, image, analysis))(jnp.asarray(source), small_params)
    quarters = [source[top : top + 40, left : left + 48] for top in (0, 40) for left in (0, 48)]
    expected = np.mean([float(loss(jnp.asarray(quarter), whole, small_params)[0]) for quarter in quarters])
    assert job.enough(job.stages[-1]) == pytest.approx(expected, rel=1e-4)
    assert half.enough(half.stages[-1]) == pytest.approx(expected / 2, rel=1e-4)


@pytest.mark.slow
def test_a_mixture_ends_at_the_mean_share_of_its_sources_and_matches_two_octaves(small_params):
    sources = [noise(96, 80, 3, seed=seed) ** (1 + seed) for seed in (1, 2)]
    settings = SETTINGS | {"octaves": 3, "source_weights": (1.0, 3.0)}
    job = prepare(sources, SynthesisConfig(**settings), small_params)
    own = [prepare([one], SynthesisConfig(**SETTINGS | {"octaves": 2}), small_params) for one in sources]
    expected = np.average([each.enough(each.stages[-1]) for each in own], weights=(1, 3))
    assert job.enough(job.stages[-1]) == pytest.approx(expected, rel=1e-4)
    loss, arguments = job.problem(job.stages[-1])
    _, parts = jax.jit(loss)(noise(32, 32, 3), arguments)
    weighed = [sum(jax.tree.leaves(one)) for one in (parts["texture"] if isinstance(parts, dict) else parts)]
    assert min(weighed[:2]) > 0 == weighed[2]


@pytest.mark.slow
def test_a_picture_ends_there_and_goes_on_without(small_params):
    source = noise(80, 96, 3) ** 2
    source[:40] *= 0.7
    [near] = synthesize([source], SynthesisConfig(**SETTINGS, enough=0.05), params=small_params)
    [far] = synthesize([source], SynthesisConfig(**SETTINGS, enough=0.0, max_iter=20), params=small_params)
    assert near.message.endswith("which is near enough")
    assert 0 < near.steps < far.steps
    [begun] = synthesize([source], SynthesisConfig(**SETTINGS, enough=10.0), params=small_params)
    assert (begun.steps, begun.message) == (0, begun.message.partition("; ")[0])
    assert far.loss < near.loss


def test_what_no_quarter_can_tell_never_ends_a_stage(small_params):
    config = SynthesisConfig(**SETTINGS)
    source = noise(80, 96, 3)
    own = add_losses(prepare([source], config, small_params), [(1.0, lambda picture: picture.mean())])
    several = prepare([source, source**2], dataclasses.replace(config, join_mode="geodesic"), small_params)
    other = prepare([source], dataclasses.replace(config, init="random"), small_params)
    tiny = prepare([noise(16, 16, 3)], dataclasses.replace(config, octaves=1, layers=("pool2",)), small_params)
    for job in (own, several, other):
        assert job.enough(job.stages[-1]) is None
    assert tiny.enough(tiny.stages[-1]) is None
