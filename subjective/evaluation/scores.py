"""Scores of a picture, and what the scores mean in words.

A criterion makes a `Score` for each `Measure`. The sentence, the table and the JSON values are made from these two, so
that a new measure changes nothing in this module.
"""

from __future__ import annotations

import textwrap
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 2
"""Version of the scores in JSON files. Files without a version have the measures where the object with the version is
now, and no sentence."""

MEANING = (
    "A score is the picture's distance from its source, divided by the distance of a crop of the source from the rest "
    "of the source: 1 is as close as a crop, and smaller is better."
)
"""What every score means. See docs/evaluation.md for the measures that are not distances."""

LIMITS = (1.0, 2.0, 4.0)
"""Largest scores of the first three levels of `Score.level`.

A crop scores about 1. Eighteen crops of nine photographs were compared with the other half of their photograph: the
distances of thirteen crops are all at most 2, and the other five are of photographs whose halves differ. The worst
score of a grid that is just visible is 3 or more, of another photograph 5 or more, of a blur of one pixel 9 or more.
"""

NEAR, OFF, FAR = 1, 2, 3
"""Highest level of a score that is close, level of a score that is off, and level of a score that is far off."""

WIDTH = 80
"""Largest number of characters in a line of text."""

COLUMN = 7
"""Number of characters in a column of scores."""

LEAST_SHARE = 0.01
"""Smallest reference by which a relative distance is divided.

A difference of one percent does not matter. A source that repeats itself exactly has references of almost 0; without
this number, a shifted crop of such a source would get a very bad score.
"""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What a score measures, in words.

    Verdicts and remarks have a text for each level of `Score.level`. Figures and remarks may contain ``{value}``.

    Attributes:
        key: name in Python and JSON, such as ``gram``.
        name: name in tables, such as "texture statistics (Gram)".
        unit: unit of the value and of the reference.
        figures: the value with its unit, for tables.
        verdicts: what the table says about the score, by level.
        aspect: for a distance, what is compared, such as "colors". The sentence says which aspects are close.
        remarks: what the sentence says besides, by level; empty for nothing.
        is_fault: whether a large score is a fault. If not, only the table shows the score.
    """

    key: str
    name: str
    unit: str
    figures: str
    verdicts: tuple[str, str, str, str] = ("as close as a crop", "nearly as close", "off", "far off")
    aspect: str = ""
    remarks: tuple[str, str, str, str] = ("", "", "", "")
    is_fault: bool = True


@dataclass(frozen=True)
class Score:
    """The score of a picture by one measure.

    Attributes:
        measure: what is measured.
        value: what was measured of the picture, in the unit of the measure.
        reference: the same of crops of the source. If the measure compares pictures, each crop is compared with the
            rest of the source. For a seam: what is usual inside the picture.
        score: 1 if the picture is as good as a crop of the source; smaller is better.
        details: score of each layer and scale, such as ``conv3_3@0.5`` (half size); or of each color channel or axis,
            or of each kind of statistic.
        map: where in the picture the fault is, ``(height, width)``: 1 and less is as in a crop. None if the measure
            does not tell, or has not seen all of the picture. JSON does not hold the map.
    """

    measure: Measure
    value: float
    reference: float
    score: float
    details: Mapping[str, float] = field(default_factory=dict)
    map: NDArray[np.floating] | None = field(default=None, repr=False, compare=False)

    @property
    def level(self) -> int:
        """0 for a score of at most 1, 1 up to twice that, 2 up to four times that, 3 above; see `LIMITS`."""
        return bisect_left(LIMITS, self.score)

    @property
    def verdict(self) -> str:
        """What the score means in a few words, and the value."""
        return f"{self.measure.verdicts[self.level]} ({self.measure.figures.format(value=self.value)})"

    @property
    def remark(self) -> str:
        """What the sentence about the picture says about this score; may be empty."""
        return self.measure.remarks[self.level].format(value=self.value)

    def to_json(self) -> dict[str, Any]:
        """Return a dict of plain values for JSON, rounded to four digits."""
        found: dict[str, Any] = {
            "name": self.measure.name,
            "value": _round(self.value),
            "unit": self.measure.unit,
            "reference": _round(self.reference),
            "score": _round(self.score),
        }
        if self.details:
            found["details"] = {name: _round(value) for name, value in self.details.items()}
        return found


class Scores(Mapping[str, Score]):
    """The scores of a picture, by the key of the measure. ``print(scores)`` shows a sentence and a table."""

    def __init__(self, scores: Iterable[Score], reason: str = ""):
        """Collect scores.

        Args:
            scores: a score for each measure.
            reason: why there are no scores, in a sentence; empty if there are scores.
        """
        self._scores = {score.measure.key: score for score in scores}
        self._reason = reason

    def __getitem__(self, key: str) -> Score:
        """Return the score of the measure with this key."""
        return self._scores[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys of the measures."""
        return iter(self._scores)

    def __len__(self) -> int:
        """Return the number of scores."""
        return len(self._scores)

    def __str__(self) -> str:
        """Return the sentence, the table and what scores mean, as text."""
        return report({"": self}).rstrip("\n")

    def __repr__(self) -> str:
        """Return the class, the keys and the scores."""
        return f"Scores({', '.join(f'{key}={score.score:.3g}' for key, score in self.items())})"

    @property
    def sentence(self) -> str:
        """What is good and what is wrong with the picture, or why there are no scores."""
        remarks = [score.remark for score in self.values()]
        return "; ".join([*_describe_aspects(self.values()), *filter(None, remarks)]) or self._reason

    @property
    def worst(self) -> Score | None:
        """The largest score of all that can be faults; None without scores."""
        faults = [score for score in self.values() if score.measure.is_fault]
        return max(faults, key=lambda score: score.score, default=None)

    @property
    def map(self) -> NDArray[np.floating] | None:
        """Where the picture is unlike its sources, see `Score.map`; None if no score has a map."""
        return next((score.map for score in self.values() if score.map is not None), None)

    @property
    def summary(self) -> str:
        """The sentence, and the worst score."""
        worst = self.worst
        return self.sentence + (f". Worst: {worst.measure.name} {format_score(worst.score)}" if worst else "")

    def to_json(self) -> dict[str, Any]:
        """Return a dict of plain values for JSON: the sentence, the key of the worst measure, and all measures."""
        return {
            "sentence": self.sentence,
            "worst": self.worst.measure.key if self.worst else None,
            "measures": {key: score.to_json() for key, score in self.items()},
        }


