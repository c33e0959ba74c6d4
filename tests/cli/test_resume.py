"""`subjective resume`: where a run goes on, and what is no run that can."""

import contextlib
import json
import os
import shutil

import numpy as np
import pytest
from helpers.pictures import REFERENCE, ROCK
from helpers.processes import SMALL, made, refusal

from subjective import images
from subjective.cli.main import main
from subjective.runs import checkpoints
from subjective.runs.lock import FolderLock


@pytest.fixture
def stopped_at_its_end(here, capsys, monkeypatch):
    """A run of two pictures as it was after its very last step, with one checkpoint and without its last pictures;
    and the pictures."""
    write, kept = checkpoints.write, {}

    def write_and_keep(*arguments):
        path = write(*arguments)
        kept[path.name] = path.read_bytes()
        return path

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "write", write_and_keep)
        flags = ["-m", "6", "-c", "2", "-n", "0", "--tol", "0", "--checkpoint-every", "0.000001"]
        folder = made(capsys, "synthesize", "-s", ROCK, *SMALL, *flags)
    pictures = [images.read_image(folder / f"result-{number:03d}.png") for number in (0, 1)]
    *_, newest = sorted(kept)
    assert newest == "checkpoint-000014.safetensors", "two pictures of a start and six steps"
    (folder / newest).write_bytes(kept[newest])
    (folder / "summary.json").unlink()
    (folder / "result-000.png").unlink()
    return folder, folder / newest, pictures


@pytest.mark.slow
def test_a_run_that_was_stopped_after_its_last_step_writes_its_pictures(stopped_at_its_end):
    folder, _, pictures = stopped_at_its_end
    assert main(["resume", str(folder)]) == 0
    for number in (0, 1):
        np.testing.assert_array_equal(images.read_image(folder / f"result-{number:03d}.png"), pictures[number])


@pytest.mark.slow
def test_a_run_without_a_sound_checkpoint_is_refused(stopped_at_its_end, capsys):
    folder, checkpoint, _ = stopped_at_its_end
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    assert main(["resume", str(folder)]) == 2
    err = capsys.readouterr().err
    assert f"no checkpoint in '{folder}' can be read; to begin again, use --config {folder}/config.json" in err


@pytest.mark.slow
def test_a_run_recorded_before_the_redesign_is_resumed(here, capsys):
    """It had no checkpoint yet, so that it begins again."""
    record = json.loads((REFERENCE / "records" / "synthesize.json").read_text())
    record["settings"]["source"] = [str(ROCK)]
    record["pictures"][0] |= {"path": str(ROCK), "name": ROCK.name}
    (here / "run").mkdir()
    (here / "run" / "config.json").write_text(json.dumps(record))
    assert main(["resume", "run"]) == 0
    assert "'run' has no checkpoint; the run begins again" in capsys.readouterr().err
    again = made(capsys, "synthesize", "--config", "run/config.json")
    assert images.read_image("run/result.png").tobytes() == images.read_image(again / "result.png").tobytes()


def test_what_is_no_run_is_refused(here, capsys):
    assert "holds no config.json" in refusal(capsys, "resume", "nothing")
    (here / "run").mkdir()
    config = here / "run" / "config.json"
    config.write_text('{"command": "weights list", "settings": {}}')
    assert "is of 'weights list', which makes no run" in refusal(capsys, "resume", "run")
    config.write_text('{"version": 99, "command": "synthesize", "settings": {}}')
    assert "is of a later version of this program" in refusal(capsys, "resume", "run")


@pytest.fixture
def unfinished(here, capsys):
    """A run of `source.png` without its summary."""
    images.write_image(here / "source.png", images.read_image(ROCK))
    folder = made(capsys, "synthesize", "-s", "source.png", *SMALL)
    (folder / "summary.json").unlink()
    return folder


@pytest.mark.slow
def test_a_run_whose_source_has_changed_is_refused(unfinished, here, capsys):
    images.write_image(here / "source.png", images.read_image(ROCK)[::-1])
    line = refusal(capsys, "resume", unfinished)
    assert f"cannot resume '{unfinished}': " in line
    assert "source.png has changed since the run started; start a new run with --config" in line


@pytest.mark.slow
def test_a_run_that_still_goes_on_is_refused(unfinished, capsys):
    holder = FolderLock(unfinished)
    line = refusal(capsys, "resume", unfinished)
    assert f"the run in '{unfinished}' still goes on (process {os.getpid()} on " in line
    holder.release()
    assert main(["resume", str(unfinished)]) == 0


