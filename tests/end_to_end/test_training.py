"""`subjective train` and `subjective apply` as people use them: end to end, killed, resumed, refused, exported."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import imageio.v3 as iio
import jax
import numpy as np
import pytest
from PIL import Image
from helpers.processes import KEEPING, finished, refusal, start, with_devices

from helpers.pictures import ROCK, ROOT
from subjective import images
from subjective.cli import main as arguments
from subjective.cli.main import main
from subjective.feedforward import network_file, train
from subjective.feedforward.data import Photographs
from subjective.feedforward.networks import Architecture
from subjective.feedforward.step import parameters_of
from subjective.network import weights
from subjective.runs.curves import curves, thinned

# One statistic of one layer at one octave: quickly compiled.
QUICK = ["-sw", "48", "--size", "16", "--batch", "2", "--width", "2", "--depth", "1", "--octaves", "1", "-l", "conv1_1"]
TEXTURE = ["train", "--texture", "-s", ROCK, *QUICK, "--statistic", "gram"]
STYLE = ["train", "-s", ROCK, *QUICK, "--content-layer", "conv1_1"]
STEPS = 40


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def some_photographs(parent):
    """Five pictures and one that is none."""
    rng, folder = np.random.default_rng(0), parent / "photographs"
    folder.mkdir()
    for number, size in enumerate([(20, 30), (40, 25), (16, 16), (33, 17), (64, 20)]):
        images.write_image(folder / f"{number}.png", rng.uniform(size=(*size, 3)))
    (folder / "bad.jpg").write_bytes(b"not a picture")
    return folder


@pytest.fixture
def photographs(tmp_path):
    return some_photographs(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A style that was trained from beginning to end: the folder that was worked in, stdout and stderr."""
    here = tmp_path_factory.mktemp("trained")
    command = [*STYLE, "--content", some_photographs(here), "--steps", STEPS]
    code, out, err = finished(start(*command, "-n", "20", "-o", "new/style.safetensors", cwd=here))
    assert code == 0, err
    return here, out, err


def save(path, kind="style", sources=1, **changes):
    """A network that was never trained."""
    border = "circular" if kind == "texture" else "reflect"
    architecture = Architecture(kind, sources, width=2, depth=2, border=border)
    network_file.write(path, network_file.Network(architecture, parameters_of(architecture.build())))
    return path


