"""Statistics by name, and terms as text."""

import pytest

from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Term, parse_term


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gram", ("gram", ("pool1", "conv3_2"), (1.0, 0.5))),
        ("gram=2", ("gram", ("pool1", "conv3_2"), (2.0, 1.0))),
        ("spectrum@rgb=0.1", ("spectrum", ("rgb",), (0.1,))),
        ("sliced@rgb,band", ("sliced", ("rgb", "band"), (1.0, 1.0))),
        ("sliced@rgb,pool2=1e-3", ("sliced", ("rgb", "pool2"), (1e-3, 1e-3))),
        ("shifted=0", ("shifted", ("pool1", "conv3_2"), (0.0, 0.0))),
    ],
)
def test_a_term_is_read_from_text(text, expected):
    name, layers, weights = expected
    assert parse_term(text, ("pool1", "conv3_2"), (1.0, 0.5)) == Term(STATISTICS[name], layers, weights)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "grams",
        "Gram",
        "grams@rgb",
        "gram=",
        "gram=two",
        "gram=-1",
        "gram=nan",
        "gram=inf",
        "gram=1=2",
        "@rgb",
        "gram@",
        "gram@=1",
        "gram@rgb,",
        "gram@,rgb",
        "gram@rgb=-0.5",
        "gram+2",
    ],
)
def test_a_text_that_is_no_term_is_refused_by_name(text):
    with pytest.raises(ValueError, match="statistic") as caught:
        parse_term(text, ("pool1",), (1.0,))
    assert repr(text) in str(caught.value)


def test_an_unknown_statistic_is_answered_with_all_there_are():
    with pytest.raises(ValueError, match="unknown statistic 'grams'") as caught:
        parse_term("grams@rgb=1", ("pool1",), (1.0,))
    assert all(name in str(caught.value) for name in STATISTICS)
