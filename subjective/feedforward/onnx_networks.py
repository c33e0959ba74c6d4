"""A trained network as an ONNX model, written from the modules of the network itself.

A style network takes ``picture``, ``(batch, 3, height, width)`` in [0, 1], and ``strength``, and gives ``painted``. A
texture network takes ``size`` (height, width) and ``seed``, and gives ``texture``, ``(1, 3, height, width)``: the
texture that `subjective.feedforward.train.draw` makes from the same seed. A network of several sources also takes
``blend``, the share of each source. Nothing has a fixed size.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from subjective.feedforward.layers import Border
from subjective.feedforward.network_file import TrainedNetwork
from subjective.feedforward.networks import NOISE_CHANNELS, SMALLEST, Scale, TextureNet, TransformNet
from subjective.feedforward.onnx_graph import IR_VERSION, OPSET, Graph, load_onnx
from subjective.feedforward.step import build_network
from subjective.feedforward.strength import TAPS
from subjective.version import __version__


def build_model(network: TrainedNetwork, *, name: str, licence: str) -> Any:
    """Return a network as an ``onnx.ModelProto``, checked by ONNX's own checker.

    Args:
        network: a style or texture network.
        name: name of the network, for the model's metadata.
        licence: licence of the network and of its sources, for the model's metadata.

    Raises:
        MissingPackageError: the package onnx is not installed.
    """
    onnx = load_onnx()
    architecture = network.architecture
    built, graph = build_network(architecture, network.params), Graph()
    number, whole = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    value = onnx.helper.make_tensor_value_info
    blend = "blend" if architecture.sources > 1 else None
    if architecture.kind == "style":
        inputs = [value("picture", number, ["batch", 3, "height", "width"]), value("strength", number, [1])]
        outputs = [value("painted", number, ["batch", 3, "height", "width"])]
        _add_style(graph, built, blend, architecture.border)
    else:
        inputs = [value("size", whole, [2]), value("seed", whole, [1])]
        outputs = [value("texture", number, [1, 3, "height", "width"])]
        _add_texture(graph, built, blend, architecture.border)
    if blend:
        inputs.append(value("blend", number, [architecture.sources]))
    made = onnx.helper.make_graph(graph.nodes, name, inputs, outputs, graph.initializers)
    opset = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(made, opset_imports=opset, ir_version=IR_VERSION, producer_name="subjective")
    model.producer_version = __version__
    model.doc_string = __doc__
    onnx.helper.set_model_props(model, describe_network(network, name, licence))
    onnx.checker.check_model(model, full_check=True)
    return model


def describe_network(network: TrainedNetwork, name: str, licence: str) -> dict[str, str]:
    """Return what an exported file says of a network: name, licence, version, sources and ranges, all as texts."""
    architecture = network.architecture
    described = {
        "name": name,
        "kind": architecture.kind,
        "licence": licence,
        "version": __version__,
        "sources": json.dumps(source_names(network)),
    }
    if architecture.kind == "style":
        ranges = f"picture: 0 to 1, RGB, {SMALLEST} pixels a side or more; strength: 0 (as it is) to 1 (whole), or more"
    else:
        ranges = "size: 1 or more; seed: 0 to 4294967295"
    return described | {"ranges": ranges + ("; blend: shares that sum to 1" if architecture.sources > 1 else "")}


def source_names(network: TrainedNetwork) -> list[str]:
    """Return a name for each source: its file's, without the suffix, or its number where the file is not recorded."""
    recorded = network.facts.get("sources")
    found = []
    for number in range(network.architecture.sources):
        source = recorded[number] if isinstance(recorded, list) and number < len(recorded) else None
        source = source.get("name") if isinstance(source, dict) else source
        found.append(source.rpartition("/")[2].rpartition(".")[0] or source if isinstance(source, str) else "")
    return [name or f"source {number}" for number, name in enumerate(found, 1)]


def _add_style(graph: Graph, network: TransformNet, blend: str | None, border: Border) -> None:
    """Add `TransformNet.__call__` to a graph."""
    x = kept = graph.add("Sub", graph.add("Mul", "picture", graph.constant(2)), graph.constant(1))
    for place, block in enumerate(network.blocks):
        kept = x if network.opens(place) else kept
        x = graph.block(x, block, blend, border)
        x = graph.add("Add", x, kept) if network.closes(place) else x
    y = graph.convolve(x, network.last, border)
    painted = graph.to_pixels(graph.cut(y, graph.sides("picture")))
    _add_strength(graph, painted, border)


def _add_texture(graph: Graph, network: TextureNet, blend: str | None, border: Border) -> None:
    """Add the noise and `TextureNet.__call__` to a graph."""
    seed, x = graph.mix_bits("seed"), None
    for octave, scale in zip(reversed(range(len(network.scales))), network.scales, strict=True):
        rounded = graph.add("Add", "size", graph.constant(2**octave - 1, np.int64))
        size = graph.add("Div", rounded, graph.constant(2**octave, np.int64))
        noise = graph.noise(seed, octave, size, NOISE_CHANNELS)
        x = _add_scale(graph, scale, x, noise, size, blend, border)
    graph.add("Identity", graph.to_pixels(graph.convolve(str(x), network.last, border)), output="texture")


def _add_scale(
    graph: Graph, scale: Scale, coarser: str | None, noise: str, size: str, blend: str | None, border: Border
) -> str:
    """Add `Scale.__call__` to a graph; ``size`` is (height, width) of the noise."""
    x = _add_chain(graph, scale.fresh.blocks, noise, blend, border)
    if scale.joined is None or coarser is None:
        return x
    maps = (x, graph.cut(graph.double(coarser), size))
    parts = [graph.normalize(each, norm, blend) for norm, each in zip(scale.norms, maps, strict=True)]
    return _add_chain(graph, scale.joined.blocks, graph.add("Concat", *parts, axis=1), blend, border)


def _add_chain(graph: Graph, blocks: Sequence[Any], x: str, blend: str | None, border: Border) -> str:
    for block in blocks:
        x = graph.block(x, block, blend, border)
    return x


def _add_strength(graph: Graph, painted: str, border: Border) -> None:
    """Add `subjective.feedforward.strength.mix` to a graph."""
    difference = graph.add("Sub", painted, "picture")
    smooth = graph.blur(difference, TAPS, border)
    least = graph.add("Min", "strength", graph.constant([1]))
    strokes = graph.add("Mul", graph.add("Sub", difference, smooth), "strength")
    palette = graph.add("Mul", smooth, graph.add("Mul", least, least))
    moved = graph.add("Add", graph.add("Add", "picture", strokes), palette)
    graph.add("Clip", moved, graph.constant(0), graph.constant(1), output="painted")
