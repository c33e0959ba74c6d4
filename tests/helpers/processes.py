"""The program in processes of its own, and in this one."""

import os
import subprocess
import sys
from pathlib import Path

from helpers.pictures import ROOT
from subjective.cli.main import main
from subjective.compilation import cache_dir

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
