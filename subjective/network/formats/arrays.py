"""Read VGG's convolutions from .npz files of TensorFlow tutorials, .npy dictionaries and MatConvNet's .mat files.

Every reader returns a `FileContent`: HWIO kernels and biases by layer name, and the usual input convention of the
format.

References:
    The layouts come from these programs:

    - frossard's VGG in TensorFlow. The network in `vgg16_weights.npz` takes RGB minus the RGB mean.
    - The programs of Gatys and of machrisaa. Their `.npy` dictionaries were converted from Caffe; therefore the input
      is BGR. Both programs pass the arrays directly to a TensorFlow convolution; therefore kernels are HWIO.
    - MatConvNet's `utils/import-caffe.py`. This script makes the height the first axis of kernels, and converts conv1_1
      to RGB.
"""

from __future__ import annotations

import math
import re
import warnings
import zipfile
import zlib
from dataclasses import dataclass, field
from io import BufferedIOBase
from typing import Any, cast

import numpy as np
from numpy.lib import format as npy_format

from subjective.checks import InputError
from subjective.network.formats import safe_pickle
from subjective.network.formats.limits import Budget, most_unpacked, size_of

LAYER = re.compile(r"conv[1-5]_[1-4]")
"""The name of a convolution."""


@dataclass(frozen=True)
class FileContent:
    """The convolutions that a reader found in a file.

    Attributes:
        format: name of the format.
        convolutions: ``{layer: {"kernel": HWIO, "bias": (out,)}}``.
        convention: the input convention; None if the file does not determine the convention.
        mean: mean color, (3,) BGR in 0 to 255; None if the file does not contain the mean.
        metadata: strings stored in the file.
    """

    format: str
    convolutions: dict[str, dict[str, np.ndarray]]
    convention: str | None
    mean: np.ndarray | None = None
    metadata: dict[str, str] = field(default_factory=dict)


def read_npz(archive: zipfile.ZipFile, budget: Budget) -> FileContent:
    """Read arrays `conv1_1_W` (HWIO, RGB), `conv1_1_b`, and so on. Dense layers are not read."""
    convolutions: dict[str, dict[str, np.ndarray]] = {}
    for info in archive.infolist():
        match = re.fullmatch(rf"({LAYER.pattern})_([Wb])\.npy", info.filename)
        if match:
            layer, part = convolutions.setdefault(match[1], {}), "kernel" if match[2] == "W" else "bias"
            if part in layer:
                raise InputError(f"lists {info.filename} twice")
            budget.take(info.file_size, info.filename)
            with archive.open(info) as stream:
                layer[part] = _read_array(cast(BufferedIOBase, stream), info.file_size, budget)
    if not convolutions:
        raise InputError("no arrays conv1_1_W, conv1_1_b, ...; wanted a .npz file as in TensorFlow's VGG tutorials")
    return FileContent("npz", convolutions, "caffe-rgb")


def read_npy(stream: BufferedIOBase, budget: Budget) -> FileContent:
    """Read a .npy file that holds a pickled dictionary.

    The dictionary maps a layer to {'weights', 'biases'} (Gatys) or to [weights, biases].
    """
    return _collect_dictionary(_read_array(stream, size_of(stream), budget), budget)


def read_pickle(stream: BufferedIOBase, budget: Budget) -> FileContent:
    """Read a pickle file that holds a dictionary as in `read_npy`."""
    return _collect_dictionary(safe_pickle.load(stream, size_of(stream), budget), budget)


def _collect_dictionary(layers: Any, budget: Budget) -> FileContent:
    """Collect the convolutions of a dictionary from a pickle; see `read_npy`."""
    convolutions = {}
    for name, layer in layers.items() if isinstance(layers, dict) else ():
        text = name.decode("latin-1") if isinstance(name, bytes) else name
        if isinstance(text, str) and LAYER.fullmatch(text):
            kernel, bias = _unpack_layer(text, safe_pickle.to_plain(layer, budget), budget)
            convolutions[text] = {"kernel": kernel, "bias": bias.reshape(-1)}
    if not convolutions:
        raise InputError("no dictionary with layers conv1_1, conv1_2, ...; wanted one as in Gatys' VGG-19 in .npy")
    return FileContent("npy dictionary", convolutions, "caffe-bgr")