def test_a_style_is_trained_and_repaints_pictures(trained, monkeypatch, capsys):
    """End to end: some steps, then a folder repainted, one bad photograph in both."""
    here, out, err = trained
    run = here / out.strip()
    assert out == f"{run.relative_to(here)}\n"
    assert "left out 'bad.jpg'" in err
    assert "1 of 6 photographs could not be read and were left out" in err
    assert {file.name for file in run.iterdir()} == {
        "checkpoints", "config.json", "curves.png", "network.safetensors", "summary.json", "trace.jsonl",
    }  # fmt: skip
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["unreadable"] == ["bad.jpg"]
    trace = [json.loads(line) for line in (run / "trace.jsonl").read_text().splitlines()]
    assert [line["step"] for line in trace] == list(range(1, STEPS + 1))
    assert set(trace[0]["parts"]) == {"octave 0", "content"}
    network = network_file.read(here / "new" / "style.safetensors")
    assert network.facts["steps"] == STEPS
    assert network.facts["sources"][0]["name"] == ROCK.name
    assert str(here) not in json.dumps(network.facts), "a network says nothing of the machine it was trained on"

    monkeypatch.chdir(here)
    assert main(["apply", "new/style.safetensors", "photographs", "-o", "out"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"out/{number}.png" for number in range(5)]
    assert "1 of 6 pictures were left out" in err
    assert images.read_image(here / "out" / "1.png").shape == (40, 25, 3)


def whole_checkpoints(run):
    """Steps of those that have their names, which Orbax gives them in the end."""
    return sorted(int(folder.name) for folder in run.glob("checkpoints/*") if folder.name.isdigit())


def test_a_training_that_is_killed_goes_on_bit_for_bit(trained, capsys):
    """Also where its last checkpoint is damaged: from the one before."""
    here, out, _ = trained
    whole = here / out.strip()
    command = [*STYLE, "--content", here / "photographs", "--steps", STEPS, "--checkpoint-every", "0.01"]
    process = start(*command, "-op", "killed", cwd=here)
    killed = here / process.stdout.readline().strip()

    def two_are_kept():
        found = whole_checkpoints(killed)
        # A further step's line proves that the writing of the second one has ended.
        return len(found) > 1 and (killed / "trace.jsonl").read_text().count("\n") > found[1]

    deadline = time.monotonic() + 100
    while not two_are_kept() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert not (killed / "summary.json").exists()
    *_, before, newest = whole_checkpoints(killed)
    assert before < newest < STEPS
    shutil.rmtree(killed / "checkpoints" / str(newest) / "params")
    code, out, err = finished(start("resume", killed, cwd=here))
    assert code == 0, err
    assert f"checkpoint {newest} is damaged" in err
    ours, theirs = (network_file.read(folder / "network.safetensors").params for folder in (killed, whole))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    lines = [map(json.loads, (folder / "trace.jsonl").read_text().splitlines()) for folder in (killed, whole)]
    for one, other in zip(*lines, strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}

    assert "is finished" in refusal(capsys, "resume", killed)


def test_ctrl_c_keeps_where_a_texture_stands(here):
    process = start(*TEXTURE, "--steps", "100000", "-n", "0", cwd=here)
    folder = here / process.stdout.readline().strip()
    while not (folder / "trace.jsonl").exists() or not (folder / "trace.jsonl").stat().st_size:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    code, _, err = finished(process)
    assert code == 130, err
    assert "to go on: subjective resume" in err
    assert len(list(folder.glob("checkpoints/[0-9]*"))) == 1
    assert json.loads((folder / "summary.json").read_text())["status"] == "interrupted"
    assert network_file.read(folder / "network.safetensors").facts["steps"] >= 1


def test_two_devices_learn_what_one_learns(here):
    words = [str(word) for word in (*TEXTURE, "--steps", "3")]
    program = """
import json
import sys
from subjective.cli.main import main
for devices in ("1", "2"):
    assert main([*json.loads(sys.argv[1]), "--devices", devices, "-o", f"{devices}.safetensors"]) == 0
"""
    environment = os.environ | KEEPING | with_devices(2) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, json.dumps(words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=here)
    assert done.returncode == 0, done.stderr
    networks = [network_file.read(here / f"{devices}.safetensors").params for devices in (1, 2)]
    # Adam divides by the gradient's own size: where that is next to nothing, its last digits count.
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=2e-4), *networks)


def test_a_texture_is_rendered_in_any_size_and_blend(here, capsys):
    save("net.safetensors", "texture", sources=2)
    assert main(["apply", "net.safetensors", "--size", "40x24", "--blend", "0.3", "0.7", "-o", "one.png"]) == 0
    assert capsys.readouterr().out == "one.png\n"
    assert images.read_image("one.png").shape == (24, 40, 3)
    assert main(["apply", "net.safetensors", "--size", "16"]) == 0
    assert capsys.readouterr().out == "outputs/net-16x16.png\n"


def test_a_network_is_found_by_its_name(here, capsys, monkeypatch):
    monkeypatch.setenv("SUBJECTIVE_DATA", str(here / "data"))
    (here / "data" / "networks").mkdir(parents=True)
    save(here / "data" / "networks" / "mine.safetensors", "texture")
    assert main(["apply", "mine", "--size", "16"]) == 0
    assert capsys.readouterr().out == "outputs/mine-16x16.png\n"
    assert "no such network: 'yours'; wanted a file that `subjective train` made, or: " in refusal(
        capsys, "apply", "yours"
    )
    (here / "data" / "networks" / "SHA256SUMS").write_text(f"{'0' * 64}  mine.safetensors\n")
    assert "damaged or changed" in refusal(capsys, "apply", "mine")


def test_what_apply_cannot_do_is_refused_in_a_line(here, capsys, photographs):
    save("style.safetensors"), save("texture.safetensors", "texture", sources=2)
    picture = photographs / "0.png"
    assert "no such network: 'nothing'" in refusal(capsys, "apply", "nothing", picture)
    loss_network = weights.embedded_dir() / "vgg16.safetensors"
    assert "holds no trained network" in refusal(capsys, "apply", loss_network, picture)
    assert "cannot be read as a network" in refusal(capsys, "apply", photographs / "bad.jpg", picture)
    assert "no picture was given" in refusal(capsys, "apply", "style.safetensors")
    assert "--size is for texture networks" in refusal(capsys, "apply", "style.safetensors", picture, "--size", "64")
    assert "repaints no picture" in refusal(capsys, "apply", "texture.safetensors", picture)
    assert "--blend got 1 numbers for 2" in refusal(capsys, "apply", "texture.safetensors", "--blend", "1")
    assert "--size is '4xx'; wanted WIDTHxHEIGHT" in refusal(capsys, "apply", "texture.safetensors", "--size", "4xx")
    assert "is the picture itself" in refusal(capsys, "apply", "style.safetensors", picture, "-o", picture)
    images.write_image("tiny.png", np.zeros((8, 30, 3)))
    assert "too small; wanted 16" in refusal(capsys, "apply", "style.safetensors", "tiny.png")


