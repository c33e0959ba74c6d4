"""The real program, end to end, on the real network: what it prints, writes, refuses and survives."""

import contextlib
import csv
import functools
import io
import json
import re
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from helpers.processes import finished, refusal, start

from helpers.pictures import GRAVEL, ROCK
from subjective import images
from subjective.cli.main import main
from subjective.runs import checkpoints
from subjective.synthesis import targets

PLAIN = ["--schedule", "plain", "--statistic", "gram", "--no-evaluate"]  # one stage, one statistic: quickly compiled
# Of all processes of their own: one program, compiled once.
SMALL = ["-ow", "48", "-o", "2", "-l", "pool1", "conv2_1", "-m", "4", "-n", "2", *PLAIN]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(capsys, *arguments):
    """The run folder that the program names, and nothing else, on stdout."""
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert status == 0, err
    assert out.count("\n") == 1
    return Path(out.strip())


def test_a_run_leaves_a_folder_that_explains_itself(tmp_path):
    code, out, err = finished(start("synthesize", "-s", ROCK, *SMALL, "-op", "rock", cwd=tmp_path))
    assert code == 0, err
    folder = tmp_path / out.strip()
    assert out == f"{folder.relative_to(tmp_path)}\n"
    assert re.fullmatch(r"outputs/rock-\d{8}-\d{6}\n", out)
    assert sorted(file.name for file in folder.iterdir()) == [
        "config.json",
        "result.png", "step-00000.png", "step-00002.png", "step-00004.png", "summary.json", "trace.jsonl",
    ]  # fmt: skip

    config = json.loads((folder / "config.json").read_text())
    assert config["command_line"].startswith("subjective synthesize -s")
    assert config["settings"]["octaves"] == 2
    assert config["pictures"][0]["name"] == ROCK.name
    assert re.fullmatch("[0-9a-f]{64}", config["pictures"][0]["sha256"])
    assert config["weights"]["sha256"].startswith("786d8ba6")
    assert {"jax", "numpy", "scipy"} <= set(config["environment"]["libraries"])

    trace = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    assert [line["step"] for line in trace] == [0, 1, 2, 3, 4]
    for line in trace:
        assert line["size"] == [48, 48]
        parts = [part["gram"] for octave in line["parts"]["texture"] for part in octave.values()]
        assert len(parts) == 4
        assert sum(parts) == pytest.approx(line["loss"], rel=1e-5)

    with Image.open(folder / "result.png") as picture:
        assert picture.size == (48, 48)
        assert json.loads(picture.text["subjective:config"])["settings"]["octaves"] == 2
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["pictures"][0]["loss"] == trace[-1]["loss"] < trace[0]["loss"]
    assert "\r" not in err, "progress off a terminal is plain lines"
    assert "step 4/4" in err


def test_a_recorded_config_reproduces_its_run_byte_for_byte(here, capsys, monkeypatch):
    first = made(capsys, "synthesize", "-s", ROCK, *SMALL, "--octave-weights", "1", "0.5", "--bounds", "-ss", "0.9",
        "--output-prefix=-x",
    )  # fmt: skip
    again = made(capsys, "synthesize", "--config", first / "config.json")
    with Image.open(first / "result.png") as one, Image.open(again / "result.png") as two:
        assert one.tobytes() == two.tobytes()
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "random").write_text("no start")
    (elsewhere / "vgg16").write_text("no parameters")
    monkeypatch.chdir(elsewhere)
    third = made(capsys, "synthesize", "--config", here / again / "config.json")
    with Image.open(here / first / "result.png") as one, Image.open(third / "result.png") as two:
        assert one.tobytes() == two.tobytes()
    again_there = made(capsys, "synthesize", "--config", third / "config.json", "-m", "0")
    assert json.loads((again_there / "config.json").read_text())["settings"]["seed"] == "random"
    monkeypatch.chdir(here)
    changed = made(capsys, "synthesize", "--config", first / "config.json", "-m", "1", "--no-bounds", "-s", GRAVEL)
    settings = json.loads((changed / "config.json").read_text())["settings"]
    assert settings["source"] == [str(GRAVEL)]
    assert (settings["max_iter"], settings["bounds"], settings["octave_weights"]) == (1, False, [1.0, 0.5])


