"""Scores of the pictures of a run."""

import numpy as np
import pytest
from helpers.pictures import GRAVEL

from subjective.cli.report import Judge
from subjective.evaluation.yardstick import evaluate
from subjective.images import read_image, resize
from subjective.synthesis.stages import reduce_by


@pytest.fixture(scope="module")
def gravel():
    return resize(read_image(GRAVEL), (192, 240))


def test_pictures_too_small_to_be_measured_say_so(small_params, gravel):
    scores = Judge([gravel], small_params, ()).score(gravel[:16, :16])
    assert scores.sentence == "not measured: the picture of 16x16 pixels cannot be measured; wanted 32 a side"
    assert len(scores) == 0


def test_a_picture_of_a_coarse_stage_is_compared_with_sources_as_coarse(small_params, gravel):
    reduced = np.asarray(reduce_by(gravel, 1, "valid"))
    picture = reduced[8:56, 8:72]
    found = Judge([gravel], small_params, (), tiles=False).score(picture, 1)
    wanted = evaluate(picture, [reduced], small_params, portilla_simoncelli=False, tiles=False)
    assert found.to_json() == wanted.to_json()
    assert found["spectrum"].score < 0.5 * Judge([gravel], small_params, ()).score(picture)["spectrum"].score


def test_the_first_of_several_pictures_and_its_first_three_channels_are_scored(small_params, gravel):
    judge = Judge([gravel], small_params, (), tiles=False)
    both = np.stack([gravel[:64, :64], 1 - gravel[-64:, :64]])
    more = np.concatenate([both, np.zeros((2, 64, 64, 4), np.float32)], axis=-1)
    assert judge.score(more).to_json() == judge.score(both[0]).to_json() != judge.score(both[1]).to_json()


def test_only_a_part_of_a_picture_is_scored(small_params, gravel):
    def part(picture, octave):
        return picture[: 64 >> octave]

    whole = np.concatenate([gravel[:64, :64], np.zeros((32, 64, 3), np.float32)])
    judge = Judge([gravel], small_params, (), tiles=False, part=part)
    assert judge.score(whole).to_json() == Judge([gravel], small_params, (), tiles=False).score(whole[:64]).to_json()
    assert judge.score(whole[::2, ::2], 1).sentence
