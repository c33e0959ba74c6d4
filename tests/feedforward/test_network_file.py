import json

import jax
import numpy as np
import pytest
import safetensors.numpy
from helpers.feedforward import random_network, write_network, write_photographs

from subjective.checks import InputError
from subjective.feedforward import network_file
from subjective.feedforward.networks import Architecture
from subjective.feedforward.step import parameter_shapes
from subjective.network import weights
from subjective.network.formats import native


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


def rewritten(path, **changes):
    """Change what a network's file says of its architecture; the tensors and their digest stay as they are."""
    tensors = safetensors.numpy.load_file(path)
    described = json.loads(native.read_tensors(path)[1]["subjective"])
    described["architecture"] |= changes
    safetensors.numpy.save_file(tensors, path, {"subjective": json.dumps(described)})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"depth": 10**9}, "depth is 1000000000; wanted 1 to 100"),
        ({"depth": 0}, "depth is 0; wanted 1 to 100"),
        ({"width": 10**9}, "width is 1000000000; wanted 1 to 1024"),
        ({"width": 0}, "width is 0; wanted 1 to 1024"),
        ({"width": 2.0}, "is damaged"),
        ({"width": True}, "is damaged"),
        ({"sources": -1}, "sources is -1; wanted 1 to 10000"),
        ({"sources": 10**400}, "sources is"),
        ({"kind": "other"}, "is damaged"),
        ({"kind": [1]}, "is damaged"),
        ({"border": "none"}, "is damaged"),
        ({"kind": "texture", "depth": 11}, "depth is 11; a texture network has at most 10 scales"),
        ({"height": 3}, "unexpected keyword argument 'height'"),
        ({"width": 1024, "depth": 100}, "tensors are not those of the network that it describes"),
    ],
)
def test_the_sizes_of_a_network_are_checked_before_it_is_built(tmp_path, changes, says):
    path = write_network(tmp_path / "net.safetensors")
    rewritten(path, **changes)
    with pytest.raises(InputError, match=says) as caught:
        network_file.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["style", "texture"])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 3, 2), (3, 2, 4)])
def test_the_shapes_that_follow_from_the_sizes_are_those_of_the_network(kind, sizes):
    architecture = Architecture(kind, *sizes)
    built = network_file.flatten(parameter_shapes(architecture))
    assert architecture.parameter_shapes() == {name: leaf.shape for name, leaf in built.items()}


@pytest.mark.parametrize(
    "description", ["[]", "{", "[" * 100_000, '{"format": "subjective feed-forward network"}', "1"]
)
def test_a_description_of_another_form_is_refused(tmp_path, description):
    path = write_network(tmp_path / "net.safetensors")
    safetensors.numpy.save_file(safetensors.numpy.load_file(path), path, {"subjective": description})
    with pytest.raises(InputError, match="holds no trained network"):
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
