"""`subjective apply` with networks that were never trained: what is written where, and what is refused."""

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from helpers.feedforward import write_network, write_photographs
from helpers.pictures import ROCK
from helpers.processes import refusal

from subjective import images
from subjective.cli import apply
from subjective.cli.main import main

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.slow
def test_a_texture_is_rendered_in_any_size_and_blend(capsys):
    write_network("net.safetensors", "texture", sources=2)
    assert main(["apply", "net.safetensors", "--size", "40x24", "--blend", "0.3", "0.7", "-o", "one.png"]) == 0
    assert capsys.readouterr().out == "one.png\n"
    assert images.read_image("one.png").shape == (24, 40, 3)
    assert main(["apply", "net.safetensors", "--size", "16"]) == 0
    assert capsys.readouterr().out == "outputs/net-16x16.png\n"


@pytest.mark.slow
def test_polishing_begins_with_what_the_network_drew_and_comes_nearer_to_the_sources(here, capsys):
    write_network("net.safetensors", "texture", sources=2)
    images.write_image("rock.png", images.read_image(ROCK)[:96, :96])
    images.write_image("other.png", np.full((96, 96, 3), 0.5))
    words = ["apply", "net.safetensors", "--size", "48", "--blend", "1", "0", "-s", "rock.png", "other.png"]
    assert main([*words, "--polish", "2", "-o", "made.png"]) == 0
    drawn, run, made = capsys.readouterr().out.splitlines()
    assert (drawn, made) == ("outputs/net-48x48-1-0.png", "made.png")
    config = json.loads((Path(run) / "config.json").read_text())
    assert (config["command"], config["settings"]["init"]) == ("synthesize", str(Path(drawn).absolute()))
    assert config["settings"]["source"] == [str(Path("rock.png").absolute())]
    steps = [json.loads(line) for line in (Path(run) / "trace.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == [0, 1, 2]
    assert steps[2]["loss"] < 0.7 * steps[0]["loss"]
    np.testing.assert_array_equal(images.read_image(made), images.read_image(Path(run) / "result.png"))
    before = Path(drawn).read_bytes()
    assert main([*words, "--polish", "1", "--quiet"]) == 0  # what was drawn already may be polished again
    assert Path(drawn).read_bytes() == before


@pytest.mark.slow
def test_a_repainted_picture_is_polished_as_a_transfer(here, capsys):
    write_network("net.safetensors")
    picture = here / "0.png"
    images.write_image(picture, images.read_image(ROCK)[-64:, -80:])
    images.write_image("style.png", images.read_image(ROCK)[:96, :96])
    assert main(["apply", "net.safetensors", str(picture), "--polish", "1", "-s", "style.png", "-o", "made.png"]) == 0
    painted, run, made = capsys.readouterr().out.splitlines()
    assert (painted, made) == ("outputs/0-net.png", "made.png")
    config = json.loads((Path(run) / "config.json").read_text())
    assert (config["command"], config["settings"]["content"]) == ("transfer", str(picture))
    assert images.read_image(made).shape == images.read_image(picture).shape


def test_polishing_without_what_it_needs_is_refused(here, capsys):
    write_network("net.safetensors", "texture", sources=2)
    write_network("style.safetensors")
    folder = write_photographs(here)
    picture, film = folder / "0.png", folder / "film.mp4"
    film.write_bytes(b"")
    line = refusal(capsys, "apply", "net.safetensors", "--polish", "2")
    assert "the pictures that the network was trained on (" in line
    assert line.endswith("; name them with --source\n")
    line = refusal(capsys, "apply", "net.safetensors", "--polish", "2", "-s", picture)
    assert "--source names 1, and the network was trained on 2" in line
    assert "--source is for --polish" in refusal(capsys, "apply", "net.safetensors", "-s", picture)
    both = refusal(capsys, "apply", "style.safetensors", picture, "--polish", "2", "--strength", "0.5", "-s", picture)
    assert "--polish and --strength were both given" in both
    assert "--polish is for pictures" in refusal(
        capsys, "apply", "style.safetensors", film, "--polish", "2", "-s", picture
    )
    assert "no such source" in refusal(capsys, "apply", "style.safetensors", picture, "--polish", "2", "-s", "none.png")
    assert not (here / "outputs").exists()


def test_a_network_is_found_by_its_name(here, capsys, monkeypatch):
    monkeypatch.setenv("SUBJECTIVE_DATA", str(here / "data"))
    (here / "data" / "networks").mkdir(parents=True)
    write_network(here / "data" / "networks" / "mine.safetensors", "texture")
    assert main(["apply", "mine", "--size", "16"]) == 0
    assert capsys.readouterr().out == "outputs/mine-16x16.png\n"


@pytest.mark.slow
def test_a_strength_of_nothing_leaves_the_picture_and_names_the_result(here, capsys):
    write_network("net.safetensors")
    picture = write_photographs(here) / "0.png"
    assert main(["apply", "net.safetensors", str(picture), "--strength", "0"]) == 0
    assert capsys.readouterr().out == "outputs/0-net-strength0.png\n"
    np.testing.assert_array_equal(images.read_image("outputs/0-net-strength0.png"), images.read_image(picture))


@pytest.mark.slow
def test_a_video_becomes_a_video(rng):
    frames = np.repeat(rng.integers(0, 255, (5, 4, 6, 3), dtype=np.uint8), 8, 1).repeat(8, 2)
    iio.imwrite("in.mp4", frames, plugin="pyav", codec="libx264", fps=12)
    write_network("net.safetensors")
    assert main(["apply", "net.safetensors", "in.mp4", "-o", "out.mp4"]) == 0
    found = iio.imread("out.mp4", plugin="pyav")
    assert found.shape == frames.shape
    assert iio.immeta("out.mp4", plugin="pyav")["fps"] == 12


def test_a_network_that_cannot_be_read_is_refused(here, capsys):
    bad = write_photographs(here) / "bad.jpg"
    assert "no such network: 'nothing'; wanted a file that `subjective train` made, or: " in refusal(
        capsys, "apply", "nothing"
    )
    assert "cannot be read as a network" in refusal(capsys, "apply", bad, "x.png")


def test_what_a_style_network_cannot_do_is_refused(here, capsys):
    write_network("style.safetensors")
    picture = write_photographs(here) / "0.png"
    assert "no picture was given" in refusal(capsys, "apply", "style.safetensors")
    assert "--size is for texture networks" in refusal(capsys, "apply", "style.safetensors", picture, "--size", "64")
    shared = refusal(capsys, "apply", "style.safetensors", picture, "-o", picture)
    assert "is read or written by this very command" in shared
    line = refusal(capsys, "apply", "style.safetensors", picture, "--strength", "5")
    assert "--strength is 5; wanted 0 to 4" in line
    images.write_image("tiny.png", np.zeros((8, 30, 3)))
    assert "too small; wanted 16" in refusal(capsys, "apply", "style.safetensors", "tiny.png")


def test_a_suffix_that_says_no_format_is_refused(here, capsys):
    write_network("style.safetensors")
    write_network("texture.safetensors", "texture")
    picture = write_photographs(here) / "0.png"
    for words in (["style.safetensors", picture], ["texture.safetensors"]):
        line = refusal(capsys, "apply", *words, "-o", "made.xyz")
        assert "--out is 'made.xyz'; wanted a name that ends in .png" in line
        assert "or a folder: 'made.xyz/'" in line
    assert "wanted a name that ends in .png" in refusal(capsys, "apply", "style.safetensors", picture, "-o", "one.mp4")
    assert not (here / "made.xyz").exists()
    assert main(["apply", "texture.safetensors", "--size", "16", "-o", "v1.2/"]) == 0
    assert capsys.readouterr().out == "v1.2/texture-16x16.png\n"


def test_what_a_texture_network_cannot_do_is_refused(here, capsys):
    write_network("texture.safetensors", "texture", sources=2)
    picture = write_photographs(here) / "0.png"
    assert "repaints no picture" in refusal(capsys, "apply", "texture.safetensors", picture)
    assert "--blend got 1 number for 2" in refusal(capsys, "apply", "texture.safetensors", "--blend", "1")
    line = refusal(capsys, "apply", "texture.safetensors", "--strength", "0.5")
    assert "--strength is 0.5, and this network renders textures" in line
    assert "--size is '4xx'; wanted WIDTHxHEIGHT" in refusal(capsys, "apply", "texture.safetensors", "--size", "4xx")


@pytest.mark.slow
def test_a_picture_that_does_not_fit_is_painted_in_strips_or_refused(here, capsys, monkeypatch):
    write_network("net.safetensors")
    images.write_image(here / "in.png", np.full((600, 64, 3), 0.5))
    rows, repaint = [], apply.repaint
    monkeypatch.setattr(apply, "repaint", lambda *words, **given: rows.append(words[-1]) or repaint(*words, **given))
    monkeypatch.setattr(apply, "used_bytes", lambda: 0)
    for limit, tile in (("1GB", None), ("305MB", apply.STRIP_ROWS)):
        assert main(["apply", "net.safetensors", "in.png", "-o", f"{limit}.png", "--memory-limit", limit]) == 0
        assert rows.pop() == tile
    capsys.readouterr()
    line = refusal(capsys, "apply", "net.safetensors", "in.png", "--memory-limit", "301MB")
    assert "a picture of 64x600 needs 303 MB of memory with this network, and 301 MB may be used" in line
    assert rows == []
    write_network("texture.safetensors", "texture")
    line = refusal(capsys, "apply", "texture.safetensors", "--size", "9000", "--memory-limit", "1GB")
    assert "a picture of 9000x9000 needs" in line
