"""A trained network's file: safetensors that say themselves what they are.

Tensors are the parameters under their dotted names, float32; the metadata's ``subjective`` holds JSON: format, version,
architecture, a digest of the parameters, and how they were trained.
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

from subjective.checks import InputError
from subjective.feedforward.networks import Architecture
from subjective.feedforward.step import parameter_shapes
from subjective.images import write_bytes
from subjective.network import weights
from subjective.network.formats import native

FORMAT = "subjective feed-forward network"
VERSION = 1
KEY = "subjective"
SUFFIX = ".safetensors"
FOLDER = "networks"
"""Beside the loss networks' parameters, where those that have a name lie."""


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A trained network.

    Attributes:
        architecture: what it is.
        params: nested dict of arrays, as `subjective.feedforward.step.parameters_of` gives it.
        facts: JSON: settings, sources with their sha256, steps, loss, versions.
    """

    architecture: Architecture
    params: Any
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


def write(path: str | Path, network: Network) -> None:
    """Write a network, whole or not at all.

    Args:
        path: ends in ``.safetensors``.
        network: to be kept.
    """
    tensors = {name: np.asarray(leaf, np.float32) for name, leaf in flat(network.params).items()}
    described = {
        "format": FORMAT,
        "version": VERSION,
        "architecture": dataclasses.asdict(network.architecture),
        "digest": _digest(tensors),
        "facts": network.facts,
    }
    write_bytes(Path(path), safetensors.numpy.save(tensors, {KEY: json.dumps(described, sort_keys=True)}))


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of all numbers, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + np.ascontiguousarray(tensors[name], "<f4").tobytes())
    return digest.hexdigest()


def read(name_or_path: str | Path) -> Network:
    """The network of this name, or in this file.

    Args:
        name_or_path: a file, or the name of one that comes with the package or lies in the user's data folder.

    Raises:
        ValueError: no such file, one that is no network, of another version, or damaged.
    """
    path = find(name_or_path)
    try:
        if path.parent in folders():
            native.verified(path)
        tensors, metadata = native.read_tensors(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{str(path)!r} cannot be read as a network ({error}); wanted a file that `train` made"
        ) from None
    try:
        described = json.loads(metadata[KEY])
        if described["format"] != FORMAT:
            raise KeyError(described["format"])
        version = described["version"]
    except (KeyError, ValueError, TypeError):
        raise InputError(
            f"{str(path)!r} holds no trained network; wanted a file that `subjective train` made"
        ) from None
    if version != VERSION:
        raise InputError(
            f"{str(path)!r} is a network of version {version}, and this program reads {VERSION}; train it again, or "
            "use the release that made it"
        )
    try:
        architecture = Architecture(**described["architecture"])
        shapes = flat(parameter_shapes(architecture))
        found = {name: tensor.shape for name, tensor in tensors.items()}
        if found != {name: tuple(leaf.shape) for name, leaf in shapes.items()}:
            raise InputError("its tensors are not those of the network that it describes")
        if _digest(tensors) != described["digest"]:
            raise InputError("its numbers are not those that were written")
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"{str(path)!r} is damaged ({error}); train it again, or fetch it again") from None
    return Network(architecture, nested(tensors), described["facts"])


def find(name_or_path: str | Path) -> Path:
    """The file that is meant; see `read`."""
    path = Path(name_or_path)
    if path.is_file():
        return path
    named = available()
    if str(name_or_path) in named:
        return named[str(name_or_path)]
    known = ", ".join(named) or "none"
    raise InputError(f"no such network: {str(name_or_path)!r}; wanted a file that `subjective train` made, or: {known}")


def folders() -> list[Path]:
    """Where networks that have a name lie: what comes with the package, then the user's own."""
    return [folder / FOLDER for folder in (weights.embedded_dir(), weights.default_data_dir())]


def available() -> dict[str, Path]:
    """Every trained network that has a name."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            found.setdefault(path.name.removesuffix(SUFFIX), path)
    return found


def flat(tree: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """A nested dict as one of dotted names."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        leaves |= flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return leaves


def nested(leaves: Mapping[str, np.ndarray]) -> dict[Any, Any]:
    """The nested dict of such names; what is a number was the place in a list."""
    tree: dict[Any, Any] = {}
    for name, leaf in leaves.items():
        *path, last = (int(word) if word.isdecimal() else word for word in name.split("."))
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        node[last] = jnp.asarray(leaf)
    return tree


def on_host(params: Any) -> Any:
    """Parameters as NumPy arrays, in the structure of a `Network`'s."""
    return jax.tree.map(np.asarray, params)
