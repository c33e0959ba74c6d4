"""Read VGG's convolutions from HDF5 files of Keras 1 (with TensorFlow), Keras 2 and Keras 3.

A file may hold a whole model or only its weights. The path of a dataset contains the name of its layer: `block1_conv1`
(keras.applications) or `conv1_1` (Gatys' naming). The last name in the path tells whether the dataset is a kernel
(`kernel`, `kernel:0`, `*_W_1:0`) or a bias (`bias`, `bias:0`, `*_b_1:0`).

In `.weights.h5` files, kernels are `vars/0` and biases are `vars/1`. There the path contains the class of the layer
and, from the second layer of the class on, a number: `layers/conv2d`, `layers/conv2d_1`, `layers/conv2d_2`, ... The
layers get their names in the order of these numbers.

Links to other files, and datasets stored in other files, are refused.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator
from io import BufferedIOBase, BytesIO
from typing import Any, BinaryIO, cast

import numpy as np

from subjective.checks import InputError, MissingPackageError
from subjective.network.formats.arrays import FileContent
from subjective.network.formats.layout import name_convolutions
from subjective.network.formats.limits import Budget, most_unpacked, size_of

_NAMED = re.compile(r"(?:block([1-5])_conv([1-4])|conv([1-5])_([1-4]))")
_NUMBERED = re.compile(r"conv2d(?:_(\d{1,4}))?", re.ASCII)
_KERNEL = re.compile(r"(?:kernel|.*_W(?:_\d+)?|W)(?::0)?|vars/0")
_BIAS = re.compile(r"(?:bias|.*_b(?:_\d+)?|b)(?::0)?|vars/1")
_MAX_OBJECTS = 20_000  # a file with more objects is refused


def read_keras_zip(archive: zipfile.ZipFile, budget: Budget) -> FileContent:
    """Read `model.weights.h5` from a `.keras` archive of Keras 3. The configuration in the archive is not read."""
    info = archive.getinfo("model.weights.h5")
    if info.file_size > most_unpacked(size_of(cast(BinaryIO, archive.fp))):
        raise InputError(f"its model.weights.h5 of {info.file_size} bytes is larger than any VGG network of its size")
    return read_hdf5(BytesIO(archive.read(info)), budget)


def read_hdf5(file: str | BufferedIOBase, budget: Budget) -> FileContent:
    """Read the kernels and biases of convolutions. Dense layers, optimizer state and configuration are not read.

    Args:
        file: path or stream of the file.
        budget: counts the bytes of the arrays.

    Raises:
        MissingPackageError: h5py is missing.
        InputError: the file has no convolutions with known names, a layer has two kernels or two biases, or the file
            refers to another file.
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
            role, place = _role_of(parts), _layer_of(parts)
            if role is None or place is None or parts[0].startswith("optimizer"):
                continue
            layer = named.setdefault(place, {}) if isinstance(place, str) else numbered.setdefault(place, {})
            if role in layer:
                raise InputError(f"two datasets claim to be the {role} of one layer, the second is {path!r}")
            layer[role] = _read_numbers(path, dataset, budget)
    if not named and numbered:
        named = dict(zip(name_convolutions(len(numbered)), (numbered[n] for n in sorted(numbered)), strict=True))
    if not named:
        raise InputError("no layers block1_conv1, conv1_1 or conv2d; wanted VGG-16 or VGG-19 as saved by Keras")
    return FileContent("Keras HDF5", named, "caffe-bgr")


def _layer_of(parts: list[str]) -> str | int | None:
    """Return the name or, without a name, the number of the layer in a dataset's path; None if there is neither."""
    names = [match for part in parts if (match := _NAMED.fullmatch(part))]
    if names:
        block, depth = names[-1][1] or names[-1][3], names[-1][2] or names[-1][4]
        return f"conv{block}_{depth}"
    numbers = [match for part in parts[:-1] if (match := _NUMBERED.fullmatch(part))]
    return int(numbers[-1][1] or 0) if numbers else None


def _role_of(parts: list[str]) -> str | None:
    """Tell by a dataset's path whether the dataset is a ``kernel``, a ``bias`` or neither."""
    leaf = parts[-1] if parts[-1] not in ("0", "1") else "/".join(parts[-2:])
    return "kernel" if _KERNEL.fullmatch(leaf) else "bias" if _BIAS.fullmatch(leaf) else None


def _datasets(h5py: Any, root: Any) -> Iterator[tuple[str, Any]]:
    """Yield every dataset with its path.

    Only hard links are followed, and each group is visited once, so that links in a circle do no harm.
    """
    waiting, seen = [("", root)], 0
    visited = {h5py.h5o.get_info(root.id).addr}
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            seen += 1
            if seen > _MAX_OBJECTS:
                raise InputError(f"holds more than {_MAX_OBJECTS} objects; no VGG network does")
            path = f"{prefix}{name}"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise InputError(f"{path!r} is a link to another file; wanted all parameters in one file")
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


def _read_numbers(path: str, dataset: Any, budget: Budget) -> np.ndarray:
    """Read a dataset; refuse a dataset that is stored in another file, too large, or not of a float type."""
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{path!r} keeps its numbers in another file; wanted all parameters in one file")
    if dataset.dtype.kind != "f":
        raise InputError(f"{path!r} has type {dataset.dtype}; wanted floating-point numbers")
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize  # is unpacked as a whole
    budget.take(max(dataset.size * dataset.dtype.itemsize, chunk), f"{path!r} of shape {dataset.shape}")
    return np.asarray(dataset[()])
