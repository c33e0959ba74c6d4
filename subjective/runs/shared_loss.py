"""Losses whose evaluations the processes of a run share; see `subjective.runs.processes`.

The leader moves the picture, and its optimizer and everything else see a loss like any other. For each loss, the leader
sends the members the program of its value and gradient, as `jax.export` writes it; for each set of arguments, the
arrays; for each evaluation, the picture. So members know nothing of textures, and compute exactly the leader's program.
The optimizer runs in the leader alone. Were it to run in each process alike, each would have to decide alike, from
numbers and clocks of its own, which operation comes next; otherwise all would wait for each other for ever. The price
is that picture and gradient travel once an evaluation, and that the leader has the optimizer's arrays of the whole
picture. The feature maps, which take ten times as much memory, are shared.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

from subjective.compilation import compiler_options
from subjective.devices import SHARES, mesh_of, share_out
from subjective.optimize.protocol import Loss
from subjective.runs.processes import Leader, Order
from subjective.synthesis.problem import Job
from subjective.synthesis.stages import Stage


class Program:
    """The value and gradient of a loss, compiled for the devices of all processes. All compute it together.

    Attributes:
        memory: what the compiler says about the memory of a device.
    """

    def __init__(self, data: bytes | bytearray):
        """Compile a program.

        Args:
            data: a function ``(picture, *arrays) -> (scalars, gradient)``, as `jax.export` serializes it.
        """
        exported = export.deserialize(bytearray(data))
        self._shapes = [jax.ShapeDtypeStruct(one.shape, one.dtype) for one in exported.in_avals]
        function = jax.jit(
            exported.call,
            in_shardings=_shardings(self._shapes),
            out_shardings=_everywhere(),
            compiler_options=compiler_options(),
        )
        self._compiled = function.lower(*self._shapes).compile()
        self.memory = self._compiled.memory_analysis()

    def __call__(self, picture: np.ndarray | None, arrays: Sequence[jax.Array]) -> tuple[np.ndarray, jax.Array]:
        """Evaluate the loss, together with all processes.

        Args:
            picture: the picture; None in a member, which gets the leader's.
            arrays: the further arrays, from `place`.

        Returns:
            The loss and its parts in one array, and the gradient, both whole.
        """
        shape = self._shapes[0]
        given = np.zeros(shape.shape, shape.dtype) if picture is None else picture
        shared = share_out(np.asarray(multihost_utils.broadcast_one_to_all(given)), jax.device_count())
        scalars, gradient = self._compiled(shared, *arrays)
        return np.asarray(scalars.addressable_data(0)), gradient.addressable_data(0)


def place(array: np.ndarray) -> jax.Array:
    """Put an array, which all processes have, on all devices."""
    return jax.make_array_from_callback(array.shape, _everywhere(), lambda index: array[index])


def _everywhere() -> NamedSharding:
    return NamedSharding(mesh_of(jax.device_count()), PartitionSpec())


def _shardings(shapes: Sequence[jax.ShapeDtypeStruct]) -> tuple[NamedSharding, ...]:
    """Return where arguments are: the first, ``(…, height, width, channels)``, as `share_out` divides it."""
    mesh, (*before, height, _, _) = mesh_of(jax.device_count()), shapes[0].shape
    rows = SHARES if height % mesh.size == 0 else None
    return NamedSharding(mesh, PartitionSpec(*[None] * len(before), rows)), *[_everywhere()] * (len(shapes) - 1)


class Follower:
    """Follows the leader's orders in a member."""

    def __init__(self) -> None:
        """Begin without any program."""
        self._programs: dict[int, Program] = {}
        self._arrays: dict[int, jax.Array] = {}

    def __call__(self, order: Order, data: bytearray) -> None:
        """Follow an order; see `SharedLosses`, which gives them."""
        if order["do"] == "compile":
            self._programs[order["program"]] = Program(data)
        elif order["do"] == "keep":
            array = np.frombuffer(data, jnp.dtype(order["dtype"])).reshape(order["shape"])
            self._arrays[order["array"]] = place(array)
        elif order["do"] == "evaluate":
            numbers = order["arrays"]
            self._arrays = {number: self._arrays[number] for number in dict.fromkeys(numbers)}
            self._programs[order["program"]](None, [self._arrays[number] for number in numbers])