def test_two_sources_two_pictures_and_every_join(here, capsys):
    for mode in ("average", "max", "log_euclidean", "geodesic", "affine_invariant", "riemann"):
        folder = made(
            capsys, "synthesize", "-s", ROCK, GRAVEL, "-j", mode, "-ow", "32", "-oh", "40", "-o", "1", "-m", "1",
            "-l", "2", "-c", "2", "-n", "0", "--source-weights", "1", "3", *PLAIN,
        )  # fmt: skip
        assert sorted(file.name for file in folder.glob("*.png")) == ["result-000.png", "result-001.png"]
        assert images.read_image(folder / "result-000.png").shape == (40, 32, 3)


@pytest.mark.parametrize(
    "words", [("synthesize",), ("transfer", ROCK, "--content-layers", "pool1")], ids=lambda words: words[0]
)
def test_sources_are_measured_once_for_the_forecast_and_the_run(here, capsys, monkeypatch, words):
    measured, times = targets.measured, []
    monkeypatch.setattr(targets, "measured", lambda *given: times.append(given) or measured(*given))
    made(capsys, *words, "-s", GRAVEL, "-ow", "32", "-o", "1", "-l", "pool1", "-m", "1", "-n", "0", *PLAIN)
    assert len(times) == 1


def test_a_picture_can_be_the_start(here, capsys):
    folder = made(capsys, "synthesize", "-s", ROCK, "--seed", ROCK, "-ow", "40", "-o", "1", "-m", "0", *PLAIN)
    expected = images.resize(images.read_image(ROCK), (40, 40))
    np.testing.assert_allclose(images.read_image(folder / "result.png"), expected, atol=1 / 255)


BASE = ["synthesize", "-ow", "48", "-o", "2", "-l", "conv1_1", "pool1", "-m", "3", "-n", "0", *PLAIN]


def final_loss(folder):
    return json.loads((folder / "summary.json").read_text())["pictures"][0]["loss"]


@pytest.fixture(scope="module")
def loss_with(tmp_path_factory):
    """The last loss of `BASE` and flags, always made in this process: others compile to other last digits."""
    source = tmp_path_factory.mktemp("source") / "rock.png"
    images.write_image(source, images.resize(images.read_image(ROCK), (128, 160)))

    def loss_with(*flags):
        out = io.StringIO()
        with contextlib.chdir(tmp_path_factory.mktemp("flags")), contextlib.redirect_stdout(out):
            assert main([str(argument) for argument in (*BASE, "-s", source, *flags)]) == 0
            return final_loss(Path(out.getvalue().strip()))

    return functools.cache(loss_with)


def test_nothing_changes_without_a_flag(loss_with):
    assert loss_with.__wrapped__() == loss_with()


IN_STAGES = ["--schedule", "coarse-to-fine"]
WITH_SPECTRUM = ["--statistic", "gram", "spectrum@rgb"]


@pytest.mark.parametrize(
    ("before", "flags"),
    [
        *(([], flags) for flags in (
            ["-p", "same"], ["--pooling", "max"], ["--raw-weights"], ["--seed", "symmetric"], ["-l", "rgb", "2"],
            ["--layer-weights", "1", "2"], ["--octave-weights", "1", "2"], ["--octave-step", "2"], ["--mul", "-0.5"],
            ["--history", "1"], ["--statistic", "covariance"], WITH_SPECTRUM, IN_STAGES,
            ["--no-relative"], ["-sw", "100"], ["-ss", "0.9"], ["--rng-seed", "5"], ["--precision", "bfloat16"],
        )),
        (WITH_SPECTRUM, [*WITH_SPECTRUM[:-1], "spectrum@rgb=2"]),
        (IN_STAGES, ["--coarse-iter", "0"]),
        (["-m", "40"], ["--tol", "0.9"]),  # wherever it ends, steps are left
    ],
)  # fmt: skip
def test_every_flag_changes_what_it_says(loss_with, before, flags):
    # By a thousandth at least: no rounding.
    assert loss_with(*before, *flags) != pytest.approx(loss_with(*before), rel=1e-3)


@pytest.mark.parametrize("flags", [[], ["--internal", "-o", "2"]])
def test_novelty_makes_pictures_from_nothing(here, capsys, flags):
    folder = made(capsys, "novelty", "-ow", "32", "-o", "2", "-m", "3", *flags)
    assert len(list(folder.glob("result*.png"))) == (1 if flags else 4)
    trace = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    assert trace[-1]["loss"] < trace[0]["loss"]


