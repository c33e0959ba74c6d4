"""What a network is trained by: statistics of its picture against those of the sources, content against content.

The statistics are those of `synthesize`, at all octaves at once. Content is one more of them, the feature map itself,
so that one pass of the loss network serves both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.compilation import jit
from subjective.feedforward.config import TrainConfig
from subjective.losses import Scalar, match
from subjective.network.vgg import Params, layer_names
from subjective.pyramid import octave_size
from subjective.statistics.analysis import analyze
from subjective.statistics.protocol import Statistic
from subjective.statistics.registry import parse_term
from subjective.statistics.terms import Analysis, Statistics, Term, fits, network_layers, smallest_picture

MOST_OCTAVES = 4
LEAST_OCTAVE = 32
"""Octaves of a texture at most, and pixels a side of the last of them at least, where their number is not given."""

Picture = Float[Array, "height width 3"]


def _mean_squared_difference(found: Array, target: Array) -> Scalar:
    if found.shape != target.shape:
        raise ValueError(f"cannot compare content of shape {found.shape} with content of shape {target.shape}")
    return jnp.mean((found - target) ** 2)


CONTENT = Statistic("content", measure=lambda features, wraps: features, distance=_mean_squared_difference)
"""The feature map itself, by its mean squared difference (Johnson et al. 2016, equation 2)."""


@dataclasses.dataclass(frozen=True)
class Objective:
    """What is minimized. Hashable, so that it can key a compiled function.

    Attributes:
        analysis: of a picture that the network makes, content (if any) as its last term.
        relative: whether distances are divided by their targets' size.
        variation: weight of the mean squared difference of neighboring pixels.
    """

    analysis: Analysis
    relative: bool
    variation: float

    @property
    def style(self) -> Analysis:
        """What the sources are looked at for; a source has no outside, so that nothing is padded."""
        terms = tuple(term for term in self.analysis.terms if term.statistic is not CONTENT)
        return dataclasses.replace(self.analysis, terms=terms, padding="valid")

    @property
    def content(self) -> Analysis | None:
        """What a picture is looked at for before it is repainted."""
        terms = tuple(term for term in self.analysis.terms if term.statistic is CONTENT)
        return dataclasses.replace(self.analysis, terms=terms, octaves=(0,)) if terms else None

    def loss(
        self, made: Picture, original: Picture | None, blend: Float[Array, "sources"], targets: Statistics, vgg: Params
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """How far a picture is from what is wanted.

        Args:
            made: what the network made.
            original: what it was made from, where content counts.
            blend: share of each source.
            targets: of the sources, from `targets_of`; their first axis counts sources.
            vgg: the loss network.

        Returns:
            The loss, and its parts by name: each octave's style, content, variation.
        """
        wanted = jax.tree.map(lambda leaf: jnp.tensordot(blend, leaf, 1, precision="highest"), targets)
        if self.content is not None and original is not None:
            [content] = jax.lax.stop_gradient(analyze(vgg, original, self.content))
            wanted = ({**_merged(wanted[0], content)}, *wanted[1:])
        found = analyze(vgg, made, self.analysis)
        total, parts = match(found, wanted, self.analysis.terms, relative=self.relative)
        named: dict[str, Scalar] = {}
        for octave, layers in zip(self.analysis.octaves, parts, strict=True):
            for measured in layers.values():
                for name, part in measured.items():
                    key = name if name == CONTENT.name else f"octave {octave}"
                    named[key] = named.get(key, jnp.zeros(())) + part
        if self.variation:
            rows, columns = jnp.diff(made, axis=0), jnp.diff(made, axis=1)
            named["variation"] = self.variation * (jnp.mean(rows**2) + jnp.mean(columns**2))
            total = total + named["variation"]
        return total, named


def _merged(style: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    names = dict.fromkeys([*style, *content])
    return {name: style.get(name, {}) | content.get(name, {}) for name in names}


def objective_of(config: TrainConfig, vgg: Params, sources: Sequence[tuple[int, int]]) -> Objective:
    """What a config asks for.

    Args:
        config: checked settings.
        vgg: the loss network, which says what layers there are.
        sources: (height, width) of each.

    Raises:
        ValueError: a layer that the loss network lacks, or a source or --size too small.
    """
    padding = config.padding
    terms = [parse_term(text, config.layers, (1.0,) * len(config.layers)) for text in config.terms]
    known = layer_names(vgg)
    wanted = [*network_layers([layer for term in terms for layer in term.layers])]
    for layer in [*wanted, *([] if config.texture else [config.content_layer])]:
        if layer not in known:
            raise ValueError(
                f"the loss network has no layer {layer!r}; it has {', '.join(known)}: take one of these, or get deeper "
                "parameters with `subjective weights fetch vgg19-keras` and --weights vgg19-keras"
            )
    terms = [dataclasses.replace(term, weights=tuple(config.style_weight * w for w in term.weights)) for term in terms]
    sides = [(config.size, padding), *((min(size), "valid") for size in sources)]

    def analysis(octaves: int) -> Analysis:
        placed = []
        for term in terms:  # as in `synthesize`, a statistic is left out where there is no room for it
            room = tuple(o for o in range(octaves) if all(fits(side, term, o, p, vgg) for side, p in sides))
            least = max(term.statistic.least) == 1
            placed.append(term if least or len(room) == octaves else dataclasses.replace(term, octaves=room))
        kept = tuple(term for term in placed if term.octaves is None or term.octaves)
        return Analysis(tuple(range(octaves)), kept, padding, config.pooling)

    octaves = config.octaves or next(
        (
            n
            for n in range(MOST_OCTAVES if config.texture else 1, 1, -1)
            if octave_size(config.size, n - 1, padding) >= LEAST_OCTAVE
            and all(side >= smallest_picture(dataclasses.replace(analysis(n), padding=p), vgg) for side, p in sides)
        ),
        1,
    )
    chosen = analysis(octaves)
    if not chosen.terms:
        raise ValueError(f"no octave of {config.size} pixels has room for {' '.join(config.terms)}; enlarge --size")
    if not config.texture:
        content = Term(CONTENT, (config.content_layer,), (config.content_weight,), octaves=(0,))
        chosen = dataclasses.replace(chosen, terms=(*chosen.terms, content))
    objective = Objective(chosen, config.relative, config.variation_weight)
    seen = [(f"source {number}", min(size), objective.style) for number, size in enumerate(sources, 1)]
    for name, side, look in [("--size", config.size, objective.analysis), *seen]:
        least = smallest_picture(look, vgg)
        if side < least:
            raise ValueError(
                f"{name} of {side} pixels is too small for {octaves} octaves of {', '.join(look.layers)}: wanted at "
                f"least {least} a side; enlarge it or use fewer --octaves"
            )
    return objective


_analyze = jit(analyze, static_argnums=2)


def targets_of(sources: Sequence[np.ndarray], objective: Objective, vgg: Params) -> Statistics:
    """The statistics of all sources, stacked."""
    found = [_analyze(vgg, jnp.asarray(source, jnp.float32), objective.style) for source in sources]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)
