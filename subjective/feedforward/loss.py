"""What a network is trained by: statistics of its picture against those of the sources, content against content.

The statistics are those of `synthesize`, at all octaves at once. One pass of the loss network serves style and content.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.checks import InputError, setting
from subjective.compilation import jit
from subjective.feedforward.config import TrainConfig
from subjective.losses import Scalar, match, merge_parts, sum_parts, weigh_differences
from subjective.network.vgg import Params, layer_names
from subjective.pyramid import Padding, octave_size
from subjective.statistics.analysis import analyze, analyze_beside, content_maps
from subjective.statistics.registry import parse_term
from subjective.statistics.terms import Analysis, Comparison, Statistics, Term, fits, network_layers, smallest_picture

MOST_OCTAVES = 4
LEAST_OCTAVE = 32
"""Octaves of a texture at most, and pixels a side of the last of them at least, where their number is not given."""

Picture = Float[Array, "height width 3"]
Size = tuple[int, int]


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
        """How the sources are measured; a source has no outside, so that nothing is padded."""
        return dataclasses.replace(self.analysis, comparison=None, padding="valid")

    @property
    def content(self) -> Analysis | None:
        """How a picture is analyzed before it is repainted; None where content does not count."""
        return dataclasses.replace(self.analysis, terms=(), octaves=(0,)) if self.analysis.comparison else None

    def loss(
        self, made: Picture, original: Picture | None, blend: Float[Array, "sources"], targets: Statistics, vgg: Params
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """How far a picture is from what is wanted.

        Args:
            made: what the network made.
            original: what the picture was made from, where content counts.
            blend: share of each source.
            targets: of the sources, from `targets_of`; their first axis counts sources.
            vgg: the loss network.

        Returns:
            The loss, and its parts by name: each octave's style, content, variation.
        """
        wanted = jax.tree.map(lambda leaf: jnp.tensordot(blend, leaf, 1, precision="highest"), targets)
        contents = None
        if self.content is not None and original is not None:
            [maps] = jax.lax.stop_gradient(content_maps(vgg, original, self.content))
            contents = (maps, *({} for _ in self.analysis.octaves[1:]))
        found, differences = analyze_beside(vgg, made, self.analysis, None, contents)
        parts = match(found, wanted, self.analysis.terms, relative=self.relative)
        if contents is not None and self.analysis.comparison is not None:
            sizes = tuple({layer: jnp.mean(maps**2) for layer, maps in octave.items()} for octave in contents)
            content = weigh_differences(differences, self.analysis.comparison, sizes=sizes if self.relative else None)
            parts = merge_parts(parts, content)
        total = sum_parts(parts)
        named: dict[str, Scalar] = {}
        for octave, layers in zip(self.analysis.octaves, parts, strict=True):
            for measured in layers.values():
                for name, part in measured.items():
                    key = name if name == "content" else f"octave {octave}"
                    named[key] = named.get(key, jnp.zeros(())) + part
        if self.variation:
            rows, columns = jnp.diff(made, axis=0), jnp.diff(made, axis=1)
            named["variation"] = self.variation * (jnp.mean(rows**2) + jnp.mean(columns**2))
            total = total + named["variation"]
        return total, named


def objective_of(config: TrainConfig, vgg: Params, sources: Sequence[Size]) -> Objective:
    """Return what a config asks to be minimized.

    Args:
        config: settings.
        vgg: the loss network, which says what layers there are.
        sources: (height, width) of each source.

    Raises:
        InputError: a layer that the loss network lacks, or a source or the training size too small.
    """
    terms = [parse_term(text, config.layers, (1.0,) * len(config.layers)) for text in config.terms]
    _check_layers(terms, config, vgg)
    terms = [dataclasses.replace(term, weights=tuple(config.style_weight * w for w in term.weights)) for term in terms]
    octaves = config.octaves or _choose_octaves(terms, config, sources, vgg)
    analysis = _analysis_of(terms, octaves, config, sources, vgg)
    if not analysis.terms:
        raise InputError(
            f"no octave of {config.size} pixels has room for {' '.join(config.terms)}; enlarge {setting('size')}"
        )
    if not config.texture:
        content = Comparison((config.content_layer,), (config.content_weight,), octaves=(0,))
        analysis = dataclasses.replace(analysis, comparison=content)
    objective = Objective(analysis, config.relative, config.variation_weight)
    _check_size(setting("size"), config.size, objective.analysis, vgg)
    for number, size in enumerate(sources, 1):
        _check_size(f"source {number}", min(size), objective.style, vgg)
    return objective


def _check_layers(terms: Sequence[Term], config: TrainConfig, vgg: Params) -> None:
    known = layer_names(vgg)
    wanted = network_layers([layer for term in terms for layer in term.layers])
    for layer in [*wanted, *([] if config.texture else [config.content_layer])]:
        if layer not in known:
            raise InputError(
                f"the loss network has no layer {layer!r}; it has {', '.join(known)}: take one of these, or get deeper "
                f"parameters with `subjective weights fetch vgg19-keras` and {setting('weights')} vgg19-keras"
            )


def _sides(config: TrainConfig, sources: Sequence[Size]) -> list[tuple[int, Padding]]:
    """Smaller side and padding of the training pictures and of each source."""
    return [(config.size, config.padding), *((min(size), "valid") for size in sources)]


def _analysis_of(
    terms: Sequence[Term], octaves: int, config: TrainConfig, sources: Sequence[Size], vgg: Params
) -> Analysis:
    """The analysis at so many octaves; as in `synthesize`, a statistic is left out where there is no room for it."""
    placed = []
    for term in terms:
        sides = _sides(config, sources)
        room = tuple(o for o in range(octaves) if all(fits(side, term, o, padding, vgg) for side, padding in sides))
        everywhere = max(term.statistic.least) == 1 or len(room) == octaves
        placed.append(term if everywhere else dataclasses.replace(term, octaves=room))
    kept = tuple(term for term in placed if term.octaves is None or term.octaves)
    return Analysis(tuple(range(octaves)), kept, config.padding, config.pooling)


def _choose_octaves(terms: Sequence[Term], config: TrainConfig, sources: Sequence[Size], vgg: Params) -> int:
    """As many octaves as all pictures have room for; one for pictures that are repainted."""
    for octaves in range(MOST_OCTAVES if config.texture else 1, 1, -1):
        analysis = _analysis_of(terms, octaves, config, sources, vgg)
        if octave_size(config.size, octaves - 1, config.padding) >= LEAST_OCTAVE and all(
            side >= smallest_picture(dataclasses.replace(analysis, padding=padding), vgg)
            for side, padding in _sides(config, sources)
        ):
            return octaves
    return 1


def _check_size(name: str, side: int, analysis: Analysis, vgg: Params) -> None:
    least = smallest_picture(analysis, vgg)
    if side < least:
        raise InputError(
            f"{name} of {side} pixels is too small for {len(analysis.octaves)} octaves of "
            f"{', '.join(analysis.layers)}: wanted at least {least} a side; enlarge it or use fewer "
            f"{setting('octaves')}"
        )


_analyze = jit(analyze, static_argnums=2)


def targets_of(sources: Sequence[np.ndarray], objective: Objective, vgg: Params) -> Statistics:
    """The statistics of all sources, stacked."""
    found = [_analyze(vgg, jnp.asarray(source, jnp.float32), objective.style) for source in sources]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)
