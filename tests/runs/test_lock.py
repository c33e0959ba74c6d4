"""A run folder is held by one process at a time."""

import errno
import subprocess
import sys

import pytest

from subjective import locks
from subjective.checks import InputError
from subjective.runs.lock import LOCK_FILE, FolderLock, refuse_locked

HOLDER = """
import sys, time
from pathlib import Path
from subjective.runs.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_folder_is_free_again_when_it_is_released(tmp_path):
    held = FolderLock(tmp_path)
    with pytest.raises(InputError, match="still goes on"):
        refuse_locked(tmp_path)
    held.release()
    refuse_locked(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_lock_file_that_was_removed_is_made_again(tmp_path, monkeypatch):
    """The holder ends between the moment in which this process opens the file and the moment in which it locks it."""
    holder, take = FolderLock(tmp_path), locks._take

    def take_after_the_holder_has_ended(file):
        holder.release()
        take(file)

    monkeypatch.setattr(locks, "_take", take_after_the_holder_has_ended)
    next_holder = FolderLock(tmp_path)
    with pytest.raises(InputError, match="still goes on"):
        refuse_locked(tmp_path)
    next_holder.release()


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    def refuse(file):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(locks, "_take", refuse)
    FolderLock(tmp_path).release()


@pytest.mark.process
def test_another_process_is_named_and_a_killed_one_holds_nothing(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(
            InputError, match=rf"still goes on \(process {holder.pid} on .* since .*\); stop that process first"
        ):
            refuse_locked(tmp_path)
        holder.kill()
    assert (tmp_path / LOCK_FILE).exists()
    refuse_locked(tmp_path)


def test_a_lock_file_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / LOCK_FILE).symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match="is a link or a special file"):
        FolderLock(tmp_path)
    assert (tmp_path / "mine").read_bytes() == b"mine"
