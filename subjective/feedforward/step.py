"""One step of training, and the state of a training: pure functions of arrays.

The pictures of a step are divided among several devices. Each device computes the gradient of its own pictures. The
mean of these gradients then changes the parameters in the same way on every device. A step whose loss or gradient is
not finite changes nothing.
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

from subjective.arguments import check_kind, check_numbers
from subjective.checks import WEIGHT, InputError, count_of, describe
from subjective.compilation import jit
from subjective.devices import SHARES, mesh_of
from subjective.feedforward.config import TrainConfig
from subjective.feedforward.loss import Objective
from subjective.feedforward.networks import Architecture, Kind, noise_for

LAST_SHARE = 0.01
"""Learning rate at the last step, as a share of the largest learning rate."""

RISING_PARTS = 20
"""The learning rate rises over the first 1 / `RISING_PARTS` of the steps. Without this rise, large first steps may make
all pictures of a network gray, and for gray pictures the gradient almost vanishes (`experiments/LOG.md`,
2026-11-21)."""

MOST_RISING = 100
"""Largest number of steps over which the learning rate rises."""

SLACK = 1e-3
"""The shares of a blend may sum to a number this far from 1, because numbers are rounded."""

ONE_SOURCE = 0.5
"""Probability that a picture of a batch has one source alone; otherwise the picture has a random blend of all."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """The state of a training: everything that a step changes.

    Attributes:
        params: the network's parameters, a nested dict of arrays.
        optimizer: state of Adam: the moments of the gradient and the number of updates.
        step: number of steps that were made, including the steps that changed nothing.
    """

    params: Any
    optimizer: Any
    step: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Batch:
    """The pictures to repaint, or the keys of the noise, of one step.

    Attributes:
        blends: share of each source, ``(pictures, sources)``.
        pictures: pictures to repaint, ``(pictures, height, width, 3)``; None for textures.
        keys: random keys, one for the noise of each texture; None for networks that repaint.
    """

    blends: Any
    pictures: Any = None
    keys: Any = None


@dataclasses.dataclass(frozen=True)
class TrainPlan:
    """Everything that is the same at each step. Hashable, so that a plan can key a compiled function.

    Attributes:
        architecture: kind and sizes of the network.
        objective: the loss.
        size: side in pixels of the square pictures.
        steps: number of steps of the training; the learning rate depends on it if ``decay`` is true.
        learning_rate: Adam's learning rate; if ``decay`` is true, the largest learning rate.
        decay: whether the learning rate rises over the first steps and then falls.
        devices: number of devices that share the pictures of a step.
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
        """Adam, with a constant learning rate, or with the schedule that `decay` asks for."""
        rate: Any = self.learning_rate
        if self.decay:
            rising = min(self.steps // RISING_PARTS, MOST_RISING)
            rate = optax.warmup_cosine_decay_schedule(
                self.learning_rate / (rising + 1),
                self.learning_rate,
                rising,
                max(self.steps, rising + 1),
                LAST_SHARE * self.learning_rate,
            )
        return optax.adam(rate, b1=0.9, b2=0.999)


def parameters_of(network: nnx.Module) -> Any:
    """Return a network's parameters as a nested dict of arrays."""
    return nnx.to_pure_dict(nnx.state(network, nnx.Param))


def build_network(architecture: Architecture, params: Any) -> Any:
    """Build a network with given parameters.

    Args:
        architecture: kind and sizes of the network.
        params: parameters of a network of the same architecture, from `parameters_of`.
    """
    graph, state = _structure(architecture)
    state = jax.tree.map(lambda leaf: leaf, state)  # a copy, because `_structure` caches the original
    nnx.replace_by_pure_dict(state, params)
    return nnx.merge(graph, state)


def parameter_shapes(architecture: Architecture) -> Any:
    """Return the shapes of a network's parameters, in the structure of `parameters_of`; nothing is computed."""
    return nnx.to_pure_dict(_structure(architecture)[1])


def check_trained(architecture: Any, params: Any, kind: Kind, blend: Any) -> None:
    """Check what a trained network is applied with.

    Args:
        architecture: of the network.
        params: parameters of the network.
        kind: the kind that is wanted.
        blend: share of each source.

    Raises:
        InputError: the network is of another kind, the parameters belong to another architecture, or the shares are
            not as many as the sources or do not sum to one.
    """
    check_kind("architecture", architecture, Architecture, "the architecture of a network")
    if architecture.kind != kind:
        raise InputError(f"the network is a {architecture.kind} network; wanted a {kind} network")
    found, shapes = (jax.tree.leaves_with_path(tree) for tree in (params, parameter_shapes(architecture)))
    if [(path, getattr(leaf, "shape", None)) for path, leaf in found] != [(path, leaf.shape) for path, leaf in shapes]:
        raise InputError(f"params is {describe(params)}; wanted the parameters of the architecture")
    shares = check_numbers("blend", blend, WEIGHT, "a share for each source")
    if len(shares) != architecture.sources or abs(sum(shares) - 1) > SLACK:
        wanted = count_of(architecture.sources, "share")
        raise InputError(f"blend is {' '.join(f'{share:g}' for share in shares)}; wanted {wanted} that sum to 1")


@lru_cache(maxsize=8)
def _structure(architecture: Architecture) -> tuple[Any, Any]:
    """Return the graph of a network, and the shapes of its parameters; nothing is computed."""
    return nnx.split(nnx.eval_shape(architecture.build))


def first_state(plan: TrainPlan, seed: int) -> TrainState:
    """Return the state in which a training begins; ``seed`` determines the random parameters."""
    params = parameters_of(plan.architecture.build(seed))
    return TrainState(params, plan.adam.init(params), jnp.zeros((), jnp.int32))


@lru_cache(maxsize=8)
def compile_step(plan: TrainPlan) -> Callable[[TrainState, Batch, Any, Any], tuple[TrainState, dict[str, Array]]]:
    """Return the compiled function that makes a step.

    Args:
        plan: everything that is the same at each step.

    Returns:
        ``step(state, batch, targets, vgg) -> (state, report)``. The report is a dict with ``loss``, ``parts`` (of the
        loss, by name), ``gradient_norm`` and ``moved``. ``moved`` is False if the loss or the gradient was not finite;
        the parameters and Adam's state are then unchanged.
    """
    mesh = mesh_of(plan.devices)

    def of_device(params: Any, batch: Batch, targets: Any, vgg: Any) -> Any:
        """Return the loss, its parts and the gradient: means over the device's pictures, then over all devices."""

        def mean_loss(params: Any) -> Any:
            network = build_network(plan.architecture, params)
            losses, parts = jax.vmap(partial(_loss, network, plan), in_axes=(0, None, None))(batch, targets, vgg)
            return losses.mean(), jax.tree.map(jnp.mean, parts)

        found = jax.value_and_grad(mean_loss, has_aux=True)(params)
        return jax.tree.map(lambda leaf: jax.lax.pmean(leaf, SHARES), found)

    whole, shared = PartitionSpec(), PartitionSpec(SHARES)
    everywhere = jax.shard_map(
        of_device, mesh=mesh, in_specs=(whole, shared, whole, whole), out_specs=whole, check_vma=False
    )

    def step(state: TrainState, batch: Batch, targets: Any, vgg: Any) -> tuple[TrainState, dict[str, Any]]:
        (loss, parts), gradient = everywhere(state.params, batch, targets, vgg)
        updates, optimizer = plan.adam.update(gradient, state.optimizer, state.params)
        norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)))
        moved = jnp.isfinite(loss) & jnp.isfinite(norm)
        after = (optax.apply_updates(state.params, updates), optimizer)
        kept = jax.tree.map(lambda new, old: jnp.where(moved, new, old), after, (state.params, state.optimizer))
        report = {"loss": loss, "parts": parts, "gradient_norm": norm, "moved": moved}
        return TrainState(kept[0], kept[1], state.step + 1), report

    return jit(step)


