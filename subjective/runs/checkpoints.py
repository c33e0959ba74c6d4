"""Write and read checkpoints: files that hold the position of a run, so that a killed run can be resumed.

A checkpoint is a safetensors file. Its tensors are the arrays of the position, named by number. Its metadata hold
everything else as JSON, with a digest of each array. A checkpoint is never incomplete: the file gets its name when all
its bytes are on the disk. Only then is the oldest checkpoint removed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO, get_args, get_origin, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np

from subjective.checks import InputError, describe
from subjective.files import open_regular, write_atomically
from subjective.network.formats.layout import one_line
from subjective.optimize.minimizer import Point, Result
from subjective.optimize.protocol import State
from subjective.runs.trace import is_count, is_number
from subjective.synthesis.coarse_to_fine import Position

KEPT = 2
"""Number of checkpoints that are kept: the newest, and the one before, in case the newest is damaged."""

# Checkpoints name these classes and their fields: do not rename them.
_CLASSES: dict[str, Any] = {kind.__name__: kind for kind in (Position, Point, State, Result)}
_TYPES = {"float64": "F64", "float32": "F32", "bfloat16": "BF16", "int64": "I64", "int32": "I32", "bool": "BOOL"}


# What a file of another form than `write` gives it raises while it is decoded.
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError)


def write(folder: Path, number: int, position: Position, facts: dict[str, Any]) -> Path:
    """Write a checkpoint, and remove all but the newest `KEPT` checkpoints.

    Args:
        folder: folder of the run.
        number: number of the checkpoint. Numbers rise during a run.
        position: where the run stands.
        facts: further values to keep in the checkpoint, as JSON.

    Returns:
        Path of the checkpoint.

    Raises:
        FileError: the file cannot be written. Earlier checkpoints are not changed.
    """
    arrays: list[np.ndarray] = []
    content = {"position": _encode(position, arrays), "facts": facts, "digests": []}
    path = folder / f"checkpoint-{number:06d}.safetensors"
    with write_atomically(path) as file:
        _write_tensors(file, arrays, content)
    remove(folder, KEPT)
    return path


def remove(folder: Path, kept: int) -> None:
    """Remove all checkpoints of a run but the newest ``kept``. What cannot be removed stays."""
    found = find(folder)
    for path in found[: max(len(found) - kept, 0)]:
        with contextlib.suppress(OSError):
            path.unlink()


def find(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, oldest first."""
    return sorted(folder.glob("checkpoint-[0-9]*.safetensors"))


def read(path: Path) -> tuple[Position, dict[str, Any]]:
    """Read a checkpoint.

    Returns:
        The position and the facts that were passed to `write`.

    Raises:
        InputError: the file is damaged, or another version of this program wrote it.
    """
    try:
        with open_regular(path, sys.maxsize) as file:
            left = os.fstat(file.fileno()).st_size - 8
            length = int.from_bytes(file.read(8), "little")
            if length > left:
                raise InputError("it ends too early")
            header = json.loads(file.read(length))
            arrays = _read_tensors(file, header, left - length)
        content = json.loads(header["__metadata__"]["content"])
        position, facts = _decode(content["position"], arrays), content["facts"]
        if not (isinstance(position, Position) and isinstance(facts, dict)):
            raise InputError("it holds no position of a run")
    except (*_DAMAGE, OSError) as error:
        raise InputError(one_line(f"{path.name} is damaged, or of another version ({error})")) from None
    return position, facts


def _encode(thing: Any, arrays: list[np.ndarray]) -> Any:
    """Convert a position, or a part of one, to JSON. Arrays are appended to ``arrays``; the JSON has their numbers."""
    if isinstance(thing, (np.ndarray, jax.Array)):
        arrays.append(np.asarray(thing))
        return {"array": len(arrays) - 1, "device": isinstance(thing, jax.Array)}
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
        return {"class": type(thing).__name__, "fields": {k: _encode(v, arrays) for k, v in fields.items()}}
    if isinstance(thing, dict):
        return {"dict": {key: _encode(value, arrays) for key, value in thing.items()}}
    if isinstance(thing, (tuple, list)):
        return {type(thing).__name__: [_encode(item, arrays) for item in thing]}
    if isinstance(thing, np.generic):
        return _encode(np.asarray(thing), arrays) | {"scalar": True}
    return thing


