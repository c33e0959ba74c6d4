"""Recognize the format of a file of parameters, and read the convolutions in it.

`network.formats.reader` lists the formats. This module is imported both by the program and by the process of its own
that reads the files of other frameworks (`network.formats.isolation`); it must not import JAX.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError
from subjective.files import open_regular
from subjective.network.formats import arrays, keras, onnx, torch
from subjective.network.formats.arrays import FileContent
from subjective.network.formats.layout import BLOCKS
from subjective.network.formats.limits import MAX_FILE_BYTES, Budget, size_of

_HDF5 = b"\x89HDF\r\n\x1a\n"
_TORCHVISION = re.compile(r"(?:module\.)?(?:features\.)?(\d{1,3})\.(weight|bias)", re.ASCII)
_KNOWN = "safetensors, Keras HDF5 or .keras, PyTorch .pth, .npz, .npy, MatConvNet .mat and ONNX"


def recognize(path: Path) -> str:
    """Return the format of a file: the name of one of the functions in `_READERS`.

    The first bytes of the file tell its format; of ONNX, also the suffix.

    Raises:
        InputError: the format is unknown, or the file is larger than `MAX_FILE_BYTES`.
        OSError: the file cannot be opened.
    """
    with open_regular(path, MAX_FILE_BYTES) as stream:
        head = stream.read(512)
    starts = {
        b"PK\x03\x04": "zip",
        torch.MAGIC: "torch",
        b"\x93NUMPY": "npy",
        b"MATLAB 5.0": "mat",
        b"MATLAB 7.3": "hdf5",
    }
    for start, kind in starts.items():
        if head.startswith(start):
            return kind
    if re.match(rb"\x80[\x02-\x05]", head):
        return "pickle"
    if _HDF5 in head:
        return "hdf5"
    if head[8:9] == b"{":
        return "safetensors"
    if head[257:262] == b"ustar":
        raise InputError("a tar archive (PyTorch before 2017, or packed); unpack it, or save its state_dict() again")
    if head.startswith(b"\x1f\x8b"):
        raise InputError("compressed with gzip; unpack it first")
    if head.startswith(b"\x08") or path.suffix == ".onnx":
        return "onnx"
    raise InputError(f"no format known here; wanted {_KNOWN}")


def read_content(path: Path) -> FileContent:
    """Read the convolutions in a file.

    Raises:
        InputError: the format is unknown, or the file is damaged, hostile, too large or not VGG. The message does not
            name the file.
        MissingPackageError: h5py or onnx is missing.
        OSError: the file cannot be opened.
        MemoryError: there is not enough memory.
    """
    kind = recognize(path)
    with open_regular(path, MAX_FILE_BYTES) as stream:
        try:
            return _READERS[kind](path, stream, Budget(size_of(stream)))
        except (ImportError, PermissionError, MemoryError):
            raise
        except ValueError as error:
            raise InputError(str(error)) from error
        # The libraries that read these formats raise exceptions of almost any class when a file is damaged.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise InputError(f"damaged or cut short ({reason}); download or export it again") from error


def _read_zip(path: Path, stream: Any, budget: Budget) -> FileContent:
    """Read a zip archive of PyTorch, Keras or numpy."""
    with zipfile.ZipFile(stream) as archive:
        names = archive.namelist()
        if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
            return _collect_torchvision("PyTorch", torch.read_zip(archive, budget), lambda tensor: tensor.read())
        if "model.weights.h5" in names:
            return keras.read_keras_zip(archive, budget)
        if any(name.endswith(".npy") for name in names):
            return arrays.read_npz(archive, budget)
    raise InputError(f"a zip archive of no format known here; wanted {_KNOWN}")


def _read_torch(path: Path, stream: Any, budget: Budget) -> FileContent:
    """Read a file of PyTorch's older layout."""
    return _collect_torchvision("PyTorch", torch.read_stream(stream, budget), lambda tensor: tensor.read())


