"""The loss of training: it compares a picture's statistics with the sources' and its content with the original's.

The statistics are those of `synthesize`, at all octaves at once. One pass through the loss network gives the features
for both the style and the content.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from subjective.checks import InputError, setting
from subjective.choices import Padding
from subjective.compilation import jit
from subjective.feedforward.config import TrainConfig
from subjective.losses import Parts, Scalar, match, merge_parts, sum_parts, weigh_differences
from subjective.network.vgg import Params, layer_names
from subjective.statistics.analysis import analyze, analyze_and_compare, content_maps
from subjective.statistics.room import check_size, count_octaves, place_terms
from subjective.statistics.terms import Analysis, Comparison, Statistics, Term, network_layers, parse_term

MOST_OCTAVES = 4
"""Largest default number of octaves of a texture."""

LEAST_OCTAVE = 32
"""Smallest side in pixels of a texture at its coarsest octave, if the number of octaves is the default."""

Picture = Float[Array, "height width 3"]
"""RGB in [0, 1]."""

Size = tuple[int, int]
"""(height, width)."""


@dataclasses.dataclass(frozen=True)
class Objective:
    """The loss that training minimizes. Hashable, so that an objective can key a compiled function.

    Attributes:
        analysis: how a picture that the network makes is measured. Its ``comparison`` says how the picture is compared
            with the original; the comparison is None for textures.
        relative: whether each distance is divided by the size of its target.
        variation: weight of the mean squared difference between neighboring pixels.
    """

    analysis: Analysis
    relative: bool
    variation: float

    @property
    def style(self) -> Analysis:
        """How the sources are measured: like pictures that the network makes, but without padding."""
        return dataclasses.replace(self.analysis, comparison=None, padding="valid")

    @property
    def content(self) -> Analysis | None:
        """How the original of a repainted picture is measured; None for textures."""
        return dataclasses.replace(self.analysis, terms=(), octaves=(0,)) if self.analysis.comparison else None

    def loss(
        self, made: Picture, original: Picture | None, blend: Float[Array, "sources"], targets: Statistics, vgg: Params
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """Return the loss of a picture.

        Args:
            made: the picture that the network made.
            original: the picture before it was repainted; None for textures.
            blend: share of each source.
            targets: from `measure_targets`; their first axis counts sources.
            vgg: parameters of the loss network.

        Returns:
            The loss, and its parts by name: ``octave 0``, ``octave 1`` and so on for the style of each octave,
            ``content`` and ``variation``.
        """
        wanted = jax.tree.map(lambda leaf: jnp.tensordot(blend, leaf, 1, precision="highest"), targets)
        contents = self._content_maps(original, vgg)
        found, differences = analyze_and_compare(vgg, made, self.analysis, None, contents)
        parts = match(found, wanted, self.analysis.terms, relative=self.relative)
        if contents is not None and self.analysis.comparison is not None:
            sizes = tuple({layer: jnp.mean(maps**2) for layer, maps in octave.items()} for octave in contents)
            content = weigh_differences(differences, self.analysis.comparison, sizes=sizes if self.relative else None)
            parts = merge_parts(parts, content)
        total = sum_parts(parts)
        named = self._sum_by_name(parts)
        if self.variation:
            rows, columns = jnp.diff(made, axis=0), jnp.diff(made, axis=1)
            named["variation"] = self.variation * (jnp.mean(rows**2) + jnp.mean(columns**2))
            total = total + named["variation"]
        return total, named

    def _content_maps(self, original: Picture | None, vgg: Params) -> tuple[dict[str, Array], ...] | None:
        """Return the original's feature maps: a dict for each octave, empty except at full size. None for textures."""
        if self.content is None or original is None:
            return None
        [maps] = jax.lax.stop_gradient(content_maps(vgg, original, self.content))
        return (maps, *({} for _ in self.analysis.octaves[1:]))

    def _sum_by_name(self, parts: Parts) -> dict[str, Scalar]:
        """Add up the parts of the loss into one number for the content, and one for the style at each octave."""
        named: dict[str, Scalar] = {}
        for octave, layers in zip(self.analysis.octaves, parts, strict=True):
            for measured in layers.values():
                for name, part in measured.items():
                    key = name if name == "content" else f"octave {octave}"
                    named[key] = named.get(key, jnp.zeros(())) + part
        return named


