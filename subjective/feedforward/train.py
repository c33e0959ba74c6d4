"""Train a network on sources; make a picture with a trained network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subjective.arguments import check_function, check_kind, check_list, check_map, check_size
from subjective.checks import InputError, at_least, between, check_image, check_number, setting
from subjective.compilation import jit
from subjective.conversion import image_of
from subjective.feedforward.config import TrainConfig
from subjective.feedforward.loss import make_objective, measure_targets
from subjective.feedforward.networks import Architecture, Kind, noise_for
from subjective.feedforward.step import (
    TrainPlan,
    TrainState,
    build_network,
    check_trained,
    compile_step,
    first_state,
    make_batch,
    replicate,
    share_batch,
)
from subjective.network.vgg import Params, check_network

PATIENCE = 10
"""A training ends with an error after this many steps in a row that changed nothing."""

TEXTURE_STEPS = 2000
"""Default number of steps for a texture network."""


@dataclasses.dataclass(frozen=True)
class TrainStep:
    """What is known of one step of a training.

    Attributes:
        number: number of the step, counted from 1.
        steps: number of steps of the training.
        loss: mean loss of the step's pictures, before the step changed the parameters.
        parts: the parts of the loss by name; the loss is the sum of all parts.
        gradient_norm: norm of the loss's gradient with respect to the parameters.
        moved: False if the loss or the gradient was not finite, so that the step changed nothing.
        state: state of the training after the step.
    """

    number: int
    steps: int
    loss: float
    parts: dict[str, float]
    gradient_norm: float
    moved: bool
    state: TrainState


def count_steps(config: TrainConfig, photographs: int) -> int:
    """Return the number of steps of a training; ``photographs`` is the number of photographs."""
    if config.steps is not None:
        return config.steps
    if config.texture:
        return TEXTURE_STEPS
    return max(1, -(-config.epochs * photographs // config.batch))


def choose_architecture(config: TrainConfig, sources: int) -> Architecture:
    """Return the architecture that a config asks for; ``sources`` is the number of sources."""
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
    state: TrainState | None = None,
    on_step: Callable[[TrainStep], None] = lambda step: None,
) -> TrainState:
    """Train a network.

    Args:
        sources: the styles or the textures, images ``(height, width, 3)`` in [0, 1], of any sizes.
        config: all settings.
        params: parameters of the loss network.
        photographs: an endless iterator of batches ``(pictures, height, width, 3)`` that a style network learns to
            repaint (`subjective.feedforward.data.Photographs`); None for textures.
        steps: number of steps. None takes the number from the config. If the config has no number either, a texture
            network gets `TEXTURE_STEPS`, but a style network gets the steps for a single photograph, which are too
            few: for a style network, give the number here or in the config.
        state: the state from which the training continues; ``photographs`` must continue from the same step. None
            begins a new training.
        on_step: called after each step, with what is known of the step.

    Returns:
        The state after the last step.

    Raises:
        InputError: settings and sources do not fit together; or `PATIENCE` steps in a row had a loss or gradient that
            is not finite.
    """
    plan = plan_training(sources, config, params, steps)
    check_function("on_step", on_step, ["step"])
    if state is not None:
        check_kind("state", state, TrainState, "the state of a training")
    if photographs is not None or not config.texture:
        check_kind("photographs", photographs, Iterator, "an iterator of batches, for a style network")
    targets = measure_targets(sources, plan.objective, params)
    state = state or first_state(plan, config.seed)
    state, targets, params = replicate((state, targets, jax.tree.map(jnp.asarray, dict(params))), config.devices)
    step, still = compile_step(plan), 0
    for number in range(int(state.step), plan.steps):
        pictures = None if photographs is None else next(photographs)
        batch = make_batch(config, len(sources), number, pictures)
        state, report = step(state, share_batch(batch, config.devices), targets, params)
        report = jax.tree.map(lambda leaf: leaf.item(), report)
        on_step(TrainStep(number + 1, plan.steps, state=state, **report))
        still = 0 if report["moved"] else still + 1
        if still >= PATIENCE:
            raise InputError(
                f"{PATIENCE} steps one after the other had a loss or gradient that is not finite; the parameters are "
                f"those from before these steps: lower {setting('learning_rate')}, or the weights"
            )
    return state


def plan_training(
    sources: Sequence[np.ndarray], config: TrainConfig, params: Params, steps: int | None = None
) -> TrainPlan:
    """Check settings and sources; return the plan, which holds what is the same at each step.

    Args:
        sources: as in `train`.
        config: as in `train`.
        params: as in `train`.
        steps: as in `train`.

    Raises:
        InputError: settings and sources do not fit together.
    """
    check_kind("config", config, TrainConfig, "a TrainConfig")
    config.check()
    check_network(params)
    if steps is not None:
        check_number("steps", steps, at_least(1), whole=True)
    sources = check_list("sources", sources, "a list of images")
    for number, source in enumerate(sources, 1):
        check_map(f"source {number}", source, 3)
        check_image(f"source {number}", source)
        image_of(source, f"source {number}")
    if not sources:
        raise InputError("no source was given; give at least one picture")
    objective = make_objective(config, params, [(source.shape[0], source.shape[1]) for source in sources])
    if steps is None:
        steps = count_steps(config, 1)
    return TrainPlan(
        choose_architecture(config, len(sources)),
        objective,
        config.size,
        steps,
        config.learning_rate,
        config.decay,
        config.devices,
    )


def _draw(architecture: Architecture, params: Any, key: Any, size: tuple[int, int], blend: Any) -> Any:
    return build_network(architecture, params)(noise_for(key, size, architecture.depth), blend)


def _paint(architecture: Architecture, params: Any, image: Any, blend: Any) -> Any:
    return build_network(architecture, params)(image, blend)


_draw_compiled, _paint_compiled = jit(_draw, static_argnums=(0, 3)), jit(_paint, static_argnums=0)


def draw(
    architecture: Architecture, params: Any, size: tuple[int, int], blend: Sequence[float] | np.ndarray, seed: int
) -> np.ndarray:
    """Draw a texture.

    Args:
        architecture: kind and sizes of a texture network.
        params: parameters of the network.
        size: (height, width) in pixels. If both are multiples of 2^(``architecture.depth`` - 1), no scale of the
            network has to round its size up, and the texture tiles exactly.
        blend: share of each source; the shares sum to one.
        seed: seed of the random noise.

    Returns:
        Image ``(height, width, 3)`` in [0, 1].

    Raises:
        InputError: as in `subjective.feedforward.step.check_trained`, or an argument is of a wrong kind.
    """
    check_trained(architecture, params, "texture", blend)
    size = check_size("size", size)
    check_number("seed", seed, between(0, 2**32 - 1), whole=True)
    return np.asarray(_draw_compiled(architecture, params, jax.random.key(seed), size, jnp.asarray(blend, jnp.float32)))


def paint(
    architecture: Architecture, params: Any, image: np.ndarray, blend: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Repaint a picture in one piece; `subjective.feedforward.repaint.repaint_in_strips` needs less memory.

    Args:
        architecture: kind and sizes of a style network.
        params: parameters of the network.
        image: RGB in [0, 1], ``(height, width, 3)``.
        blend: share of each style; the shares sum to one.

    Returns:
        Image in [0, 1], of the same shape.

    Raises:
        InputError: as in `subjective.feedforward.step.check_trained`, or the image is no array of this shape.
    """
    check_trained(architecture, params, "style", blend)
    check_map("image", image, 3)
    image = image_of(image, "image")
    return np.asarray(
        _paint_compiled(architecture, params, jnp.asarray(image, jnp.float32), jnp.asarray(blend, jnp.float32))
    )
