"""The program in processes of its own, and in this one."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from helpers.pictures import ROOT
from subjective.cli.main import main
from subjective.compilation import cache_dir

PLAIN = ["--schedule", "plain", "--statistic", "gram", "--no-evaluate"]  # one stage, one statistic: quickly compiled
# Of all processes of their own: one program, compiled once. A start from patches, or a source at its full size, would
# take longer than all the rest.
SMALL = [
    "-sw",
    "96",
    "--seed",
    "random",
    "-ow",
    "48",
    "-o",
    "2",
    "-l",
    "pool1",
    "conv2_1",
    "-m",
    "4",
    "-n",
    "2",
    *PLAIN,
]

# Every program is kept, however small, and found again by the next process.
KEEPING = {
    "JAX_COMPILATION_CACHE_DIR": str(cache_dir()),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
}


def with_devices(count):
    """What a process needs in its environment to have so many virtual devices."""
    return {"XLA_FLAGS": f"--xla_force_host_platform_device_count={count}"}


def start(*arguments, devices=1, **options):
    command = [sys.executable, "-m", "subjective", *map(str, arguments)]
    environment = os.environ | KEEPING | with_devices(devices) | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )


def finished(process, timeout=120):
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def refusal(capsys, *arguments):
    """The one line with which the program refuses."""
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert status == 2
    assert out == ""
    assert err.startswith("subjective: ")
    assert err.count("\n") == 1, err
    return err


def made(capsys, *arguments):
    """The run folder that the program names, and nothing else, on stdout."""
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert status == 0, err
    assert out.count("\n") == 1
    return Path(out.strip())


def wait_until(happened, process, timeout=100):
    """Wait until ``happened()``, while a process runs."""
    deadline = time.monotonic() + timeout
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it has not happened in time"
        time.sleep(0.01)


def trace_of(folder):
    """The lines of a run's trace. The first step makes the file."""
    file = folder / "trace.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