def test_runs_that_start_at_once_get_folders_of_their_own_and_interrupts_leave_pictures_and_lines(tmp_path):
    flags = ["-m", "100000", "--tol", "0", "-n", "0"]
    processes = [start("synthesize", "-s", ROCK, *SMALL, *flags, cwd=tmp_path) for _ in range(2)]
    folders = [tmp_path / process.stdout.readline().strip() for process in processes]
    assert len(set(folders)) == 2
    deadline = time.monotonic() + 100
    for folder in folders:
        while (folder / "trace.jsonl").read_text().count("\n") < 4 and time.monotonic() < deadline:
            time.sleep(0.1)
    signals = {signal.SIGINT: 130, signal.SIGTERM: 143}
    for process, number in zip(processes, signals, strict=True):
        process.send_signal(number)
    for process, folder, status in zip(processes, folders, signals.values(), strict=True):
        code, _, err = finished(process)
        assert code == status, err
        assert f"interrupted; the last picture is {folder.relative_to(tmp_path)}/result.png" in err
        assert "Traceback" not in err
        last = json.loads((folder / "trace.jsonl").read_text().splitlines()[-1])
        assert json.loads(images_text(folder / "result.png")["subjective:step"])["step"] == last["step"]
        assert json.loads((folder / "summary.json").read_text())["status"] == "interrupted"
        # Steps are short here: it stopped at the end of one, and goes on from there.
        [checkpoint] = folder.glob("checkpoint-*")
        assert checkpoints.read(checkpoint)[0].point.step == last["step"]
        assert f"to go on: subjective resume {folder.relative_to(tmp_path)}" in err


def images_text(path):
    with Image.open(path) as picture:
        return picture.text


def test_a_file_that_cannot_grow_leaves_the_last_picture_and_a_line(tmp_path):
    """A limit on file sizes stands for the full disk: the write fails in the same place, for any user."""

    # The reserve of a 48 x 48 picture stays under the limit; the trace passes it after some hundred steps.
    process = start("synthesize", "-s", ROCK, *SMALL, "-m", "100000", "--tol", "0", "-n", "0", cwd=tmp_path)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (90_000, 90_000))
    code, out, err = finished(process)
    assert code == 2, err
    line = err.strip().splitlines()[-1]
    assert "no room left to write" in line
    assert "result.png" in line
    assert "Traceback" not in err
    assert images.read_image(tmp_path / out.strip() / "result.png").shape == (48, 48, 3)
    assert not list((tmp_path / out.strip()).glob(".*")), "no temporary file is left"


