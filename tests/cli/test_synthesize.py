"""`subjective synthesize` on the real network: what it makes, what each flag changes, what it says."""

import contextlib
import functools
import io
import json
from pathlib import Path

import pytest
from helpers.pictures import GRAVEL, ROCK
from helpers.processes import PLAIN, SMALL, made

from subjective import images
from subjective.cli.main import main
from subjective.synthesis import targets

BASE = [
    "synthesize", "-ow", "48", "-o", "2", "-l", "conv1_1", "pool1", "-m", "3", "-n", "0", "--seed", "random", *PLAIN
]  # fmt: skip


def final_loss(folder):
    return json.loads((folder / "summary.json").read_text())["pictures"][0]["loss"]


@pytest.fixture(scope="module")
def loss_with(tmp_path_factory):
    """The last loss of `BASE` and flags, always made in this process: others compile to other last digits."""
    source = tmp_path_factory.mktemp("source") / "rock.png"
    images.write_image(source, images.resize(images.read_image(ROCK), (80, 100)))

    def loss_with(*flags):
        out = io.StringIO()
        with contextlib.chdir(tmp_path_factory.mktemp("flags")), contextlib.redirect_stdout(out):
            assert main([str(argument) for argument in (*BASE, "-s", source, *flags)]) == 0
            return final_loss(Path(out.getvalue().strip()))

    return functools.cache(loss_with)


@pytest.mark.slow
def test_nothing_changes_without_a_flag(loss_with):
    assert loss_with.__wrapped__() == loss_with()


IN_STAGES = ["--schedule", "coarse-to-fine", "--first-stage", "1"]
WITH_SPECTRUM = ["--statistic", "gram", "spectrum@rgb"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "flags"),
    [
        *(([], flags) for flags in (
            ["-p", "same"], ["--pooling", "max"], ["--raw-weights"], ["--seed", "symmetric"], ["-l", "rgb", "2"],
            ["--layer-weights", "1", "2"], ["--octave-weights", "1", "2"], ["--octave-step", "2"], ["--mul", "-0.5"],
            ["--history", "1"], ["--statistic", "covariance"], WITH_SPECTRUM, IN_STAGES,
            ["--no-relative"], ["-sw", "70"], ["-ss", "0.9"], ["--rng-seed", "5"], ["--precision", "bfloat16"],
        )),
        (WITH_SPECTRUM, [*WITH_SPECTRUM[:-1], "spectrum@rgb=2"]),
        (IN_STAGES, ["--coarse-iter", "0"]),
        (["-m", "40"], ["--tol", "0.9"]),  # wherever it ends, steps are left
    ],
)  # fmt: skip
def test_every_flag_changes_what_it_says(loss_with, before, flags):
    # By a thousandth at least: no rounding.
    assert loss_with(*before, *flags) != pytest.approx(loss_with(*before), rel=1e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("mode", ["average", "max", "log_euclidean", "geodesic", "affine_invariant", "riemann"])
def test_two_sources_are_joined_into_two_pictures(capsys, mode):
    folder = made(
        capsys, "synthesize", "-s", ROCK, GRAVEL, "-j", mode, "-ow", "32", "-oh", "40", "-o", "1", "-m", "1",
        "-l", "2", "-c", "2", "-n", "0", "--source-weights", "1", "3", "-sw", "80", "--seed", "random", *PLAIN,
    )  # fmt: skip
    assert sorted(file.name for file in folder.glob("*.png")) == ["result-000.png", "result-001.png"]
    assert images.read_image(folder / "result-000.png").shape == (40, 32, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("synthesize",), ("transfer", ROCK, "--content-layers", "pool1")], ids=lambda words: words[0]
)
def test_sources_are_measured_once_for_the_forecast_and_the_run(here, capsys, monkeypatch, words):
    measured, times = targets.measure_sources, []
    monkeypatch.setattr(targets, "measure_sources", lambda *given: times.append(given) or measured(*given))
    made(capsys, *words, "-s", GRAVEL, "-ow", "32", "-o", "1", "-l", "pool1", "-m", "1", "-n", "0", "-sw", "64", *PLAIN)
    assert len(times) == 1


