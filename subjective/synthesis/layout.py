"""Layouts: pictures made of patches. A picture begins with its layout and keeps its large shapes and colors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from subjective.choices import Padding
from subjective.losses import Loss
from subjective.means import MIXTURES
from subjective.pyramid import gaussian_pyramid
from subjective.synthesis.config import PictureConfig, SynthesisConfig
from subjective.synthesis.palette import COLORS, axes_of
from subjective.synthesis.part import choose_part
from subjective.synthesis.patch_search import SIDE
from subjective.synthesis.patches import ANY_FORM, Form, Key, join_patches
from subjective.synthesis.plan import SOURCE_PADDING
from subjective.synthesis.problem import Job
from subjective.synthesis.stages import Stage, enlarge_to, padding_of_pyramid, reduce_by, stage_size
from subjective.synthesis.starts import initial_image, key_of
from subjective.synthesis.surroundings import map_surroundings
from subjective.synthesis.survey import Waves, find_lattice, fit_waves, stretch_to_fit

MOST_PIXELS = 2**20
"""Largest number of pixels of a layout: 1024 pixels a side, which take some ten seconds."""

SMALLEST_HELD = 64
"""Smallest side in pixels at which a picture is held to its layout, if the picture has so many."""

MOST_OCTAVES_DOWN = 2
"""A picture is held to its layout reduced by this number of octaves. What is finer is left to the statistics, which
make one material of the patches."""

REGULAR_OCTAVES_DOWN = 1
"""The same if the source is regular, so that its lines stay in their places."""

SMALLEST_SOURCE = SIDE + 1
"""Smallest side in pixels of a source at the layout's octave. Pictures of smaller sources have no layout."""

LEAST_STRETCH = 0.03
"""Smallest change of a source's lengths, as a share, at which the stretched source is measured: targets of periods that
are off by less do not pull a picture apart."""

LEAST_DEVIATION = 2 / 255
"""Smallest standard deviation by which a difference from a layout is divided."""


SOURCE_SIDES = padding_of_pyramid(SOURCE_PADDING)
"""What lies outside a source while it is reduced."""

Config = TypeVar("Config", bound=SynthesisConfig)

LAYOUT_KEY = (1, 1)
"""The random choices of a layout come from a key of their own, which no noise of a start has."""


def layout_octave(size: tuple[int, int], smallest_source: int) -> int:
    """Return the octave at which a layout is made: the finest with at most `MOST_PIXELS`.

    Args:
        size: (height, width) of the picture.
        smallest_source: shortest side of the sources, at least `SMALLEST_SOURCE` pixels.
    """
    needed = max(math.ceil(math.log2(size[0] * size[1] / MOST_PIXELS) / 2), 0)
    return min(needed, math.floor(math.log2(smallest_source / SMALLEST_SOURCE)))


def held_octave(size: tuple[int, int], smallest_source: int, *, is_regular: bool = False) -> int:
    """Return the octave at which a picture is held to its layout; never finer than `layout_octave`.

    Args:
        size: (height, width) of the picture.
        smallest_source: shortest side of the sources, at least `SMALLEST_SOURCE` pixels.
        is_regular: whether the source is regular.
    """
    room = math.floor(math.log2(max(min(size) / SMALLEST_HELD, 1)))
    enough = math.floor(math.log2(smallest_source / SMALLEST_SOURCE))
    wanted = min(room, enough, REGULAR_OCTAVES_DOWN if is_regular else MOST_OCTAVES_DOWN)
    return max(wanted, layout_octave(size, smallest_source))


