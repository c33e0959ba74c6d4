"""Pictures that are unlike each other."""

import copy

import numpy as np
import pytest
from helpers.pictures import smooth_noise

from subjective.synthesis.config import NoveltyConfig
from subjective.synthesis.novelty import invent

SMALL = {"output_width": 32, "output_height": 24, "octaves": 2, "max_iter": 8}


@pytest.mark.slow
@pytest.mark.parametrize("internal", [False, True])
def test_invented_pictures_become_less_alike(small_params, internal):
    losses = []
    results = invent(
        NoveltyConfig(**SMALL, internal=internal), params=small_params, on_step=lambda _, step: losses.append(step.loss)
    )
    assert [result.value.shape for result in results] == [(24, 32, 3)] * (1 if internal else 4)
    assert results[0].loss < losses[0]


@pytest.mark.slow
def test_pictures_that_start_from_one_picture_differ(small_params):
    start = smooth_noise(5, (24, 32))
    first, second = invent(NoveltyConfig(**SMALL, count=2), params=small_params, init=start)
    assert not np.allclose(first, second, atol=1e-3)


@pytest.mark.slow
def test_a_resumed_run_gives_the_same_bits(small_params):
    config = NoveltyConfig(output_width=20, octaves=1, layers=("pool1",), max_iter=6, count=2)
    taken = []
    whole = invent(
        config,
        params=small_params,
        on_step=lambda _, step: taken.append(copy.deepcopy(step.position)) if step.step == 3 else None,
    )
    rest = invent(config, params=small_params, resume=taken[0])
    for one, other in zip(rest, whole, strict=True):
        assert np.asarray(one.value).tobytes() == np.asarray(other.value).tobytes()
