"""The file that --out names: its format, its number, and that nothing is ever replaced unasked."""

import json
import os
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from helpers.feedforward import write_network
from helpers.pictures import ROCK, smooth_noise
from helpers.processes import SMALL, refusal
from PIL import Image

from subjective.checks import FileError
from subjective.cli.main import main
from subjective.cli.outputs import number_files, write_out
from subjective.images import read_image, write_image

pytestmark = pytest.mark.usefixtures("here")


def run(capsys, *words):
    """Run a command; return the lines on stdout and on stderr."""
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert status == 0, err
    return out.splitlines(), err.splitlines()


def test_several_files_are_numbered_before_the_suffix():
    assert number_files("a/made.png", 1) == [Path("a/made.png")]
    assert number_files("a/made.png", 2) == [Path("a/made-1.png"), Path("a/made-2.png")]
    assert [file.name for file in number_files("m.jpg", 10)][::9] == ["m-01.jpg", "m-10.jpg"]


def test_a_file_that_has_appeared_meanwhile_is_kept(capsys):
    Path("made.png").write_bytes(b"mine")
    write_out(Path("made.png"), b"made", force=False, made=Path("run/result.png"))
    assert Path("made.png").read_bytes() == b"mine"
    out, err = capsys.readouterr()
    assert out == ""
    assert "'made.png' has appeared meanwhile and is kept; the result is in 'run/result.png'" in err
    with pytest.raises(FileError, match=r"cannot write 'made\.png'"):
        write_out(Path("made.png"), b"made", force=False)
    write_out(Path("made.png"), b"made", force=True)
    assert Path("made.png").read_bytes() == b"made"
    assert capsys.readouterr().out == "made.png\n"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("made", "--out is 'made'; wanted a name that ends in .png, .jpg"),
        ("made.xyz", "--out is 'made.xyz'; wanted a name that ends in .png, .jpg"),
        (".", "which is a folder; wanted a file"),
        ("file/new/made.png", "nothing can be written in"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_made(capsys, out, message):
    Path("file").touch()
    assert message in refusal(capsys, "synthesize", "-s", ROCK, *SMALL, "--out", out)
    assert not Path("outputs").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "kind"), [("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP"), ("tif", "TIFF")])
def test_the_suffix_says_the_format(capsys, suffix, kind):
    (folder, file), _ = run(capsys, "synthesize", "-s", ROCK, *SMALL, "--out", f"new/made.{suffix}")
    assert file == f"new/made.{suffix}"
    with Image.open(file) as picture:
        assert (picture.format, picture.size) == (kind, (48, 48))
    wanted = read_image(Path(folder) / "result.png")
    assert np.abs(read_image(file) - wanted).mean() < 0.03


@pytest.mark.slow
def test_each_of_several_pictures_has_a_file(capsys):
    lines, _ = run(capsys, "synthesize", "-s", ROCK, *SMALL, "-c", "2", "--out", "made.png")
    assert lines[1:] == ["made-1.png", "made-2.png"]
    assert not np.array_equal(read_image("made-1.png"), read_image("made-2.png"))


@pytest.mark.slow
def test_a_file_that_exists_is_kept_unless_force_says_otherwise(capsys):
    Path("made.png").write_bytes(b"mine")
    assert "'made.png' is there already; give another name, or --force to replace it" in refusal(
        capsys, "synthesize", "-s", ROCK, *SMALL, "--out", "made.png"
    )
    assert Path("made.png").read_bytes() == b"mine"
    assert not Path("outputs").exists()
    run(capsys, "synthesize", "-s", ROCK, *SMALL, "--out", "made.png", "--force")
    assert read_image("made.png").shape == (48, 48, 3)


@pytest.mark.slow
def test_two_runs_make_the_same_file_and_it_holds_no_path_and_no_time(capsys, here):
    files = []
    for name in ("one", "two"):
        (folder,), _ = run(capsys, "synthesize", "-s", ROCK, *SMALL, "--output-dir", here / name)
        files.append((Path(folder) / "result.png").read_bytes())
    assert files[0] == files[1]
    text = Image.open(Path(folder) / "result.png").text["subjective:config"]
    assert json.loads(text)["pictures"][0]["name"] == ROCK.name
    assert str(ROCK.parent) not in text
    assert str(here) not in text
    assert "started" not in json.loads(text)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["gif", "mp4", "png"])
