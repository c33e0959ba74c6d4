"""What the commands that make pictures share: what a run takes is said, then refused or made."""

import json
import re

import jax
import pytest
from helpers.pictures import ROCK
from helpers.processes import SMALL, made, refusal

from subjective.cli.main import main
from subjective.cli.pictures import check_files
from subjective.runs.provenance import describe_environment, usable_cores


@pytest.mark.slow
def test_a_dry_run_that_compiles_says_what_was_measured_and_makes_nothing(here, capsys):
    assert main(["synthesize", "-s", str(ROCK), *SMALL, "--dry-run", "--compile"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "compiling for 48x48 pixels by lbfgsb ..." in err
    assert re.search(
        r"[\d.]+ [GM]B of memory at most, compiled in \d+ s\n.*about .* in all.*\([\d.]+ s a step at full size\)", err
    )
    assert not (here / "outputs").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["synthesize", "-s", ROCK, "-ow", "2048"],
        ["animate", "-s", ROCK, "-c", "6"],
        ["novelty", "-c", "2"],
        ["transfer", ROCK, "-s", ROCK],
    ],
    ids=lambda words: words[0],
)
def test_a_dry_run_compiles_nothing_and_makes_nothing(here, capsys, words):
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event) if "backend_compile" in event else None
    )
    try:
        assert main([*map(str, words), "--dry-run"]) == 0
    finally:
        jax.monitoring.clear_event_listeners()
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(
        r"^subjective: estimated: [\d.]+ [GM]B of memory at most; about .* in all.*: .*s a step", err, re.M
    )
    assert compiled == []
    assert not (here / "outputs").exists()


def test_compiling_is_an_option_of_a_dry_run_only(capsys):
    assert "--compile is for a --dry-run; a run compiles" in refusal(capsys, "synthesize", "-s", ROCK, "--compile")


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_picture_that_does_not_fit_into_memory_is_refused(capsys):
    line = refusal(capsys, "synthesize", "-s", ROCK, *SMALL, "--memory-limit", "100MB")
    assert "a picture of 48x48 needs" in line
    assert "100 MB may be used" in line
    assert "or use another --optimizer, --history, --tile or --memory-limit" in line


@pytest.fixture
def without_lbfgsb(monkeypatch):
    monkeypatch.delattr("scipy.optimize._lbfgsb.setulb")


@pytest.mark.slow
@pytest.mark.usefixtures("without_lbfgsb")
def test_without_the_lbfgsb_of_scipy_a_picture_is_made_by_lbfgs(here, capsys):
    assert main(["synthesize", "-s", str(ROCK), *SMALL]) == 0
    out, err = capsys.readouterr()
    assert "compiling for 48x48 pixels by lbfgs with" in err
    [note] = [line for line in err.splitlines() if "lbfgsb" in line]
    assert re.fullmatch("subjective: note: using --optimizer lbfgs, because lbfgsb needs .* and scipy [0-9.]+ .*", note)
    assert json.loads((here / out.strip() / "config.json").read_text())["settings"]["optimizer"] == "lbfgs"


@pytest.mark.usefixtures("here", "without_lbfgsb")
@pytest.mark.parametrize(
    ("flags", "refused", "instead"),
    [
        (["--optimizer", "lbfgsb"], "--optimizer lbfgsb cannot run: lbfgsb needs", "; use --optimizer lbfgs or adam"),
        (["--bounds"], "--bounds cannot be kept: lbfgsb needs", "; use --optimizer adam, leave out --bounds"),
    ],
    ids=["lbfgsb", "bounds"],
)
def test_without_the_lbfgsb_of_scipy_what_needs_it_is_refused(capsys, flags, refused, instead):
    line = refusal(capsys, "synthesize", "-s", ROCK, *SMALL, *flags)
    assert refused in line
    assert instead in line


@pytest.mark.slow
@pytest.mark.usefixtures("here", "without_lbfgsb")
def test_without_the_lbfgsb_of_scipy_adam_keeps_bounds(capsys):
    made(capsys, "synthesize", "-s", ROCK, *SMALL, "--bounds", "--optimizer", "adam")


@pytest.mark.slow
def test_a_quiet_run_writes_its_folder_and_nothing_else_and_quiet_is_not_recorded(here, capsys):
    assert main(["synthesize", "-s", str(ROCK), *SMALL, "-q"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "quiet" not in json.loads((here / out.strip() / "config.json").read_text())["settings"]
    assert main(["synthesize", "-s", "nothing.png", "-q"]) == 2
    assert capsys.readouterr().err.startswith("subjective: ")


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_verbose_run_writes_every_step(capsys):
    assert main(["synthesize", "-s", str(ROCK), *SMALL, "-v"]) == 0
    err = capsys.readouterr().err
    assert all(f"48x48, step {number}/4  loss" in err for number in range(5))
    assert "texture" in err


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_run_with_a_limit_of_time_plans_fewer_steps(capsys):
    flags = [*SMALL, "-m", "100000", "--minutes", "5", "--tol", "0", "--dry-run"]
    assert main(["synthesize", "-s", str(ROCK), *flags]) == 0
    [steps] = re.findall(
        r"note: (\d+) steps at full size, so that the run takes at most 5 min", capsys.readouterr().err
    )
    assert 10 <= int(steps) < 100_000
    assert main(["synthesize", "-s", str(ROCK), *flags, "--minutes", "1e-4"]) == 2
    assert "--minutes is 0.0001; 10 steps at 48x48 pixels need" in capsys.readouterr().err.splitlines()[-1]


def test_versions_and_cores_that_have_changed_get_a_note(tmp_path, capsys):
    record = {"command": "synthesize", "settings": {}, "environment": describe_environment() | {"usable cores": 77}}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(record))
    check_files(str(file), {}, None)
    check_files(None, {}, tmp_path)
    lines = capsys.readouterr().err.splitlines()
    because = f"because it was made with usable cores 77 (now {usable_cores()})"
    assert lines == [
        f"subjective: note: the picture may differ in its last digits from that of {str(file)!r}, {because}",
        f"subjective: note: the run does not go on bit for bit, {because}",
    ]
    file.write_text(json.dumps(record | {"environment": describe_environment()}))
    check_files(str(file), {}, tmp_path)
    assert capsys.readouterr().err == ""