class Layouts:
    """The layouts of a run's pictures. A layout is made when it is asked for.

    Attributes:
        octave: octave at which the layouts are made.
        held: octave at which pictures are held to their layouts.
        padding: what lies outside a picture while it is reduced and enlarged.
        note: what was found about the sources, if it changes what is done; else empty.
    """

    def __init__(
        self,
        make: Callable[[Key], np.ndarray],
        sources: Sequence[np.ndarray],
        config: PictureConfig,
        *,
        size: tuple[int, int],
        octave: int,
        held: int,
        channels: Sequence[int] = COLORS,
        padding: Padding,
        note: str = "",
    ):
        """Prepare to make layouts.

        Args:
            make: makes a layout, ``(rows, columns, channels)``, with a key from which all random choices come.
            sources: the sources at the octave of the layouts, ``(rows, columns, channels)``.
            config: ``seed`` and ``noise``.
            size: (height, width) of the pictures.
            octave: see the class.
            held: see the class.
            channels: see `subjective.synthesis.patches.Form`.
            padding: see the class.
            note: see the class.
        """
        self.octave, self.held, self.padding, self.note = octave, held, padding, note
        self.axes = axes_of(channels)
        self._make_with, self._sources = make, sources
        self._size, self._seed, self._noise = size, config.seed, config.noise
        self._make = lru_cache(maxsize=16)(self._make_one)

    def _make_one(self, picture: int, attempt: int) -> Array:
        noise = key_of(self._seed, picture, attempt)
        return jnp.asarray(self._make_with(Key(noise.entropy, spawn_key=(*noise.spawn_key, *LAYOUT_KEY))))

    def at(self, picture: int, attempt: int, octave: int) -> Array:
        """Return the layout of an attempt at a picture, reduced or enlarged to an octave of the picture."""
        layout = self._make(picture, attempt)
        if octave >= self.octave:
            return reduce_by(layout, octave - self.octave, self.padding)
        sizes = [(stage_size(self._size[0], one), stage_size(self._size[1], one)) for one in range(self.octave)]
        return enlarge_to(layout, tuple(reversed(sizes[octave:])), self.padding)

    def start(self, picture: int, attempt: int, stage: Stage) -> Array:
        """Return the layout under faint noise, as `subjective.synthesis.starts.Start`."""
        key = key_of(self._seed, picture, attempt)
        noise = initial_image("random", stage.size, np.zeros(3), key, noise=self._noise)
        return self.at(picture, attempt, stage.octave) + jnp.asarray(noise[:, :, :1])

    def deviations(self, octave: int) -> np.ndarray:
        """Return the standard deviations of the sources along `axes` at an octave, ``(channels,)``."""
        reduced = [np.asarray(reduce_by(jnp.asarray(s), octave - self.octave, SOURCE_SIDES)) for s in self._sources]
        colors = np.concatenate([source.reshape(-1, source.shape[2]) for source in reduced]) @ self.axes.T
        return np.maximum(colors.std(axis=0), LEAST_DEVIATION)


class Regular(NamedTuple):
    """How a source and the pictures that begin with its patches repeat themselves.

    Attributes:
        source: the source, stretched to the picture's periods; patches come from it.
        waves: of this source and of the picture.
        measured: the source that a picture should look like: the stretched one, or the source as it was if the stretch
            is too small to matter, because resampling takes away some of the finest detail.
        note: the periods in words.
    """

    source: np.ndarray
    waves: Waves
    measured: np.ndarray
    note: str


def fit_regular(config: PictureConfig, source: np.ndarray, least: int) -> Regular | None:
    """Find out whether a source is regular, and stretch it so that the picture can repeat itself as it does.

    What is measured of a source should be measured of the stretched one: with other periods than its layout has, a
    picture would be pulled apart by its targets.

    Args:
        config: the picture's size.
        source: ``(height, width, channels)``; the first three channels are colors.
        least: smallest side, in pixels, of a source that can be measured.

    Returns:
        None if the source is not regular.
    """
    lattice = find_lattice(choose_part(source, config.size)[:, :, :3])
    if lattice is None:
        return None
    waves = fit_waves(lattice, source.shape, config.size)
    stretched, waves = stretch_to_fit(source, waves, config.size)
    stretched = np.clip(stretched, 0, 1)  # the interpolation overshoots at edges
    change = max(abs(new / old - 1) for new, old in zip(stretched.shape[:2], source.shape[:2], strict=True))
    matters = change >= LEAST_STRETCH and min(stretched.shape[:2]) >= least
    by = f", stretched by {change:.0%}" if matters else ""
    note = f"the source is regular: {lattice.description}; the picture keeps them{by}"
    return Regular(stretched, waves, stretched if matters else source, note)


def make_layouts(
    config: SynthesisConfig,
    sources: Sequence[np.ndarray],
    form: Form = ANY_FORM,
    regular: Regular | None = None,
) -> Layouts | None:
    """Return the layouts that a config asks for, if any; ``form`` and ``regular`` as in `join_layouts`."""
    return join_layouts(config, sources, form, regular=regular) if begins_with_patches(config, sources) else None