def test_a_loop_is_one_file_or_numbered_frames(capsys, suffix):
    words = ["animate", "-s", ROCK, *SMALL, "-c", "2", "--formats", "gif", "--out", f"loop.{suffix}"]
    lines, _ = run(capsys, *words)
    if suffix == "png":
        assert lines[1:] == ["loop-1.png", "loop-2.png"]
    else:
        assert lines[1:] == [f"loop.{suffix}"]
        assert len(iio.imread(f"loop.{suffix}")) == 2


@pytest.mark.slow
def test_apply_never_writes_over_a_picture(capsys):
    (first,), _ = run(capsys, "apply", "rock_gravel", "--size", "64")
    (second,), _ = run(capsys, "apply", "rock_gravel", "--size", "64", "--blend", "1", "0", "--seed", "3")
    assert (first, second) == ("outputs/rock_gravel-64x64.png", "outputs/rock_gravel-64x64-1-0-seed3.png")
    assert "is there already" in refusal(capsys, "apply", "rock_gravel", "--size", "64")
    run(capsys, "apply", "rock_gravel", "--size", "64", "--force")
    pictures = [ROCK, ROCK.with_name("gravel_256x320.png")]
    assert "--out 'one.png' names a file; wanted a folder for 2 pictures" in refusal(
        capsys, "apply", "mosaic", *pictures, "-o", "one.png"
    )


@pytest.mark.slow
def test_evaluate_writes_a_file_only_if_it_is_named(capsys, here):
    run(capsys, "evaluate", ROCK, "-s", ROCK, "-sw", "96")
    assert not list(here.iterdir())
    run(capsys, "evaluate", ROCK, "-s", ROCK, "-sw", "96", "-o", "new/scores.json")
    assert json.loads(Path("new/scores.json").read_text())["version"] == 2


@pytest.mark.parametrize("place", ["a file", "a file/inside", "locked/runs"])
def test_a_place_where_no_run_folder_can_be_made_is_refused_before_anything_is_read(place, here, monkeypatch, capsys):
    (here / "a file").touch()
    (here / "locked").mkdir()
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked" and may(path, mode))
    said = refusal(capsys, "synthesize", "-s", "no.jpg", "--output-dir", place)
    assert f"--output-dir is {place!r}, and nothing can be written in " in said


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize(
    "words",
    [
        ["transfer", "one.png", "-s", ROCK, "--out", "./one.png"],
        ["transfer", ROCK, "-s", ".", "--out", "one.png"],
        ["synthesize", "-s", "*.png", "--out", "link.png"],
        ["synthesize", "-s", ROCK, "--init", "one.png", "--out", "one.png"],
        ["synthesize", "-s", ROCK, ROCK, "--blend-map", "one.png", "--out", "one.png"],
        ["synthesize", "-s", "one-1.png", "-c", "2", "--out", "one.png"],
        ["animate", "--keyframes", "one-1.png", ROCK, "-c", "2", "--out", "one.png"],
        ["novelty", "--init", "one-1.png", "--out", "one.png"],
        ["evaluate", "one.png", "-s", ROCK, "--map", "one.png"],
        ["evaluate", ROCK, "-s", "one.png", "--map", "one.png"],
        ["export", "net.safetensors", "--to", "stablehlo", "-o", "net.safetensors"],
        ["apply", "net.safetensors", "one.png", "--out", "."],
        ["train", "--texture", "-s", ROCK, "--weights", "net.safetensors", "--out", "net.safetensors"],
        ["sweep", "-s", "one.png", "--vary", "max-iter=1/2", "--out", "one.png"],
        ["batch", "one.png", ROCK, "--out", "."],
        ["weights", "convert", "net.safetensors", "--data-dir", "."],
    ],
    ids=lambda words: "-".join(Path(word).name for word in words[:2]),
)
def test_no_command_writes_over_what_it_reads(capsys, here, words, force):
    for name in ("one.png", "one-1.png"):
        write_image(name, smooth_noise())
    Path("link.png").symlink_to("one.png")
    write_network(here / "net.safetensors")
    before = {path: path.read_bytes() for path in here.iterdir()}
    said = refusal(capsys, *words, *(() if words[0] == "weights" else force))
    assert "by this very command" in said or "would be written over itself" in said
    assert {path: path.read_bytes() for path in here.iterdir()} == before
