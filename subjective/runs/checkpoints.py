"""Checkpoints: a position on disk, whole or not at all, so that a run that is killed goes on from there.

A file is a safetensors file: the arrays by number, and in its metadata the rest as JSON with a digest of each array.
It is written beside the last two, which are the newest that are kept, and takes its name when it is on the disk.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, BinaryIO

import jax
import jax.numpy as jnp
import numpy as np

from subjective.checks import InputError
from subjective.images import write_atomically
from subjective.optimize.minimizer import Point, Result
from subjective.optimize.protocol import State
from subjective.synthesis.coarse_to_fine import Position

KEPT = 2
"""Checkpoints of a run that are kept: the newest, and one to fall back to."""

_CLASSES: dict[str, Any] = {kind.__name__: kind for kind in (Position, Point, State, Result)}
_TYPES = {"float64": "F64", "float32": "F32", "bfloat16": "BF16", "int64": "I64", "int32": "I32", "bool": "BOOL"}


def write(folder: Path, number: int, position: Position, facts: dict[str, Any]) -> Path:
    """Write a checkpoint, and remove those that are older than the one before it.

    Args:
        folder: of the run.
        number: of the checkpoint, counted on.
        position: where the run stands.
        facts: JSON to be kept with it.

    Raises:
        OSError: no room; the checkpoints before are as they were.
    """
    arrays: list[np.ndarray] = []
    content = {"position": _encoded(position, arrays), "facts": facts, "digests": []}
    path = folder / f"checkpoint-{number:06d}.safetensors"
    with write_atomically(path) as file:
        _write_tensors(file, arrays, content)
    for old in find(folder)[:-KEPT]:
        old.unlink()
    return path


def remove_unfinished(folder: Path) -> None:
    """Remove what is left of writing that was killed."""
    for path in folder.glob(".checkpoint-*.tmp"):
        path.unlink(missing_ok=True)


def find(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(folder.glob("checkpoint-[0-9]*.safetensors"))


def read(path: Path) -> tuple[Position, dict[str, Any]]:
    """A position, and the facts kept with it.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            arrays = _read_tensors(file, header)
        content = json.loads(header["__metadata__"]["content"])
        position = _decoded(content["position"], arrays)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise InputError(f"{path.name} is damaged, or of another version ({error})") from None
    return position, content["facts"]


def _encoded(thing: Any, arrays: list[np.ndarray]) -> Any:
    """As JSON; arrays are put aside and numbered."""
    if isinstance(thing, (np.ndarray, jax.Array)):
        arrays.append(np.asarray(thing))
        return {"array": len(arrays) - 1, "device": isinstance(thing, jax.Array)}
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
        return {"class": type(thing).__name__, "fields": {k: _encoded(v, arrays) for k, v in fields.items()}}
    if isinstance(thing, dict):
        return {"dict": {key: _encoded(value, arrays) for key, value in thing.items()}}
    if isinstance(thing, (tuple, list)):
        return {type(thing).__name__: [_encoded(item, arrays) for item in thing]}
    if isinstance(thing, np.generic):
        return _encoded(np.asarray(thing), arrays) | {"scalar": True}
    return thing


def _decoded(thing: Any, arrays: list[np.ndarray]) -> Any:
    if not isinstance(thing, dict):
        return thing
    if "array" in thing:
        array = arrays[thing["array"]]
        return jnp.asarray(array) if thing["device"] else array[()] if thing.get("scalar") else array
    if "class" in thing:
        fields = {key: _decoded(value, arrays) for key, value in thing["fields"].items()}
        return _CLASSES[thing["class"]](**fields)
    if "dict" in thing:
        return {key: _decoded(value, arrays) for key, value in thing["dict"].items()}
    (kind, items), *_ = thing.items()
    return {"tuple": tuple, "list": list}[kind](_decoded(item, arrays) for item in items)


def _write_tensors(file: BinaryIO, arrays: list[np.ndarray], content: dict[str, Any]) -> None:
    """Array by array from where they lie: the library would first gather them all in a copy."""
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


def _read_tensors(file: BinaryIO, header: dict[str, Any]) -> list[np.ndarray]:
    digest = header["__metadata__"].pop("digest")
    if _digest(json.dumps(header).encode()) != digest:
        raise InputError("its header is not what was written")
    names = {kind: name for name, kind in _TYPES.items()}
    arrays = []
    for number, digest in enumerate(json.loads(header["__metadata__"]["content"])["digests"]):
        entry = header[str(number)]
        array = np.empty(entry["shape"], jnp.dtype(names[entry["dtype"]]))
        if file.readinto(_bytes_of(array)) != array.nbytes:  # type: ignore[attr-defined]
            raise InputError("it ends too early")
        if _digest(_bytes_of(array)) != digest:
            raise InputError("its numbers are not those that were written")
        arrays.append(array)
    return arrays


def _digest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _bytes_of(array: np.ndarray) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
