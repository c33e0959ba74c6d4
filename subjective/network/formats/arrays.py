"""Reads VGG convolutions out of .npz of the TensorFlow tutorials, .npy dictionaries and MatConvNet's .mat.

Every reader gives a `Found`: HWIO kernels and biases by layer name, and the input convention the format is known for.

References, for the layouts: frossard's VGG in TensorFlow (`vgg16_weights.npz`: RGB minus the RGB mean); Gatys' and
machrisaa's `.npy` dictionaries (converted from Caffe, so BGR; both were passed straight to a TensorFlow convolution);
MatConvNet's `utils/import-caffe.py` (it turns kernels to height first and conv1_1 to RGB).
"""

from __future__ import annotations

import math
import os
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

LAYER = re.compile(r"conv[1-5]_[1-4]")
LIMIT = 1 << 28  # bytes; VGG's largest convolution in double precision has 19 million
_LIMIT_FILE = 1 << 31  # bytes; all of VGG-19 has 575 million


@dataclass(frozen=True)
class Found:
    """What a reader found: `{layer: {"kernel": HWIO, "bias"}}`; convention None where the file does not tell.

    `mean` is (3,) BGR in 0 to 255 where the file gives it. `metadata` are the strings the file carries.
    """

    format: str
    convolutions: dict[str, dict[str, np.ndarray]]
    convention: str | None
    mean: np.ndarray | None = None
    metadata: dict[str, str] = field(default_factory=dict)


def read_npz(archive: zipfile.ZipFile) -> Found:
    """Arrays `conv1_1_W` (HWIO, RGB) and `conv1_1_b`; the dense layers beside them are not read."""
    convolutions: dict[str, dict[str, np.ndarray]] = {}
    for info in archive.infolist():
        match = re.fullmatch(rf"({LAYER.pattern})_([Wb])\.npy", info.filename)
        if match:
            if info.file_size > LIMIT:
                raise InputError(f"{info.filename} of {info.file_size} bytes is larger than any convolution of VGG")
            with archive.open(info) as stream:
                array = _read_array(cast(BufferedIOBase, stream), info.file_size)
            convolutions.setdefault(match[1], {})["kernel" if match[2] == "W" else "bias"] = array
    if not convolutions:
        raise InputError("no arrays conv1_1_W, conv1_1_b, ...; wanted a .npz as TensorFlow's VGG tutorials use")
    return Found("npz", convolutions, "caffe-rgb")


def read_npy(stream: BufferedIOBase) -> Found:
    """A pickled dictionary in a .npy file, layer to {'weights', 'biases'} (Gatys) or to [weights, biases]."""
    return _from_dictionary(_read_array(stream, os.fstat(stream.fileno()).st_size))


def read_pickle(stream: BufferedIOBase) -> Found:
    """The same dictionary in a bare pickle."""
    return _from_dictionary(safe_pickle.load(stream, os.fstat(stream.fileno()).st_size))


def _from_dictionary(layers: Any) -> Found:
    convolutions = {}
    for name, layer in layers.items() if isinstance(layers, dict) else ():
        text = name.decode("latin-1") if isinstance(name, bytes) else name
        if not isinstance(text, str) or not LAYER.fullmatch(text):
            continue
        layer = safe_pickle.plain(layer)
        pair: list[Any]
        if isinstance(layer, dict):
            pair = [layer.get("weights", layer.get(b"weights")), layer.get("biases", layer.get(b"biases"))]
        else:
            pair = list(layer) if isinstance(layer, list | tuple) else []
        pair = [safe_pickle.plain(array) for array in pair]
        if len(pair) != 2 or not all(isinstance(array, np.ndarray) for array in pair):
            raise InputError(f"{text} is no {{'weights', 'biases'}} and no [weights, biases] of arrays")
        convolutions[text] = {"kernel": pair[0], "bias": pair[1].reshape(-1)}
    if not convolutions:
        raise InputError("no dictionary with layers conv1_1, conv1_2, ...; wanted one as Gatys' VGG-19 in .npy is")
    return Found("npy dictionary", convolutions, "caffe-bgr")


