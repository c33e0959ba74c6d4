"""The first second of the program: what is imported before a word is understood, and Ctrl-C while it is."""

import subprocess
import sys

import pytest
from helpers.pictures import ROCK

HEAVY = {"jax", "flax", "scipy", "av", "optax", "matplotlib", "torch"}
"""What takes a second to import, and only computing needs."""

WORDS = [
    ("--help", 0),
    ("--version", 0),
    ("synthesize --help", 0),
    ("train --help", 0),
    ("weights list", 0),
    ("example", 0),
    ("completion bash", 0),
    ("synthesize -s a.jpg --widht 3", 2),
    ("synthesize -s no-such.jpg", 2),
    ("transfer no-such.jpg -s no-such.jpg", 2),
    ("evaluate no-such.jpg -s no-such.jpg", 2),
    ("batch no-such.jpg", 2),
]


@pytest.mark.process
def test_words_are_answered_without_importing_what_computes():
    """One process for all of them: what one of them imports is there at the end."""
    program = f"""
import sys
from subjective.cli.main import main
for words, status in {WORDS!r}:
    try:
        found = main(words.split())
    except SystemExit as end:
        found = end.code
    assert found == status, words
    heavy = {HEAVY!r} & sys.modules.keys()
    assert not heavy, (words, heavy)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


@pytest.mark.process
@pytest.mark.parametrize("module", ["tyro", "jax.numpy", "scipy.fft"])
def test_ctrl_c_during_the_imports_is_one_line(module, tmp_path):
    """The signal comes while a module is looked for: early, and where JAX or scipy catch exceptions of their own."""
    program = f"""
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

from subjective.__main__ import main
sys.meta_path.insert(0, Interrupt())
sys.exit(main())
"""
    command = [sys.executable, "-c", program, "synthesize", "-s", str(ROCK), "-ow", "64"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    said = "subjective: interrupted before anything was made\n"
    assert (found.returncode, found.stdout, found.stderr) == (130, "", said)
