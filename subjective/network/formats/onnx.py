"""Read VGG's convolutions from the Conv nodes of an ONNX graph, in the order of the graph.

Only the input convention depends on the names in the graph: Keras' names (`block1_conv1`) mean `caffe-bgr`, and
torchvision's names (`features.0.weight`) mean `torchvision`. Some graphs convert their input themselves before the
first convolution. This module does not notice such a conversion; for such a graph, state the convention that the first
convolution takes.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from subjective.checks import InputError, MissingPackageError
from subjective.files import open_regular
from subjective.network.formats.arrays import FileContent
from subjective.network.formats.layout import name_convolutions
from subjective.network.formats.limits import MAX_FILE_BYTES, Budget, size_of

_MAX_ALIASES = 100  # Identity nodes in a row that are followed

_PLAIN = {"group": 1, "strides": [1, 1], "dilations": [1, 1]}  # attributes of VGG's convolutions


def read_onnx(path: Path, stream: BinaryIO, budget: Budget) -> FileContent:
    """Read the 3x3 convolutions of a graph, and name them by their order.

    Reading ends at the first convolution of another size, because some exporters write dense layers as convolutions.

    Args:
        path: the file, beside which the numbers of its convolutions may lie.
        stream: the same file, open.
        budget: counts the bytes of the arrays.

    Raises:
        MissingPackageError: onnx is missing.
        InputError: the graph has batch normalization, a convolution differs from VGG's, or the numbers of a
            convolution are neither in the graph nor in a file in the graph's folder.
    """
    try:
        import onnx
    except ImportError:
        raise MissingPackageError("reading ONNX files needs onnx; do: pip install 'subjective[convert]'") from None
    # The file chooses the paths of its external data; `_read_external` checks the paths before reading.
    graph = onnx.load_model_from_string(stream.read()).graph
    stored = _Stored(path, {tensor.name: tensor for tensor in graph.initializer}, {}, budget)
    convolutions: list[dict[str, np.ndarray]] = []
    names: list[str] = []
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            raise InputError("its graph has batch normalization; wanted VGG without it (or fold it when exporting)")
        stored.add(node)
        if node.op_type == "Conv":
            convolution = _read_convolution(stored, node)
            if convolution is None:
                break
            convolutions.append(convolution)
            names += [node.name, *node.input]
    named = dict(zip(name_convolutions(len(convolutions)), convolutions, strict=True))
    return FileContent("ONNX", named, _find_convention(names))


class _Stored(NamedTuple):
    """The tensors that a graph stores.

    Attributes:
        path: path of the graph's file.
        tensors: name to tensor.
        aliases: a map with an entry for each Identity node, from the name of its output to the name of its input.
        budget: counts the bytes of the arrays.
    """

    path: Path
    tensors: dict[str, Any]
    aliases: dict[str, str]
    budget: Budget

    def add(self, node: Any) -> None:
        """Add the tensor of a Constant node or the alias of an Identity node; ignore any other node."""
        if node.op_type == "Constant" and node.output:
            self.tensors.update((node.output[0], attr.t) for attr in node.attribute if attr.name == "value")
        elif node.op_type == "Identity" and node.input and node.output:
            self.aliases[node.output[0]] = node.input[0]


def _read_convolution(stored: _Stored, node: Any) -> dict[str, np.ndarray] | None:
    """Read the kernel and the bias of a Conv node; return None if the kernel is not 3x3."""
    kernel, *bias = [_read_numbers(stored, name) for name in node.input[1:]]
    if kernel.shape[2:] != (3, 3):
        return None
    options = {a.name: list(a.ints) if a.ints else a.i for a in node.attribute}
    for option, wanted in _PLAIN.items():
        if options.get(option, wanted) != wanted:
            raise InputError(f"convolution {node.name!r} has {option} {options[option]}; VGG's have {wanted}")
    if not bias:
        raise InputError(f"convolution {node.name!r} has no bias; export the graph with its biases in place")
    return {"kernel": kernel.transpose(2, 3, 1, 0), "bias": bias[0]}


def _find_convention(names: list[str]) -> str | None:
    """Return the input convention that the names in a graph determine; None if they determine no convention."""
    keras = any(re.search(r"block[1-5]_conv[1-4]", name) for name in names)
    torchvision = any(re.search(r"features\.\d+\b", name) for name in names)
    return {(True, False): "caffe-bgr", (False, True): "torchvision"}.get((keras, torchvision))


def _read_numbers(stored: _Stored, name: str) -> np.ndarray:
    """Read a stored tensor; refuse a tensor that the graph computes, or that is too large or not of a float type."""
    from onnx import TensorProto, numpy_helper

    for _ in range(_MAX_ALIASES):
        name = stored.aliases.get(name, name)
    tensor = stored.tensors.get(name)
    if tensor is None:
        raise InputError(f"{name!r} is computed by the graph, not stored in it; export with constants folded")
    shape = tuple(tensor.dims)
    if any(n < 0 for n in shape):
        raise InputError(f"{name!r} has shape {shape}; wanted sizes of 0 or more")
    if tensor.data_type not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16):
        raise InputError(f"{name!r} is of ONNX's type {tensor.data_type}; wanted floating-point numbers")
    stored.budget.take(math.prod(shape) * 8, f"{name!r} of shape {shape}")
    if tensor.data_location == TensorProto.EXTERNAL:
        tensor = _read_external(stored, tensor)
    return np.asarray(numpy_helper.to_array(tensor))


def _read_external(stored: _Stored, tensor: Any) -> Any:
    """Return a tensor with its external data, read from a file in the graph's folder; refuse any other file."""
    from onnx import TensorProto

    entries = {entry.key: entry.value for entry in tensor.external_data}
    folder, location = stored.path.resolve().parent, entries.get("location", "")
    # `resolve` follows links, so that the next check also refuses a link that leads out of the folder.
    data = (folder / location).resolve()
    if not location or not data.is_relative_to(folder):
        raise InputError(
            f"{tensor.name!r} lies outside the graph's folder, at {location!r}; wanted it beside the graph"
        )
    if not data.is_file():
        raise InputError(f"{tensor.name!r} lies in {location!r}, which is not there; put that file beside the graph")
    inline = TensorProto(dims=tensor.dims, data_type=tensor.data_type, name=tensor.name)
    with open_regular(data, MAX_FILE_BYTES) as stream:
        offset, size = int(entries.get("offset", 0)), size_of(stream)
        length = int(entries.get("length", size - offset))
        if not 0 <= offset <= offset + length <= size:
            raise InputError(f"{tensor.name!r} lies at {offset} + {length} bytes of {location!r}, which has {size}")
        stored.budget.take(length, f"{tensor.name!r} in {location!r}")
        stream.seek(offset)
        inline.raw_data = stream.read(length)
    return inline