def _read_array(stream: BufferedIOBase, size: int) -> Any:
    """One .npy array of `size` bytes with its header; numpy's own reader would run the pickle in an object array."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*additional header parsing", category=UserWarning)  # from Python 2
        version = npy_format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"unknown version {version} of the .npy format; wanted (1, 0) or (2, 0)")
        header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, fortran, dtype = header(stream)
    left = size - stream.tell()
    if dtype.hasobject:
        return safe_pickle.load(stream, left)
    count = math.prod(shape) * dtype.itemsize
    if count > LIMIT or count != left or not all(n >= 0 for n in shape):
        raise InputError(f"its header says {count} bytes (shape {shape}, {dtype}) where {left} follow")
    flat = np.frombuffer(stream.read(count), dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def read_mat(stream: BufferedIOBase) -> Found:
    """MatConvNet's `imagenet-vgg-verydeep-*.mat`: `weights{1,2}`, or before 2015 `filters` and `biases`; RGB.

    The mean comes from `meta.normalization.averageImage` or `normalization.averageImage`: three numbers or a picture,
    of which the mean color is taken.
    """
    from scipy.io import loadmat

    _refuse_zip_bomb(stream)
    stream.seek(0)
    content = loadmat(stream, variable_names=["layers", "meta", "normalization"])
    convolutions: dict[str, dict[str, np.ndarray]] = {}
    for cell in np.asarray(content.get("layers", ())).ravel():
        layer = _struct(cell)
        name = "".join(np.asarray(layer.get("name", "")).ravel().astype(str))
        if not LAYER.fullmatch(name):
            continue
        cells = np.asarray(layer.get("weights", ())).ravel()
        pair: list[Any] = list(cells) if cells.dtype == object else [layer.get("filters"), layer.get("biases")]
        if len(pair) < 2 or not all(isinstance(array, np.ndarray) for array in pair[:2]):
            raise InputError(f"layer {name} has neither weights{{1,2}} nor filters and biases")
        convolutions[name] = {"kernel": pair[0], "bias": pair[1].reshape(-1)}
    if not convolutions:
        raise InputError("no layers conv1_1, conv1_2, ...; wanted a MatConvNet VGG file with a cell array 'layers'")
    normalization = _struct(_struct(content.get("meta")).get("normalization", content.get("normalization")))
    mean, average = None, normalization.get("averageImage")
    if isinstance(average, np.ndarray) and average.size:
        if average.size != 3 and (average.ndim != 3 or average.shape[2] != 3):
            raise InputError(f"averageImage has shape {average.shape}; wanted 3 numbers or (height, width, 3)")
        mean = average.astype(np.float64).reshape(-1, 3).mean(0)[::-1]  # it is RGB
    return Found("MatConvNet", convolutions, "caffe-rgb", mean)


def _struct(value: Any) -> dict[str, Any]:
    """A MATLAB struct (1, 1) as a dictionary of its fields; empty for anything else."""
    while isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        value = value.item()
    if not isinstance(value, np.ndarray | np.void) or not value.dtype.names or np.size(value) != 1:
        return {}
    record = value.ravel()[0] if isinstance(value, np.ndarray) else value
    return {name: record[name] for name in value.dtype.names}


def _refuse_zip_bomb(stream: BufferedIOBase) -> None:
    """Unpacks every compressed variable once, a piece at a time, before scipy does so into memory."""
    size = stream.seek(0, os.SEEK_END)
    position, total = 128, 0
    while position + 8 <= size:
        stream.seek(position)
        kind, count = np.frombuffer(stream.read(8), "<u4").tolist()
        if position + 8 + count > size:
            raise InputError(f"is cut short: a variable needs {count} bytes, {size - position - 8} are left")
        unpack = zlib.decompressobj()
        left = count if kind == 15 else 0  # 15 is miCOMPRESSED
        while left and not unpack.eof:
            piece = stream.read(min(left, 1 << 16))
            left -= len(piece)
            while piece and total <= _LIMIT_FILE:
                total += len(unpack.decompress(piece, 1 << 20))
                piece = unpack.unconsumed_tail
            if total > _LIMIT_FILE:
                raise InputError(f"unpacks to more than {_LIMIT_FILE} bytes, which no VGG network has")
        position += 8 + count
