"""Settings as people write them in Python: each form that clearly means a setting is taken, all else is refused.

The package runs in a process of its own, because the tests check the types of all arguments, which users' programs do
not do.
"""

import subprocess
import sys

import pytest
from helpers.pictures import ROOT

FORMS = """
import dataclasses, numpy as np
from subjective import SynthesisConfig, STATISTICS, Term

made = SynthesisConfig(
    statistic="gram", layers=["pool1", "pool2"], output_width=np.int64(64), tol=np.float32(0.5), layer_weights=[1, 2]
)
assert made == SynthesisConfig(
    statistic=("gram",), layers=("pool1", "pool2"), output_width=64, tol=0.5, layer_weights=(1, 2)
)
assert type(made.output_width) is int
hash(made)
term = Term(STATISTICS["gram"], ("pool1", "conv3_2"), (1.0, 0.5))
assert SynthesisConfig(statistic=term).statistic == ("gram@pool1=1", "gram@conv3_2=0.5")
assert SynthesisConfig(statistic=[term, "spectrum@rgb"]).statistic[2] == "spectrum@rgb"
try:
    SynthesisConfig(statistic=dataclasses.replace(term, octaves=(0,)))
except ValueError as error:
    print(error)
"""

WRONG = """
import dataclasses
from subjective import AnimationConfig, NoveltyConfig, SynthesisConfig, TilesConfig, TransferConfig

VALUES = [object(), {}, b"x", [object()], [[1]], 1j, float("nan"), "\\0", -7, "", (), None, [None], True, "1", 1e30]
VALUES += [set(), [1, "a"]]
tried = 0
for kind in (SynthesisConfig, AnimationConfig, NoveltyConfig, TilesConfig, TransferConfig):
    for field in dataclasses.fields(kind):
        for value in VALUES:
            tried += 1
            try:
                kind(**{field.name: value})
            except ValueError as error:
                if "\\n" in str(error):
                    print("two lines:", kind.__name__, field.name, repr(value), error)
            except Exception as error:
                print(kind.__name__, field.name, repr(value), type(error).__name__, error)
assert tried > 2000
"""


def run(program):
    """What a program prints, with nothing on stderr."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT), "PATH": ""})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.process
def test_a_setting_is_taken_in_each_form_that_clearly_means_it():
    assert run(FORMS) == "a setting cannot say the octaves (0,) of a term; give its text, for all octaves\n"


@pytest.mark.process
def test_thousands_of_wrong_values_are_refused_in_one_line_each():
    assert run(WRONG) == ""
