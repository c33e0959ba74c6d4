"""Scores of the pictures of a run."""

from helpers.pictures import GRAVEL

from subjective.cli.report import score_pictures
from subjective.images import read_image


def test_pictures_too_small_to_be_measured_say_so(small_params):
    gravel = read_image(GRAVEL)
    found = score_pictures([gravel[:16, :16]] * 2, [gravel], small_params, ())
    assert [scores.sentence for scores in found] == [
        "not measured: the picture of 16x16 pixels cannot be measured; wanted 32 a side"
    ] * 2
    assert [len(scores) for scores in found] == [0, 0]
