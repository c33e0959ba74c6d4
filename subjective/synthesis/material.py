"""A material: several linked maps of one surface, made together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from subjective.arguments import check_kind
from subjective.checks import InputError, Message, describe
from subjective.choices import Depth
from subjective.conversion import image_of
from subjective.images import PictureLike, as_image, write_image
from subjective.losses import Loss, texture_loss
from subjective.materials import normals
from subjective.materials.maps import KINDS, channels_of, order_kinds, place_channels
from subjective.network.vgg import Params
from subjective.statistics.room import smallest_picture
from subjective.statistics.terms import Analysis
from subjective.synthesis.coarse_to_fine import OnStep, Position
from subjective.synthesis.enough import end_at, ends_when_near, losses_of_quarters
from subjective.synthesis.extra import Extra, add_losses
from subjective.synthesis.inputs import read_config, read_params
from subjective.synthesis.layout import (
    begins_with_patches,
    choose_first_stage,
    fit_regular,
    hold_to_layout,
    join_layouts,
)
from subjective.synthesis.material_config import MaterialConfig
from subjective.synthesis.patches import Form, carry_maps
from subjective.synthesis.plan import make_plan
from subjective.synthesis.problem import Job, can_prepare_again, octave_weights_at, target_at
from subjective.synthesis.result import PictureResult, make_pictures
from subjective.synthesis.stages import Stage
from subjective.synthesis.starts import initial_image, key_of
from subjective.synthesis.targets import as_source, targets_by_precision
from subjective.synthesis.views import (
    Group,
    SumOfViews,
    View,
    excess_tilt,
    group_arguments,
    measure_channels,
    mix_channels,
    plan_views,
    sum_views,
)

TILT_WEIGHT = 100.0
"""Weight of `excess_tilt`: a hundredth of the pixels that are tilted too far by 0.1 cost 0.01, a tenth of what the
statistics cost at the end."""

MIX_KEY = 2
"""The random mixtures come from a key of their own, which no noise and no layout has."""


@dataclasses.dataclass(frozen=True, eq=False)
class MaterialResult(PictureResult):
    """A material that `synthesize_material` has made: a result like those of the other verbs, with several maps.

    `picture` is the albedo, so that a result can be shown, scored and given wherever a picture can.

    Attributes:
        kinds: kinds of the maps, in the order of their channels in ``value``, which is ``(height, width, channels)``.
    """

    kinds: tuple[str, ...] = ("albedo",)

    @property
    def maps(self) -> dict[str, np.ndarray]:
        """The maps by their kinds, float32 in [0, 1].

        Colors are ``(height, width, 3)``, and so are normals, whose vectors have length one. All other maps are
        ``(height, width)``.
        """
        return split_maps(np.asarray(self.value), self.kinds)

    @property
    def picture(self) -> np.ndarray:
        """The albedo, ``(height, width, 3)`` in [0, 1]."""
        return self.maps["albedo"]

    def save(self, path: Any, *, fps: float = 1.0, depth: Depth | None = None) -> None:
        """Write each map as a file: ``rock_albedo.png``, ``rock_normal.png`` and so on for ``rock.png``.

        Args:
            path: the beginning of the names, and the suffix of all files.
            fps: has no effect.
            depth: see `subjective.write_image`.

        Raises:
            InputError: as in `subjective.write_image`.
            FileError: a file cannot be written.
        """
        stem, dot, suffix = str(path).rpartition(".")
        for kind, picture in self.maps.items():
            write_image(f"{stem}_{kind}{dot}{suffix}", picture, depth=depth)


def synthesize_material(
    maps: Mapping[str, PictureLike],
    config: MaterialConfig | None = None,
    *,
    params: Params,
    extra: Extra = (),
    on_step: OnStep | None = None,
    resume: Position | None = None,
    progress: bool = False,
) -> list[MaterialResult]:
    """Make new materials like a given one: several maps of one surface that stay aligned.

    Args:
        maps: the maps by their kinds: ``albedo``, which there must be, ``normal``, ``height``, ``roughness``,
            ``gloss``, ``metallic``, ``ao``, ``specular``, ``opacity`` and ``emissive``. Pictures in any form that
            `as_image` takes, all of one size; maps of one channel are gray. Normals are RGB.
        config: settings; the defaults if None. If ``count`` is above 1, the materials are made one after the other.
        params: the network, from `load_params`.
        extra: as in `synthesize`; a loss sees the albedo.
        on_step: as in `synthesize`; the value of a step is ``(height, width, channels)``.
        resume: as in `synthesize`.
        progress: as in `synthesize`.

    Returns:
        A `MaterialResult` for each material, in a list as every verb returns. One material is one result with several
        maps, not several results, because its maps were optimized together and have one loss.

    Raises:
        InputError: a setting, a map or a size is invalid.
        NonFiniteLossError: see `minimize`. Every exception holds what there is in its attribute ``results``.

    References:
        Rodriguez-Pardo and Garces, "Neural photometry-guided visual attribute transfer", 2021, for maps that are made
        together. The random mixture of channels follows "Cells2Pixels", 2026; here a mixture stays the same for a
        whole stage, because L-BFGS takes the loss to be the same at each step.
    """
    config = read_config(config, MaterialConfig)
    params = read_params(params, config)
    planes, kinds = read_maps(maps, config.maps)
    job = add_losses(prepare(planes, kinds, config, params), extra)

    def convert(results: Sequence[PictureResult]) -> list[MaterialResult]:
        names = [field.name for field in dataclasses.fields(PictureResult)]
        found = [MaterialResult(**{name: getattr(one, name) for name in names}, kinds=kinds) for one in results]
        return [
            dataclasses.replace(one, value=jnp.asarray(complete_maps(one.value, planes, kinds, config)))
            for one in found
        ]

    try:
        return convert(make_pictures(job, on_step, resume, progress=progress))
    except Exception as error:
        if hasattr(error, "results"):
            error.results = convert(error.results)
        raise


def read_maps(maps: Mapping[str, Any], wanted: Sequence[str] = ()) -> tuple[np.ndarray, tuple[str, ...]]:
    """Convert maps to the channels of all maps side by side, ``(height, width, channels)``, and return their kinds.

    Args:
        maps: see `synthesize_material`.
        wanted: the kinds that are read; all if empty.

    Raises:
        InputError: see `synthesize_material`.
    """
    check_kind("maps", maps, Mapping, 'a map from kind to picture, such as {"albedo": ..., "normal": ...}')
    for kind in maps:
        if kind not in KINDS:
            raise InputError(f"maps holds {describe(kind)}; wanted {', '.join(KINDS)}")
    for kind in ("albedo", *wanted):
        if kind not in maps:
            raise InputError(f"maps has no {kind}; wanted {', '.join(dict.fromkeys(['albedo', *wanted]))}")
    kinds = order_kinds(wanted or tuple(maps))
    planes = {}
    for kind in kinds:
        given = maps[kind]
        image = as_image(given, kind) if not hasattr(given, "shape") else image_of(given, kind)
        if kind == "normal":
            planes[kind] = normals.to_plane(image)
        else:
            planes[kind] = image if KINDS[kind].channels == 3 else image.mean(axis=2, keepdims=True, dtype=np.float32)
    return join_maps(planes), kinds


def join_maps(planes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Lay the channels of maps side by side.

    Args:
        planes: ``(height, width, channels)`` of each kind, in the order of the kinds.

    Raises:
        InputError: the maps differ in size.
    """
    sizes = {kind: map_planes.shape[:2] for kind, map_planes in planes.items()}
    (first, size), *others = sizes.items()
    for kind, other in others:
        if other != size:
            one, two = (f"{columns}x{rows}" for rows, columns in (size, other))
            raise InputError(f"{first} has {one} pixels and {kind} {two}; wanted maps of one size: resize one of them")
    return np.concatenate([np.asarray(one, np.float32) for one in planes.values()], axis=2)


