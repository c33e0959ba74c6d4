"""Reads VGG convolutions out of an ONNX graph: its Conv nodes in their order, so that names do not matter.

The names only tell the input convention: Keras' (`block1_conv1`) or torchvision's (`features.0.weight`). A graph that
prepares its input by itself is not recognized: state the convention of what reaches its first convolution.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from subjective.checks import InputError, MissingPackageError
from subjective.network.formats.arrays import LIMIT, Found
from subjective.network.formats.layout import names_in_order

_PLAIN = {"group": 1, "strides": [1, 1], "dilations": [1, 1]}


def read_onnx(path: Path) -> Found:
    """The 3x3 convolutions of the graph, named by their order; others (dense layers written as such) end the network.

    Raises: ImportError with advice when onnx is missing; ValueError when a convolution is not VGG's, when its numbers
    are not stored in the graph, or when they lie in a file outside the graph's own folder.
    """
    try:
        import onnx
    except ImportError:
        raise MissingPackageError("reading ONNX files needs onnx; do: pip install 'subjective[convert]'") from None
    # Without its external data: those paths are the file's to choose, so that `_tensor` looks at them first.
    graph = onnx.load(str(path), load_external_data=False).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    aliases: dict[str, str] = {}
    convolutions: list[dict[str, np.ndarray]] = []
    names: list[str] = []
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            tensors.update((node.output[0], attr.t) for attr in node.attribute if attr.name == "value")
        elif node.op_type == "Identity" and node.input and node.output:
            aliases[node.output[0]] = node.input[0]
        elif node.op_type == "BatchNormalization":
            raise InputError("its graph has batch normalization; wanted VGG without it (or fold it when exporting)")
        elif node.op_type == "Conv":
            kernel, *bias = [_numbers(path, tensors, aliases, name) for name in node.input[1:]]
            if kernel.shape[2:] != (3, 3):
                break
            options = {a.name: list(a.ints) if a.ints else a.i for a in node.attribute}
            for option, wanted in _PLAIN.items():
                if options.get(option, wanted) != wanted:
                    raise InputError(f"convolution {node.name!r} has {option} {options[option]}; VGG's have {wanted}")
            if not bias:
                raise InputError(f"convolution {node.name!r} has no bias; export the graph with its biases in place")
            convolutions.append({"kernel": kernel.transpose(2, 3, 1, 0), "bias": bias[0]})
            names += [node.name, *node.input]
    named = dict(zip(names_in_order(len(convolutions)), convolutions, strict=True))
    keras = any(re.search(r"block[1-5]_conv[1-4]", name) for name in names)
    torchvision = any(re.search(r"features\.\d+\b", name) for name in names)
    convention = {(True, False): "caffe-bgr", (False, True): "torchvision"}.get((keras, torchvision))
    return Found("ONNX", named, convention)


def _numbers(path: Path, tensors: dict[str, Any], aliases: dict[str, str], name: str) -> np.ndarray:
    from onnx import TensorProto, numpy_helper

    for _ in range(len(aliases) + 1):
        name = aliases.get(name, name)
    tensor = tensors.get(name)
    if tensor is None:
        raise InputError(f"{name!r} is computed by the graph, not stored in it; export with constants folded")
    shape = tuple(tensor.dims)
    if np.prod(shape, dtype=object) * 8 > LIMIT or any(n < 0 for n in shape):
        raise InputError(f"{name!r} has shape {shape}, larger than any convolution of VGG")
    if tensor.data_location == TensorProto.EXTERNAL:
        tensor = _inlined(path, tensor)
    return np.asarray(numpy_helper.to_array(tensor))


def _inlined(path: Path, tensor: Any) -> Any:
    """The tensor with its external data read in, from a file beside the graph and nowhere else."""
    from onnx import TensorProto

    entries = {entry.key: entry.value for entry in tensor.external_data}
    folder, location = path.resolve().parent, entries.get("location", "")
    data = (folder / location).resolve()  # follows links, so that none can lead outside
    if not location or not data.is_relative_to(folder):
        raise InputError(
            f"{tensor.name!r} lies outside the graph's folder, at {location!r}; wanted it beside the graph"
        )
    if not data.is_file():
        raise InputError(f"{tensor.name!r} lies in {location!r}, which is not there; put that file beside the graph")
    offset, size = int(entries.get("offset", 0)), data.stat().st_size
    length = int(entries.get("length", size - offset))
    if not 0 <= offset <= offset + length <= size or length > LIMIT:
        raise InputError(f"{tensor.name!r} lies at {offset} + {length} bytes of {location!r}, which has {size}")
    inline = TensorProto(dims=tensor.dims, data_type=tensor.data_type, name=tensor.name)
    with data.open("rb") as stream:
        stream.seek(offset)
        inline.raw_data = stream.read(length)
    return inline
