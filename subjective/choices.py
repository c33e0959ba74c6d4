"""The words between which settings choose. Settings name them without importing the modules that act on them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Literal

Padding = Literal["valid", "same", "circular"]
PADDINGS: tuple[Padding, ...] = ("valid", "same", "circular")
"""All values of `Padding`; `subjective.pyramid.reduce` explains them."""

Pooling = Literal["average", "max"]
POOLINGS: tuple[Pooling, ...] = ("average", "max")
"""All values of `Pooling`."""

Precision = Literal["float32", "tensorfloat32", "bfloat16"]
"""How feature maps are stored and multiplied. The picture, the sums, and all later numbers have the picture's type."""

PRECISIONS: tuple[Precision, ...] = ("float32", "tensorfloat32", "bfloat16")
"""All values of `Precision`."""

ColorMode = Literal["style", "luminance", "match"]
"""Where a transfer takes colors from; see `subjective.colors.choose_colors`."""

ContentForm = Literal["content", "content_sum"]
"""Whether the content loss is a mean or a sum of squared differences."""

HistoryType = Literal["float32", "bfloat16"]
"""Number type of the history of L-BFGS on the device."""

Schedule = Literal["coarse-to-fine", "plain"]
"""Whether a picture grows from stage to stage, or is made at full size at once."""

Pieces = Literal["large", "small"]
"""How large the pieces are that a picture takes from its sources as they are."""

DistanceType = Literal["l2", "lap1"]
"""How the distance between two frames is measured; see `subjective.synthesis.frames.frame_distance`."""

Depth = Literal["8", "16", "half", "float"]
"""How a file stores a number: an integer of 8 or 16 bits, or a float of 16 (half) or 32 bits (float)."""

DEPTHS: tuple[Depth, ...] = ("8", "16", "half", "float")
"""All values of `Depth`, the least exact first."""

Ease = Literal["smooth", "linear"]
"""Speed of the change between keyframes."""

INITS = ("patches", "random", "symmetric", "phases", "noise", "content")
"""Names of the starts; any other name is the path of a picture file. ``noise`` is another name of ``random``;
``patches`` is a layout (`subjective.synthesis.layout`), ``content`` the picture to which a style is transferred."""


def list_words(words: Iterable[Any], value: Any = None) -> str:
    """Return the words that a setting may have, as ``a, b or c``, and a guess which one a misspelt value stands for.

    Args:
        words: the words.
        value: what was given in place of a word.
    """
    *others, last = map(str, words)
    listed = ", ".join(others) + f" or {last}" if others else last
    near = difflib.get_close_matches(value.lower(), [*others, last], 1) if isinstance(value, str) else []
    return f"{listed}; did you mean {near[0]}?" if near else listed