def _read_safetensors(path: Path, stream: Any, budget: Budget) -> FileContent:
    """Read a safetensors file with this package's or torchvision's names."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:

        def read(name: str) -> np.ndarray:
            budget.take(math.prod(file.get_slice(name).get_shape()) * 8, repr(name))
            array: np.ndarray = file.get_tensor(name)
            return array

        names = list(file.keys())
        if not any(name.endswith(".kernel") for name in names):
            return _collect_torchvision("safetensors", {name: name for name in names}, read)
        return _collect_native(names, read, file.metadata())


def _collect_native(
    names: Sequence[str], read: Callable[[str], np.ndarray], metadata: dict[str, str] | None
) -> FileContent:
    """Collect tensors with this package's own names: `convB_C.kernel`, `convB_C.bias` and, if stored, `input.mean`."""
    convolutions: dict[str, dict[str, np.ndarray]] = {}
    mean = None
    for name in names:
        layer, _, part = name.partition(".")
        if name == "input.mean":
            mean = read(name)
        elif part not in ("kernel", "bias"):
            raise InputError(f"has a tensor {name!r}; wanted convB_C.kernel, convB_C.bias and input.mean only")
        else:
            convolutions.setdefault(layer, {})[part] = read(name)
    return FileContent("native", convolutions, "caffe-bgr", mean, metadata or {})


def _collect_torchvision(form: str, tensors: Mapping[str, Any], read: Callable[[Any], np.ndarray]) -> FileContent:
    """Collect tensors with torchvision's names, `features.N.weight` (OIHW) and `features.N.bias`.

    Args:
        form: name of the format.
        tensors: name to tensor.
        read: ``read(tensor)`` returns the array of a tensor; it is called only for convolutions.
    """
    if any(name.endswith("running_mean") for name in tensors):
        raise InputError("has batch normalization (torchvision's vgg*_bn); wanted VGG-16 or VGG-19 without it")
    numbered: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if match := _TORCHVISION.fullmatch(name):
            part = {"weight": "kernel", "bias": "bias"}[match[2]]
            if part in numbered.setdefault(int(match[1]), {}):
                raise InputError(f"two tensors claim to be features.{match[1]}.{match[2]}, the second is {name!r}")
            numbered[int(match[1])][part] = tensor
    if not numbered:
        raise InputError("no tensors conv1_1.kernel or features.0.weight, ...; wanted VGG-16 or VGG-19")
    for blocks in BLOCKS.values():
        places = _torchvision_places(blocks)
        if set(numbered) <= set(places):
            convolutions = {
                places[n]: {part: _to_hwio(read(tensor)) for part, tensor in numbered[n].items()}
                for n in sorted(numbered)
            }
            return FileContent(form, convolutions, "torchvision")
    raise InputError(f"features {sorted(numbered)} are neither VGG-16's nor VGG-19's in torchvision")


def _to_hwio(numbers: np.ndarray) -> np.ndarray:
    """Turn a kernel from OIHW to HWIO; return a bias unchanged."""
    return numbers.T.swapaxes(0, 1) if numbers.ndim == 4 else numbers


def _torchvision_places(blocks: Sequence[int]) -> dict[int, str]:
    """Map the number of a convolution in torchvision's sequence to the layer's name.

    A convolution and its ReLU take two places in that sequence, a pooling takes one.
    """
    places, at = {}, 0
    for block, depth in enumerate(blocks, 1):
        for layer in range(1, depth + 1):
            places[at] = f"conv{block}_{layer}"
            at += 2
        at += 1
    return places


_READERS: dict[str, Callable[[Path, Any, Budget], FileContent]] = {
    "zip": _read_zip,
    "torch": _read_torch,
    "safetensors": _read_safetensors,
    "npy": lambda path, stream, budget: arrays.read_npy(stream, budget),
    "pickle": lambda path, stream, budget: arrays.read_pickle(stream, budget),
    "mat": lambda path, stream, budget: arrays.read_mat(stream),
    "hdf5": lambda path, stream, budget: keras.read_hdf5(str(path), budget),
    # The numbers may lie in files beside the graph, which is then small.
    "onnx": lambda path, stream, budget: onnx.read_onnx(path, stream, Budget(MAX_FILE_BYTES)),
}
