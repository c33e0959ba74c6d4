"""Parameters are found, verified, and written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import vgg_files
from helpers.vgg_files import NETWORKS, WIDTHS
from hypothesis import given, settings
from hypothesis import strategies as st

from subjective.network import weights
from subjective.network.formats import native
from subjective.network.formats.layout import WIDTHS as REAL_WIDTHS
from subjective.network.formats.layout import NumpyParams, convolution_names, random_params


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def scales_for(params: NumpyParams, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: np.float32(np.exp(rng.normal(size=layer["bias"].shape)))
        for name, layer in params.items()
        if name != "input"
    }


def saved(folder: Path, name: str = "small", with_scales: bool = True) -> Path:
    path = folder / f"{name}.safetensors"
    digest = weights.save(NETWORKS["short"], path, {"origin": "a test", "licence": "none"})
    if with_scales:
        weights.save_scales(scales_for(NETWORKS["short"]), weights.scales_path(path), digest, {"photographs": "none"})
    return path


def one_line(caught: pytest.ExceptionInfo[Exception]) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_embedded_network_is_vgg16_as_published(tmp_path):
    network = weights.load("vgg16", tmp_path)
    assert network.sha256 == "786d8ba662033e24fd14d4332af3386118ded1ddca08858203e4677d224bfed5"
    assert hashlib.sha256(network.path.read_bytes()).hexdigest() == network.sha256
    assert network.architecture == "vgg16"
    assert list(network.params) == ["input", *convolution_names("vgg16", 4)]
    first = network.params["conv1_1"]
    for array, printed in (
        (first["kernel"].ravel()[:3], [0.42947057, 0.11727387, 0.03401296]),
        (first["bias"][:4], [0.73429835, 0.09340367, 0.06775674, 0.8862966]),
    ):  # published to eight decimals: half of the last, and half of float32's own
        np.testing.assert_allclose(array.astype(np.float64), printed, rtol=3e-8, atol=5e-9)
    np.testing.assert_array_equal(network.params["input"]["mean"], np.float32([103.939, 116.779, 123.68]))
    assert [network.params[f"conv{b}_1"]["bias"].size for b in (1, 2, 3, 4)] == list(REAL_WIDTHS[:4])
    if network.scales is not None:
        assert list(network.scales) == convolution_names("vgg16", 4)


def test_the_embedded_folder_gives_origin_licence_and_checksum():
    readme = (weights.embedded_dir() / "README.md").read_text()
    for wanted in ("Simonyan", "Zisserman", "CC BY 4.0", weights.load().sha256):
        assert wanted in readme


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_saved_is_loaded_again(data_dir, network):
    params = NETWORKS[network]
    scales = scales_for(params)
    digest = weights.save(params, data_dir / "net.safetensors", {"origin": "here"})
    weights.save_scales(scales, data_dir / "net.scales.safetensors", digest)
    for name in ("net", str(data_dir / "net.safetensors"), data_dir / "net.safetensors"):
        loaded = weights.load(name, data_dir, widths=WIDTHS)
        assert (loaded.name, loaded.sha256, loaded.metadata["origin"]) == ("net", digest, "here")
        assert list(loaded.params) == list(params)
        for layer, parts in params.items():
            for part, array in parts.items():
                np.testing.assert_array_equal(loaded.params[layer][part], array)
        assert list(loaded.scales) == list(scales)
        for layer, scale in scales.items():
            np.testing.assert_array_equal(loaded.scales[layer], scale)


def test_the_same_network_gives_the_same_bytes(tmp_path):
    digests = {
        weights.save(NETWORKS["vgg19"], tmp_path / f"{i}.safetensors", dict.fromkeys(order, "x"))
        for i, order in enumerate(("abcdef", "fedcba", "cafebd"))
    }
    assert len(digests) == 1


def test_the_embedded_network_written_again_holds_the_same_numbers(tmp_path):
    network = weights.load()
    digest = weights.save(network.params, tmp_path / "copy.safetensors", network.metadata)
    copy = weights.load(tmp_path / "copy.safetensors")
    assert copy.sha256 == digest
    for name, layer in network.params.items():
        np.testing.assert_array_equal(copy.params[name][next(iter(layer))], next(iter(layer.values())))


def test_saving_lists_the_files_as_sha256sum_does(data_dir):
    path = saved(data_dir)
    lines = (data_dir / "SHA256SUMS").read_text().splitlines()
    expected = [f"{native.sha256(p)}  {p.name}" for p in (path, weights.scales_path(path))]
    assert lines == expected
    assert sorted(p.name for p in data_dir.iterdir()) == ["SHA256SUMS", "small.safetensors", "small.scales.safetensors"]


def test_saving_other_parameters_removes_the_scales_of_the_old(data_dir):
    path = saved(data_dir)
    weights.save(NETWORKS["short"], path, {"origin": "a test", "licence": "none"})
    assert weights.scales_path(path).is_file()  # the same bytes: they still hold
    weights.save(NETWORKS["vgg16"], path)
    assert not weights.scales_path(path).exists()
    assert "scales" not in (data_dir / "SHA256SUMS").read_text()
    assert weights.load(path, widths=WIDTHS).scales is None


def test_a_write_that_fails_leaves_the_old_file(data_dir, monkeypatch):
    path = saved(data_dir)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        weights.save(NETWORKS["vgg16"], path)
    assert path.read_bytes() == before
    assert not list(data_dir.glob(".*"))


def test_a_changed_file_is_refused_with_both_hashes_and_what_to_do(data_dir):
    for name in ("small.safetensors", "small.scales.safetensors"):
        path = saved(data_dir)
        damaged = data_dir / name
        expected = native.sha256(damaged)
        content = bytearray(damaged.read_bytes())
        content[-1] ^= 1
        damaged.write_bytes(content)
        with pytest.raises(ValueError, match="reinstall the package, or fetch or convert") as caught:
            weights.load(path, widths=WIDTHS)
        message = one_line(caught)
        assert expected in message
        assert native.sha256(damaged) in message


def test_an_unlisted_file_is_refused_when_it_is_truncated_anywhere(data_dir):
    path = saved(data_dir, with_scales=False)
    content = path.read_bytes()
    (data_dir / "SHA256SUMS").unlink()
    for place in [0, 1, 7, 8, 9, 200, *np.linspace(300, len(content) - 1, 20).astype(int)]:
        path.write_bytes(content[:place])
        with pytest.raises(ValueError, match="small") as caught:
            weights.load("small", data_dir, widths=WIDTHS)
        one_line(caught)


def test_a_broken_list_of_checksums_is_refused(data_dir):
    path = saved(data_dir)
    (data_dir / "SHA256SUMS").write_text("abc  small.safetensors\n")
    with pytest.raises(ValueError, match="line 1 is no checksum"):
        weights.load(path, widths=WIDTHS)


def test_scales_of_other_parameters_are_refused(data_dir):
    path = saved(data_dir)
    weights.save_scales(scales_for(NETWORKS["short"]), weights.scales_path(path), "0" * 64)
    with pytest.raises(ValueError, match="measured for other parameters: expected params_sha256") as caught:
        weights.load(path, widths=WIDTHS)
    one_line(caught)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("conv2_1"), "no scales for conv2_1"),
        (lambda s: s.update(conv9_9=np.ones(3, "f4")), "scales for 'conv9_9'"),
        (lambda s: s.update(conv1_2=np.ones(3, "f4")), r"scales of conv1_2: expected shape \(4,\), got \(3,\)"),
    ],
)
def test_scales_that_do_not_fit_are_refused(data_dir, change, says):
    path = saved(data_dir)
    scales = scales_for(NETWORKS["short"])
    change(scales)
    weights.save_scales(scales, weights.scales_path(path), native.sha256(path))
    with pytest.raises(ValueError, match=says) as caught:
        weights.load(path, widths=WIDTHS)
    one_line(caught)
    with pytest.raises(ValueError, match=says):
        weights.normalize(NETWORKS["short"], scales)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_scales_must_be_positive_and_finite(tmp_path, bad):
    with pytest.raises(ValueError, match="positive, finite"):
        weights.save_scales({"conv1_1": np.float32([1.0, bad])}, tmp_path / "x.scales.safetensors", "0" * 64)


def test_scales_of_ones_own_go_to_the_data_folder_and_are_found_first(tmp_path, monkeypatch):
    package, own = tmp_path / "package", tmp_path / "own"
    path = saved(package)
    monkeypatch.setattr(weights, "embedded_dir", lambda: package)
    before = {file.name: file.read_bytes() for file in package.iterdir()}
    theirs = weights.load("small", own, widths=WIDTHS).scales
    target = weights.own_scales_path(path, own)
    assert target == own / "small.scales.safetensors"
    weights.save_scales(scales_for(NETWORKS["short"], seed=1), target, native.sha256(path))
    ours = weights.load("small", own, widths=WIDTHS).scales
    assert not np.array_equal(ours["conv1_1"], theirs["conv1_1"])
    assert {file.name: file.read_bytes() for file in package.iterdir()} == before


def test_a_foreign_file_is_loaded_directly_and_takes_scales_beside_it(tmp_path):
    path = vgg_files.keras_h5(tmp_path / "vgg.weights.h5", NETWORKS["short"], "keras3")
    network = weights.load(path, widths=WIDTHS)
    assert (network.name, network.scales) == ("vgg", None)
    weights.save_scales(scales_for(NETWORKS["short"]), weights.scales_path(path), network.sha256)
    assert weights.load(str(path), widths=WIDTHS).scales is not None


def test_convert_writes_a_native_file_that_is_found_by_name(tmp_path, data_dir):
    path = vgg_files.npz(tmp_path / "mine.npz", NETWORKS["vgg16"])
    written = weights.convert(path, data_dir, widths=WIDTHS, metadata={"licence": "mine"})
    assert written == data_dir / "mine.safetensors"
    network = weights.load("mine", data_dir, widths=WIDTHS)
    assert network.metadata["converted_from"] == "mine.npz"
    assert network.metadata["licence"] == "mine"
    assert network.metadata["source_sha256"] == native.sha256(path)
    np.testing.assert_array_equal(network.params["conv1_1"]["kernel"], NETWORKS["vgg16"]["conv1_1"]["kernel"])
    assert weights.convert(path, data_dir, "other", "caffe-bgr", widths=WIDTHS).name == "other.safetensors"


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "x.scales", "a b", "vgg16"])
def test_convert_refuses_names_that_cannot_be_found_again(tmp_path, data_dir, name):
    path = vgg_files.npz(tmp_path / "mine.npz", NETWORKS["short"])
    with pytest.raises(ValueError, match="name"):
        weights.convert(path, data_dir, name, widths=WIDTHS)
    assert not list(data_dir.iterdir())


def test_an_unknown_name_is_answered_with_those_there_are(data_dir):
    saved(data_dir)
    with pytest.raises(FileNotFoundError, match=r"'vgg99'.*vgg16, small.*subjective weights list.*fetch") as caught:
        weights.load("vgg99", data_dir)
    one_line(caught)
    with pytest.raises(FileNotFoundError, match="no network or file"):
        weights.load(data_dir / "absent.h5", data_dir)


def test_available_lists_embedded_then_own_and_leaves_hidden_ones_out(data_dir):
    saved(data_dir)
    shutil.copy(data_dir / "small.safetensors", data_dir / "vgg16.safetensors")  # hidden by the embedded one
    entries = weights.list_networks(data_dir)
    assert [(e.name, e.embedded) for e in entries] == [("vgg16", True), ("small", False)]
    assert entries[1].scales
    assert entries[1].bytes == (data_dir / "small.safetensors").stat().st_size
    assert [e.name for e in weights.list_networks(data_dir / "absent")] == ["vgg16"]


def test_the_data_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SUBJECTIVE_DATA", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "b"))
    assert weights.default_data_dir() == tmp_path / "a"
    monkeypatch.delenv("SUBJECTIVE_DATA")
    assert weights.default_data_dir() == tmp_path / "b" / "subjective"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "c"))
    assert weights.default_data_dir() == tmp_path / "c" / ".local" / "share" / "subjective"


def test_describe_is_plain_json(data_dir):
    network = weights.load(saved(data_dir), widths=WIDTHS)
    facts = json.loads(json.dumps(weights.describe(network)))
    assert facts["layers"]["conv2_1"] == [3, 3, 4, 6]
    assert facts["parameters"] == sum(a.size for n, v in network.params.items() if n != "input" for a in v.values())
    assert facts["sha256"] == network.sha256
    assert facts["metadata"]["licence"] == "none"


def activations(params: NumpyParams, picture: np.ndarray, dtype: type) -> dict[str, np.ndarray]:
    """An independent forward pass with zero padding, ReLU and average pooling between blocks."""
    current, outputs = picture.astype(dtype), {}
    for name, layer in params.items():
        if name == "input":
            continue
        if outputs and name.endswith("_1"):
            h, w, c = current.shape
            current = current[: h // 2 * 2, : w // 2 * 2].reshape(h // 2, 2, w // 2, 2, c).mean((1, 3))
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(current, ((1, 1), (1, 1), (0, 0))), (3, 3), (0, 1))
        current = np.einsum("hwikl,klio->hwo", windows, layer["kernel"].astype(dtype)) + layer["bias"].astype(dtype)
        current = outputs[name] = np.maximum(current, 0)
    return outputs


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["vgg16", "vgg19"]))
def test_normalized_parameters_scale_every_activation_by_exactly_its_scale(seed, architecture):
    params = random_params(seed, architecture, blocks=3, widths=(3, 4, 5))
    scales = scales_for(params, seed)
    picture = np.random.default_rng(seed).normal(size=(9, 10, 3)) * 50
    raw, scaled = (activations(p, picture, np.float64) for p in (params, weights.normalize(params, scales)))
    for name, activation in raw.items():
        expected = activation * scales[name].astype(np.float64)
        # the new kernels were rounded to float32 once a layer, 6e-8 each
        np.testing.assert_allclose(scaled[name], expected, rtol=1e-5, atol=1e-5 * expected.max())


def test_normalizing_by_ones_changes_nothing():
    params = NETWORKS["vgg16"]
    same = weights.normalize(params, {n: np.ones_like(v["bias"]) for n, v in params.items() if n != "input"})
    assert list(same) == list(params)
    for name, layer in params.items():
        for part, array in layer.items():
            assert same[name][part].dtype == np.float32
            np.testing.assert_array_equal(same[name][part], array)
