"""Wrong values for every public function: each is refused with a message of ours before anything is computed.

The package runs in a process of its own, because the tests check the types of all arguments, which users' programs do
not do. `helpers.wrong_values` is the program, with the values.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import wrong_values
from helpers.pictures import ROOT

import subjective

# Not called with wrong values: plain records that the package makes, exceptions, a protocol, and a table.
RECORDS = {"NonFiniteLossError", "Optimizer", "PictureResult", "Result", "Score", "Scores", "Step", "Stop"}
RECORDS |= {"MaterialResult", "TileSet", "TilesResult"}
# `test_wrong_settings.py` does these.
CONFIGS = {"AnimationConfig", "NoveltyConfig", "SynthesisConfig", "TilesConfig", "TransferConfig"}
CONFIGS |= {"EnlargeConfig", "ExpandConfig", "MaterialConfig", "RepairConfig", "TileableConfig"}


@pytest.mark.slow
@pytest.mark.process
def test_thousands_of_wrong_values_are_refused_in_one_line_each(here):
    command = [sys.executable, "-W", "ignore", wrong_values.__file__]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "XDG_DATA_HOME": str(here / "data")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    *faults, tried = done.stdout.splitlines() or [""]
    assert done.returncode == 0, done.stderr
    assert not faults
    assert int(tried) > 2000


def test_every_public_function_is_tried():
    source = Path(wrong_values.__file__).read_text(encoding="utf-8")
    public = {name for name in dir(subjective) if callable(getattr(subjective, name))}
    missed = {name for name in public - RECORDS - CONFIGS if f"subjective.{name}" not in source}
    assert not missed
