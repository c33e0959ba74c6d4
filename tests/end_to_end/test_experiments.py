"""The experiments that need a GPU for their figures run on a CPU, too."""

import subprocess
import sys

import pytest
from helpers.pictures import ROOT

pytestmark = pytest.mark.pages


def test_every_part_of_the_gpu_experiment_runs_at_a_small_size():
    command = [sys.executable, str(ROOT / "experiments" / "18_gpu.py"), "--small"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    for part in ("card", "speed", "error", "runs", "tiles"):
        assert f"\n{part} (" in f"\n{done.stdout}", done.stdout
