"""The file of a trained network: a safetensors file whose metadata describes the network.

The tensors are the parameters in float32, under their dotted names. The metadata's entry ``subjective`` holds JSON: the
format, its version, the architecture, a digest of the parameters, and how the network was trained.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from subjective.arguments import check_kind, check_path
from subjective.checks import InputError, describe, file_errors
from subjective.feedforward.networks import Architecture
from subjective.files import write_bytes
from subjective.network import weights
from subjective.network.formats import native
from subjective.network.formats.layout import one_line

FORMAT = "subjective feed-forward network"
"""Name of the format in the metadata."""

VERSION = 1
"""Version of the format that this program reads and writes; a file of another version is refused."""

KEY = "subjective"
"""Entry of the metadata that holds the description as JSON."""

SUFFIX = ".safetensors"

FOLDER = "networks"
"""Name of the folder for networks that can be read by name, in a folder of loss networks; see `folders`."""


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A trained network.

    Attributes:
        architecture: kind and sizes of the network.
        params: nested dict of arrays, as from `subjective.feedforward.step.parameters_of`.
        facts: how the network was trained, as values for JSON: settings, sources with their sha256, number of steps,
            version of this program.
    """

    architecture: Architecture
    params: Any
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


def write(path: str | Path, network: TrainedNetwork) -> None:
    """Write a network to a file. If writing fails, the file stays as it was.

    Args:
        path: the file; its name should end in ``.safetensors``.
        network: the network.

    Raises:
        InputError: the network is no `TrainedNetwork`, or the path is no path.
        FileError: the file cannot be written.
    """
    target = check_path("path", path)
    check_kind("network", network, TrainedNetwork, "a TrainedNetwork")
    tensors = {name: np.asarray(leaf, np.float32) for name, leaf in flatten(network.params).items()}
    described = {
        "format": FORMAT,
        "version": VERSION,
        "architecture": dataclasses.asdict(network.architecture),
        "digest": _digest(tensors),
        "facts": network.facts,
    }
    write_bytes(target, safetensors.numpy.save(tensors, {KEY: json.dumps(described, sort_keys=True)}))


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of the names and numbers of all tensors, sorted by name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + np.ascontiguousarray(tensors[name], "<f4").tobytes())
    return digest.hexdigest()


def read(name_or_path: str | Path) -> TrainedNetwork:
    """Read a network.

    Args:
        name_or_path: path of a file, or the name of a network that comes with the package or lies in the user's data
            folder.

    Raises:
        InputError: no file has this path and no network has this name; or the file holds no network, is damaged, or is
            of another version.
    """
    path = find(name_or_path)
    found: list[tuple[Architecture, dict[str, Any]]] = []

    def check(shapes: dict[str, tuple[int, ...]], metadata: dict[str, str]) -> None:
        found.append(_check_head(path, shapes, metadata))

    try:
        if path.parent in folders():
            native.verify(path)
        tensors, _ = native.read_tensors(path, check)
    except _HeadError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(
            f"{str(path)!r} cannot be read as a network ({error}); wanted a file that `train` made"
        ) from None
    architecture, described = found[0]
    if any(tensor.dtype != np.float32 for tensor in tensors.values()) or _digest(tensors) != described["digest"]:
        raise _damaged(path, "its numbers are not those that were written")
    return TrainedNetwork(architecture, unflatten(tensors), described["facts"])


class _HeadError(InputError):
    """The head of a file does not describe a network of this program, or not the tensors that follow."""


def _damaged(path: Path, reason: object) -> _HeadError:
    """Return the error for a file that says that it is a network, and is none."""
    return _HeadError(f"{str(path)!r} is damaged ({one_line(reason)}); train it again, or fetch it again")


def _check_head(
    path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]
) -> tuple[Architecture, dict[str, Any]]:
    """Return the architecture and the whole description of a network, before any tensor is read.

    Raises:
        InputError: the file holds no network, a network of another version, one whose sizes are out of their ranges, or
            other tensors than the network has.
    """
    described = _read_description(path, metadata)
    try:
        architecture = Architecture(**described["architecture"])
        if not (isinstance(described["digest"], str) and isinstance(described["facts"], dict)):
            raise InputError("its description is incomplete")
    except (TypeError, ValueError, KeyError) as error:
        raise _damaged(path, error) from None
    if shapes != architecture.parameter_shapes():
        raise _damaged(path, "its tensors are not those of the network that it describes")
    return architecture, described


def _read_description(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Read the description of a network from a file's metadata; check its format and version."""
    try:
        described: dict[str, Any] = json.loads(metadata[KEY])
        if described["format"] != FORMAT:
            raise KeyError(described["format"])
        version = described["version"]
    except (KeyError, ValueError, TypeError, RecursionError):
        raise _HeadError(
            f"{str(path)!r} holds no trained network; wanted a file that `subjective train` made"
        ) from None
    if version != VERSION:
        raise _HeadError(
            f"{str(path)!r} is a network of version {describe(version)}, and this program reads {VERSION}; train it "
            "again, or use the release that made it"
        )
    return described


def find(name_or_path: str | Path) -> Path:
    """Return the path of a network's file.

    Args:
        name_or_path: as in `read`.

    Raises:
        InputError: no file has this path, and no network has this name.
    """
    path = check_path("name_or_path", name_or_path)
    with file_errors("read", path):
        if path.is_file():
            return path
    named = available()
    if str(name_or_path) in named:
        return named[str(name_or_path)]
    known = ", ".join(named) or "none"
    raise InputError(f"no such network: {str(name_or_path)!r}; wanted a file that `subjective train` made, or: {known}")


def folders() -> list[Path]:
    """Return the two folders of the networks that can be read by name: the package's folder, then the user's."""
    return [folder / FOLDER for folder in (weights.embedded_dir(), weights.default_data_dir())]


def available() -> dict[str, Path]:
    """Return a map from each name to the network's file; the package's networks hide the user's of the same name."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            found.setdefault(path.name.removesuffix(SUFFIX), path)
    return found


def flatten(tree: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a nested dict. The name of a leaf is its keys from the outermost to the innermost, joined by dots."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        leaves |= flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return leaves


def unflatten(leaves: Mapping[str, np.ndarray]) -> dict[Any, Any]:
    """Undo `flatten`. A key of digits becomes an integer, because it is the place of a layer in a list."""
    tree: dict[Any, Any] = {}
    for name, leaf in leaves.items():
        *path, last = (int(word) if word.isdecimal() else word for word in name.split("."))
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        node[last] = jnp.asarray(leaf)
    return tree


def copy_to_host(params: Any) -> Any:
    """Copy parameters to NumPy arrays, in the same structure."""
    return jax.tree.map(np.asarray, params)