def make_objective(config: TrainConfig, vgg: Params, sources: Sequence[Size]) -> Objective:
    """Make the objective that a config asks for.

    Args:
        config: all settings.
        vgg: parameters of the loss network.
        sources: (height, width) of each source.

    Raises:
        InputError: the loss network lacks a layer; or a source or the training's pictures are too small for the layers
            and octaves, or too small for any of the statistics.
    """
    terms = [parse_term(text, config.layers, (1.0,) * len(config.layers)) for text in config.terms]
    _check_layers(terms, config, vgg)
    terms = [dataclasses.replace(term, weights=tuple(config.style_weight * w for w in term.weights)) for term in terms]
    sides = _sides(config, sources)
    octaves = config.octaves or count_octaves(
        lambda octaves: (_make_analysis(terms, octaves, config, sources, vgg), sides),
        MOST_OCTAVES if config.texture else 1,
        LEAST_OCTAVE,
        vgg,
    )
    analysis = _make_analysis(terms, octaves, config, sources, vgg)
    if not analysis.terms:
        raise InputError(
            f"no octave of {config.size} pixels has room for {' '.join(config.terms)}; enlarge {setting('size')}"
        )
    if not config.texture:
        content = Comparison((config.content_layer,), (config.content_weight,), octaves=(0,))
        analysis = dataclasses.replace(analysis, comparison=content)
    objective = Objective(analysis, config.relative, config.variation_weight)
    check_size(setting("size"), (config.size, config.size), objective.analysis, vgg)
    for number, size in enumerate(sources, 1):
        check_size(f"source {number}", size, objective.style, vgg)
    return objective


def _check_layers(terms: Sequence[Term], config: TrainConfig, vgg: Params) -> None:
    """Refuse layers that the loss network lacks."""
    known = layer_names(vgg)
    wanted = network_layers([layer for term in terms for layer in term.layers])
    for layer in [*wanted, *([] if config.texture else [config.content_layer])]:
        if layer not in known:
            raise InputError(
                f"the loss network has no layer {layer!r}; it has {', '.join(known)}: take one of these, or get deeper "
                f"parameters with `subjective weights fetch vgg19-keras` and {setting('weights')} vgg19-keras"
            )


def _sides(config: TrainConfig, sources: Sequence[Size]) -> list[tuple[int, Padding]]:
    """Return (smaller side, padding) of the training's pictures first, then of each source."""
    return [(config.size, config.padding), *((min(size), "valid") for size in sources)]


def _make_analysis(
    terms: Sequence[Term], octaves: int, config: TrainConfig, sources: Sequence[Size], vgg: Params
) -> Analysis:
    """Return the analysis at the ``octaves`` finest octaves.

    As in `synthesize`, a statistic is left out at the octaves that are too small for the statistic.
    """
    indices = tuple(range(octaves))
    placed = place_terms(terms, indices, _sides(config, sources), vgg)
    return Analysis(indices, placed, config.padding, config.pooling)


_analyze = jit(analyze, static_argnums=2)


def measure_targets(sources: Sequence[np.ndarray], objective: Objective, vgg: Params) -> Statistics:
    """Measure the statistics of all sources.

    Args:
        sources: images ``(height, width, 3)`` in [0, 1], of any sizes.
        objective: says how the sources are measured.
        vgg: parameters of the loss network.

    Returns:
        The statistics, each with a leading axis that counts sources.
    """
    found = [_analyze(vgg, jnp.asarray(source, jnp.float32), objective.style) for source in sources]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)
