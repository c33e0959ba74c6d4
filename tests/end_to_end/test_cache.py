"""A second process finds all compiled programs of the first one, also on machines with AVX-512 (JAX issue 38445)."""

import json
import os
import subprocess
import sys

import pytest
from helpers.pictures import ROCK, ROOT
from helpers.processes import KEEPING, SMALL

COUNTING = """
import collections, json, sys
import jax
from subjective.cli.main import main
counted = collections.Counter()
jax.monitoring.register_event_listener(lambda name, **more: counted.update([name.rpartition("/")[2]]))
assert main(sys.argv[1:]) == 0
print(json.dumps({name: counted[name] for name in ("cache_hits", "cache_misses")}))
"""


def counts(folder):
    """How many programs a process of its own found in a cache, and how many it did not find."""
    environment = os.environ | KEEPING | {"JAX_COMPILATION_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    words = ["synthesize", "-s", str(ROCK), *SMALL, "--output-dir", str(folder / "outputs"), "-q"]
    command = [sys.executable, "-c", COUNTING, *words]
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
    assert "machine type" not in found.stderr, "XLA takes a program of this machine for one of another"
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.process
@pytest.mark.slow
def test_a_second_process_compiles_nothing(tmp_path):
    first, second = counts(tmp_path), counts(tmp_path)
    assert first["cache_misses"] > 10
    assert second["cache_misses"] == 0
    assert second["cache_hits"] >= first["cache_misses"]
