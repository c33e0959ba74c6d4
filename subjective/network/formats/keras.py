"""Reads VGG convolutions out of Keras' HDF5 files, whole models and weights alone, of Keras 1 on TensorFlow, 2 and 3.

A dataset belongs to the layer that its path names: `block1_conv1` (keras.applications) or `conv1_1` (Gatys' naming).
Its role is its last name: `kernel`, `kernel:0` or `*_W_1:0`; `bias`, `bias:0` or `*_b_1:0`; or in `.weights.h5`
`vars/0` and `vars/1`. There layers are called by their class and order (`layers/conv2d`, `layers/conv2d_1`, ...) and
get their names from that order.

Links that lead out of the file, and data kept outside it, are refused.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from io import BufferedIOBase, BytesIO
from typing import Any

import numpy as np

from subjective.checks import InputError, MissingPackageError
from subjective.network.formats.arrays import LIMIT, Found
from subjective.network.formats.layout import names_in_order

_NAMED = re.compile(r"(?:block([1-5])_conv([1-4])|conv([1-5])_([1-4]))")
_NUMBERED = re.compile(r"conv2d(?:_(\d+))?")
_KERNEL = re.compile(r"(?:kernel|.*_W(?:_\d+)?|W)(?::0)?|vars/0")
_BIAS = re.compile(r"(?:bias|.*_b(?:_\d+)?|b)(?::0)?|vars/1")
_MOST_OBJECTS = 20_000
_LIMIT_MEMBER = 1 << 30  # bytes; all of VGG-19 has 575 million


def read_keras_zip(archive: zipfile.ZipFile) -> Found:
    """A `.keras` archive of Keras 3, which holds `model.weights.h5`; its configuration is not looked at."""
    info = archive.getinfo("model.weights.h5")
    if info.file_size > _LIMIT_MEMBER:
        raise InputError(f"its model.weights.h5 of {info.file_size} bytes is larger than any VGG network")
    return read_hdf5(BytesIO(archive.read(info)))


def read_hdf5(file: str | BufferedIOBase) -> Found:
    """Kernels and biases by layer; dense layers, optimizer state and configuration are not read.

    Raises: ImportError with advice when h5py is missing; ValueError when two datasets claim to be the same, or when the
    file refers to another.
    """
    try:
        import h5py
    except ImportError:
        raise MissingPackageError("reading Keras files needs h5py; do: pip install 'subjective[convert]'") from None
    named: dict[str, dict[str, np.ndarray]] = {}
    numbered: dict[int, dict[str, np.ndarray]] = {}
    with h5py.File(file, "r") as root:
        for path, dataset in _datasets(h5py, root):
            parts = path.split("/")
            role = _role(parts)
            if role is None or parts[0].startswith("optimizer"):
                continue
            names = [match for part in parts if (match := _NAMED.fullmatch(part))]
            numbers = [match for part in parts[:-1] if (match := _NUMBERED.fullmatch(part))]
            if names:
                b, c = names[-1][1] or names[-1][3], names[-1][2] or names[-1][4]
                layer = named.setdefault(f"conv{b}_{c}", {})
            elif numbers:
                layer = numbered.setdefault(int(numbers[-1][1] or 0), {})
            else:
                continue
            if role in layer:
                raise InputError(f"two datasets claim to be the {role} of one layer, the second {path!r}")
            layer[role] = _numbers(path, dataset)
    if not named and numbered:
        named = dict(zip(names_in_order(len(numbered)), (numbered[n] for n in sorted(numbered)), strict=True))
    if not named:
        raise InputError("no layers block1_conv1, conv1_1 or conv2d; wanted VGG-16 or VGG-19 as Keras saves it")
    return Found("Keras HDF5", named, "caffe-bgr")


def _role(parts: list[str]) -> str | None:
    leaf = parts[-1] if parts[-1] not in ("0", "1") else "/".join(parts[-2:])
    return "kernel" if _KERNEL.fullmatch(leaf) else "bias" if _BIAS.fullmatch(leaf) else None


def _datasets(h5py: Any, root: Any) -> Iterator[tuple[str, Any]]:
    """Every dataset with its path. Groups are visited by hard links only, each once, so that no loop can hold us."""
    waiting, seen = [("", root)], 0
    visited = {h5py.h5o.get_info(root.id).addr}
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            seen += 1
            if seen > _MOST_OBJECTS:
                raise InputError(f"holds more than {_MOST_OBJECTS} objects; no VGG network does")
            path = f"{prefix}{name}"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise InputError(f"{path!r} is a link to another file; wanted all parameters in one")
            if not isinstance(link, h5py.HardLink):
                continue
            item = group[name]
            if isinstance(item, h5py.Dataset):
                yield path, item
            elif isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address not in visited:
                    visited.add(address)
                    waiting.append((f"{path}/", item))


def _numbers(path: str, dataset: Any) -> np.ndarray:
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{path!r} keeps its numbers in another file; wanted all parameters in one")
    if dataset.dtype.kind != "f" or dataset.size * 8 > LIMIT:
        raise InputError(f"{path!r} has shape {dataset.shape} and type {dataset.dtype}; wanted a convolution of VGG")
    return np.asarray(dataset[()])