def average(several: Sequence[Scores]) -> Scores:
    """Return the mean of the scores of several pictures, without details and maps.

    Args:
        several: the scores of each picture, by the same measures. If there are none, the mean has the first's reason.
    """
    means = (
        replace(
            first,
            value=float(np.mean([scores[key].value for scores in several])),
            reference=float(np.mean([scores[key].reference for scores in several])),
            score=float(np.mean([scores[key].score for scores in several])),
            details={},
            map=None,
        )
        for key, first in several[0].items()
    )
    return Scores(means, several[0].sentence)


def add_version(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON values that hold scores, with the version and the meaning of the scores before them."""
    return {"version": VERSION, "meaning": MEANING, **content}


def report(pictures: Mapping[str, Scores], meaning: str = MEANING) -> str:
    """Return what there is to say about pictures as text: a sentence for each picture, the table, and its meaning.

    Args:
        pictures: map from the name of each picture to its scores.
        meaning: what a score means.
    """
    measured = {name: scores for name, scores in pictures.items() if scores}
    numbers = {name: f"{number}  " if len(measured) > 1 else "" for number, name in enumerate(measured, 1)}
    heads = [f"{numbers.get(name, '')}{name and f'{name}: '}{scores.summary}" for name, scores in pictures.items()]
    parts = ["\n".join(_wrap(head, indent="   ") for head in heads)]
    if measured:
        parts.append(draw_table({numbers[name].strip(): scores for name, scores in measured.items()}))
        parts.append(_wrap(meaning))
    return "\n\n".join(parts) + "\n"


def _wrap(text: str, indent: str = "") -> str:
    """Break text into lines of at most `WIDTH` characters. Names of files stay whole; further lines are indented."""
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def draw_table(pictures: Mapping[str, Scores]) -> str:
    """Return a table of scores as text: one row for each measure, one column for each picture.

    The table of many pictures is divided into several tables, one below the other.

    Args:
        pictures: map from the head of each column to the scores of a picture. A single picture needs no head: if its
            head is empty, its table also says what each score means.
    """
    measures = {key: score.measure for scores in pictures.values() for key, score in scores.items()}
    first = max(len(measure.name) for measure in measures.values())
    columns, heads = max((WIDTH - first) // COLUMN, 1), list(pictures)
    tables = [
        _draw_columns(measures.values(), {head: pictures[head] for head in heads[start : start + columns]}, first)
        for start in range(0, len(heads), columns)
    ]
    return "\n\n".join(tables)


def _draw_columns(measures: Iterable[Measure], pictures: Mapping[str, Scores], first: int) -> str:
    """Return one table as text; ``first`` is the number of characters in the first column."""
    has_heads = any(pictures)
    lines = ["".join([" " * first, *(head.rjust(COLUMN) for head in pictures)])] if has_heads else []
    for measure in measures:
        found = [scores.get(measure.key) for scores in pictures.values()]
        cells = [f"{format_score(score.score) if score else '':>{COLUMN}}" for score in found]
        verdicts = [] if has_heads else [f"  {score.verdict}" for score in found if score]
        lines.append("".join([measure.name.ljust(first), *cells, *verdicts]))
    return "\n".join(lines)


def format_score(score: float) -> str:
    """Return a score as text, with two decimals if the score is below 100."""
    return f"{score:.2f}" if score < 100 else f"{score:.3g}"


def _describe_aspects(scores: Iterable[Score]) -> list[str]:
    """Return clauses that say which aspects of the picture are close to the source, off, or far off."""
    levels: dict[str, int] = {}
    for score in scores:
        levels[score.measure.aspect] = max(levels.get(score.measure.aspect, 0), score.level)
    levels.pop("", None)
    if levels and max(levels.values()) <= NEAR:
        return ["close to its source" if any(levels.values()) else "as close to its source as a crop"]
    near, off, far = (
        [aspect for aspect, level in levels.items() if level in chosen] for chosen in (range(NEAR + 1), [OFF], [FAR])
    )
    clauses = [f"close to its source in {_enumerate(near)}"] if near else []
    return [*clauses, *_blame(off, "off"), *_blame(far, "far off")]


def _blame(aspects: Sequence[str], words: str) -> list[str]:
    """Return the clause that says that aspects are off; nothing without aspects."""
    if not aspects:
        return []
    is_plural = len(aspects) > 1 or aspects[0].endswith("s")
    return [f"{_enumerate(aspects)} {'are' if is_plural else 'is'} {words}"]


def _enumerate(words: Sequence[str]) -> str:
    """Join words as in a sentence: with commas, and ``and`` before the last word."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _round(value: float) -> float:
    return float(f"{value:.4g}")