def join_layouts(
    config: SynthesisConfig,
    sources: Sequence[np.ndarray],
    form: Form = ANY_FORM,
    factors: np.ndarray | None = None,
    regular: Regular | None = None,
) -> Layouts:
    """Return layouts that are joined from patches.

    Args:
        config: ``source_weights``, ``seed``, ``noise``, sizes and padding.
        sources: images ``(height, width, channels)``, of which none is tiny; the first three channels are colors. Of
            large ones a part is taken. Of a regular one, ``regular.source`` counts.
        form: what a layout must be like.
        factors: how much each channel counts when patches are compared, at most 1; 1 if None.
        regular: how the one source, and so the layouts, repeat themselves, from `fit_regular`.
    """
    sources = whole = sources if regular is None else [regular.source]
    if form.chances is None:
        sources = [choose_part(source, config.size) for source in sources]
    is_free = len(sources) == 1 and form.multiple == 1
    smallest = _smallest_side(sources)
    octave = layout_octave(config.size, smallest)
    reduced = [np.asarray(reduce_by(jnp.asarray(source), octave, SOURCE_SIDES)) for source in sources]
    waves = regular and regular.waves.cut(whole[0].shape, tuple(2**octave * side for side in reduced[0].shape[:2]))
    weights = config.source_weights or (1.0,) * len(sources)
    at_octave = (stage_size(config.size[0], octave), stage_size(config.size[1], octave))
    fitting = list(reduced) if factors is None else [one * factors for one in reduced]
    count = reduced[0].shape[2]

    def make(key: Key) -> np.ndarray:
        described, channels = fitting, tuple(form.channels)
        if is_free:  # here, since a run that is only planned has no layout
            around = map_surroundings(fitting[0][:, :, :3])
            described, channels = [np.concatenate([fitting[0], around], axis=2)], (*channels, *(1,) * around.shape[2])
        grown = dataclasses.replace(
            form, waves=waves, keeps_pieces=keeps_pieces(config, len(sources)), channels=channels
        )
        made = join_patches(described, weights, at_octave, key, grown)[:, :, :count]
        return made if factors is None else np.asarray(made / factors)

    return Layouts(
        make,
        reduced,
        config,
        size=config.size,
        octave=octave,
        held=held_octave(config.size, smallest, is_regular=regular is not None),
        channels=form.channels,
        padding=padding_of_pyramid(config.padding_mode),
        note=regular.note if regular else "",
    )


def keeps_pieces(config: SynthesisConfig, sources: int) -> bool:
    """Return whether pieces of so many sources stay as they are while a picture grows."""
    is_fused = config.join_mode == "fuse" and sources > 1
    return (config.pieces or ("small" if is_fused else "large")) == "large"


def begins_with_patches(config: SynthesisConfig, sources: Sequence[np.ndarray]) -> bool:
    """Return whether pictures begin with patches: not if the config asks for another start, or for a target of several
    sources that is no mixture of them, or if a source is tiny."""
    is_joined = len(sources) > 1 and config.join_mode not in MIXTURES
    return config.init == "patches" and not is_joined and _smallest_side(sources) >= SMALLEST_SOURCE


def _smallest_side(sources: Sequence[np.ndarray]) -> int:
    return min(min(source.shape[:2]) for source in sources)


def choose_first_stage(config: Config, sources: Sequence[np.ndarray], *, has_layouts: bool = True) -> Config:
    """Begin with the stage of the layouts' size, unless the config names another first stage.

    Coarser stages would only make what the layouts show already.

    Args:
        config: settings.
        sources: images ``(height, width, 3)``.
        has_layouts: False if the pictures have regions, or a start of their own.
    """
    is_open = config.first_stage is None and config.schedule != "plain"
    if not is_open or not has_layouts or not begins_with_patches(config, sources):
        return config
    octave = layout_octave(config.size, _smallest_side(sources))
    return dataclasses.replace(config, first_stage=stage_size(min(config.size), octave))


def hold_to_layout(job: Job, layouts: Layouts, weight: float) -> Job:
    """Add to the loss of every stage how far the picture's large shapes and colors are from those of its layout.

    Picture and layout are reduced to the octave `Layouts.held`. The loss is the mean squared difference of the opponent
    colors, or of the maps, in standard deviations of the sources.

    Args:
        job: from `prepare` of a verb whose value is the picture.
        layouts: the layouts of the pictures.
        weight: weight of the loss.
    """
    if not weight:
        return job
    octave = layouts.held
    scale = jnp.asarray(layouts.axes.T / layouts.deviations(octave), jnp.float32)

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        loss, arguments = job.problem(stage, picture, attempt)
        held = _held_loss(loss, max(octave - stage.octave, 0), layouts.padding, weight)
        layout = layouts.at(picture, attempt, max(octave, stage.octave))
        return held, {"verb": arguments, "layout": layout, "scale": scale}

    return dataclasses.replace(job, problem=problem)


@lru_cache(maxsize=32)  # the same function for the same settings, so that it is compiled once
def _held_loss(loss: Loss, octaves_down: int, padding: Padding, weight: float) -> Loss:
    """Return a loss with the part ``layout``, as ``loss(picture, {"verb": ..., "layout": ..., "scale": ...})``."""

    def total(picture: Array, arguments: Any) -> tuple[Array, dict[str, Any]]:
        scalar, parts = loss(picture, arguments["verb"])
        small = gaussian_pyramid(picture, octaves_down + 1, padding)[-1]
        held = weight * jnp.mean(((small - arguments["layout"]) @ arguments["scale"]) ** 2)
        return scalar + held, {**parts, "layout": held}

    return total