def test_a_dry_run_says_what_it_takes_and_makes_nothing(here, capsys):
    assert main(["synthesize", "-s", str(ROCK), *SMALL, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "compiling for 48x48 pixels by lbfgsb ..." in err
    assert re.search(r"[\d.]+ [GM]B of memory at most, compiled in \d+ s\n.* a step at full size, .* in all", err)
    assert not (here / "outputs").exists()
    line = refusal(capsys, "synthesize", "-s", ROCK, *SMALL, "--memory-limit", "100MB")
    assert "a picture of 48x48 needs" in line
    assert "100 MB may be used" in line


def test_a_run_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path, capsys, monkeypatch):
    flags = ["synthesize", "-s", ROCK, *SMALL, "-m", "60", "--tol", "0", "-n", "0"]
    code, out, err = finished(start(*flags, "-op", "whole", cwd=tmp_path))
    assert code == 0, err
    whole = tmp_path / out.strip()
    assert not list(whole.glob("checkpoint*")), "a finished run has nothing to go on with"

    process = start(*flags, "-op", "killed", "--checkpoint-every", "0.01", cwd=tmp_path)
    killed = tmp_path / process.stdout.readline().strip()
    deadline = time.monotonic() + 100
    while len(list(killed.glob("checkpoint-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    *older, before, newest = sorted(killed.glob("checkpoint-*"))
    assert len(older) <= 1, "two are kept, and one more while it is written"
    assert checkpoints.read(before)[0].point.step < 50, "much is left to do"
    newest.write_bytes(newest.read_bytes()[:-9])  # as a disk may leave it

    code, out, err = finished(start("resume", killed, cwd=tmp_path))
    assert code == 0, err
    assert out.strip() == str(killed)
    assert f"{newest.name} is damaged, or of another version (it ends too early); taking the one before" in err
    assert images_text(killed / "result.png").keys() == images_text(whole / "result.png").keys()
    np.testing.assert_array_equal(images.read_image(killed / "result.png"), images.read_image(whole / "result.png"))
    traces = [[json.loads(line) for line in (run / "trace.jsonl").read_text().splitlines()] for run in (killed, whole)]
    for one, other in zip(*traces, strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}

    # And from a checkpoint of the very last step, after which nothing is told.
    write, kept = checkpoints.write, {}

    def write_and_keep(*arguments):
        path = write(*arguments)
        kept[path.name] = path.read_bytes()
        return path

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "write", write_and_keep)
        last = made(capsys, *flags, "-m", "6", "-c", "2", "-op", "last", "--checkpoint-every", "0.000001")
    pictures = [images.read_image(last / f"result-{number:03d}.png") for number in (0, 1)]
    *_, newest = sorted(kept)
    assert newest == "checkpoint-000014.safetensors", "two pictures of a start and six steps"
    (last / newest).write_bytes(kept[newest])
    (last / "summary.json").unlink()
    (last / "result-000.png").unlink()
    assert main(["resume", str(last)]) == 0
    for number in (0, 1):
        np.testing.assert_array_equal(images.read_image(last / f"result-{number:03d}.png"), pictures[number])

    (last / "summary.json").unlink()
    (last / newest).write_bytes(kept[newest][:100])
    capsys.readouterr()
    assert main(["resume", str(last)]) == 2
    err = capsys.readouterr().err
    assert "no checkpoint in" in err
    assert "can be read; to begin again, use --config" in err
    for again in (killed, whole):
        assert "is finished; there is nothing to go on with" in refusal(capsys, "resume", again)


def test_what_cannot_go_on_is_refused(here, capsys, monkeypatch):
    assert "holds no config.json" in refusal(capsys, "resume", "nothing")
    image = images.read_image(ROCK)
    images.write_image(here / "source.png", image)
    assert main(["synthesize", "-s", "source.png", *SMALL]) == 0
    [run] = (here / "outputs").iterdir()
    (run / "summary.json").unlink()
    capsys.readouterr()
    images.write_image(here / "source.png", image[::-1])
    assert "source.png has changed since" in refusal(capsys, "resume", str(run))
    images.write_image(here / "source.png", image)
    images.write_image(here / "another.png", image)
    config = json.loads((run / "config.json").read_text())
    config["settings"]["source"] = [str(here)]
    (run / "config.json").write_text(json.dumps(config))
    assert "another.png has changed since" in refusal(capsys, "resume", str(run))


def test_sources_that_cannot_be_used_are_refused(here, capsys):
    (here / "text.png").write_text("no picture")
    (here / "empty.png").touch()
    (here / "folder").mkdir()
    assert "not a picture" in refusal(capsys, "synthesize", "-s", "text.png")
    assert "empty" in refusal(capsys, "synthesize", "-s", "empty.png")
    assert "no such source" in refusal(capsys, "synthesize", "-s", "nothing.png")
    assert "without pictures" in refusal(capsys, "synthesize", "-s", "folder")
    assert "277" in refusal(capsys, "synthesize", "-s", ROCK, "-o", "4")
    assert not (here / "outputs").exists()


@pytest.mark.usefixtures("bound_by_modes")
def test_a_source_that_may_not_be_read_is_refused(here, capsys):
    (here / "closed.png").write_bytes(ROCK.read_bytes())
    (here / "closed.png").chmod(0)
    assert "Permission denied" in refusal(capsys, "synthesize", "-s", "closed.png")
    assert not (here / "outputs").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-l", "99"], "no layer '99'"),
        (["-l", "conv5_1"], "no layer 'conv5_1'"),
        (["-l"], "layer"),
        (["-o", "0"], "--octaves is 0"),
        (["-o", "x"], "octaves"),
        (["-ow", "20", "-p", "valid", "-o", "1", "--statistic", "gram"], "too small"),
        (["-m", "-5"], "--max-iter"),
        (["--tol", "nan"], "--tol"),
        (["-c", "0"], "--count"),
        (["-ss", "0.5", "-sw", "100"], "--source-scale and --source-width"),
        (["-ss", "-1"], "--source-scale"),
        (["-ss", "nan"], "--source-scale"),
        (["-sw", "0"], "--source-width"),
        (["-j", "median"], "median"),
        (["-p", "reflect"], "reflect"),
        (["--seed", "nothing.png"], "no file"),
        (["--weights", "vgg99"], "vgg99"),
        (["--layer-weights", "1"], "--layer-weights got 1 numbers for 4 layers"),
        (["--source-weights", "1", "2"], "2 numbers for 1 pictures"),
        (["-op", "a/b"], "--output-prefix"),
        (["-ow", "99999999"], "larger than"),
        (["-ss", "1e300"], "--source-scale"),
        (["-d", "nothing"], "--data-dir"),
        (["--statistic", "grams"], "unknown statistic"),
        (["--statistic", "gram=much"], "gram=much"),
        (["--statistic", "gram@conv9_1"], "no layer 'conv9_1'"),
        (["--statistic", "gram", "gram@pool1"], "given twice"),
        (["--statistic", "spectrum@rgb", "-ow", "30"], "spectrum maps of 32"),
        (["--preset", "better"], "better"),
        (["--octave-weights", "1", "--octaves", "2"], "--octave-weights got 1"),
        (["--config"], "no such file"),
        (["--config", "nothing.json"], "no such file"),
        (["--output-dir", "/proc/none"], "/proc/none"),
        (["--no-such-flag"], "no-such-flag"),
    ],
)
def test_unfit_flags_are_refused_in_one_line(here, capsys, flags, message):
    assert message in refusal(capsys, "synthesize", "-s", ROCK, "-o", "2", *flags)


def test_a_command_line_without_sense_is_refused(here, capsys):
    assert "source" in refusal(capsys, "synthesize")
    assert "synthesize" in refusal(capsys)
    assert "bogus" in refusal(capsys, "bogus")
    (here / "config.json").write_text('{"command": "novelty", "settings": {}}')
    assert "subjective novelty" in refusal(capsys, "synthesize", "--config", "config.json")
    (here / "config.json").write_text("[1, 2]")
    assert "no settings" in refusal(capsys, "synthesize", "--config", "config.json")
    (here / "config.json").write_text("[" * 100_000)
    assert "no settings" in refusal(capsys, "synthesize", "--config", "config.json")
    assert "--count is 1" in refusal(capsys, "novelty", "-c", "1")


def test_a_loss_that_is_not_finite_names_the_step_and_keeps_a_picture(here, capsys):
    status = main(["synthesize", "-s", str(ROCK), *SMALL, "--no-relative", "--mul", "3e38"])
    out, err = capsys.readouterr()
    assert status == 2
    assert "inf at the starting picture" in err
    assert json.loads((Path(out.strip()) / "summary.json").read_text())["status"] == "failed"


def test_the_defaults_run_in_stages_and_end_with_scores(here, capsys):
    folder = made(
        capsys, "synthesize", "-s", GRAVEL, "-ow", "64", "-o", "2", "-m", "3", "--coarse-iter", "3", "-n", "3"
    )
    assert sorted(file.name for file in folder.glob("*.png")) == [
        "result.png", "step-00000.png", "step-00003.png", "step-00006.png",
    ]  # fmt: skip
    assert images.read_image(folder / "step-00003.png").shape == (32, 32, 3), "a coarser stage has a smaller picture"
    trace = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    assert [line["step"] for line in trace] == list(range(7))
    assert [line["size"][0] for line in trace] == [32] * 4 + [64] * 3
    [picture] = json.loads((folder / "summary.json").read_text())["pictures"]
    coarse = trace[3]["evaluations"]
    assert picture["full_size_evaluations"] == coarse / 4 + picture["evaluations"] - coarse
    assert {"gram", "spectrum", "peak", "seam_rows", "copied"} <= set(picture["scores"])
    assert picture["scores"]["spectrum"].keys() == {"value", "reference", "score"}
    assert picture["scores"]["color"]["details"].keys() == {"red", "green", "blue"}
    assert "conv1_2@1" in picture["scores"]["gram"]["details"]
    assert json.loads((folder / "config.json").read_text())["settings"]["octaves"] == 2


def test_a_raw_run_names_what_it_leaves_out_and_scores_as_evaluate_does(here, capsys):
    flags = ["-ow", "40", "-o", "1", "-m", "1", "--raw-weights", "--statistic", "gram@pool1", "autocorrelation32@rgb"]
    flags += ["--layers", "pool2", "--schedule", "plain", "--coarse-iter", "3", "--first-stage", "8"]
    assert main(["synthesize", "-s", str(GRAVEL), *flags]) == 0
    out, err = capsys.readouterr()
    assert "nothing comes of --layers, since each --statistic names its own layers" in err
    for flag in ("--coarse-iter", "--first-stage"):
        assert f"nothing comes of {flag}, since a plain --schedule has no coarse stages" in err
    assert "no octave has room for autocorrelation32@rgb; it is left out" in err
    folder = Path(out.strip())
    [picture] = json.loads((folder / "summary.json").read_text())["pictures"]
    assert main(["evaluate", str(folder / "result.png"), "-s", str(GRAVEL), "--json", "scores.json"]) == 0
    [scores] = json.loads((here / "scores.json").read_text()).values()
    for measure in ("gram", "sliced_wasserstein", "spectrum"):  # the network of both is the normalized one
        assert picture["scores"][measure]["reference"] == scores[measure]["reference"]
        assert picture["scores"][measure]["score"] == pytest.approx(scores[measure]["score"], rel=0.03)


def test_a_preset_comes_before_the_flags_given(here, capsys):
    small = ["-s", ROCK, "-ow", "48", "-m", "1", "-o", "1", "--no-evaluate"]
    folder = made(capsys, "synthesize", *small, "--preset", "paper", "--layers", "pool1")
    settings = json.loads((folder / "config.json").read_text())["settings"]
    assert (settings["padding_mode"], settings["raw_weights"], settings["relative"]) == ("valid", True, False)
    assert (settings["layers"], settings["max_iter"], settings["statistic"]) == (["pool1"], 1, ["gram"])
    again = made(capsys, "synthesize", "--config", folder / "config.json")
    assert (again / "result.png").read_bytes()[-2000:] == (folder / "result.png").read_bytes()[-2000:]


def test_pictures_of_any_tool_are_measured(here, capsys):
    rock = images.read_image(ROCK)
    images.write_image(here / "crop.png", rock[:128, :128])
    images.write_image(here / "dark.jpg", 0.5 * rock[:128, :128])
    assert main(["evaluate", "crop.png", "dark.jpg", "-s", str(ROCK), "--json", "scores.json"]) == 0
    out, err = capsys.readouterr()
    head, crop, dark = (line.split() for line in out.splitlines())
    assert head[-1] == "copied"
    assert (crop[0], dark[0]) == ("crop.png", "dark.jpg")
    assert len(crop) == len(dark)
    assert "measuring 2/2" in err
    scores = json.loads((here / "scores.json").read_text())
    images.write_image(here / "tiny.png", rock[:16, :16])
    both = ["-s", str(ROCK), "tiny.png", "--source-weights", "1", "0", "--json", "again.json"]
    assert main(["evaluate", "crop.png", "dark.jpg", *both]) == 0, "what counts for nothing may be of any size"
    capsys.readouterr()
    assert json.loads((here / "again.json").read_text()) == scores
    assert scores["crop.png"]["color"]["score"] < 3 < scores["dark.jpg"]["color"]["score"]
    assert "no such source" in refusal(capsys, "evaluate", "crop.png", "-s", "nothing.png")
    assert "no such picture: 'none.png'" in refusal(capsys, "evaluate", "none.png", "-s", ROCK)
    assert "'tiny.png' of 16x16" in refusal(capsys, "evaluate", "tiny.png", "-s", ROCK)
    assert "nowhere" in refusal(capsys, "evaluate", "crop.png", "-s", ROCK, "--json", "nowhere/scores.json")
    assert "which is a folder" in refusal(capsys, "evaluate", "crop.png", "-s", ROCK, "--json", ".")
    assert "no layer 'conv3-3'" in refusal(capsys, "evaluate", "crop.png", "-s", ROCK, "--matched", "conv3-3")


def test_a_sweep_makes_one_sheet_and_one_table(here, capsys):
    status = main(
        [
            "sweep",
            "-s",
            str(ROCK),
            "--vary",
            "layers=pool1/conv1_1+pool1",
            "octaves=1/9",
            "-ow",
            "48",
            "-m",
            "1",
            *PLAIN,
        ]
    )
    out, err = capsys.readouterr()
    assert status == 0, err
    folder, table = out.split("\n", 1)
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(row["layers"], row["octaves"]) for row in rows] == [
        ("pool1", "1"), ("pool1", "9"), ("conv1_1+pool1", "1"), ("conv1_1+pool1", "9"),
    ]  # fmt: skip
    assert [row["status"] == "finished" for row in rows] == [True, False, True, False]
    assert "too small for 9 octaves" in rows[1]["status"]
    assert rows[0]["loss"] != rows[2]["loss"]
    assert (Path(folder) / "table.csv").read_text() == table
    assert {Path(folder) / row["picture"] for row in rows if row["picture"]} == set(Path(folder).glob("*/result.png"))
    assert [bool(row["picture"]) for row in rows] == [True, False, True, False]
    sheet = images.read_image(Path(folder) / "sheet.png")
    assert sheet.shape[1] > 2 * 160, "the source and two pictures"
    for name in ("001-pool1-1", "003-conv1_1-pool1-1"):
        [run] = Path(folder).glob(f"{name}-*")
        assert shows(sheet, images.read_image(run / "result.png"))


