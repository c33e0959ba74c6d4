"""Every layout is read to the same numbers; damage and lies are refused in one line."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import onnx
import pytest
from helpers import vgg_files
from helpers.networks import vgg_features
from helpers.vgg_files import NARROW, NETWORKS, TORCH_FILES, TORCH_NETWORKS, WIDTHS, WRITERS, refusal, torch_file
from hypothesis import given
from hypothesis import strategies as st

from subjective.network.formats import reader
from subjective.network.formats.contents import read_content
from subjective.network.formats.layout import (
    BLOCKS,
    MEAN_BGR,
    NumpyParams,
    architecture_of,
    build_params,
    convolution_names,
    random_params,
)
from subjective.network.formats.native import write_tensors


def assert_same(params: NumpyParams, expected: NumpyParams) -> None:
    assert list(params) == list(expected)
    for name, layer in expected.items():
        for part, array in layer.items():
            assert params[name][part].dtype == np.float32
            np.testing.assert_array_equal(params[name][part], array, err_msg=f"{name}.{part}")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("layout", WRITERS)
def test_a_file_of_each_layout_gives_the_numbers_it_was_made_from(tmp_path, layout, network):
    path = WRITERS[layout](tmp_path / "file.bin", NETWORKS[network])  # the name tells nothing: content does
    params, metadata = reader.read(path, widths=WIDTHS)
    assert_same(params, NETWORKS[network])
    assert metadata["architecture"] == ("vgg19" if network == "vgg19" else "vgg16")
    assert metadata["converted_from"] == path.name
    assert len(metadata["source_sha256"]) == 64


@pytest.mark.parametrize("mean", [[101.0, 102.0, 103.0], np.ones((5, 4, 3)) * [101.0, 102.0, 103.0]])
@pytest.mark.parametrize("style", ["old", "new"])
def test_a_matconvnet_file_gives_its_average_color_as_the_mean(tmp_path, style, mean):
    path = vgg_files.mat(tmp_path / "net.mat", NETWORKS["short"], style, np.asarray(mean))
    params, _ = reader.read(path, widths=WIDTHS)
    np.testing.assert_allclose(params["input"]["mean"], [103.0, 102.0, 101.0])


@pytest.mark.parametrize("network", ["vgg16", "vgg19", "short"])
@pytest.mark.parametrize("kind", TORCH_FILES)
def test_a_torchvision_file_gives_the_features_torchvision_gives(tmp_path, kind, network):
    path = TORCH_FILES[kind](tmp_path / "vgg.safetensors", network)
    params, metadata = reader.read(path, widths=NARROW)
    assert metadata["convention"] == "torchvision"
    picture = np.random.default_rng(0).random((36, 40, 3))  # RGB in [0, 1]

    written = vgg_files.state_dict(TORCH_NETWORKS[network], classifier=False).values()
    kernels = [numbers.transpose(2, 3, 1, 0) if numbers.ndim == 4 else numbers for numbers in written]
    names = [name for name in TORCH_NETWORKS[network] if name != "input"]
    theirs = dict(zip(names, zip(kernels[::2], kernels[1::2], strict=True), strict=True))
    ours = {name: (params[name]["kernel"], params[name]["bias"]) for name in names}
    as_torchvision = (picture - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    as_caffe = picture[:, :, ::-1] * 255.0 - params["input"]["mean"].astype(float)
    for padding in ("zero", "circular", "reflect", "valid"):
        expected = vgg_features(as_torchvision, theirs, padding, "max")
        got = vgg_features(as_caffe, ours, padding, "max")
        assert len(expected) > 6
        for name, e in expected.items():
            # kernels and the mean were rounded to float32 once: some 1e-7 of the largest activation, times the depth
            np.testing.assert_allclose(got[name], e, atol=3e-6 * e.max(), err_msg=name)


def test_the_state_dict_inside_a_training_checkpoint_is_found():
    assert_same(reader.read(torch_file("one-checkpoint"), "caffe-bgr", WIDTHS)[0], TORCH_NETWORKS["one"])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_other_precisions_of_torch_are_read(dtype, kind):
    params, _ = reader.read(torch_file(f"one-{dtype}", kind), "caffe-bgr", WIDTHS)
    for name in ("conv1_1", "conv1_2"):
        for part, array in TORCH_NETWORKS["one"][name].items():
            expected = array.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype).astype(np.float32)
            np.testing.assert_array_equal(params[name][part], expected)


def test_views_and_shared_storages_of_torch_are_read():
    assert_same(reader.read(torch_file("one-views"), "caffe-bgr", WIDTHS)[0], TORCH_NETWORKS["one"])


@pytest.mark.slow
def test_torch_is_not_imported_for_its_own_files():
    program = (
        f"import sys, pathlib; from subjective.network.formats.contents import read_content; "
        f"read_content(pathlib.Path({str(torch_file('short'))!r})); "
        "sys.exit('torch' in sys.modules or 'h5py' in sys.modules or 'onnx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_convention_overrides_the_formats_own(tmp_path):
    path = vgg_files.npz(tmp_path / "net.npz", NETWORKS["short"])
    turned, _ = reader.read(path, widths=WIDTHS)
    plain, metadata = reader.read(path, "caffe-bgr", WIDTHS)
    np.testing.assert_array_equal(plain["conv1_1"]["kernel"], turned["conv1_1"]["kernel"][:, :, ::-1])
    np.testing.assert_array_equal(plain["input"]["mean"], np.float32(MEAN_BGR))
    assert metadata["convention"] == "caffe-bgr"
    assert "'rgb'; wanted one of caffe-bgr, caffe-rgb, torchvision" in refusal(path, convention="rgb")


def test_onnx_without_telling_names_needs_the_convention(tmp_path):
    path = vgg_files.onnx_file(tmp_path / "net.onnx", NETWORKS["vgg19"], "other")
    assert "state it: caffe-bgr, caffe-rgb or torchvision" in refusal(path)
    assert_same(reader.read(path, "caffe-bgr", WIDTHS)[0], NETWORKS["vgg19"])


# --- lies ------------------------------------------------------------------------------------------------------------


def test_an_npz_header_that_lies_is_refused(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3, 3, 99999999), }".ljust(117) + b"\n"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 100
    path = tmp_path / "lie.npz"
    path.write_bytes(vgg_files.zip_bytes({"conv1_1_W.npy": member}))
    assert "where 100 follow" in refusal(path)


def test_hdf5_that_points_outside_is_refused(tmp_path):
    vgg_files.keras_h5(tmp_path / "other.h5", NETWORKS["short"], "keras2")
    with h5py.File(tmp_path / "link.h5", "w") as root:
        root["block1_conv1"] = h5py.ExternalLink("other.h5", "/block1_conv1")
    assert "link to another file" in refusal(tmp_path / "link.h5")
    with h5py.File(tmp_path / "raw.h5", "w") as root:
        outside = [(str(tmp_path / "other.h5"), 0, 432)]
        root.create_dataset("block1_conv1/kernel:0", (3, 3, 3, 4), "f4", external=outside)
    assert "in another file" in refusal(tmp_path / "raw.h5")
    with h5py.File(tmp_path / "virtual.h5", "w") as root:
        layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (3, 3, 3, 4))
        root.create_virtual_dataset("block1_conv1/kernel:0", layout)
    assert "in another file" in refusal(tmp_path / "virtual.h5")
    with h5py.File(tmp_path / "huge.h5", "w") as root:
        root.create_dataset("block1_conv1/kernel:0", (1 << 20, 1 << 20), "f4", chunks=(64, 64))
        root["loop"] = root["/"]
    assert "takes more than 67 MB when it is read" in refusal(tmp_path / "huge.h5")


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "link"])
def test_onnx_data_outside_the_graphs_folder_is_refused(tmp_path, location):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 432)
    (folder / "link").symlink_to(tmp_path / "secret")
    path = vgg_files.onnx_file(folder / "net.onnx", NETWORKS["short"], external=True)
    model = onnx.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        tensor.external_data[0].value = location
    path.write_bytes(model.SerializeToString())
    assert "lies outside the graph's folder" in refusal(path)


def test_onnx_data_shorter_than_the_graph_says_is_refused(tmp_path):
    path = vgg_files.onnx_file(tmp_path / "net.onnx", NETWORKS["short"], external=True)
    data = tmp_path / "net.onnx.data"
    data.write_bytes(data.read_bytes()[:100])
    assert "which has 100" in refusal(path)
    data.unlink()
    assert "put that file beside the graph" in refusal(path)


# --- damage ----------------------------------------------------------------------------------------------------------

DAMAGED = {
    "h5": WRITERS["h5-keras2"],
    "keras": WRITERS["keras"],
    "npz": WRITERS["npz"],
    "npy": WRITERS["npy-gatys"],
    "npy2": WRITERS["npy-python2"],
    "mat": WRITERS["mat-new"],
    "onnx": WRITERS["onnx"],
    "safetensors": lambda path, params: (
        write_tensors(
            path.with_suffix(".safetensors"), {f"{n}.{k}": a for n, v in params.items() for k, a in v.items()}, {}
        )
        and path.with_suffix(".safetensors")
    ),
}


def undamaged(path, kind, network):
    if kind in ("zip", "legacy"):
        return Path(shutil.copy(torch_file(network, kind), path))
    return DAMAGED[kind](path, NETWORKS[network])


@pytest.mark.parametrize("kind", [*DAMAGED, "zip", "legacy"])
def test_a_truncated_file_is_refused_in_one_line(tmp_path, kind):
    """`tests/fuzz` does this and other damage at very many places."""
    path = undamaged(tmp_path / "file.bin", kind, "short")
    data = path.read_bytes()
    for place in (0, 9, 300, len(data) // 2, len(data) - 8):
        path.write_bytes(data[:place])
        refusal(path, widths=None)


def test_strangers_and_packed_files_are_refused_with_advice(tmp_path):
    cases = {
        b"": "no format known here",
        b"hello, world": "no format known here",
        b"\x1f\x8b\x08" + b"\0" * 99: "gzip",
        b"\0" * 257 + b"ustar" + b"\0" * 250: "tar archive",
        vgg_files.zip_bytes({"readme.txt": b"hello"}): "zip archive of no format known here",
    }
    path = tmp_path / "stranger"
    for content, says in cases.items():
        path.write_bytes(content)
        assert says in refusal(path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        reader.read(tmp_path / "absent")


def test_batch_normalized_vgg_is_refused_by_that_name(tmp_path):
    path = tmp_path / "bn.safetensors"
    write_tensors(path, vgg_files.state_dict(NETWORKS["short"]) | {"features.1.running_mean": np.ones(4)}, {})
    assert "batch normalization" in refusal(path)


# --- the layout ------------------------------------------------------------------------------------------------------


def test_wrong_shapes_are_refused_naming_layer_expected_and_got(tmp_path):
    path = vgg_files.npy(tmp_path / "net.npy", NETWORKS["vgg16"])
    assert "conv1_1.kernel: expected shape (3, 3, 3, 64), got (3, 3, 3, 4)" in refusal(
        path, widths=(64, 128, 256, 512, 512)
    )
    layers = vgg_files.convolutions(NETWORKS["vgg16"])
    layers["conv3_2"] = {**layers["conv3_2"], "bias": np.zeros(7, np.float32)}
    with pytest.raises(ValueError, match=r"conv3_2.bias: expected shape \(8,\), got \(7,\)"):
        build_params(layers, widths=None)
    layers["conv3_2"] = {"kernel": np.zeros((8, 8, 3, 3), "f4"), "bias": np.zeros(8, "f4")}
    with pytest.raises(ValueError, match=r"conv3_2.kernel: expected shape .* \(that is OIHW"):
        build_params(layers, widths=WIDTHS)


@given(st.sampled_from(["vgg16", "vgg19"]), st.integers(1, 5), st.data())
def test_a_network_lacking_a_layer_is_refused_naming_it(architecture, blocks, data):
    params = vgg_files.convolutions(random_params(0, architecture, blocks))
    names = convolution_names(architecture, blocks)
    # A block's last layer may go unnoticed: blocks 1 and 2 then end early, or VGG-19's block 3 looks like VGG-16's.
    inner = [name for name in names[:-1] if not name.endswith("_4")]
    if blocks > 1 or len(inner) > 0:
        missing = data.draw(st.sampled_from(inner))
        del params[missing]
        with pytest.raises(ValueError, match=f"lacks {missing}"):
            build_params(params, widths=None)


def test_another_network_is_a_line_of_the_table(monkeypatch):
    names = [f"conv{block}_{depth}" for block in range(1, 6) for depth in (1, 2)]  # VGG-13
    with pytest.raises(ValueError, match=r"lacks conv3_3, conv4_3, conv5_3; wanted complete blocks: vgg16"):
        architecture_of(names)
    monkeypatch.setitem(BLOCKS, "vgg13", (2, 2, 2, 2, 2))
    assert architecture_of(names) == "vgg13"
    assert architecture_of(convolution_names("vgg19")) == "vgg19"
    with pytest.raises(ValueError, match=r"has a layer 'conv1_9', which none of vgg16, vgg19, vgg13 has"):
        architecture_of([*names, "conv1_9"])


def test_numbers_that_are_not_finite_or_not_numbers_are_refused():
    params = vgg_files.convolutions(random_params(0, blocks=1))
    for value, says in ((np.full(4, np.nan), "NaN"), (np.full(4, 1e300), "NaN"), (np.ones(4, int), "floating-point")):
        broken = {**params, "conv1_2": {**params["conv1_2"], "bias": value}}
        with pytest.raises(ValueError, match=f"conv1_2.bias.*{says}"):
            build_params(broken, widths=None)


def test_missing_packages_are_named_with_the_remedy(tmp_path, monkeypatch):
    for package, writer in (("h5py", WRITERS["h5-keras2"]), ("onnx", WRITERS["onnx"])):
        path = writer(tmp_path / package, NETWORKS["short"])
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=r"pip install 'subjective\[convert\]'"):
            read_content(path)
