"""A disk that fails, and a kill, at a few of the calls of small runs; `python -m tests.faults` tries all of them."""

import random

import pytest

from tests.faults.campaign import Case, Outcome
from tests.faults.injector import FAULTS, KILL, Injector, Killed

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("name", "points"), [("synthesize", 2), ("train", 3), ("replace", 2)])
def test_after_a_fault_nothing_is_lost_and_nothing_is_left_over(name, points, tmp_path):
    case, chosen = Case(name, tmp_path / "here").learn(), random.Random(name)
    last = len(case.calls) - 1
    # The last calls, which make a run a finished one, are tried more often than the many before them.
    places = [chosen.randint(0, last) if number % 2 else last - chosen.randint(0, 8) for number in range(points)]
    for at, fault in zip(places, chosen.sample(FAULTS, points), strict=True):
        found = case.probe(at, fault)
        assert found == Outcome([], [], []), f"{fault} at {case.calls[at]}"


def test_nothing_reaches_the_disk_after_a_kill(tmp_path):
    """The injector itself: half of the last write, and nothing of what the dying program still tries."""
    with Injector(tmp_path, at=2, fault=KILL):
        (tmp_path / "whole").write_bytes(b"12")  # calls 0 and 1
        try:
            (tmp_path / "torn").open("xb", buffering=0).write(b"1234")
        finally:
            (tmp_path / "late").touch()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"whole": b"12"}
    with Injector(tmp_path, at=1, fault=KILL), pytest.raises(Killed):
        (tmp_path / "torn").open("xb", buffering=0).write(b"1234")
    assert (tmp_path / "torn").read_bytes() == b"12"
