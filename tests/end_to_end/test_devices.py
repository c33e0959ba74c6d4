"""Several devices that share a picture make the picture that one makes, each in a process with devices of its own."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from helpers.pictures import ROOT
from helpers.processes import with_devices

from subjective.devices import mesh_of
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import Analysis, Term
from subjective.statistics.tiling import choose_tiling

PROGRAM = ROOT / "tests" / "helpers" / "sharded_program.py"


def started(devices, *arguments):
    """The program in a process that has so many virtual devices."""
    environment = os.environ | with_devices(devices) | {"PYTHONPATH": str(PROGRAM.parents[1])}
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def figures(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def alone():
    return figures(started(1, 1))


def compare(shared, alone):
    assert shared["devices"] == 8
    # In another order, a sum of n numbers of one sign is off by n spacings of float64 at most. No sum of the loss has
    # more than a million.
    assert shared["loss"] == pytest.approx(alone["loss"], rel=1e6 * np.finfo(np.float64).eps)
    difference = np.linalg.norm(np.subtract(shared["gradient"], alone["gradient"]))
    assert difference < 1e-6 * np.linalg.norm(alone["gradient"])
    np.testing.assert_allclose(shared["losses"], alone["losses"], rtol=1e-5)
    assert shared["mean"] == pytest.approx(alone["mean"], rel=1e-4)


@pytest.mark.process
@pytest.mark.slow
def test_eight_devices_make_the_picture_that_one_makes(alone):
    shared = figures(started(8, 8))
    assert [one["devices"] for one in alone] == [1, 1, 1, 1]
    for one, other in zip(shared[:3], alone[:3], strict=True):
        compare(one, other)
        assert one["rows"] == 192 // 8, "the gradient stays where its rows are"
        assert one["resumed"]
        assert other["resumed"]
    compare(shared[3], alone[3])
    assert shared[3]["rows"] == 1, "a frame on each"


@pytest.mark.process
@pytest.mark.slow
def test_two_processes_make_the_picture_that_one_makes(alone):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [started(4, 8, 2, number, port) for number in range(2)]
    for [shared] in [figures(process) for process in processes]:
        compare(shared, alone[0])


def test_octaves_too_small_to_divide_are_measured_whole(small_params):
    analysis = Analysis((0, 1), (Term(STATISTICS["gram"], ("conv3_2",), (1.0,)),), devices=4)
    assert choose_tiling(analysis, 0, 128, small_params).devices == 4
    assert choose_tiling(analysis, 0, 128, small_params).rows == 32
    assert choose_tiling(analysis, 0, 64, small_params) is not None
    assert choose_tiling(analysis, 0, 48, small_params) is None, "twelve rows are less than a halo"
    assert choose_tiling(analysis, 0, 120, small_params) is None, "thirty rows are no multiple of four"


def test_devices_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="devices is 99; wanted at most 1, which is how many cpu devices JAX sees"):
        mesh_of(99)
