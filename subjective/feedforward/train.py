"""The training of a network, from its sources to its last step; each step is told to a callback."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subjective.checks import InputError, check_image, setting
from subjective.compilation import jit
from subjective.feedforward.config import TrainConfig
from subjective.feedforward.loss import objective_of, targets_of
from subjective.feedforward.networks import Architecture, Kind, noise_for
from subjective.feedforward.step import (
    Plan,
    State,
    batch_of,
    first_state,
    on_mesh,
    replicated,
    step_of,
    with_parameters,
)
from subjective.network.vgg import Params

PATIENCE = 10
"""Steps one after the other that may move nothing, before a training ends."""

TEXTURE_STEPS = 2000
"""Of a texture's training, where their number is not given."""


@dataclasses.dataclass(frozen=True)
class TrainStep:
    """A step that was made.

    Attributes:
        number: counted from 1.
        steps: how many there will be.
        loss: the mean over its pictures, before it moved the parameters.
        parts: what that is the sum of, by name.
        gradient_norm: of the parameters.
        moved: False where something was not finite, so that nothing was changed.
        state: after it.
    """

    number: int
    steps: int
    loss: float
    parts: dict[str, float]
    gradient_norm: float
    moved: bool
    state: State


def steps_of(config: TrainConfig, photographs: int) -> int:
    """Steps that a training has, of so many photographs."""
    if config.steps is not None:
        return config.steps
    if config.texture:
        return TEXTURE_STEPS
    return max(1, -(-config.epochs * photographs // config.batch))


def architecture_of(config: TrainConfig, sources: int) -> Architecture:
    """The network that a config asks for."""
    kind: Kind = "texture" if config.texture else "style"
    border = config.border or ("circular" if config.texture else "reflect")
    return Architecture(kind, sources, config.channels, config.levels, border)


def train(
    sources: Sequence[np.ndarray],
    config: TrainConfig,
    *,
    params: Params,
    photographs: Iterator[np.ndarray] | None = None,
    steps: int | None = None,
    state: State | None = None,
    on_step: Callable[[TrainStep], None] = lambda step: None,
) -> State:
    """Train a network.

    Args:
        sources: styles, or textures: images ``(height, width, 3)`` of any sizes.
        config: all settings.
        params: the loss network.
        photographs: batches ``(pictures, height, width, 3)`` that a style network learns to repaint, without end
            (`subjective.feedforward.data.Photographs`); None for textures.
        steps: how many; `steps_of` the config if not given.
        state: to go on from; the photographs must then stand where they stood.
        on_step: told of each step.

    Returns:
        The state after the last step.

    Raises:
        ValueError: settings or sources that do not fit; or one step after the other was not finite.
    """
    plan = plan_of(sources, config, params, steps)
    targets = targets_of(sources, plan.objective, params)
    state = state or first_state(plan, config.seed)
    state, targets, params = replicated((state, targets, jax.tree.map(jnp.asarray, dict(params))), config.devices)
    step, still = step_of(plan), 0
    for number in range(int(state.step), plan.steps):
        pictures = None if photographs is None else next(photographs)
        batch = batch_of(config, len(sources), number, pictures)
        state, report = step(state, on_mesh(batch, config.devices), targets, params)
        report = jax.tree.map(lambda leaf: leaf.item(), report)
        on_step(TrainStep(number + 1, plan.steps, state=state, **report))
        still = 0 if report["moved"] else still + 1
        if still >= PATIENCE:
            raise InputError(
                f"{PATIENCE} steps one after the other had a loss or gradient that is not finite; the parameters are "
                f"those of before: lower {setting('learning_rate')}, or the weights"
            )
    return state


def plan_of(sources: Sequence[np.ndarray], config: TrainConfig, params: Params, steps: int | None = None) -> Plan:
    """Check everything, and say what does not change from step to step; arguments as of `train`."""
    config.check()
    for number, source in enumerate(sources, 1):
        check_image(f"source {number}", source)
    if not sources:
        raise InputError("no source was given; give at least one picture")
    objective = objective_of(config, params, [(source.shape[0], source.shape[1]) for source in sources])
    if steps is None:
        steps = steps_of(config, 1)
    return Plan(
        architecture_of(config, len(sources)),
        objective,
        config.size,
        steps,
        config.learning_rate,
        config.decay,
        config.devices,
    )


def _draw(architecture: Architecture, params: Any, key: Any, size: tuple[int, int], blend: Any) -> Any:
    return with_parameters(architecture, params)(noise_for(key, size, architecture.depth), blend)


def _paint(architecture: Architecture, params: Any, image: Any, blend: Any) -> Any:
    return with_parameters(architecture, params)(image, blend)


_texture, _picture = jit(_draw, static_argnums=(0, 3)), jit(_paint, static_argnums=0)


def draw(
    architecture: Architecture, params: Any, size: tuple[int, int], blend: Sequence[float] | np.ndarray, seed: int
) -> np.ndarray:
    """A texture.

    Args:
        architecture: of a texture network.
        params: its parameters.
        size: (height, width) in pixels; with multiples of 2^(scales - 1) every scale wraps exactly.
        blend: share of each source.
        seed: of the noise.

    Returns:
        Image in [0, 1].
    """
    return np.asarray(_texture(architecture, params, jax.random.key(seed), size, jnp.asarray(blend, jnp.float32)))


def paint(
    architecture: Architecture, params: Any, image: np.ndarray, blend: Sequence[float] | np.ndarray
) -> np.ndarray:
    """A picture repainted at once; `subjective.feedforward.repaint.repaint_in_strips` does it in bounded memory.

    Args:
        architecture: of a style network.
        params: its parameters.
        image: RGB in [0, 1].
        blend: share of each style.
    """
    return np.asarray(_picture(architecture, params, jnp.asarray(image, jnp.float32), jnp.asarray(blend, jnp.float32)))