def test_a_network_of_another_version_or_damaged_is_refused(here, capsys, monkeypatch):
    path = save(here / "net.safetensors")
    data = path.read_bytes()
    monkeypatch.setattr(network_file, "VERSION", 2)
    assert "is a network of version 1, and this program reads 2" in refusal(capsys, "apply", path, "x.png")
    monkeypatch.undo()
    path.write_bytes(data[:-4] + b"\0\0\0\1")
    assert "numbers are not those that were written" in refusal(capsys, "apply", path, "x.png")
    path.write_bytes(data[:200])
    assert "cannot be read as a network" in refusal(capsys, "apply", path, "x.png")


def test_what_cannot_be_trained_is_refused_in_a_line(here, capsys, photographs):
    (here / "empty").mkdir()
    assert "is a folder without pictures" in refusal(capsys, *STYLE, "--content", "empty")
    assert "--content is missing" in refusal(capsys, *STYLE)
    assert "--texture and --content were both given" in refusal(capsys, *TEXTURE, "--content", photographs)
    assert "wanted a name that ends in .safetensors" in refusal(capsys, *TEXTURE, "-o", "net")
    assert "source 1 of 38 pixels is too small" in refusal(capsys, *TEXTURE, "--octaves", "5")
    assert "--devices is 64" in refusal(capsys, *TEXTURE, "--devices", "64", "--batch", "64")
    message = refusal(capsys, *TEXTURE, "-l", "conv5_1")
    assert "no layer 'conv5_1'" in message
    assert "weights fetch" in message
    for file in photographs.glob("*.png"):
        file.write_bytes(b"")
    assert "none of the 6 photographs can be read" in refusal(capsys, *STYLE, "--content", photographs)
    other = save("other.safetensors")
    assert "wanted Architecture" in refusal(capsys, *TEXTURE, "--init", other)
    assert not list(here.glob("outputs/*")), "nothing is begun that cannot be done"


def test_like_matlab_sets_what_other_flags_then_change():
    words = ["train", "--content", "photographs", "-s", "style.png", "--like", "matlab", "--size", "64"]
    config = arguments._parse(arguments._with_settings(words))
    assert (config.size, config.batch, config.epochs, config.learning_rate, config.decay) == (64, 4, 2, 1e-3, False)
    assert config.layers == ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
    assert (config.style_weight, config.content_weight, config.content_layer) == (3e-8, 1e-4, "conv3_3")
    assert (config.raw_weights, config.relative, config.octaves, config.pooling) == (True, False, 1, "max")