def _decode(thing: Any, arrays: list[np.ndarray]) -> Any:
    """Return the position, or the part of one, that `_encode` converted."""
    if not isinstance(thing, dict):
        return thing
    if "array" in thing:
        array = arrays[thing["array"]]
        return jnp.asarray(array) if thing["device"] else array[()] if thing.get("scalar") else array
    if "class" in thing:
        fields = {key: _decode(value, arrays) for key, value in thing["fields"].items()}
        kind = _CLASSES[thing["class"]]
        for name, hint in get_type_hints(kind).items():
            if name in fields and not _fits(fields[name], hint):
                raise InputError(f"the {name} of its {kind.__name__} is {describe(fields[name])}")
        return kind(**fields)
    if "dict" in thing:
        return {key: _decode(value, arrays) for key, value in thing["dict"].items()}
    (kind, items), *_ = thing.items()
    return {"tuple": tuple, "list": list}[kind](_decode(item, arrays) for item in items)


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a decoded value is of the type of its field, and no number is negative that counts something."""
    if hint is int:
        return is_count(value)
    if hint is float:
        return type(value) is float or is_number(value)
    if hint is jax.Array:
        return isinstance(value, (jax.Array, np.ndarray))
    if get_origin(hint) is dict:  # the arrays of a state
        arrays = (jax.Array, np.ndarray, np.generic)
        return isinstance(value, dict) and all(isinstance(array, arrays) for array in value.values())
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(isinstance(item, get_args(hint)[0]) for item in value)
    return hint is Any or isinstance(value, hint)


def _write_tensors(file: BinaryIO, arrays: list[np.ndarray], content: dict[str, Any]) -> None:
    """Write a safetensors file array by array. The safetensors library would need memory for a copy of all arrays."""
    header: dict[str, Any] = {}
    end = 0
    for number, array in enumerate(arrays):
        start, end = end, end + array.nbytes
        header[str(number)] = {
            "dtype": _TYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
        content["digests"].append(_digest(_bytes_of(array)))
    header["__metadata__"] = {"content": json.dumps(content)}
    header["__metadata__"]["digest"] = _digest(json.dumps(header).encode())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for array in arrays:
        file.write(_bytes_of(array))


def _read_tensors(file: BinaryIO, header: dict[str, Any], left: int) -> list[np.ndarray]:
    """Read the arrays after a header. Check the digests of the header and of each array.

    Args:
        file: the file, after the header.
        header: the header; its own digest is removed.
        left: number of bytes that follow. No more are allocated.
    """
    digest = header["__metadata__"].pop("digest")
    if _digest(json.dumps(header).encode()) != digest:
        raise InputError("its header has changed since it was written")
    names = {kind: name for name, kind in _TYPES.items()}
    arrays = []
    for number, digest in enumerate(json.loads(header["__metadata__"]["content"])["digests"]):
        entry = header[str(number)]
        shape, dtype = tuple(entry["shape"]), jnp.dtype(names[entry["dtype"]])
        left -= math.prod(shape) * dtype.itemsize
        if not all(type(length) is int and length >= 0 for length in shape) or left < 0:
            raise InputError("it ends too early")
        array = np.empty(shape, dtype)
        if file.readinto(_bytes_of(array)) != array.nbytes:  # type: ignore[attr-defined]
            raise InputError("it ends too early")
        if _digest(_bytes_of(array)) != digest:
            raise InputError("its numbers have changed since they were written")
        arrays.append(array)
    return arrays


def _digest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _bytes_of(array: np.ndarray) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
