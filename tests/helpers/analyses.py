"""Analyses of a picture, without a network where none is needed."""

import jax

from subjective.statistics.analysis import analyze
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Analysis, Term


def term(name, layers, octaves=None):
    return Term(STATISTICS[name], layers, (1.0,) * len(layers), octaves)


THREE = Analysis(
    (0, 1, 2), (term("gram", ("rgb", "band")), term("shifted", ("rgb",), (0,)), term("sliced", ("band",), (0, 2)))
)


# Compiled whole: one by one, its operations would take longer to compile than to run.
analyze_fast = jax.jit(analyze, static_argnums=2)


def shape_of_tree(found):
    return [{layer: sorted(measured) for layer, measured in octave.items()} for octave in found]
