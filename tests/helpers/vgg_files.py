"""Small VGG files in every layout that `subjective.network.formats` reads, made from parameters."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from helpers.pictures import REFERENCE
from subjective.network.formats import reader
from subjective.network.formats.layout import NumpyParams, random_params
from subjective.network.formats.native import write_tensors

WIDTHS = (4, 6, 8, 10, 10)
NETWORKS = {
    "vgg16": random_params(1, "vgg16"),
    "vgg19": random_params(2, "vgg19"),
    "short": random_params(3, blocks=3),
    "one": random_params(7, blocks=1),
}
# Those of which `reference/torch` has files that PyTorch wrote, narrower for the files' size.
NARROW = (4, 4, 4, 4, 4)
TORCH_NETWORKS = {
    "vgg16": random_params(1, "vgg16", widths=NARROW),
    "vgg19": random_params(2, "vgg19", widths=NARROW),
    "short": random_params(3, blocks=3, widths=NARROW),
    "one": random_params(7, blocks=1, widths=NARROW),
}
TORCH = REFERENCE / "torch"


def convolutions(params: NumpyParams) -> dict[str, dict[str, np.ndarray]]:
    return {name: layer for name, layer in params.items() if name != "input"}


def rgb(name: str, kernel: np.ndarray) -> np.ndarray:
    return kernel[:, :, ::-1] if name == "conv1_1" else kernel


def keras_name(name: str) -> str:
    return f"block{name[4]}_conv{name[6]}"


def keras_h5(path: Path, params: NumpyParams, layout: str) -> Path:
    import h5py

    with h5py.File(path, "w") as root:
        top = root.create_group("model_weights") if layout in ("keras2-model", "original") else root
        for index, (name, layer) in enumerate(convolutions(params).items()):
            k = keras_name(name)
            kernel, bias = {
                "2016": (f"{k}/{k}_W_1:0", f"{k}/{k}_b_1:0"),
                "keras2": (f"{k}/{k}/kernel:0", f"{k}/{k}/bias:0"),
                "keras2-model": (f"{k}/{k}/kernel:0", f"{k}/{k}/bias:0"),
                "original": (f"{name}/{name}/kernel:0", f"{name}/{name}/bias:0"),
                "keras3-legacy": (f"{k}/vgg16/{k}/kernel", f"{k}/vgg16/{k}/bias"),
                "keras3": [f"layers/conv2d{f'_{index}' if index else ''}/vars/{n}" for n in (0, 1)],
                "keras2.13": [
                    f"_layer_checkpoint_dependencies/conv2d{f'_{index}' if index else ''}/vars/{n}" for n in (0, 1)
                ],
            }[layout]
            top[kernel], top[bias] = layer["kernel"], layer["bias"]
        top.create_group("block1_pool")
        if layout in ("keras2", "keras2-model"):
            top["fc1/fc1/kernel:0"], top["fc1/fc1/bias:0"] = np.ones((5, 2), "f4"), np.ones(2, "f4")
        if layout == "keras2-model":
            root["optimizer_weights/SGD/block1_conv1/kernel:0"] = np.zeros((3, 3, 3, 4), "f4")
        if layout == "keras3":
            root["layers/dense/vars/0"] = np.ones((5, 2), "f4")
            root.create_group("layers/max_pooling2d/vars")
            root["optimizer/vars/0"] = np.int64(3)
    return path


def keras_zip(path: Path, params: NumpyParams) -> Path:
    inner = keras_h5(path.with_suffix(".inner"), params, "keras3")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
        archive.write(inner, "model.weights.h5")
    inner.unlink()
    return path


def state_dict(params: NumpyParams, classifier: bool = True) -> dict[str, np.ndarray]:
    """The numbers as they are, under torchvision's names and in OIHW."""
    tensors, at, block = {}, 0, "1"
    for name, layer in convolutions(params).items():
        at += name[4] != block
        block = name[4]
        tensors[f"features.{at}.weight"] = np.ascontiguousarray(layer["kernel"].transpose(3, 2, 0, 1))
        tensors[f"features.{at}.bias"] = layer["bias"]
        at += 2
    if classifier:
        tensors |= {"classifier.0.weight": np.ones((4, 9), "f4"), "classifier.0.bias": np.ones(4, "f4")}
    return tensors


