"""What scores say in words, in tables and in JSON."""

import json

import pytest

from subjective.evaluation.criteria import COLOR, COPIED, GRAM, PEAK, SPECTRUM, TILES_ROWS
from subjective.evaluation.scores import MEANING, VERSION, WIDTH, Measure, Score, Scores, add_version, average, report

FIGURES = {COPIED: 0.4, PEAK: 1.7}
"""Values of measures; other measures have 0.123456."""


def scored(measures, reason=""):
    """Scores by measure."""
    return Scores(
        (Score(measure, FIGURES.get(measure, 0.123456), 0.1, score) for measure, score in measures.items()), reason
    )


@pytest.mark.parametrize(
    ("measures", "sentence"),
    [
        ({GRAM: 0.9, SPECTRUM: 1.0, COLOR: 0.2}, "as close to its source as a crop"),
        ({GRAM: 0.9, SPECTRUM: 2.0, COLOR: 0.2}, "close to its source"),
        ({GRAM: 0.9, SPECTRUM: 2.1, COLOR: 0.2}, "close to its source in structure and colors; fine grain is off"),
        ({GRAM: 4.1, COLOR: 3.0, PEAK: 1.0}, "colors are off; structure is far off"),
        ({GRAM: 5.0, SPECTRUM: 5.0, COLOR: 5.0}, "structure, fine grain and colors are far off"),
        ({GRAM: 0.5, PEAK: 3.0}, "as close to its source as a crop; a regular pattern of pixels"),
        ({GRAM: 0.5, PEAK: 2.0}, "as close to its source as a crop"),
        ({GRAM: 0.5, COPIED: 8.0}, "as close to its source as a crop; 40% is copied from its source"),
        ({GRAM: 0.5, TILES_ROWS: 9.0}, "as close to its source as a crop"),
    ],
)  # fmt: skip
def test_a_sentence_says_what_is_close_and_what_is_wrong(measures, sentence):
    assert scored(measures).sentence == sentence


def test_the_worst_score_is_that_of_the_worst_fault():
    scores = scored({GRAM: 0.5, PEAK: 3.0, TILES_ROWS: 9.0, COPIED: 20.0})
    assert scores.worst is scores["peak"]
    assert scores.summary == f"{scores.sentence}. Worst: {PEAK.name} 3.00"


def test_without_scores_the_reason_is_the_sentence():
    scores = scored({}, "not measured: too small")
    assert str(scores) == scores.sentence == "not measured: too small"
    assert scores.to_json() == {"sentence": "not measured: too small", "worst": None, "measures": {}}


def test_printed_scores_are_sentence_table_and_meaning():
    sentence, table, meaning = str(scored({GRAM: 0.5, COPIED: 123.4})).split("\n\n")
    assert sentence.startswith("as close to its source as a crop; 40% is copied from its source. Worst: texture")
    first, second = (" ".join(line.split()) for line in table.splitlines())
    assert first == "texture statistics (Gram) 0.50 as close as a crop (12% apart)"
    assert second == "copied from the source 123 much more than in a crop (40% of the picture)"
    assert " ".join(meaning.split()) == MEANING


def test_a_table_of_several_pictures_has_a_column_for_each():
    text = report({"a.png": scored({GRAM: 0.5}), "tiny.png": scored({}, "too small"), "b.png": scored({GRAM: 2.5})})
    heads, table, _ = text.split("\n\n")
    assert [line[:9] for line in heads.splitlines() if line[0] != " "] == ["1  a.png:", "tiny.png:", "2  b.png:"]
    head, row = table.splitlines()
    assert head.split() == ["1", "2"]
    assert row.split() == [*GRAM.name.split(), "0.50", "2.50"]


def test_many_pictures_make_several_tables_of_at_most_80_columns():
    pictures = {f"{number}.png": scored({GRAM: number, PEAK: 1.0}) for number in range(8)}
    _, first, second, _ = report(pictures).split("\n\n")
    lines = [*first.splitlines(), *second.splitlines()]
    assert max(map(len, lines)) <= WIDTH
    assert [*lines[0].split(), *lines[3].split()] == list("12345678")
    assert lines[5].split()[-1] == "1.00"


def test_json_has_four_digits_of_every_figure_and_a_version():
    scores = Scores([Score(GRAM, 0.123456, 0.5, 0.246912, {"conv1_2@1": 2.34567})])
    found = add_version(scores.to_json())
    assert found["version"] == VERSION
    assert found["meaning"] == MEANING
    assert found["worst"] == "gram"
    assert found["measures"]["gram"] == {
        "name": GRAM.name, "value": 0.1235, "unit": GRAM.unit, "reference": 0.5, "score": 0.2469,
        "details": {"conv1_2@1": 2.346},
    }  # fmt: skip
    assert json.loads(json.dumps(found)) == found


def test_the_average_of_scores_is_that_of_each_measure():
    mean = average([scored({GRAM: 1.0, PEAK: 2.0}), scored({GRAM: 3.0, PEAK: 2.0})])
    assert [score.score for score in mean.values()] == [2.0, 2.0]
    assert average([scored({}, "too small")] * 2).sentence == "too small"


def test_a_new_measure_is_reported_without_further_changes():
    warmth = Measure(key="warmth", name="warmth (kelvin)", unit="K", figures="{value:.0f} K apart", aspect="warmth")
    scores = Scores([Score(warmth, 300.0, 100.0, 3.0)])
    assert scores.sentence == "warmth is off"
    assert "off (300 K apart)" in str(scores)
    assert scores.to_json()["measures"]["warmth"]["unit"] == "K"
