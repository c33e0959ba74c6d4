"""The queue on the disk, and the worker that empties it."""

import resource
import subprocess
import sys
import time

import pytest
from helpers.runs import make_run

from subjective.checks import InputError
from subjective.studio import worker
from subjective.studio.queue import Queue, show_command


@pytest.fixture
def queue(tmp_path):
    return Queue(tmp_path / "queue")


def statuses(queue):
    return [entry["status"] for entry in queue.list_entries()]


def test_entries_are_taken_in_order_and_survive_the_server(queue):
    assert [queue.add(["example", name]) for name in ("rock", "gravel")] == [1, 2]
    again = Queue(queue.folder)
    assert again.take()["words"] == ["example", "rock"]
    assert statuses(queue) == ["running", "waiting"]
    assert (queue.take()["number"], queue.take()) == (2, None)


def test_a_number_is_not_given_again(queue):
    queue.add(["one"])
    queue.add(["two"])
    queue.remove(1)
    assert queue.add(["three"]) == 3


def test_what_runs_is_not_removed(queue):
    queue.add(["one"])
    queue.take()
    with pytest.raises(InputError, match="stop it first"):
        queue.remove(1)
    with pytest.raises(InputError, match="no such entry"):
        queue.find(7)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"words": "rm", "status": "waiting"}', '{"words": ["x"]}'])
def test_a_file_that_holds_no_entry_is_left_out(queue, text):
    queue.add(["one"])
    (queue.folder / "000002.json").write_text(text)
    assert [entry["words"] for entry in queue.list_entries()] == [["one"]]
    assert queue.add(["two"]) == 3


@pytest.mark.parametrize("word", ["a\0b", "\ud800", "x" * 10**6])
def test_a_command_that_no_process_can_be_given_fails_and_does_not_stop_the_queue(queue, word):
    queue.add(["example", word])
    worker.main([str(queue.folder)])
    assert statuses(queue) == ["failed"]
    assert "cannot be started" in queue.find(1)["reason"]


def test_a_command_is_shown_as_a_shell_reads_it():
    assert show_command(["repeat", "a b.png", "--out=$x"]) == "subjective repeat 'a b.png' '--out=$x'"


@pytest.mark.process
@pytest.mark.slow
def test_the_worker_runs_each_command_and_notes_how_it_ended(queue, tmp_path):
    queue.add(["example", "rock", "--folder", str(tmp_path)])
    queue.add(["example", "no-such-picture"])
    assert worker.main([str(queue.folder)]) == 0
    assert (tmp_path / "rock.jpg").exists()
    assert statuses(queue) == ["finished", "failed"]
    assert "no picture 'no-such-picture'" in queue.find(2)["reason"]


@pytest.mark.process
@pytest.mark.slow
def test_a_worker_waits_until_a_full_disk_has_room_and_then_notes_how_its_command_ended(queue, tmp_path):
    queue.add(["example", "no-such-picture"])
    command = [sys.executable, "-m", "subjective.studio.worker", str(queue.folder)]
    with subprocess.Popen(command) as process:
        end = time.monotonic() + 60
        while statuses(queue) == ["waiting"] and time.monotonic() < end:
            time.sleep(0.02)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # as on a full disk
        time.sleep(3)
        assert (statuses(queue), process.poll()) == (["running"], None)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert process.wait(60) == 0
    assert statuses(queue) == ["failed"]


@pytest.mark.process
def test_a_worker_that_has_ended_is_followed_by_one_that_deals_with_what_it_left(queue, tmp_path, monkeypatch):
    """A command that still runs is waited for. Of one that has ended, its run says how; one that was killed goes on."""
    sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1) # subjective"])
    finished = make_run(tmp_path / "finished")
    killed = make_run(tmp_path / "killed", status=None)
    for folder in (finished, killed, None):
        number = queue.add(["synthesize"])
        queue.take()
        queue.change(number, process=sleeping.pid, run=None if folder is None else str(folder))
    ran = []

    def run_entry(queue, entry, words):
        ran.append(words)
        queue.change(entry["number"], status="finished")

    monkeypatch.setattr(worker, "run_entry", run_entry)
    worker.main([str(queue.folder)])
    assert sleeping.poll() == 0
    assert statuses(queue) == ["finished"] * 3
    assert ran == [["resume", str(killed)], ["synthesize"]]


@pytest.mark.process
def test_only_one_worker_runs_at_a_time(queue):
    queue.add(["example", "rock"])
    with (queue.folder / worker.LOCK).open("ab+") as lock:
        assert worker.try_lock(lock)
        child = subprocess.run([sys.executable, "-m", "subjective.studio.worker", str(queue.folder)], check=False)
        assert child.returncode == 0
    assert statuses(queue) == ["waiting"]


def test_a_process_that_is_none_of_ours_is_not_waited_for():
    assert not worker._is_alive({"process": 1})
    assert not worker._is_alive({"process": None})