def torch_file(name: str, kind: str = "zip") -> Path:
    """A file that `reference/write_torch_files.py` wrote: in today's form, or `legacy` before PyTorch 1.6."""
    return TORCH / f"{name}.{kind}.pth"


Lie = tuple[int, int, tuple[int, ...], tuple[int, ...]]
"""What a pickle of PyTorch says of a tensor: numbers in storage 0, offset, shape and strides."""


def torch_pickle(tensors: dict[str, Lie]) -> bytes:
    """A data.pkl with tensors in storage 0, of which it may say anything."""

    def integers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", v) for v in values) + b"t"

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    content = b"\x80\x02}"
    for name, (numel, offset, shape, stride) in tensors.items():
        storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
        storage += b"\x8a\x08" + struct.pack("<q", numel) + b"tQ"
        rest = b"\x8a\x08" + struct.pack("<q", offset) + integers(shape) + integers(stride) + b"\x89}"
        content += text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tRs"
    return content + b"."


def pth(path: Path, tensors: dict[str, Lie], stored: bytes) -> Path:
    path.write_bytes(zip_bytes({"archive/data.pkl": torch_pickle(tensors), "archive/data/0": stored}))
    return path


def npz(path: Path, params: NumpyParams) -> Path:
    arrays = {}
    for name, layer in convolutions(params).items():
        arrays |= {f"{name}_W": rgb(name, layer["kernel"]), f"{name}_b": layer["bias"]}
    np.savez(path, fc6_W=np.ones((3, 2), "f4"), **arrays)
    return path


def npy(path: Path, params: NumpyParams, style: str = "gatys") -> Path:
    layers = {
        name: {"weights": layer["kernel"], "biases": layer["bias"]} if style == "gatys" else [*layer.values()]
        for name, layer in convolutions(params).items()
    }
    np.save(path, np.array(layers | {"fc6": [np.ones((2, 3)), np.ones(3)]}, dtype=object), allow_pickle=True)
    return path