@pytest.mark.slow
def test_a_run_whose_folder_of_sources_has_a_new_one_is_refused(unfinished, here, capsys):
    images.write_image(here / "another.png", images.read_image(ROCK))
    config = json.loads((unfinished / "config.json").read_text())
    config["settings"]["source"] = [str(here)]
    (unfinished / "config.json").write_text(json.dumps(config))
    assert main(["resume", str(unfinished)]) == 2
    assert "another.png has changed since the run started" in capsys.readouterr().err


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """A finished run with a copy at `made.png`."""
    here = tmp_path_factory.mktemp("made")
    with contextlib.chdir(here):
        flags = ["-m", "2", "--checkpoint-every", "0.000001", "--out", "made.png", "-q"]
        assert main(["synthesize", "-s", str(ROCK), *SMALL, *flags]) == 0
    return here


@pytest.fixture
def stopped(made_once, here):
    """The run as a kill before its summary and its copy leaves it: without checkpoints, so that it begins again."""
    shutil.copytree(made_once / "outputs", here / "outputs")
    [folder] = here.glob("outputs/*")
    (folder / "summary.json").unlink()
    change_settings(folder, output_dir=str(here / "outputs"), out=str(here / "made.png"))
    return folder


def change_settings(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    config["settings"] |= changes
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.slow
def test_what_is_missing_of_a_run_is_completed(stopped, made_once, here, capsys):
    """And its own copy, if that was written before the kill, is no other file."""
    (stopped / ".reserve").write_bytes(b"0")
    (stopped / ".result.png.1-0.tmp").write_bytes(b"half")
    (stopped / "result.png").unlink()
    (here / ".made.png.1-0.tmp").write_bytes(b"half")
    assert main(["resume", str(stopped)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(stopped), str(here / "made.png")]
    np.testing.assert_array_equal(images.read_image("made.png"), images.read_image(made_once / "made.png"))
    assert {path.name for path in here.iterdir()} == {"outputs", "made.png"}
    assert not list(stopped.glob(".*"))
    (stopped / "summary.json").unlink()
    assert main(["resume", str(stopped), "-q"]) == 0
    assert json.loads((stopped / "summary.json").read_text())["status"] == "finished"


@pytest.mark.slow
def test_a_file_that_is_there_is_replaced_only_if_the_one_who_resumes_says_so(stopped, here, capsys):
    change_settings(stopped, force=True)  # whoever wrote the record does not decide
    (here / "made.png").write_bytes(b"mine")
    assert main(["resume", str(stopped)]) == 2
    assert "made.png' is there already and is another file; `subjective resume " in capsys.readouterr().err
    assert (here / "made.png").read_bytes() == b"mine"
    assert main(["resume", str(stopped), "--force", "-q"]) == 0
    assert images.read_image("made.png").shape == (48, 48, 3)


def test_a_record_from_elsewhere_writes_nowhere_else_unasked(stopped, tmp_path_factory, capsys):
    target = tmp_path_factory.mktemp("elsewhere") / "new.png"
    change_settings(stopped, out=str(target))
    assert "outside its place and the working folder; --force allows it" in refusal(capsys, "resume", stopped)
    assert not target.exists()


@pytest.mark.slow
def test_links_in_a_run_folder_are_replaced_or_refused_and_never_followed(stopped, here, capsys):
    (here / "mine").write_bytes(b"mine")
    for name in (".reserve", "summary.json", "traceback.txt", "result.png", "trace.jsonl"):
        (stopped / name).unlink(missing_ok=True)
        (stopped / name).symlink_to(here / "mine")
    assert main(["resume", str(stopped), "-q"]) == 2
    assert "trace.jsonl' is a link or a special file; wanted a plain file: remove it" in capsys.readouterr().err
    (stopped / "trace.jsonl").unlink()
    assert main(["resume", str(stopped), "-q"]) == 0
    assert (here / "mine").read_bytes() == b"mine"
    assert images.read_image(stopped / "result.png").shape == (48, 48, 3)


@pytest.mark.slow
def test_a_damaged_trace_and_summary_block_nothing(stopped_at_its_end, capsys):
    folder, _, pictures = stopped_at_its_end
    lines = (folder / "trace.jsonl").read_bytes().splitlines()
    lines[0], lines[2], lines[9] = b"[" * 100_000, b'{"picture": "no"}', b"\xff\x00"
    (folder / "trace.jsonl").write_bytes(b"\n".join(lines[:11]))
    (folder / "summary.json").write_bytes(b"\x00{")
    assert main(["resume", str(folder)]) == 0
    assert "trace.jsonl is damaged: 6 of its first 14 lines are lost" in capsys.readouterr().err
    for number in (0, 1):
        np.testing.assert_array_equal(images.read_image(folder / f"result-{number:03d}.png"), pictures[number])
    summary = json.loads((folder / "summary.json").read_text())
    assert [picture["steps"] for picture in summary["pictures"]] == [6, 6]
    assert all(picture["full_size_evaluations"] == picture["evaluations"] for picture in summary["pictures"])