def complete_maps(value: Any, planes: np.ndarray, kinds: Sequence[str], config: MaterialConfig) -> np.ndarray:
    """Return the channels of all maps of a material, of which the albedo alone may be made.

    Args:
        value: what a job of `prepare` has made.
        planes: see `prepare`.
        kinds: see `prepare`.
        config: see `prepare`.
    """
    made = np.asarray(value, np.float32)
    if config.maps_by == "together" or len(kinds) == 1:
        return made
    albedo = np.clip(made, 0, 1)
    others = carry_maps(planes[:, :, :3], planes[:, :, 3:], albedo, key_of(config.seed, 0), channels_of(kinds[1:]))
    return np.concatenate([made, others], axis=2)


def split_maps(value: np.ndarray, kinds: Sequence[str]) -> dict[str, np.ndarray]:
    """Turn the channels of all maps into a picture of each; see `MaterialResult.maps`."""
    found = {}
    for kind, place in place_channels(kinds).items():
        own = np.clip(np.asarray(value[:, :, place], np.float32), 0, 1)
        found[kind] = normals.encode(normals.to_vectors(own)) if kind == "normal" else own
        if KINDS[kind].channels == 1:
            found[kind] = found[kind][:, :, 0]
    return found


@can_prepare_again
def prepare(planes: np.ndarray, kinds: Sequence[str], config: MaterialConfig, params: Params) -> Job:
    """Make a material ready: check everything, measure the source, plan the stages.

    Args:
        planes: the channels of all maps of the source, from `read_maps`.
        kinds: their kinds; albedo is the first.
        config: see `synthesize_material`.
        params: see `synthesize_material`.

    Raises:
        InputError: a setting or a size is invalid.
    """
    config = dataclasses.replace(config, maps=tuple(kinds))
    if config.maps_by == "nearest":
        planes, kinds = planes[:, :, :3], ("albedo",)
    albedo = planes[:, :, :3]
    config = choose_first_stage(config, [albedo])
    plan = make_plan(config, params, [planes.shape[:2]])
    config, stages = plan.config, plan.stages
    has_layouts, regular = begins_with_patches(config, [planes]), None
    if has_layouts:
        measured = as_source(plan.analysis, planes.shape[1])
        regular = fit_regular(config, planes, smallest_picture(measured, params))
    planes = planes if regular is None else regular.measured
    channels = measure_channels(planes, kinds)
    most_tilt = jnp.float32(_measure_tilt(planes, kinds))
    views = plan_views(channels, config)

    def measure(view: View, some: Sequence[Stage]) -> Any:
        analysis = _analysis_of(plan.analysis, view)
        return targets_by_precision([view.show(planes, kinds)], some, analysis, config, params, None)

    targets = [measure(view, stages) for view in views]
    has_mixture = config.mix_weight > 0 and len(kinds) > 1

    @lru_cache(maxsize=8)
    def mix(stage: Stage, picture: int, attempt: int) -> tuple[View, Any]:
        key = key_of(config.seed, picture, attempt)
        own = np.random.SeedSequence(key.entropy, spawn_key=(*key.spawn_key, MIX_KEY, stage.octave))
        view = mix_channels(channels, config, np.random.default_rng(own))
        return view, measure(view, [stage])

    def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
        seen = list(zip(views, targets, strict=True))
        if has_mixture:
            seen.append(mix(stage, picture, attempt))
        colors = [(view, target_at(target, stage)) for view, target in seen if view.is_color]
        data = [(view, target_at(target, stage)) for view, target in seen if not view.is_color]
        groups = [group for group in (colors, data) if group]
        analyses = tuple(
            dataclasses.replace(_analysis_of(stage.analysis, group[0][0]), in_loop=len(group) > 1) for group in groups
        )
        names = tuple(tuple(view.name for view, _ in group) for group in groups)
        loss = _material_loss(analyses, names, tuple(kinds), octave_weights_at(config, stage), config.relative)
        seen_by_network = {"groups": [group_arguments(group) for group in groups], "params": params}
        return loss, {"views": seen_by_network, "most_tilt": most_tilt}

    mean = planes.mean(axis=(0, 1))

    def start(picture: int, attempt: int, stage: Stage) -> Array:
        noise = initial_image("random", stage.size, np.zeros(3), key_of(config.seed, picture, attempt))
        return jnp.asarray(mean + noise[:, :, :1], jnp.float32)

    layouts = None
    if has_layouts:
        form = Form(channels=channels_of(kinds))
        layouts = join_layouts(config, [planes], form, patch_factors(planes, kinds, config), regular)
    notes = plan.notes if layouts is None or not layouts.note else (*plan.notes, Message(layouts.note))
    job = Job(
        config,
        stages,
        problem,
        start if layouts is None else layouts.start,
        shape=lambda stage: (*stage.size, planes.shape[2]),
        seen=lambda value, stage: value[:, :, :3],
        starts=config.starts,
        pictures=config.count,
        notes=notes,
        scored=[planes],
    )
    if layouts is None:
        return job
    if ends_when_near(config, 1):
        seen = [*zip(views, targets, strict=True), *([mix(stages[-1], 0, 0)] if has_mixture else [])]
        exact = stages[-1].analysis.precision
        found = [
            losses_of_quarters(
                config, _analysis_of(plan.analysis, view), view.show(planes, kinds), target[exact], params
            )
            for view, target in seen
        ]
        known = min(map(len, found))
        weights = np.array([view.weight for view, _ in seen])
        job = end_at(job, config.enough, (weights @ np.array([one[:known] for one in found])).tolist())
    return hold_to_layout(job, layouts, config.layout_weight)


