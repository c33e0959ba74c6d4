"""What the network sees of a material: pictures of three channels, each made from the channels of all maps.

Colors are seen as they are, and normals with their z. Maps of one channel are seen three at a time. One more picture is
a random mixture of all maps: its statistics say which value of one map lies where another map has an edge, so that the
maps of what is made stay aligned.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float
from numpy.typing import NDArray

from subjective.losses import Loss, Scalar
from subjective.materials.maps import KINDS, place_channels
from subjective.materials.normals import LEAST_Z
from subjective.network.vgg import Params
from subjective.synthesis.material_config import SCALARS_PER_PASS, MaterialConfig

CONTRAST = 0.2
"""Standard deviation, in a view, of a map that is no color: about that of a photograph."""

MOST_GAIN = 8.0
"""Largest factor by which the contrast of a map is changed; a map that is nearly flat stays so."""

Numbers = NDArray[np.float32]
Planes = Float[Array, "height width channels"]
Extended = Float[Array, "height width more"]


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """A picture that the network sees: ``extend(planes) @ matrix + offset``.

    Attributes:
        name: of the loss's part.
        is_color: whether the picture is RGB.
        weight: of its statistics in the loss.
        matrix: ``(channels of extend, 3)``.
        offset: ``(3,)``.
    """

    name: str
    is_color: bool
    weight: float
    matrix: Numbers
    offset: Numbers

    def show(self, planes: Numbers, kinds: Sequence[str]) -> Numbers:
        """Return the view of a source, ``(height, width, 3)``."""
        return (np.asarray(extend(jnp.asarray(planes), tuple(kinds))) @ self.matrix + self.offset).astype(np.float32)


def extend(planes: Planes, kinds: Sequence[str]) -> Extended:
    """Add, after all channels, the z of the normals in [0, 1]; nothing without normals."""
    if "normal" not in kinds:
        return planes
    across = planes[:, :, place_channels(kinds)["normal"]] * 2 - 1
    rest = 1 - jnp.sum(across**2, axis=2, keepdims=True)
    z = jnp.sqrt(jnp.maximum(rest, LEAST_Z**2))
    return jnp.concatenate([planes, (z + 1) / 2], axis=2)


def excess_tilt(planes: Planes, kinds: Sequence[str], most: Scalar) -> Scalar:
    """Return how far normals are tilted more than those of the source: the mean squared excess of x² + y².

    Beyond a length of one there is no z that the network could see, and nothing else would bring x and y back.

    Args:
        planes: the channels of all maps.
        kinds: kinds of the maps, with normals.
        most: the largest x² + y² that costs nothing.
    """
    across = planes[:, :, place_channels(kinds)["normal"]] * 2 - 1
    return jnp.mean(jnp.maximum(jnp.sum(across**2, axis=2) - most, 0) ** 2)


@dataclasses.dataclass(frozen=True, eq=False)
class Channels:
    """Where the channels of `extend` lie, and how much they vary in the source.

    Attributes:
        places: the channels of each map, by its kind.
        mean: mean of each channel.
        deviation: of each map, the root of the mean variance of its channels.
    """

    places: dict[str, list[int]]
    mean: Numbers
    deviation: dict[str, float]


def measure_channels(planes: Numbers, kinds: Sequence[str]) -> Channels:
    """Measure the channels of a source."""
    all_planes = np.asarray(extend(jnp.asarray(planes), tuple(kinds)))
    places = {kind: list(range(place.start, place.stop)) for kind, place in place_channels(kinds).items()}
    if "normal" in kinds:
        places["normal"].append(all_planes.shape[2] - 1)
    mean, variance = all_planes.mean(axis=(0, 1)), all_planes.var(axis=(0, 1), dtype=np.float64)
    deviation = {kind: float(np.sqrt(variance[place].mean())) for kind, place in places.items()}
    return Channels(places, mean.astype(np.float32), deviation)


def _gain(channels: Channels, kind: str) -> float:
    return min(CONTRAST / max(channels.deviation[kind], 1e-6), MOST_GAIN)


def plan_views(channels: Channels, config: MaterialConfig) -> list[View]:
    """Return the views of the single maps: one of each with several channels, one of three with one channel each."""
    views, size, mean = [], len(channels.mean), channels.mean
    for kind, places in channels.places.items():
        if len(places) != 3:
            continue
        is_color = KINDS[kind].channels == 3
        gain = 1.0 if is_color else _gain(channels, kind)
        matrix = np.zeros((size, 3), np.float32)
        matrix[places, range(3)] = gain
        offset = np.zeros(3) if is_color else 0.5 - gain * mean[places]
        views.append(View(kind, is_color, config.weight_of(kind), matrix, offset.astype(np.float32)))
    scalars = [kind for kind, places in channels.places.items() if len(places) == 1]
    for first in range(0, len(scalars), SCALARS_PER_PASS):
        group = scalars[first : first + SCALARS_PER_PASS]
        matrix, offset = np.zeros((size, 3), np.float32), np.zeros(3, np.float32)
        for column in range(3):
            kind = group[min(column, len(group) - 1)]
            [place] = channels.places[kind]
            matrix[place, column] = _gain(channels, kind)
            offset[column] = 0.5 - _gain(channels, kind) * mean[place]
        weight = float(np.mean([config.weight_of(kind) for kind in group]))
        views.append(View("+".join(group), False, weight, matrix, offset))
    return views


def mix_channels(channels: Channels, config: MaterialConfig, random: np.random.Generator) -> View:
    """Return the view of a random mixture: in each of its three channels, each map has the same variance."""
    matrix = np.zeros((len(channels.mean), 3), np.float32)
    share = CONTRAST / np.sqrt(len(channels.places))
    for kind, places in channels.places.items():
        directions = random.standard_normal((len(places), 3))
        directions /= np.linalg.norm(directions, axis=0)
        gain = min(1 / max(channels.deviation[kind], 1e-6), MOST_GAIN / CONTRAST)
        matrix[places] = share * gain * directions
    offset = 0.5 - channels.mean @ matrix
    return View("mixture", False, config.mix_weight, matrix, offset.astype(np.float32))


@dataclasses.dataclass(frozen=True)
class Group:
    """Views that are measured alike.

    Attributes:
        loss: ``loss(picture, targets, params)``, the same for all of them.
        names: the name of each.
    """

    loss: Loss
    names: tuple[str, ...]


def group_arguments(views: Sequence[tuple[View, Any]]) -> dict[str, Any]:
    """Return the arguments of a group, from its views and their targets; each with a leading axis for the views."""
    return {
        "matrix": jnp.stack([view.matrix for view, _ in views]),
        "offset": jnp.stack([view.offset[None, None] for view, _ in views]),
        "weight": jnp.asarray([view.weight for view, _ in views], jnp.float32),
        "targets": jax.tree.map(lambda *leaves: jnp.stack(leaves), *[targets for _, targets in views]),
    }


class SumOfViews:
    """Adds up the losses of views, one after the other, so that the feature maps of one are in memory at a time.

    Views of a group go through a loop, so that the network is compiled once for all of them. Objects are hashable, as
    `jax.custom_vjp` needs.
    """

    def __init__(self, groups: Sequence[Group], kinds: Sequence[str]):
        """Take the groups of views, and the kinds of the maps."""
        self.groups, self.kinds = tuple(groups), tuple(kinds)

    def __call__(self, planes: Planes, arguments: Any) -> tuple[tuple[Scalar, Any], Planes]:
        """Compute the sum, its parts, and the gradient of the sum."""
        total, gradient, parts = jnp.zeros((), planes.dtype), jnp.zeros_like(planes), {}
        for group, given in zip(self.groups, arguments["groups"], strict=True):
            # The next group waits for this one.
            planes, gradient = lax.optimization_barrier((planes, gradient))
            measure = partial(self._measure, group, planes, arguments["params"])
            if len(group.names) == 1:
                found = jax.tree.map(lambda leaf: leaf[None], measure(jax.tree.map(lambda leaf: leaf[0], given)))
            else:
                found = lax.map(measure, given)
            (scalars, by_view), slopes = found
            total, gradient = total + jnp.sum(scalars), gradient + jnp.sum(slopes, axis=0)
            for number, name in enumerate(group.names):
                parts[name] = jax.tree.map(lambda leaf, number=number: leaf[number], by_view)
        return (total, parts), gradient

    def _measure(self, group: Group, planes: Planes, params: Params, given: Any) -> Any:
        """Compute the loss of a view, its parts, and its gradient in the planes."""

        def weighted(planes: Planes) -> tuple[Scalar, Any]:
            picture = jnp.matmul(extend(planes, self.kinds), given["matrix"], precision="highest") + given["offset"]
            scalar, found = group.loss(picture, given["targets"], params)
            return given["weight"] * scalar, jax.tree.map(lambda part: given["weight"] * part, found)

        return jax.value_and_grad(weighted, has_aux=True)(planes)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def sum_views(work: SumOfViews, planes: Planes, arguments: Any) -> tuple[Scalar, Any]:
    """Return the sum of the losses of all views, and its parts; differentiable in the planes.

    Args:
        work: the losses.
        planes: the channels of all maps.
        arguments: ``{"groups": [`group_arguments` of each], "params": the network}``.
    """
    return work(planes, arguments)[0]


def _forward(work: SumOfViews, planes: Planes, arguments: Any) -> tuple[tuple[Scalar, Any], Planes]:
    return work(planes, arguments)


def _backward(work: SumOfViews, gradient: Planes, cotangent: tuple[Scalar, Any]) -> tuple[Planes, None]:
    return cotangent[0] * gradient, None


sum_views.defvjp(_forward, _backward)
