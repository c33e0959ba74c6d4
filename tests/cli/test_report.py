"""Scores as people read them."""

import json

from helpers.pictures import GRAVEL

from subjective.cli.report import align_columns, score_line, score_pictures, score_table, scores_as_json
from subjective.evaluation.criteria import Score
from subjective.images import read_image

SCORES = {
    "copied": Score(value=0.123456, reference=0.5, score=0.246912),
    "gram": Score(value=1.0, reference=0.98765, score=1.0125, details={"conv1_2@1": 2.34567}),
    "unheard_of": Score(value=3.0, reference=1.0, score=3.0),
}


def test_a_table_has_a_row_for_each_picture_and_its_measures_in_their_order():
    head, first, second = (line.split() for line in score_table({"a.png": SCORES, "b.png": SCORES}).splitlines())
    assert head == ["gram", "copied", "unheard_of"]
    assert first == ["a.png", "1.01", "0.247", "3"]
    assert second == ["b.png", *first[1:]]


def test_columns_are_aligned_the_first_to_the_left():
    assert align_columns([["", "one"], ["longer", "2"]]) == "        one\nlonger    2\n"


def test_json_has_four_digits_of_every_figure():
    found = scores_as_json(SCORES)
    assert found["copied"] == {"value": 0.1235, "reference": 0.5, "score": 0.2469}
    assert found["gram"]["details"] == {"conv1_2@1": 2.346}
    assert json.loads(json.dumps(found)) == found


def test_a_line_names_each_measure_and_its_score():
    assert score_line(scores_as_json(SCORES)).endswith(": copied 0.247, gram 1.01, unheard_of 3")
    assert score_line("not measured: too small") == "not measured: too small"


def test_pictures_too_small_to_be_measured_say_so(small_params):
    gravel = read_image(GRAVEL)
    found = score_pictures([gravel[:16, :16]] * 2, [gravel], small_params, ())
    assert found == ["not measured: the picture of 16x16 pixels cannot be measured; wanted 32 a side"] * 2
