"""The flags that share a run among several processes; `tests/end_to_end/test_distributed.py` makes such runs."""

import dataclasses

import pytest
from helpers.pictures import GRAVEL
from helpers.processes import refusal

from subjective.cli.arguments import NOT_RECORDED
from subjective.cli.options import DistributedOptions

FLAGS = ["synthesize", "-s", GRAVEL]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--process-id", 1], "--process-id is for --distributed"),
        (["--distributed", "--process-id", 1], "--process-id came without --coordinator and --processes"),
        (["--distributed", "--coordinator", "here:1", "--processes", 2], "came without --process-id; give all three"),
        (
            ["--distributed", "--coordinator", "here:1", "--processes", 2, "--process-id", 2],
            "--process-id is 2; wanted 0 to 1, because --processes is 2",
        ),
        (
            ["--distributed", "--coordinator", "here", "--processes", 2, "--process-id", 0],
            "--coordinator is 'here'; wanted HOST:PORT, such as node1:8476",
        ),
    ],
)
def test_wrong_options_are_refused(words, told, capsys):
    assert told in refusal(capsys, *FLAGS, *words)
    assert told in refusal(capsys, "resume", "nowhere", *words)


def test_a_number_of_devices_is_refused_beside_all_devices(capsys):
    assert "--devices and --distributed were both given; leave out the first" in refusal(
        capsys, *FLAGS, "--distributed", "--devices", 2
    )


def test_a_run_does_not_record_how_many_processes_made_it():
    fields = {field.name for field in dataclasses.fields(DistributedOptions)}
    assert fields <= NOT_RECORDED
