"""`subjective material`: files in, files out, figures, refusals, and a run that is killed and resumed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.pictures import ROCK, noise, smooth_noise
from helpers.processes import PLAIN, finished, made, refusal, start, trace_of, wait_until

from subjective import deep, encoding, images
from subjective.cli.main import main

FLAGS = ["-ow", "48", "-o", "1", "-l", "pool1", "-m", "3", "-n", "0", *PLAIN[:-1]]


def write(path, values, depth="8"):
    path.write_bytes(encoding.encode_pixels(np.atleast_3d(values).astype(np.float32), path.suffix, depth))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A material whose maps follow from the luminance of a rock: a height of 16 bits and a pack of three."""
    folder = tmp_path_factory.mktemp("material") / "stone"
    folder.mkdir()
    albedo = images.resize(images.read_image(ROCK), (64, 80))
    shade = albedo.mean(axis=2)
    write(folder / "stone_color.png", albedo)
    write(folder / "stone_disp.png", shade, "16")
    write(folder / "stone_arm.png", np.stack([1 - shade, shade, shade**2], axis=2))
    return folder


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """The folder of a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("run"))
        assert main(["material", str(folder), *FLAGS, "--out", "copy"]) == 0
        return next(Path.cwd().glob("outputs/*"))


@pytest.mark.slow
def test_maps_are_written_with_their_names_depths_and_packing(run, folder):
    summary = json.loads((run / "summary.json").read_text())["pictures"][0]
    assert sorted(summary["files"]) == ["stone_arm.png", "stone_color.png", "stone_disp.png"]
    for name in summary["files"]:
        written, given = deep.read_pixels(run / name), deep.read_pixels(folder / name)
        assert written.values.shape == (48, 48, given.values.shape[2])
        assert written.depth == given.depth
        assert (run.parents[1] / "copy" / name).read_bytes() == (run / name).read_bytes()
    height = deep.read_pixels(run / "stone_disp.png").values
    assert np.unique(height).size > 500
    assert images.read_image(run / "sheet.png").shape[1] > 4 * 48


@pytest.mark.slow
def test_alignment_is_measured_and_near_the_source_s(run):
    [picture] = json.loads((run / "summary.json").read_text())["pictures"]
    found = picture["scores"]["alignment"]
    assert sorted(found) == ["ao", "height", "metallic", "roughness"]
    for kind, figures in found.items():
        pairs = zip(figures["strongest"], figures["strongest_in_source"], strict=True)
        assert all(own > source - 0.25 for own, source in pairs), (kind, figures)


@pytest.mark.slow
def test_a_repeated_run_makes_the_same_files(run, folder, here, capsys):
    again = made(capsys, "material", folder, *FLAGS, "--no-evaluate")
    for name in ("stone_color.png", "stone_disp.png", "stone_arm.png"):
        np.testing.assert_array_equal(deep.read_pixels(again / name).values, deep.read_pixels(run / name).values)


@pytest.mark.slow
def test_maps_may_be_taken_from_where_the_albedo_is_alike(folder, here, capsys):
    made_by_nearest = made(capsys, "material", folder, *FLAGS, "--maps-by", "nearest")
    [picture] = json.loads((made_by_nearest / "summary.json").read_text())["pictures"]
    assert sorted(picture["files"]) == ["stone_arm.png", "stone_color.png", "stone_disp.png"]
    assert set(picture["parts"]) == {"albedo", "layout"}
    assert deep.read_pixels(made_by_nearest / "stone_disp.png").depth == "16"
    for kind, figures in picture["scores"]["alignment"].items():
        assert figures["strongest"][0] > 0.7 * figures["strongest_in_source"][0], kind


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stone_disp.png"], "there is no albedo among the files"),
        (["."], "albedo has 80x64 pixels and roughness 70x60; wanted"),
        ([".", "--maps", "albedo", "normal"], "--maps names normal, and no file holds it"),
        ([".", "--maps", "albedo", "norml"], "--maps names 'norml'; wanted albedo, normal"),
        ([".", "--map-weights", "height"], "--map-weights holds 'height'; wanted a name once"),
        ([".", "--depth", "half"], "cannot have the depth half; wanted depth 8 or 16"),
        ([".", "--preset", "paper"], "--preset paper is for a single picture"),
        ([".", "--init", "phases"], "--init is 'phases'; a material starts with patches or random"),
        ([".", "--out", "stone_disp.png"], "which is a file; wanted a folder"),
        ([".", "--maps", "albedo", "height", "--out", "."], "is read by this very command"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(here, folder, capsys, words, message):
    for file in folder.iterdir():
        shutil.copy(file, here)
    write(here / "stone_arm.png", noise(60, 70, 3))
    assert message in refusal(capsys, "material", *words, *FLAGS)


def test_a_dry_run_says_what_a_material_takes(here, folder, capsys):
    assert main(["material", str(folder), *FLAGS, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "estimated:" in err
    assert not list(here.iterdir())


@pytest.mark.process
def test_a_killed_run_is_resumed_to_the_bit(tmp_path):
    """With normals, files named by hand, and a path relative to the folder in which the run began."""
    write(tmp_path / "base.png", smooth_noise(0, (56, 64)))
    write(tmp_path / "up.png", 0.4 + 0.2 * smooth_noise(1, (56, 64)), "16")
    flags = [
        "material",
        "albedo=base.png",
        "normal=up.png",
        *FLAGS,
        "--init",
        "random",
        "-m",
        "60",
        "--tol",
        "0",
        "--no-evaluate",
    ]
    code, out, err = finished(start(*flags, "-op", "whole", cwd=tmp_path), timeout=600)
    assert code == 0, err
    whole = tmp_path / out.strip()
    process = start(*flags, "-op", "killed", "--checkpoint-every", "0.01", cwd=tmp_path)
    folder = tmp_path / process.stdout.readline().strip()
    wait_until(lambda: len(list(folder.glob("checkpoint-*"))) >= 2, process, timeout=600)
    process.kill()
    process.communicate()
    assert not (folder / "base.png").exists(), "much is left to do"
    code, out, err = finished(start("resume", folder, cwd=tmp_path.parent), timeout=600)
    assert code == 0, err
    for name in ("base.png", "up.png"):
        np.testing.assert_array_equal(deep.read_pixels(folder / name).values, deep.read_pixels(whole / name).values)
    for one, other in zip(trace_of(folder), trace_of(whole), strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}


@pytest.mark.slow
def test_synthesize_with_maps_makes_the_material_that_material_makes(folder, here, capsys):
    words = ["-s", str(folder / "stone_color.png"), "--map", f"height={folder / 'stone_disp.png'}", *FLAGS]
    runs = [made(capsys, "synthesize", *words, "--no-evaluate"), made(
        capsys, "material", f"albedo={folder / 'stone_color.png'}", f"height={folder / 'stone_disp.png'}", *FLAGS,
        "--no-evaluate",
    )]  # fmt: skip
    for name in ("stone_color.png", "stone_disp.png"):
        np.testing.assert_array_equal(*(deep.read_pixels(run / name).values for run in runs))
    assert json.loads((runs[0] / "config.json").read_text())["command"] == "material"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--map", "height=none.png"], "'none.png'"),
        (["--map", "shine=rock.png"], "shine"),
        (["--map", "rock.png"], "says no map"),
        (["rock2.png", "--map", "height=rock.png"], "is for one source"),
        (["--map", "height=rock.png", "--guide", "rock.png", "rock.png"], "--guide is not for a material"),
        (["--map", "height=rock.png", "--seeds", "2"], "--seeds is not for a material"),
        (["--map", "height=rock.png", "--preset", "paper"], "--preset paper is for a single picture"),
    ],
)
def test_maps_that_cannot_be_made_are_refused_in_one_line(here, capsys, words, says):
    for name in ("rock.png", "rock2.png"):
        images.write_image(name, smooth_noise(size=(64, 64)))
    assert says in refusal(capsys, "synthesize", "-s", "rock.png", *words)
    if words[0] == "--map" and len(words) == 2:
        assert "leave it out here" in refusal(capsys, "batch", "rock.png", *words)
