"""Read VGG-16 and VGG-19 from the files of other frameworks, without executing anything in the files.

The content of a file determines its format; the name counts only for ONNX, by the suffix `.onnx`:

| format | names of layers | kernel | input convention |
| --- | --- | --- | --- |
| this package's safetensors | `conv1_1.kernel`, `conv1_1.bias`, `input.mean` | HWIO | caffe-bgr |
| Keras .h5, .weights.h5, .keras | `block1_conv1`, `conv1_1` or `layers/conv2d` | HWIO | caffe-bgr |
| torchvision .pth, .safetensors | `features.0.weight` | OIHW | torchvision |
| .npz of TensorFlow tutorials | `conv1_1_W`, `conv1_1_b` | HWIO | caffe-rgb |
| .npy dictionary (Gatys, machrisaa) | `conv1_1` | HWIO | caffe-bgr |
| MatConvNet .mat | `conv1_1` | HWIO | caffe-rgb |
| ONNX | any; the graph's order counts | OIHW | depends on the names |

HWIO means (height, width, inputs, outputs), OIHW means (outputs, inputs, height, width). `layout.to_bgr` explains the
input conventions. The argument `convention` overrides the last column. For example, jcjohnson's files need
`caffe-bgr`, because they hold Caffe's parameters under torchvision's names.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, MissingFileError, file_errors
from subjective.network.formats import arrays, keras, onnx, torch
from subjective.network.formats.arrays import FileContent
from subjective.network.formats.layout import (
    BLOCKS,
    WIDTHS,
    NumpyParams,
    Widths,
    architecture_of,
    build_params,
    one_line,
    to_bgr,
)
from subjective.network.formats.native import sha256

_HDF5 = b"\x89HDF\r\n\x1a\n"
_TORCHVISION = re.compile(r"(?:module\.)?(?:features\.)?(\d+)\.(weight|bias)")
_KNOWN = "safetensors, Keras HDF5 or .keras, PyTorch .pth, .npz, .npy, MatConvNet .mat and ONNX"


def read(
    path: str | Path, convention: str | None = None, widths: Widths = WIDTHS
) -> tuple[NumpyParams, dict[str, str]]:
    """Read parameters and metadata from a file of any format in the table above.

    Args:
        path: the file.
        convention: `caffe-bgr`, `caffe-rgb` or `torchvision`; None for the usual convention of the format.
        widths: channels that each block must have; None accepts any.

    Returns:
        Parameters in the layout of `network.formats.layout`, and metadata (strings): architecture, format, convention,
        converted_from (the file's name) and source_sha256. For this package's own files, the metadata are the
        architecture and the strings stored in the file.

    Raises:
        MissingFileError: there is no such file.
        FileError: the file cannot be read.
        MissingPackageError: h5py or onnx is missing. The message says how to install the package.
        InputError: the format of the file is unknown, or the file is damaged, hostile or not VGG. The message is one
            line and begins with the path.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file")
    try:
        found = _read_content(path)
        convention = convention or found.convention
        if convention is None:
            raise InputError(
                "the names do not tell the input convention; state it: caffe-bgr, caffe-rgb or torchvision"
            )
        params = to_bgr(build_params(found.convolutions, found.mean, widths), convention, found.mean is not None)
    except ImportError:
        raise
    except PermissionError:
        with file_errors("read", path):
            raise
    except ValueError as error:
        raise InputError(one_line(f"{path}: {error}")) from error
    # The libraries that read these formats raise exceptions of almost any class when a file is damaged.
    except Exception as error:
        raise InputError(
            one_line(f"{path}: damaged or cut short ({type(error).__name__}: {error}); download or export it again")
        ) from error
    metadata = {**found.metadata, "architecture": architecture_of(params)}
    if found.format == "native":
        return params, metadata
    metadata |= {
        "format": found.format,
        "convention": convention,
        "converted_from": path.name,
        "source_sha256": sha256(path),
    }
    return params, metadata


def _collect_native(tensors: Mapping[str, np.ndarray], metadata: dict[str, str] | None = None) -> FileContent:
    """Collect tensors with this package's own names: `convB_C.kernel`, `convB_C.bias` and, if stored, `input.mean`."""
    convolutions: dict[str, dict[str, np.ndarray]] = {}
    mean = None
    for name, array in tensors.items():
        layer, _, part = name.partition(".")
        if name == "input.mean":
            mean = array
        elif part not in ("kernel", "bias"):
            raise InputError(f"has a tensor {name!r}; wanted convB_C.kernel, convB_C.bias and input.mean only")
        else:
            convolutions.setdefault(layer, {})[part] = array
    return FileContent("native", convolutions, "caffe-bgr", mean, metadata or {})


def _read_content(path: Path) -> FileContent:
    """Recognize the format of a file by its first bytes (of ONNX, also by the suffix), and read the file."""
    with path.open("rb") as stream:
        head = stream.read(512)
        stream.seek(0)
        content = _read_stream(stream, head)
    if content is not None:
        return content
    if _HDF5 in head or head.startswith(b"MATLAB 7.3"):
        return keras.read_hdf5(str(path))
    if head[8:9] == b"{":
        return _read_safetensors(path)
    if head[257:262] == b"ustar":
        raise InputError("a tar archive (PyTorch before 2017, or packed); unpack it, or save its state_dict() again")
    if head.startswith(b"\x1f\x8b"):
        raise InputError("compressed with gzip; unpack it first")
    if head.startswith(b"\x08") or path.suffix == ".onnx":
        return onnx.read_onnx(path)
    raise InputError(f"no format known here; wanted {_KNOWN}")


def _read_stream(stream: BufferedReader, head: bytes) -> FileContent | None:
    """Read a file whose format can be read from an open stream; return None for any other format."""
    if head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(stream) as archive:
            return _read_zip(archive)
    if head.startswith(torch.MAGIC):
        return _collect_torchvision("PyTorch", torch.read_stream(stream), lambda tensor: tensor.read())
    if head.startswith(b"\x93NUMPY"):
        return arrays.read_npy(stream)
    if head.startswith(b"MATLAB 5.0"):
        return arrays.read_mat(stream)
    if re.match(rb"\x80[\x02-\x05]", head):
        return arrays.read_pickle(stream)
    return None


def _read_zip(archive: zipfile.ZipFile) -> FileContent:
    """Read a zip archive of PyTorch, Keras or numpy."""
    names = archive.namelist()
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return _collect_torchvision("PyTorch", torch.read_zip(archive), lambda tensor: tensor.read())
    if "model.weights.h5" in names:
        return keras.read_keras_zip(archive)
    if any(name.endswith(".npy") for name in names):
        return arrays.read_npz(archive)
    raise InputError(f"a zip archive of no format known here; wanted {_KNOWN}")


def _read_safetensors(path: Path) -> FileContent:
    """Read a safetensors file with this package's or torchvision's names."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        names = list(file.keys())
        if not any(name.endswith(".kernel") for name in names):
            return _collect_torchvision("safetensors", {name: name for name in names}, file.get_tensor)
        return _collect_native({name: file.get_tensor(name) for name in names}, file.metadata())


def _collect_torchvision(form: str, tensors: Mapping[str, Any], read: Callable[[Any], np.ndarray]) -> FileContent:
    """Collect tensors with torchvision's names, `features.N.weight` (OIHW) and `features.N.bias`.

    Args:
        form: name of the format.
        tensors: name to tensor.
        read: ``read(tensor)`` returns the array of a tensor; it is called only for convolutions.
    """
    if any(name.endswith("running_mean") for name in tensors):
        raise InputError("has batch normalization (torchvision's vgg*_bn); wanted VGG-16 or VGG-19 without it")
    numbered: dict[int, dict[str, np.ndarray]] = {}
    for name, tensor in tensors.items():
        if match := _TORCHVISION.fullmatch(name):
            numbers = read(tensor)
            part = {"weight": "kernel", "bias": "bias"}[match[2]]
            numbered.setdefault(int(match[1]), {})[part] = numbers.T.swapaxes(0, 1) if numbers.ndim == 4 else numbers
    if not numbered:
        raise InputError("no tensors conv1_1.kernel or features.0.weight, ...; wanted VGG-16 or VGG-19")
    for blocks in BLOCKS.values():
        places = _torchvision_places(blocks)
        if set(numbered) <= set(places):
            return FileContent(form, {places[n]: numbered[n] for n in sorted(numbered)}, "torchvision")
    raise InputError(f"features {sorted(numbered)} are neither VGG-16's nor VGG-19's in torchvision")


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
