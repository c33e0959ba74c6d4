"""`subjective batch`: each picture by itself, whatever becomes of the others."""

import json
import signal
from pathlib import Path

import pytest
from helpers.pictures import ROCK
from helpers.processes import SMALL, refusal

from subjective import images
from subjective.cli.batch import name_results
from subjective.cli.main import main
from subjective.runs.interrupts import Interrupted

pytestmark = pytest.mark.usefixtures("pictures")


@pytest.fixture
def pictures(here):
    (here / "many").mkdir()
    rock = images.read_image(ROCK)
    images.write_image(here / "many" / "a.png", rock[:96, :96])
    images.write_image(here / "many" / "c.png", rock[-96:, -96:])


@pytest.mark.slow
def test_each_picture_is_made_by_itself_and_a_failure_stops_nothing(capsys):
    Path("many/b.png").write_bytes(b"no picture")
    assert main(["batch", "many", *SMALL, "--out", "made", "--summary", "said/all.json"]) == 1
    out, err = capsys.readouterr()
    made, failed, last = json.loads(Path("said/all.json").read_text())["pictures"]
    run = out.splitlines()[0]
    assert made == {
        "picture": "many/a.png", "status": "made", "exit_status": 0, "reason": "", "run": run, "files": ["made/a.png"]
    }  # fmt: skip
    assert (failed["status"], failed["exit_status"], failed["run"], failed["files"]) == ("failed", 2, None, [])
    assert failed["reason"].startswith("'many/b.png' is not a picture")
    assert last["files"] == ["made/c.png"]
    assert out.splitlines()[1::2] == ["made/a.png", "made/c.png"]
    assert [Path(line).name.split("-")[1] for line in out.splitlines()[::2]] == ["a", "c"]
    assert "subjective: b.png failed: 'many/b.png' is not a picture" in err
    assert {"a.png: loss", "c.png: loss"} < {line.partition(" 0")[0] for line in err.splitlines()}
    assert any(line.startswith("c.png: 48x48, step") for line in err.splitlines())
    assert err.splitlines()[-1].startswith("subjective: 2 of 3 made; failed: b.png: 'many/b.png' is not a picture")
    assert images.read_image("made/a.png").shape == (48, 48, 3)


@pytest.mark.slow
def test_a_batch_that_is_repeated_makes_only_what_is_missing(capsys):
    Path("made").mkdir()
    Path("made/a.png").write_bytes(b"made before")
    Path("all.json").write_text(json.dumps({"version": 1, "pictures": []}))
    assert main(["batch", "many/*.png", *SMALL, "--out", "made", "--summary", "all.json"]) == 0
    out, err = capsys.readouterr()
    assert [one["status"] for one in json.loads(Path("all.json").read_text())["pictures"]] == ["there already", "made"]
    assert out.splitlines()[0] == "made/a.png"
    assert len(out.splitlines()) == 3
    assert "'made/a.png' is there already and is not made again" in err
    assert err.splitlines()[-1] == "1 of 2 made, 1 was there already"
    assert Path("made/a.png").read_bytes() == b"made before"


@pytest.mark.parametrize("content", ["mine", "[]", "{}", "[" * 10**5, '{"version": 1}', "\udcff"])
def test_a_file_that_is_no_summary_is_kept(capsys, content):
    Path("all.json").write_text(content, errors="surrogateescape")
    assert main(["batch", "many", *SMALL, "--summary", "all.json"]) == 2
    assert "'all.json' is there already" in capsys.readouterr().err
    assert Path("all.json").read_text(errors="surrogateescape") == content


def test_a_batch_in_which_all_fail_has_status_2(capsys):
    Path("x.png").write_bytes(b"")
    assert main(["batch", "x.png", *SMALL]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("subjective: 0 of 1 made; failed: x.png: 'x.png' is empty")


def test_a_fault_in_one_run_does_not_stop_the_rest(capsys, monkeypatch):
    asked = []

    def break_down(options, begun):
        asked.append(options.source)
        raise ZeroDivisionError

    monkeypatch.setattr("subjective.cli.synthesize.run", break_down)
    assert main(["batch", "many", *SMALL]) == 1
    assert asked == [("many/a.png",), ("many/c.png",)]
    assert "c.png: a fault of this program: ZeroDivisionError" in capsys.readouterr().err.splitlines()[-1]


def test_each_run_has_the_flags_of_the_batch_its_own_picture_and_its_own_names(monkeypatch):
    asked = []
    monkeypatch.setattr("subjective.cli.synthesize.run", lambda options, begun: asked.append(options) or 0)
    Path("mine.toml").write_text('source = ["many"]\nmax-iter = 3\n[synthesize]\nwidth = 40')
    assert main(["batch", "--config", "mine.toml", "-m", "2", "-o", "made", "-c", "2"]) == 0
    assert [(one.source, one.out, one.output_prefix) for one in asked] == [
        (("many/a.png",), "made/a.png", "out-a"), (("many/c.png",), "made/c.png", "out-c"),
    ]  # fmt: skip
    assert {(one.max_iter, one.output_width, one.count, one.config) for one in asked} == {(2, 40, 2, None)}


def test_all_files_of_a_result_must_be_there_for_it_not_to_be_made_again(monkeypatch):
    asked = []
    monkeypatch.setattr("subjective.cli.synthesize.run", lambda options, begun: asked.append(options.out) or 0)
    Path("made").mkdir()
    for name in ("a-1.png", "a-2.png", "c-1.png"):
        (Path("made") / name).touch()
    assert main(["batch", "many", "-o", "made", "-c", "2"]) == 0
    assert asked == ["made/c.png"]


def test_two_pictures_of_one_name_have_results_of_two_names():
    files = [Path(name) for name in ("a.jpg", "a.png", "b/a.png", "a-2.png")]
    assert name_results(files) == ["a", "a-2", "a-3", "a-2-2"]


def test_what_a_batch_cannot_take_is_refused_before_anything_is_made(capsys):
    assert "PICTURE... is missing" in refusal(capsys, "batch")
    assert "give PICTURE... without a flag" in refusal(capsys, "batch", "many", "--source", "a.png")
    assert "--out is 'many/a.png', which is a file" in refusal(capsys, "batch", "many", "-o", "many/a.png")


def test_a_dry_run_writes_no_summary(capsys):
    assert main(["batch", "many", *SMALL, "--dry-run", "--out", "made", "--summary", "new/all.json"]) == 0
    assert not Path("new").exists()
    assert not Path("made").exists()
    assert " of 2 made" not in capsys.readouterr().err, "a dry run sums up pictures that it did not make"


def test_an_interrupted_batch_says_what_was_made_and_what_was_not(capsys, monkeypatch):
    runs = []

    def stop_at_the_second(options, begun):
        runs.append(options.source)
        if len(runs) == 2:
            raise Interrupted(signal.SIGTERM)
        return 0

    monkeypatch.setattr("subjective.cli.synthesize.run", stop_at_the_second)
    assert main(["batch", "many/a.png", "many/c.png", *SMALL, "--summary", "all.json"]) == 128 + signal.SIGTERM
    assert capsys.readouterr().err.splitlines()[-1] == "subjective: interrupted; 1 of 2 made"
    entries = json.loads(Path("all.json").read_text())["pictures"]
    assert [(one["picture"], one["status"]) for one in entries] == [
        ("many/a.png", "made"), ("many/c.png", "interrupted")
    ]  # fmt: skip