class SharedLosses:
    """The leader's side: what the members have been sent."""

    def __init__(self, leader: Leader):
        """Begin with nothing sent."""
        self.leader = leader
        self._evaluations: dict[Loss, SharedEvaluation] = {}
        self._sent = self._arrays = 0
        self._placed: dict[bytes, tuple[int, jax.Array]] = {}
        self._known: dict[int, tuple[Any, bytes]] = {}

    def share(self, job: Job) -> Job:
        """Return a job whose losses all processes evaluate."""

        def problem(stage: Stage, picture: int = 0, attempt: int = 0) -> tuple[Loss, Any]:
            loss, arguments = job.problem(stage, picture, attempt)
            return SharedLoss(loss, self), arguments

        prepare = job.prepare
        again = None if prepare is None else lambda config: self.share(prepare(config))
        return dataclasses.replace(job, problem=problem, prepare=again)

    def evaluation(self, loss: Loss) -> SharedEvaluation:
        """Return the value and gradient of a loss: the same object for the same loss."""
        if loss not in self._evaluations:
            self._evaluations[loss] = SharedEvaluation(loss, self)
        return self._evaluations[loss]

    def compile(self, data: bytes) -> tuple[int, Program]:
        """Compile a program in all processes at the same time; return its number and the program."""
        self._sent += 1
        self.leader.order({"do": "compile", "program": self._sent, "answer": True}, data)
        with self.leader.computing():  # on GPUs, compilers of all processes work together
            program = Program(data)
        self.leader.wait()  # so that no evaluation takes longer because a member still compiles
        return self._sent, program

    def evaluate(
        self, number: int, program: Program, picture: np.ndarray, arrays: Sequence[Any]
    ) -> tuple[np.ndarray, jax.Array]:
        """Evaluate a program in all processes.

        Args:
            number: number of the program.
            program: the program.
            picture: the picture.
            arrays: the program's further arrays, which are sent unless the members have them from the last evaluation.
        """
        digests = [self._keep(array) for array in arrays]
        self._placed = {digest: self._placed[digest] for digest in digests}
        self._known = {id(array): self._known[id(array)] for array in arrays}
        placed = [self._placed[digest] for digest in digests]
        with self.leader.computing():
            self.leader.order({"do": "evaluate", "program": number, "arrays": [one for one, _ in placed]})
            return program(picture, [array for _, array in placed])

    def _keep(self, array: Any) -> bytes:
        """Send an array unless the members have it; return its digest."""
        if id(array) in self._known:
            return self._known[id(array)][1]
        host = np.ascontiguousarray(array)
        data = host.reshape(-1).view(np.uint8).data
        digest = hashlib.blake2b(data, salt=f"{host.dtype.name}".encode()[:16], person=_short(host.shape)).digest()
        if digest not in self._placed:
            self._arrays += 1
            kept = {"do": "keep", "array": self._arrays, "dtype": host.dtype.name, "shape": list(np.shape(array))}
            self.leader.order(kept, data)
            self._placed[digest] = self._arrays, place(host.reshape(np.shape(array)))
        self._known[id(array)] = array, digest  # the array stays, so that no other gets its id
        return digest


def _short(shape: Sequence[int]) -> bytes:
    return hashlib.blake2b(repr(tuple(shape)).encode(), digest_size=16).digest()


@dataclasses.dataclass(frozen=True)
class SharedLoss:
    """A loss that all processes evaluate together; see `subjective.optimize.protocol.Shared`.

    Attributes:
        loss: the loss.
        losses: what the members have been sent.
    """

    loss: Loss
    losses: SharedLosses

    def __call__(self, value: Any, *arguments: Any) -> Any:
        """Return the loss, computed in this process alone."""
        return self.loss(value, *arguments)

    def value_and_gradient(self) -> SharedEvaluation:
        """Return the function that evaluates the loss and its gradient in all processes."""
        return self.losses.evaluation(self.loss)


class SharedEvaluation:
    """The function ``(value, *arguments) -> ((scalar, parts), gradient)`` of a loss that all processes evaluate."""

    def __init__(self, loss: Loss, losses: SharedLosses):
        """Compile nothing yet."""
        self._loss, self._losses = loss, losses
        self._programs: dict[Any, tuple[int, Program, Any]] = {}

    def __call__(self, value: Any, *arguments: Any) -> Any:
        """Evaluate the loss and its gradient; the arrays that are returned are whole, and of this process."""
        leaves, structure = jax.tree.flatten(arguments)
        leaves = [leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf) for leaf in leaves]
        number, program, parts = self._program(value, leaves, structure)
        scalars, gradient = self._losses.evaluate(number, program, np.asarray(value), leaves)
        return (scalars[0], jax.tree.unflatten(parts, list(scalars[1:]))), gradient

    def lower(self, value: Any, *arguments: Any) -> SharedEvaluation.Lowered:
        """Prepare to compile, as functions of `jax.jit` do."""
        leaves, structure = jax.tree.flatten(arguments)
        return self.Lowered(lambda: self._program(value, leaves, structure)[1])

    @dataclasses.dataclass(frozen=True)
    class Lowered:
        """A program that is not compiled yet."""

        make: Any

        def compile(self) -> SharedEvaluation.Compiled:
            """Compile the program in all processes."""
            return SharedEvaluation.Compiled(self.make())

    @dataclasses.dataclass(frozen=True)
    class Compiled:
        """A program that is compiled."""

        program: Program

        def memory_analysis(self) -> Any:
            """Return what the compiler says about the memory of a device."""
            return self.program.memory

    def _program(self, value: Any, leaves: Sequence[Any], structure: Any) -> tuple[int, Program, Any]:
        """Return the number of a program, the program, and the structure of the loss's parts."""
        shapes = tuple(_shape_of(leaf) for leaf in (value, *leaves))
        key = structure, tuple((one.shape, one.dtype) for one in shapes)
        if key not in self._programs:
            data, parts = self._export(shapes, structure)
            self._programs[key] = *self._losses.compile(data), parts
        return self._programs[key]

    def _export(self, shapes: Sequence[jax.ShapeDtypeStruct], structure: Any) -> tuple[bytes, Any]:
        """Return the serialized program, and the structure of the loss's parts."""
        structures: list[Any] = []

        def evaluate(value: Any, *leaves: Any) -> Any:
            arguments = jax.tree.unflatten(structure, leaves)
            (loss, parts), gradient = jax.value_and_grad(self._loss, has_aux=True)(value, *arguments)
            scalars, found = jax.tree.flatten(parts)
            structures.append(found)
            return jnp.stack([loss, *scalars]), gradient

        exported = export.export(jax.jit(evaluate, in_shardings=_shardings(shapes)))(*shapes)
        return bytes(exported.serialize()), structures[-1]


def _shape_of(leaf: Any) -> jax.ShapeDtypeStruct:
    """Return shape and number type of an array, a number, or what has both."""
    return jax.ShapeDtypeStruct(np.shape(leaf), jnp.result_type(leaf))