def test_a_sweep_shows_every_picture_and_says_when_there_is_none(here, capsys):
    flags = ["-s", str(ROCK), "-ow", "48", "-o", "1", "-m", "1", *PLAIN, "--evaluate"]
    assert main(["sweep", *flags, "--vary", "max-iter=0/1", "--count", "2", "-op", "tries"]) == 0
    folder, table = capsys.readouterr().out.split("\n", 1)
    assert Path(folder).name.startswith("tries-")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(row["max-iter"], Path(row["picture"]).name) for row in rows] == [
        ("0", "result-000.png"), ("0", "result-001.png"), ("1", "result-000.png"), ("1", "result-001.png"),
    ]  # fmt: skip
    assert len({row["loss"] for row in rows}) == 4
    scores = [json.loads(file.read_text()) for file in sorted(Path(folder).glob("*/summary.json"))]
    of_pictures = [picture["scores"] for summary in scores for picture in summary["pictures"]]
    for measure in ("gram", "color", "copied"):
        assert [float(row[measure]) for row in rows] == [found[measure]["score"] for found in of_pictures]
        assert [float(row[f"{measure}_value"]) for row in rows] == [found[measure]["value"] for found in of_pictures]
    sheet = images.read_image(Path(folder) / "sheet.png")
    assert all(shows(sheet, images.read_image(file)) for file in Path(folder).glob("*/result-*.png"))
    assert main(["sweep", *flags, "--vary", "octaves=8/9"]) == 2
    assert "none of 2 runs made a picture; the first says: " in capsys.readouterr().err
    assert "no such source" in refusal(capsys, "sweep", "-s", "nothing.png", "-op", "not", "--vary", "octaves=1")
    assert not list(here.glob("outputs/not-*"))


