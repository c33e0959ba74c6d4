"""A run folder is held by one process at a time."""

import subprocess
import sys

import pytest

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
    lock = FolderLock(tmp_path)
    with pytest.raises(InputError, match="still goes on"):
        refuse_locked(tmp_path)
    lock.release()
    refuse_locked(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.process
def test_another_process_is_named_and_a_killed_one_holds_nothing(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=rf"still goes on \(process {holder.pid} on .*\); stop that process first"):
            refuse_locked(tmp_path)
        holder.kill()
    assert (tmp_path / LOCK_FILE).exists()
    refuse_locked(tmp_path)