@pytest.mark.slow
def test_a_loss_that_is_not_finite_names_the_step_and_keeps_a_picture(here, capsys):
    status = main(["synthesize", "-s", str(ROCK), *SMALL, "--no-relative", "--mul", "3e38"])
    out, err = capsys.readouterr()
    assert status == 2
    assert "inf at the starting picture" in err
    assert json.loads((Path(out.strip()) / "summary.json").read_text())["status"] == "failed"


@pytest.mark.slow
def test_a_run_in_stages_ends_with_scores(here, capsys):
    flags = ["--first-stage", "32", "-m", "3", "--coarse-iter", "3", "-n", "3"]
    folder = made(capsys, "synthesize", "-s", GRAVEL, "-ow", "64", "-o", "2", *flags)
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
    assert picture["scores"]["version"] == 2
    assert picture["scores"]["sentence"]
    measures = picture["scores"]["measures"]
    assert {"gram", "spectrum", "peak", "seam_rows", "copied", picture["scores"]["worst"]} <= set(measures)
    assert measures["spectrum"].keys() == {"name", "value", "unit", "reference", "score"}
    assert measures["color"]["details"].keys() == {"red", "green", "blue"}
    assert "conv1_2@1" in measures["gram"]["details"]
    assert json.loads((folder / "config.json").read_text())["settings"]["octaves"] == 2


@pytest.mark.slow
def test_a_raw_run_names_what_it_leaves_out_and_scores_as_evaluate_does(here, capsys):
    flags = ["-ow", "40", "-o", "1", "-m", "1", "--raw-weights", "--statistic", "gram@pool1", "autocorrelation32@rgb"]
    flags += ["--layers", "pool2", "--schedule", "plain", "--coarse-iter", "3", "--first-stage", "8", "-p", "valid"]
    assert main(["synthesize", "-s", str(GRAVEL), *flags, "--out", "named.png"]) == 0
    out, err = capsys.readouterr()
    assert "\nnamed.png: " in err, "the scores are of the file that the user named"
    assert "note: --layers has no effect, because every --statistic names its own layers" in err
    for flag in ("--coarse-iter", "--first-stage"):
        assert f"note: {flag} has no effect, because a plain --schedule has no coarse stages" in err
    assert "no octave has room for autocorrelation32@rgb; it is left out" in err
    folder = Path(out.split()[0])
    [picture] = json.loads((folder / "summary.json").read_text())["pictures"]
    assert main(["evaluate", str(folder / "result.png"), "-s", str(GRAVEL), "--json", "scores.json"]) == 0
    [scores] = json.loads((here / "scores.json").read_text())["pictures"].values()
    assert {"seam_rows", "seam_columns"} <= scores["measures"].keys() - picture["scores"]["measures"].keys()
    for measure in ("gram", "sliced_wasserstein", "spectrum"):  # the network of both is the normalized one
        of_run, alone = picture["scores"]["measures"][measure], scores["measures"][measure]
        assert of_run["reference"] == alone["reference"]
        assert of_run["score"] == pytest.approx(alone["score"], rel=0.03)


@pytest.mark.slow
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("statistic", "name"), [("covariance", "covariance"), ("sliced", "distribution")])
def test_a_negative_factor_of_what_has_none_is_refused(capsys, statistic, name):
    flags = ["-ow", "48", "-o", "1", "-m", "1", "-sw", "96", "--schedule", "plain"]
    flags += ["--seed", "random", "--statistic", statistic, "--mul", "-1"]
    assert main(["synthesize", "-s", str(ROCK), *flags]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == f"subjective: a {name} cannot be multiplied by -1; wanted a factor of 0 or more"