def shows(sheet, picture):
    """Whether a picture is on a sheet, pixel by pixel."""
    height, width = picture.shape[:2]
    for top, left in zip(*np.nonzero(np.all(np.isclose(sheet, picture[0, 0], atol=1e-3), axis=2)), strict=True):
        part = sheet[top : top + height, left : left + width]
        if part.shape == picture.shape and np.allclose(part, picture, atol=1e-3):
            return True
    return False


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        (["octaves"], "'octaves'"),
        (["octaves=1//2"], "octaves=1//2"),
        (["octaves=x"], "octaves"),
        (["nothing=1"], "nothing"),
        (["max-iter=-1"], "--max-iter"),
        (["noise=1/255"], "--noise is 255.0; wanted a number from 0 to 1"),
        (["dry-run=yes"], "--dry-run is of a single run"),
        ([], "vary"),
    ],
)
def test_a_sweep_that_cannot_be_meant_is_refused_before_anything_is_made(here, capsys, vary, message):
    assert message in refusal(capsys, "sweep", "-s", ROCK, "--vary", *vary)
    assert not (here / "outputs").exists()


def test_weights_are_listed_and_shown(capsys):
    assert main(["weights", "list"]) == 0
    assert "vgg16 " in capsys.readouterr().out
    assert main(["weights", "show", "vgg16"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["sha256"] == "786d8ba662033e24fd14d4332af3386118ded1ddca08858203e4677d224bfed5"
    assert "vgg99" in refusal(capsys, "weights", "show", "vgg99")


def test_version_and_help_go_to_stdout(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"subjective \d+\.\d+\.\d+\n", capsys.readouterr().out)
    with pytest.raises(SystemExit) as stop:
        main(["synthesize", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for flag in (
        "-s",
        "-ow",
        "-oh",
        "-o",
        "-l",
        "-m",
        "-op",
        "-n",
        "-ss",
        "-sw",
        "-p",
        "-j",
        "-c",
        "-d",
        "--octave-step",
    ):
        assert f"{flag} " in out, flag
