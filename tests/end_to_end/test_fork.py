"""A process that is forked after JAX has started says so: JAX would wait for ever for threads that are not in it."""

import os
import subprocess
import sys

import pytest
from helpers.pictures import ROOT
from helpers.processes import KEEPING

PROGRAM = """
import os, sys, warnings
warnings.simplefilter("ignore")  # JAX and Python warn at the fork itself
import numpy as np
import subjective
from subjective.checks import InputError
from subjective.network.formats.layout import random_params

def make():
    source = np.random.default_rng(0).uniform(size=(64, 64, 3)).astype(np.float32)
    settings = dict(output_width=48, layers=("pool1",), statistic=("gram",), octaves=2, max_iter=1, schedule="plain")
    [made] = subjective.synthesize(source, subjective.SynthesisConfig(**settings), params=random_params(0, blocks=3))
    return made

def in_a_fork(expected):
    process = os.fork()
    if process:
        assert os.waitpid(process, 0)[1] == 0
        return
    try:
        make()
        found = "made"
    except InputError as error:
        found = str(error)
    os._exit(0 if expected in found else 1)

in_a_fork("made")
make()
in_a_fork("this process was forked after JAX had started")
"""


@pytest.mark.process
@pytest.mark.slow
def test_a_fork_after_the_start_is_refused_and_one_before_it_computes():
    environment = os.environ | KEEPING | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, timeout=120
    )
    assert found.returncode == 0, found.stderr
