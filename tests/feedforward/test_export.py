"""Exported networks make the pictures that the networks make."""

import base64
import dataclasses
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

import jax
import numpy as np
import onnx
import onnxruntime
import pytest
from helpers.feedforward import random_network, write_network

from subjective.checks import FileError, InputError
from subjective.feedforward import network_file, web
from subjective.feedforward.export import export_network
from subjective.feedforward.network_file import TrainedNetwork
from subjective.feedforward.networks import noise_for
from subjective.feedforward.repaint import repaint
from subjective.feedforward.train import draw

NEAR = 1e-4
"""Largest difference of an exported network's pictures; white is 1. About 2e-6 was seen."""

PROGRAM = """
import sys
import numpy as np
from jax import export
for kind in ("style", "texture"):
    network = export.deserialize(open(f"{kind}.stablehlo", "rb").read())
    assert set(network.platforms) == {"cpu", "cuda", "tpu"}
    inputs = np.load(f"{kind}.npz")
    np.save(f"{kind}.npy", network.call(*[inputs[key] for key in inputs.files]))
assert "subjective" not in sys.modules
"""


def opened(path):
    """A model in onnxruntime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def planes(picture):
    return np.moveaxis(picture, -1, 0)[np.newaxis]


@pytest.mark.slow
@pytest.mark.parametrize(("border", "sources"), [("reflect", 1), ("circular", 2), ("same", 3)])
def test_an_onnx_style_network_paints_any_size_and_strength(tmp_path, rng, border, sources):
    network = TrainedNetwork(*random_network(border=border, sources=sources, depth=1))
    export_network(network, tmp_path / "net.onnx")
    session = opened(tmp_path / "net.onnx")
    blend = tuple(number / sum(range(1 + sources)) for number in range(1, 1 + sources))
    for size, strength in (((17, 30), 1.0), ((40, 23), 0.4)):
        image = rng.uniform(size=(*size, 3)).astype(np.float32)
        feeds = {"picture": planes(image), "strength": np.float32([strength])}
        feeds |= {"blend": np.float32(blend)} if sources > 1 else {}
        (found,) = session.run(["painted"], feeds)
        np.testing.assert_allclose(found, planes(repaint(network, image, blend, strength=strength)), atol=NEAR)
    both = np.concatenate([planes(image), 1 - planes(image)])
    pictures = session.run(None, feeds | {"picture": both})[0]
    np.testing.assert_allclose(pictures[:1], found, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "sources"), [(1, 1), (4, 2)])
def test_an_onnx_texture_network_makes_the_texture_of_a_seed_in_any_size(tmp_path, depth, sources):
    network = TrainedNetwork(*random_network("texture", "circular", sources, 2, depth))
    export_network(network, tmp_path / "net.onnx")
    session, blend = opened(tmp_path / "net.onnx"), (0.3, 0.7) if sources > 1 else (1.0,)
    for size, seed in (((16, 24), 0), ((33, 7), 4294967295)):
        feeds = {"size": np.array(size), "seed": np.array([seed])}
        feeds |= {"blend": np.float32(blend)} if sources > 1 else {}
        (found,) = session.run(["texture"], feeds)
        wanted = draw(network.architecture, network.params, size, blend, seed)
        np.testing.assert_allclose(found, planes(wanted), atol=NEAR)


def test_a_model_says_what_it_is(tmp_path):
    facts = {"sources": [{"name": "a/rock.jpg"}, "gravel.jpg"], "licence": "CC0"}
    network = TrainedNetwork(*random_network("texture", "circular", 3, 2, 2), facts)
    export_network(network, tmp_path / "stones.onnx")
    model = onnx.load(tmp_path / "stones.onnx")
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert (said["name"], said["kind"], said["licence"]) == ("stones", "texture", "CC0")
    assert json.loads(said["sources"]) == ["rock", "gravel", "source 3"]
    assert said["ranges"].startswith("size: 1 or more; seed: 0 to 4294967295")
    assert said["version"] == model.producer_version
    export_network(network, tmp_path / "stones.onnx", name="mine", licence="mine alone", replace=True)
    said = {entry.key: entry.value for entry in onnx.load(tmp_path / "stones.onnx").metadata_props}
    assert (said["name"], said["licence"]) == ("mine", "mine alone")
    with pytest.raises(FileError, match=r"stones.onnx'.*File exists"):
        export_network(network, tmp_path / "stones.onnx")


@pytest.mark.process
@pytest.mark.slow
def test_stablehlo_runs_without_this_package_in_any_size(tmp_path, rng):
    wanted, blend, size = {}, (0.4, 0.6), (17, 30)
    for kind in ("style", "texture"):
        network = network_file.read(write_network(tmp_path / f"{kind}.safetensors", kind, sources=2))
        export_network(network, tmp_path / f"{kind}.stablehlo", "stablehlo")
        if kind == "style":
            image = rng.uniform(size=(*size, 3)).astype(np.float32)
            np.savez(tmp_path / "style.npz", image, np.float32(blend), np.float32(0.4))
            wanted[kind] = repaint(network, image, blend, strength=0.4)
        else:
            np.savez(tmp_path / "texture.npz", *noise_for(jax.random.key(0), size, 2), np.float32(blend))
            wanted[kind] = draw(network.architecture, network.params, size, blend, 0)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for kind, picture in wanted.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{kind}.npy"), picture, atol=2e-5)


def keep_runtime(folder):
    """Keep an archive of onnxruntime-web in the data folder that has little in it; return how it is published."""
    names = {f"package/dist/{library}" for library, _ in web.PARTS.values()}
    names |= {f"package/dist/{stem}{suffix}" for _, stem in web.PARTS.values() for suffix in (".mjs", ".wasm")}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in sorted(names):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    folder.mkdir()
    (folder / "small.tgz").write_bytes(packed.getvalue())
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    return dataclasses.replace(web.RUNTIME, url="http://127.0.0.1:9/small.tgz", known_hash=f"sha256:{digest}")


def given(script):
    """What a script of the page hands to the page."""
    return json.loads(script.read_text().partition("(")[2].removesuffix(");\n"))


def unpacked(text):
    return gzip.decompress(base64.b64decode(text))


def test_a_page_comes_with_its_network_and_its_runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("SUBJECTIVE_DATA", str(tmp_path / "data"))
    published = keep_runtime(tmp_path / "data")
    network = TrainedNetwork(*random_network("texture", "circular", 2, 2, 3))
    web.write(tmp_path / "page", network, name="</script>", licence="CC0", runtime=published)
    found = given(tmp_path / "page" / "network.js")
    assert (found["name"], found["kind"], found["scales"], found["licence"]) == ("</script>", "texture", 3, "CC0")
    onnx.checker.check_model(onnx.load_model_from_string(unpacked(found["model"])))
    for place, (library, stem) in web.PARTS.items():
        runtime = given(tmp_path / "page" / f"runtime-{place}.js")
        assert runtime["library"] == f"package/dist/{library}"
        assert unpacked(runtime["program"]).decode() == f"package/dist/{stem}.wasm"
    page = "".join((tmp_path / "page" / name).read_text() for name in ("index.html", "page.js", "page.css"))
    assert "http:" not in page
    assert "https:" not in page


def test_a_registry_that_does_not_answer_is_one_line_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("SUBJECTIVE_DATA", str(tmp_path / "data"))
    published = keep_runtime(tmp_path / "data")
    network = TrainedNetwork(*random_network())
    (tmp_path / "data" / "small.tgz").write_bytes(b"damaged")  # is downloaded again
    with pytest.raises(FileError) as caught:
        web.write(tmp_path / "page", network, name="a", licence="b", runtime=published)
    line = str(caught.value)
    assert "could not fetch onnxruntime-web from http://127.0.0.1:9/small.tgz" in line
    assert "put the file into" in line
    assert "\n" not in line
    assert not (tmp_path / "page").exists()
    empty = hashlib.sha256(b"damaged").hexdigest()
    published = dataclasses.replace(published, known_hash=f"sha256:{empty}")
    with pytest.raises(InputError, match="is no package of the npm registry"):
        web.write(tmp_path / "page", network, name="a", licence="b", runtime=published)
