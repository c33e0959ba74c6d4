"""Which runs are found in a folder, and what is said of each."""

import json
import os
import socket
import subprocess
import sys

import pytest
from helpers.runs import go_on, make_run, trace_line

from subjective.checks import FileError, InputError
from subjective.runs.provenance import read_record
from subjective.studio.runs_index import Index, list_pictures
from subjective.studio.trace_columns import MOST_POINTS, Traces


def statuses(folder):
    return {name: run["status"] for name, run in Index(folder).list_runs().items()}


def lock(folder, process, host=None):
    (folder / ".lock").write_text(f"process {process} on {host or socket.gethostname()} since 2026-01-01 00:00:00\n")


def ended_process():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_runs_are_found_in_the_folder_and_in_the_folders_of_sweeps(tmp_path):
    make_run(tmp_path / "out-1")
    make_run(tmp_path / "sweep" / "001-2")
    make_run(tmp_path / ".trash" / "out-0")
    (tmp_path / "notes").mkdir()
    assert sorted(Index(tmp_path).list_runs()) == ["out-1", "sweep/001-2"]


def test_a_link_is_not_followed(tmp_path):
    served, outside = tmp_path / "served", tmp_path / "outside"
    served.mkdir()
    make_run(outside / "run")
    (served / "linked").symlink_to(outside / "run")
    (served / "all").symlink_to(outside)
    index = Index(served)
    assert index.list_runs() == {}
    for name in ("linked", "all/run", "../outside/run", "/", "", ".", "..", "all/..", "a/b/c", "x\0"):
        with pytest.raises(InputError):
            index.find(name)


def test_only_the_run_that_was_named_is_shown(tmp_path):
    make_run(tmp_path / "one")
    make_run(tmp_path / "other")
    index = Index(tmp_path, only="one")
    assert list(index.list_runs()) == ["one"]
    with pytest.raises(InputError):
        index.find("other")


def test_each_way_in_which_a_run_can_be_is_told_apart(tmp_path):
    make_run(tmp_path / "finished")
    make_run(tmp_path / "interrupted", status="interrupted", reason="stopped on request")
    for name in ("killed", "running", "elsewhere", "starting", "resumed"):
        make_run(tmp_path / name, status="interrupted" if name == "resumed" else None)
    (tmp_path / "starting" / "trace.jsonl").unlink()
    lock(tmp_path / "killed", ended_process())
    lock(tmp_path / "running", os.getpid())
    lock(tmp_path / "resumed", os.getpid())
    lock(tmp_path / "starting", os.getpid())
    lock(tmp_path / "elsewhere", 1, host="another.example")
    found = statuses(tmp_path)
    wanted = {"elsewhere": "running", "resumed": "running"}
    assert found == {name: wanted.get(name, name) for name in found}
    old = 1_000_000_000
    for path in [*(tmp_path / "elsewhere").iterdir(), tmp_path / "elsewhere"]:
        os.utime(path, (old, old))
    assert statuses(tmp_path)["elsewhere"] == "killed"


def test_a_run_that_changes_is_read_again_and_one_that_does_not_is_not(tmp_path):
    folder = make_run(tmp_path / "run")
    index = Index(tmp_path)
    first = index.list_runs()["run"]
    assert index.list_runs()["run"] is first
    (folder / "result.png").unlink()
    assert index.list_runs()["run"]["thumbnail"] is None


def test_a_run_that_goes_on_has_changed_when_it_says_how_far_it_is(tmp_path):
    """Not at each of its steps, which may be many a second; but a run that cannot say so is followed by its steps."""
    run = go_on(make_run(tmp_path / "run", status=None))
    index = Index(tmp_path)

    def changed(told, stepped):
        for path, time in ((run, stepped), (run / ".live.json", told), (run / "trace.jsonl", stepped)):
            os.utime(path, (time, time))
        return index.list_runs()["run"]["changed"]

    assert changed(told=1000, stepped=1001) == changed(told=1000, stepped=1029) == 1000
    assert changed(told=1000, stepped=1031) == 1031
    assert changed(told=1032, stepped=1031) == 1032


@pytest.mark.parametrize("text", ["", "[]", "{", '{"settings": 3, "pictures": [1, null]}', '{"settings": {}}', "\xff"])
def test_files_that_hold_something_else_break_nothing(tmp_path, text):
    folder = make_run(tmp_path / "run")
    for name in ("config.json", "summary.json", "trace.jsonl", ".live.json", ".lock"):
        (folder / name).write_text(text, encoding="latin-1")
    assert list(Index(tmp_path).list_runs()) == ["run"]
    assert Traces().columns(folder)["steps"] == []


def test_files_that_are_too_large_to_be_of_a_run_are_not_read(tmp_path):
    folder = make_run(tmp_path / "run")
    for name in ("config.json", "summary.json", "trace.jsonl", ".live.json", ".lock"):
        (folder / name).touch()
        os.truncate(folder / name, 2**40)  # a hole: it takes no room on the disk
    assert Index(tmp_path).list_runs()["run"]["status"] == "killed"
    assert Traces().columns(folder)["steps"] == [0, 1, 2]  # the lines before the hole
    with pytest.raises(InputError, match="has more than"):
        read_record(folder / "config.json")


def test_a_folder_that_is_gone_is_an_error_in_words(tmp_path):
    with pytest.raises(FileError, match="cannot read"):
        Index(tmp_path / "gone").list_runs()


def test_pictures_come_in_the_order_in_which_they_were_made(tmp_path):
    folder = make_run(tmp_path / "run")
    for name in ("step-00100.png", "step-00020.png", "map.png", ".hidden.png", "notes.txt"):
        (folder / name).write_bytes((folder / "result.png").read_bytes())
    (folder / "linked.png").symlink_to(folder / "result.png")
    found = list_pictures(folder)
    assert [one["name"] for one in found] == ["step-00020.png", "step-00100.png", "result.png", "map.png"]
    assert found[0]["size"] == (48, 64)


def test_a_trace_becomes_columns_and_new_lines_are_added(tmp_path):
    folder = make_run(tmp_path / "run", steps=3)
    traces = Traces()
    found = traces.columns(folder)
    assert found["steps"] == [0, 1, 2]
    assert found["series"]["texture/0/pool1/gram"] == pytest.approx([0.5, 0.25, 0.5 / 3])
    with (folder / "trace.jsonl").open("a") as file:
        file.write(json.dumps(trace_line(3)) + "\n" + '{"step": 4, "lo')
    assert traces.columns(folder)["steps"] == [0, 1, 2, 3]
    make_run(tmp_path / "again", steps=1)
    os.replace(tmp_path / "again" / "trace.jsonl", folder / "trace.jsonl")  # as a resumed run does
    assert traces.columns(folder)["steps"] == [0]


def test_numbers_that_no_curve_can_show_are_left_out(tmp_path):
    folder = make_run(tmp_path / "run", steps=1)
    (folder / "trace.jsonl").write_text('{"step": 0, "loss": NaN, "parts": {"a": Infinity, "b": "x", "c": 1}}\n')
    assert Traces().columns(folder)["series"] == {"loss": [None], "a": [None], "b": [None], "c": [1]}


def test_a_long_trace_is_thinned_and_keeps_its_last_step(tmp_path):
    folder = make_run(tmp_path / "run", steps=3 * MOST_POINTS + 2)
    steps = Traces().columns(folder)["steps"]
    assert len(steps) <= MOST_POINTS + 1
    assert (steps[0], steps[-1]) == (0, 3 * MOST_POINTS + 1)