def _loss(network: Any, plan: TrainPlan, one: Batch, targets: Any, vgg: Any) -> Any:
    """Return the loss of one picture of a batch, and the parts of the loss by name."""
    if one.keys is not None:
        noise = noise_for(one.keys, (plan.size, plan.size), plan.architecture.depth)
        return plan.objective.loss(network(noise, one.blends), None, one.blends, targets, vgg)
    return plan.objective.loss(network(one.pictures, one.blends), one.pictures, one.blends, targets, vgg)


def share_batch(batch: Batch, devices: int) -> Batch:
    """Divide the pictures of a batch among a number of devices."""
    sharding = NamedSharding(mesh_of(devices), PartitionSpec(SHARES))
    return jax.tree.map(lambda leaf: jax.device_put(leaf, sharding), batch)


def replicate(tree: Any, devices: int) -> Any:
    """Copy a tree of arrays to each of a number of devices."""
    mesh: Mesh = mesh_of(devices)
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def make_batch(config: TrainConfig, sources: int, step: int, pictures: np.ndarray | None = None) -> Batch:
    """Make the batch of a step. The same step of the same config always gives the same blends and noise.

    Args:
        config: gives the seed and the number of pictures in a batch.
        sources: number of sources.
        step: number of the step, counted from 0.
        pictures: pictures to repaint, ``(pictures, height, width, 3)``; None for textures.
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
