import jax
import numpy as np
import pytest
from helpers.feedforward import random_network, write_network, write_photographs

from subjective.checks import InputError
from subjective.feedforward import network_file
from subjective.network import weights


def test_a_network_is_read_as_it_was_written(tmp_path):
    architecture, params = random_network("texture", "circular", sources=3)
    network_file.write(tmp_path / "net.safetensors", network_file.TrainedNetwork(architecture, params, {"steps": 7}))
    found = network_file.read(tmp_path / "net.safetensors")
    assert (found.architecture, found.facts) == (architecture, {"steps": 7})
    jax.tree.map(np.testing.assert_array_equal, found.params, params)


def test_a_network_of_another_version_is_refused(tmp_path, monkeypatch):
    path = write_network(tmp_path / "net.safetensors")
    monkeypatch.setattr(network_file, "VERSION", 2)
    with pytest.raises(InputError, match="is a network of version 1, and this program reads 2"):
        network_file.read(path)


def test_a_damaged_network_is_refused(tmp_path):
    path = write_network(tmp_path / "net.safetensors")
    data = path.read_bytes()
    path.write_bytes(data[:-4] + b"\0\0\0\1")
    with pytest.raises(InputError, match="numbers are not those that were written"):
        network_file.read(path)
    path.write_bytes(data[:200])
    with pytest.raises(InputError, match="cannot be read as a network"):
        network_file.read(path)


def test_a_file_that_is_no_network_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no trained network"):
        network_file.read(weights.embedded_dir() / "vgg16.safetensors")
    with pytest.raises(InputError, match="cannot be read as a network"):
        network_file.read(write_photographs(tmp_path) / "bad.jpg")


def test_a_named_network_is_held_against_its_sum(tmp_path, monkeypatch):
    monkeypatch.setenv("SUBJECTIVE_DATA", str(tmp_path))
    (tmp_path / "networks").mkdir()
    write_network(tmp_path / "networks" / "mine.safetensors", "texture")
    assert network_file.read("mine").architecture.kind == "texture"
    (tmp_path / "networks" / "SHA256SUMS").write_text(f"{'0' * 64}  mine.safetensors\n")
    with pytest.raises(InputError, match="damaged or changed"):
        network_file.read("mine")


def test_a_name_that_no_network_has_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match=r"no such network: 'yours'; wanted a file that .* made, or: .*rock_gravel"):
        network_file.read("yours")