def _unpack_layer(name: str, layer: Any, budget: Budget) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel and the bias of a layer of a dictionary."""
    pair: list[Any]
    if isinstance(layer, dict):
        pair = [layer.get("weights", layer.get(b"weights")), layer.get("biases", layer.get(b"biases"))]
    else:
        pair = list(layer) if isinstance(layer, list | tuple) else []
    pair = [safe_pickle.to_plain(array, budget) for array in pair[:3]]
    if len(pair) != 2 or not all(isinstance(array, np.ndarray) for array in pair):
        raise InputError(f"{name} is neither {{'weights', 'biases'}} nor [weights, biases] of arrays")
    return pair[0], pair[1]


def _read_array(stream: BufferedIOBase, size: int, budget: Budget) -> Any:
    """Read a .npy array; `size` counts the bytes of header and array.

    Numpy's own reader is not used, because it would run the pickle of an object array.
    """
    with warnings.catch_warnings():
        # Numpy warns about headers that Python 2 wrote.
        warnings.filterwarnings("ignore", message=r".*additional header parsing", category=UserWarning)
        version = npy_format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"unknown version {version} of the .npy format; wanted (1, 0) or (2, 0)")
        header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, fortran, dtype = header(stream)
    left = size - stream.tell()
    if dtype.hasobject:
        return safe_pickle.load(stream, left, budget)
    count = math.prod(shape) * dtype.itemsize
    if count != left or not all(n >= 0 for n in shape):
        raise InputError(f"its header says {count} bytes (shape {shape}, {dtype}) where {left} follow")
    flat = np.frombuffer(stream.read(count), dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def read_mat(stream: BufferedIOBase) -> FileContent:
    """Read MatConvNet's `imagenet-vgg-verydeep-*.mat`, whose input is RGB.

    The parameters of a layer are `weights{1,2}`; in files from before 2015, they are `filters` and `biases`. The mean
    is `meta.normalization.averageImage` or `normalization.averageImage`. The average image is three numbers or a
    picture; the mean color of a picture is used.
    """
    from scipy.io import loadmat

    _refuse_zip_bomb(stream)
    stream.seek(0)
    content = loadmat(stream, variable_names=["layers", "meta", "normalization"])
    convolutions: dict[str, dict[str, np.ndarray]] = {}
    for cell in np.asarray(content.get("layers", ())).ravel():
        layer = _struct_fields(cell)
        name = "".join(np.asarray(layer.get("name", "")).ravel().astype(str))
        if LAYER.fullmatch(name):
            convolutions[name] = _unpack_mat_layer(name, layer)
    if not convolutions:
        raise InputError("no layers conv1_1, conv1_2, ...; wanted a MatConvNet VGG file with a cell array 'layers'")
    meta = _struct_fields(content.get("meta"))
    normalization = _struct_fields(meta.get("normalization", content.get("normalization")))
    return FileContent("MatConvNet", convolutions, "caffe-rgb", _mean_color(normalization.get("averageImage")))


def _unpack_mat_layer(name: str, layer: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the kernel and the bias of a layer of MatConvNet."""
    cells = np.asarray(layer.get("weights", ())).ravel()
    pair: list[Any] = list(cells) if cells.dtype == object else [layer.get("filters"), layer.get("biases")]
    if len(pair) < 2 or not all(isinstance(array, np.ndarray) for array in pair[:2]):
        raise InputError(f"layer {name} has neither weights{{1,2}} nor filters and biases")
    return {"kernel": pair[0], "bias": pair[1].reshape(-1)}


def _mean_color(average: Any) -> np.ndarray | None:
    """Return the mean color of MatConvNet's averageImage, converted from RGB to BGR; None if there is no such image."""
    if not isinstance(average, np.ndarray) or not average.size:
        return None
    if average.size != 3 and (average.ndim != 3 or average.shape[2] != 3):
        raise InputError(f"averageImage has shape {average.shape}; wanted 3 numbers or (height, width, 3)")
    mean: np.ndarray = average.astype(np.float64).reshape(-1, 3).mean(0)[::-1]
    return mean


def _struct_fields(value: Any) -> dict[str, Any]:
    """Return the fields of a MATLAB struct of shape (1, 1); return an empty dictionary for anything else."""
    while isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        value = value.item()
    if not isinstance(value, np.ndarray | np.void) or not value.dtype.names or np.size(value) != 1:
        return {}
    record = value.ravel()[0] if isinstance(value, np.ndarray) else value
    return {name: record[name] for name in value.dtype.names}


def _refuse_zip_bomb(stream: BufferedIOBase) -> None:
    """Unpack every compressed variable piece by piece, and refuse a file that unpacks to too many bytes.

    No piece is kept. Without this check, scipy might unpack more bytes than fit into memory.
    """
    size = size_of(stream)
    limit = most_unpacked(size)
    stream.seek(126)
    order = {b"MI": ">", b"IM": "<"}.get(stream.read(2))
    if order is None:
        raise InputError("its head does not say the order of its bytes")
    position, total = 128, 0
    while position + 8 <= size:
        stream.seek(position)
        kind, count = np.frombuffer(stream.read(8), f"{order}u4").tolist()
        if position + 8 + count > size:
            raise InputError(f"is cut short: a variable needs {count} bytes, {size - position - 8} are left")
        unpack = zlib.decompressobj()
        left = count if kind == 15 else 0  # 15 is the MATLAB type miCOMPRESSED
        while left and not unpack.eof:
            piece = stream.read(min(left, 1 << 16))
            left -= len(piece)
            while piece and total <= limit:
                total += len(unpack.decompress(piece, 1 << 20))
                piece = unpack.unconsumed_tail
            if total > limit:
                raise InputError(f"unpacks to more than {limit} bytes, which no VGG network of its size does")
        position += 8 + count