@pytest.mark.parametrize("package", ["grain", "orbax.checkpoint"])
def test_a_missing_package_is_named_with_what_to_install(here, capsys, monkeypatch, photographs, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert "pip install 'subjective[train]'" in refusal(capsys, *STYLE, "--content", photographs)
    assert not (here / "outputs").exists()


@pytest.mark.usefixtures("bound_by_modes")
def test_a_folder_that_cannot_be_read_is_refused(here, capsys):
    folder = here / "closed"
    folder.mkdir(mode=0)
    assert "Permission denied" in refusal(capsys, *STYLE, "--content", folder)


def test_photographs_are_crops_in_an_order_that_goes_on(photographs):
    files, notes = sorted(photographs.iterdir()), []
    one = Photographs(files, 16, 2, seed=3, note=notes.append)
    batches = [next(one) for _ in range(4)]
    position = json.loads(json.dumps(one.position))
    batches += [next(one) for _ in range(4)]
    other = Photographs(files, 16, 2, seed=3)
    other.go_on(position)
    for batch in batches[4:]:
        np.testing.assert_array_equal(next(other), batch)
    assert {batch.shape for batch in batches} == {(2, 16, 16, 3)}
    assert len(notes) == 1
    assert {path.name for path in one.skipped} == {"bad.jpg"}
    assert not np.array_equal(next(Photographs(files, 16, 2, seed=4)), batches[0])


def test_each_photograph_comes_once_before_any_comes_again(tmp_path):
    for number in range(6):
        images.write_image(tmp_path / f"{number}.png", np.full((16, 16, 3), number / 10))
    batches = Photographs(sorted(tmp_path.iterdir()), 16, 6)
    for _ in range(2):
        assert sorted(np.round(next(batches).mean((1, 2, 3)) * 10).astype(int)) == [0, 1, 2, 3, 4, 5]


def test_crops_show_all_of_a_photograph_or_as_little_as_zoom_allows(tmp_path):
    ramp = np.linspace(0, 1, 96, dtype=np.float32)
    images.write_image(tmp_path / "ramp.png", np.broadcast_to(ramp[None, :, None], (96, 96, 3)))
    shares = {}
    for zoom in (1, 4, 20):
        batches = Photographs([tmp_path / "ramp.png"], 16, 50, zoom=zoom)
        shares[zoom] = np.ptp(next(batches), axis=(1, 2, 3)) * 16 / 15
    np.testing.assert_allclose(shares[1], 1, atol=0.1)
    assert 0.2 < shares[4].min() < 0.35, "a quarter"
    assert shares[4].max() > 0.9
    assert np.median(shares[4]) == pytest.approx(0.5, abs=0.15), "half as much as likely as twice as much"
    assert shares[20].min() > 1 / 6.5, "never enlarged"


@pytest.mark.usefixtures("here")
def test_exported_networks_run_without_this_package():
    program = """
import sys
import numpy as np
from jax import export
for kind in ("style", "texture"):
    network = export.deserialize(open(f"{kind}.stablehlo", "rb").read())
    assert set(network.platforms) == {"cpu", "cuda", "tpu"}
    for name in (f"{kind}-first", f"{kind}-second"):
        inputs = np.load(f"{name}.npz")
        np.save(f"{name}.npy", network.call(*[inputs[key] for key in inputs.files]))
assert "subjective" not in sys.modules
"""
    wanted, blend = {}, np.array([0.4, 0.6], np.float32)
    for kind in ("style", "texture"):
        save(f"{kind}.safetensors", kind, sources=2)
        command = ["apply", f"{kind}.safetensors", "--blend", "0.4", "0.6", "--export", f"{kind}.stablehlo"]
        assert main(command) == 0
        network = network_file.read(f"{kind}.safetensors")
        for name, size in {f"{kind}-first": (20, 36), f"{kind}-second": (32, 16)}.items():
            if kind == "style":
                image = np.random.default_rng(0).uniform(size=(*size, 3)).astype(np.float32)
                np.savez(f"{name}.npz", image, blend)
                wanted[name] = train.paint(network.architecture, network.params, image, blend)
            else:
                np.savez(f"{name}.npz", *train.noise_for(jax.random.key(0), size, 2), blend)
                wanted[name] = train.draw(network.architecture, network.params, size, blend, 0)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for name, texture in wanted.items():
        np.testing.assert_allclose(np.load(f"{name}.npy"), texture, atol=2e-5)


def test_a_video_becomes_a_video(here, rng):
    frames = np.repeat(rng.integers(0, 255, (5, 4, 6, 3), dtype=np.uint8), 8, 1).repeat(8, 2)
    iio.imwrite("in.mp4", frames, plugin="pyav", codec="libx264", fps=12)
    save("net.safetensors")
    assert main(["apply", "net.safetensors", "in.mp4", "-o", "out.mp4"]) == 0
    found = iio.imread("out.mp4", plugin="pyav")
    assert found.shape == frames.shape
    assert iio.immeta("out.mp4", plugin="pyav")["fps"] == 12


def test_curves_show_what_is_finite():
    steps, lines = thinned(
        list(range(1, 1001)), {"loss": [float("nan"), *np.geomspace(1e3, 1e-2, 999).tolist()]}, most=100
    )
    assert len(steps) == len(lines["loss"]) == 100
    sheet = curves(lines, steps, [np.ones((50, 60, 3), np.float32)])
    assert sheet.shape == (400, 708, 3)
    assert (sheet < 0.1).all(2).sum() > 500
    assert curves({"loss": []}, []).shape == (400, 640, 3)
    assert Image.fromarray(np.uint8(255 * sheet)).mode == "RGB"
