"""One step of training, and where a training stands: pure functions of arrays.

The pictures of a step are shared out over a mesh of devices; each computes the gradient of its own, and their mean
moves the parameters, which are the same on all. A step whose loss or gradient is not finite moves nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from subjective.compilation import jit
from subjective.devices import SHARES, mesh_of
from subjective.feedforward.config import TrainConfig
from subjective.feedforward.loss import Objective
from subjective.feedforward.networks import Architecture, noise_for

LAST_SHARE = 0.01
"""Of the learning rate, at the last step."""

RISING, MOST_RISING = 20, 100
"""One in so many steps, but not more than so many, over which the learning rate rises: a network that begins with full
steps may end grey, where hardly any gradient is left (`experiments/LOG.md`, 2026-11-21)."""

ONE_SOURCE = 0.5
"""Share of a step's pictures that are of one source, where there are several; the others are of random blends."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    """Where a training stands.

    Attributes:
        params: the network's, as a nested dict of arrays.
        optimizer: Adam's moments.
        step: steps made, those that moved nothing included.
    """

    params: Any
    optimizer: Any
    step: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Batch:
    """What a step learns from.

    Attributes:
        blends: ``(pictures, sources)``.
        pictures: ``(pictures, height, width, 3)`` to be repainted; None for textures.
        keys: of the noise of textures; None for pictures.
    """

    blends: Any
    pictures: Any = None
    keys: Any = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """What does not change from step to step. Hashable, so that it can key a compiled function.

    Attributes:
        architecture: of the network.
        objective: what is minimized.
        size: side of the pictures.
        steps: how many there will be, for the learning rate.
        learning_rate: of the first.
        decay: whether it rises first and then goes down.
        devices: how many share the pictures.
    """

    architecture: Architecture
    objective: Objective
    size: int
    steps: int
    learning_rate: float
    decay: bool
    devices: int

    @property
    def adam(self) -> optax.GradientTransformation:
        """The optimizer."""
        rate: Any = self.learning_rate
        if self.decay:
            rising = min(self.steps // RISING, MOST_RISING)
            rate = optax.warmup_cosine_decay_schedule(
                self.learning_rate / (rising + 1),
                self.learning_rate,
                rising,
                max(self.steps, rising + 1),
                LAST_SHARE * self.learning_rate,
            )
        return optax.adam(rate, b1=0.9, b2=0.999)


def parameters_of(network: nnx.Module) -> Any:
    """A network's parameters as a nested dict of arrays."""
    return nnx.to_pure_dict(nnx.state(network, nnx.Param))


def with_parameters(architecture: Architecture, params: Any) -> Any:
    """A network with these parameters.

    Args:
        architecture: of the network.
        params: from `parameters_of` one of the same architecture.
    """
    graph, state = _structure(architecture)
    state = jax.tree.map(lambda leaf: leaf, state)  # a copy: the one that is kept stays as it is
    nnx.replace_by_pure_dict(state, params)
    return nnx.merge(graph, state)


def parameter_shapes(architecture: Architecture) -> Any:
    """The parameters' shapes, without computing a number, in the structure of `parameters_of`."""
    return nnx.to_pure_dict(_structure(architecture)[1])


@lru_cache(maxsize=8)
def _structure(architecture: Architecture) -> tuple[Any, Any]:
    """What a network consists of, without computing a number."""
    return nnx.split(nnx.eval_shape(architecture.build))


def first_state(plan: Plan, seed: int) -> State:
    """Where a training begins."""
    params = parameters_of(plan.architecture.build(seed))
    return State(params, plan.adam.init(params), jnp.zeros((), jnp.int32))


@lru_cache(maxsize=8)
def step_of(plan: Plan) -> Callable[[State, Batch, Any, Any], tuple[State, dict[str, Array]]]:
    """The function that makes a step.

    Returns:
        ``step(state, batch, targets, vgg) -> (state, report)``: the report has ``loss``, ``parts`` by name,
        ``gradient_norm`` and ``moved``, which is False where something was not finite and the state is as it was.
    """
    mesh = mesh_of(plan.devices)

    def of_device(params: Any, batch: Batch, targets: Any, vgg: Any) -> Any:
        def mean_loss(params: Any) -> Any:
            network = with_parameters(plan.architecture, params)
            losses, parts = jax.vmap(partial(_loss, network, plan), in_axes=(0, None, None))(batch, targets, vgg)
            return losses.mean(), jax.tree.map(jnp.mean, parts)

        found = jax.value_and_grad(mean_loss, has_aux=True)(params)
        return jax.tree.map(lambda leaf: jax.lax.pmean(leaf, SHARES), found)

    whole, shared = PartitionSpec(), PartitionSpec(SHARES)
    everywhere = jax.shard_map(
        of_device, mesh=mesh, in_specs=(whole, shared, whole, whole), out_specs=whole, check_vma=False
    )

    def step(state: State, batch: Batch, targets: Any, vgg: Any) -> tuple[State, dict[str, Any]]:
        (loss, parts), gradient = everywhere(state.params, batch, targets, vgg)
        updates, optimizer = plan.adam.update(gradient, state.optimizer, state.params)
        norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)))
        moved = jnp.isfinite(loss) & jnp.isfinite(norm)
        after = (optax.apply_updates(state.params, updates), optimizer)
        kept = jax.tree.map(lambda new, old: jnp.where(moved, new, old), after, (state.params, state.optimizer))
        report = {"loss": loss, "parts": parts, "gradient_norm": norm, "moved": moved}
        return State(kept[0], kept[1], state.step + 1), report

    return jit(step)


def _loss(network: Any, plan: Plan, one: Batch, targets: Any, vgg: Any) -> Any:
    """Of one picture of a batch."""
    if one.keys is not None:
        noise = noise_for(one.keys, (plan.size, plan.size), plan.architecture.depth)
        return plan.objective.loss(network(noise, one.blends), None, one.blends, targets, vgg)
    return plan.objective.loss(network(one.pictures, one.blends), one.pictures, one.blends, targets, vgg)


def on_mesh(batch: Batch, devices: int) -> Batch:
    """A batch with its pictures shared out over so many devices."""
    sharding = NamedSharding(mesh_of(devices), PartitionSpec(SHARES))
    return jax.tree.map(lambda leaf: jax.device_put(leaf, sharding), batch)


def replicated(tree: Any, devices: int) -> Any:
    """Arrays that are whole on each of so many devices."""
    mesh: Mesh = mesh_of(devices)
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def batch_of(config: TrainConfig, sources: int, step: int, pictures: np.ndarray | None = None) -> Batch:
    """What step number ``step`` learns from: the same whenever it is asked for.

    Args:
        config: seed, size of a batch.
        sources: how many.
        step: its number.
        pictures: to be repainted; None for textures.
    """
    random = np.random.default_rng((config.seed, step))
    blends = random.dirichlet(np.ones(sources), config.batch)
    one = np.eye(sources)[random.integers(sources, size=config.batch)]
    alone = random.random(config.batch) < ONE_SOURCE
    blends = np.where(alone[:, np.newaxis], one, blends).astype(np.float32)
    if pictures is not None:
        return Batch(blends, np.asarray(pictures, np.float32))
    keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed), step), config.batch)
    return Batch(blends, keys=keys)