def python2_npy(path: Path, params: NumpyParams) -> Path:
    """What numpy under Python 2 wrote: protocol 2, byte strings throughout, an array's numbers among them."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value

    def integer(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    def array(shape: tuple[int, ...], code: bytes, order: bytes, raw: bytes) -> bytes:
        start = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + integer(0) + b"\x85" + text(b"b") + b"tR"
        dtype = b"cnumpy\ndtype\n(" + text(code) + integer(0) + integer(1) + b"tR("
        dtype += (
            integer(3) + text(order) + b"NNN" + integer(-1) + integer(-1) + integer(63 if code == b"O8" else 0) + b"tb"
        )
        return start + b"(" + integer(1) + b"(" + b"".join(map(integer, shape)) + b"t" + dtype + b"\x89" + raw + b"tb"

    body = b"}("
    for name, layer in convolutions(params).items():
        body += text(name.encode()) + b"}("
        for key, value in ((b"weights", layer["kernel"]), (b"biases", layer["bias"])):
            body += text(key) + array(value.shape, b"f4", b"<", text(value.tobytes()))
        body += b"u"
    data = b"\x80\x02" + array((), b"O8", b"|", b"](" + body + b"ue") + b"."
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
    header += b" " * (-(len(header) + 11) % 16) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)
    assert set(pickle.loads(data, encoding="latin1").item()) == set(
        convolutions(params)
    )  # Python agrees that it is one
    return path


def mat(path: Path, params: NumpyParams, style: str = "new", mean: object = None) -> Path:
    from scipy.io import savemat

    layers = []
    for name, layer in convolutions(params).items():
        kernel, bias = rgb(name, layer["kernel"]), layer["bias"][None, :]
        if style == "old":
            layers.append({"name": name, "type": "conv", "filters": kernel, "biases": bias, "stride": np.ones((1, 2))})
        else:
            cell = np.empty((1, 2), dtype=object)
            cell[0, 0], cell[0, 1] = kernel, bias
            layers.append({"name": name, "type": "conv", "weights": cell, "stride": np.ones((1, 2))})
        layers.append({"name": f"relu{name[4:]}", "type": "relu"})
    cells = np.empty((1, len(layers)), dtype=object)
    cells[0, :] = layers
    content: dict[str, object] = {"layers": cells, "classes": {"name": "none"}}
    if mean is not None:
        normalization = {"averageImage": mean, "interpolation": "bicubic"}
        content |= {"normalization": normalization} if style == "old" else {"meta": {"normalization": normalization}}
    savemat(path, content, do_compression=True)
    return path


def onnx_file(
    path: Path, params: NumpyParams, naming: str = "keras", constants: bool = False, external: bool = False
) -> Path:
    import onnx
    from onnx import helper, numpy_helper

    nodes, tensors, current = [], [], "input"
    features = [n.removesuffix(".weight") for n in state_dict(params, classifier=False) if n.endswith("weight")]
    for index, (name, layer) in enumerate(convolutions(params).items()):
        stem = {
            "keras": f"vgg16_1/{keras_name(name)}_1/convolution",
            "torchvision": features[index],
            "other": f"w{99 - index}",
        }
        names = [f"{stem[naming]}.weight", f"{stem[naming]}.bias"]
        for part, array in zip(names, (layer["kernel"].transpose(3, 2, 0, 1), layer["bias"]), strict=True):
            tensor = numpy_helper.from_array(np.ascontiguousarray(array), part)
            if constants:
                nodes.append(helper.make_node("Constant", [], [part], value=tensor))
            else:
                tensors.append(tensor)
        if index and name.endswith("_1"):
            nodes.append(helper.make_node("MaxPool", [current], [f"p{index}"], kernel_shape=[2, 2], strides=[2, 2]))
            current = f"p{index}"
        nodes.append(helper.make_node("Conv", [current, *names], [f"c{index}"], pads=[1] * 4, kernel_shape=[3, 3]))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
        current = f"r{index}"
    ends = [helper.make_tensor_value_info(n, 1, ["n", None, None, None]) for n in ("input", current)]
    model = helper.make_model(helper.make_graph(nodes, "vgg", ends[:1], ends[1:], tensors[::-1]))
    if external:
        onnx.save_model(model, str(path), save_as_external_data=True, location=f"{path.name}.data", size_threshold=0)
    else:
        onnx.save_model(model, str(path))
    return path


def zip_bytes(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


WRITERS = {
    **{
        f"h5-{layout}": (lambda path, params, layout=layout: keras_h5(path, params, layout))
        for layout in ("2016", "keras2", "keras2-model", "original", "keras3-legacy", "keras3", "keras2.13")
    },
    "keras": keras_zip,
    "npz": lambda path, params: npz(path.with_suffix(".npz"), params),
    "npy-gatys": lambda path, params: npy(path.with_suffix(".npy"), params),
    "npy-pairs": lambda path, params: npy(path.with_suffix(".npy"), params, "pairs"),
    "npy-python2": python2_npy,
    "mat-new": lambda path, params: mat(path.with_suffix(".mat"), params),
    "mat-old": lambda path, params: mat(path.with_suffix(".mat"), params, "old"),
    "onnx": lambda path, params: onnx_file(path, params),
    "onnx-constants": lambda path, params: onnx_file(path, params, constants=True),
    "onnx-external": lambda path, params: onnx_file(path, params, external=True),
}
TORCH_FILES = {
    "zip": lambda path, network: torch_file(network),
    "legacy": lambda path, network: torch_file(network, "legacy"),
    "safetensors": lambda path, network: write_tensors(path, state_dict(TORCH_NETWORKS[network]), {}) and path,
    "onnx": lambda path, network: onnx_file(path, TORCH_NETWORKS[network], "torchvision"),
}


def refusal(path: Path, **options: object) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(ValueError, match=r".") as caught:
        reader.read(path, **{"widths": WIDTHS, **options})
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message