def patch_factors(planes: np.ndarray, kinds: Sequence[str], config: MaterialConfig) -> np.ndarray:
    """Return the factors of the channels with which patches are compared, at most 1, ``(channels,)``.

    Each map then varies, in all its channels together, as much as the albedo times the map's weight.
    """
    factors = np.ones(planes.shape[2], np.float32)
    variance = planes.var(axis=(0, 1), dtype=np.float64)
    for kind, place in place_channels(kinds).items():
        deviation = np.sqrt(max(float(variance[place].sum()), 1e-4))
        factors[place] = config.weight_of(kind) / deviation
    return factors / factors.max()


def _measure_tilt(planes: np.ndarray, kinds: Sequence[str]) -> float:
    """Return the x² + y² that all but one in a thousand of the source's normals keep to; 1 without normals."""
    if "normal" not in kinds:
        return 1.0
    across = planes[:, :, place_channels(kinds)["normal"]].astype(np.float64) * 2 - 1
    return min(float(np.quantile(np.sum(across**2, axis=2), 0.999)), 1 - normals.LEAST_Z**2)


def _analysis_of(analysis: Analysis, view: View) -> Analysis:
    """Return how a view is measured: what is no color has no opponent colors."""
    if view.is_color:
        return analysis
    kept = []
    for term in analysis.terms:
        pairs = [
            (layer, weight) for layer, weight in zip(term.layers, term.weights, strict=True) if layer != "opponent"
        ]
        if pairs:
            layers, weights = zip(*pairs, strict=True)
            kept.append(dataclasses.replace(term, layers=layers, weights=weights))
    return dataclasses.replace(analysis, terms=tuple(kept), is_color=False)


@lru_cache(maxsize=32)
def _material_loss(
    analyses: tuple[Analysis, ...],
    names: tuple[tuple[str, ...], ...],
    kinds: tuple[str, ...],
    octave_weights: tuple[float, ...] | None,
    relative: bool,
) -> Loss:
    """Return the loss of all views and of the tilt of normals, the same function for the same settings.

    It is called as ``loss(planes, {"views": arguments of `sum_views`, "most_tilt": scalar})``.
    """
    groups = [
        Group(texture_loss(analysis, octave_weights, relative=relative), own)
        for analysis, own in zip(analyses, names, strict=True)
    ]
    work = SumOfViews(groups, kinds)

    def loss(planes: Array, arguments: Any) -> tuple[Array, dict[str, Any]]:
        total, parts = sum_views(work, planes, arguments["views"])
        if "normal" not in kinds:
            return total, parts
        tilt = TILT_WEIGHT * excess_tilt(planes, kinds, arguments["most_tilt"])
        return total + tilt, {**parts, "tilt": tilt}

    return loss
