"""What the program prints, and how it ends."""

import errno
import re

import jax
import pytest
from helpers.pictures import ROCK
from helpers.processes import refusal

from subjective.checks import InputError, setting
from subjective.cli import synthesize
from subjective.cli.commands.table import COMMANDS, options_class
from subjective.cli.main import main


def test_the_version_goes_to_stdout(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"subjective \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_without_a_word_the_commands_are_listed(capsys):
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert all(name in out for name in COMMANDS)
    assert err == ""


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("sythesize", "there is no command 'sythesize'; did you mean synthesize?"),
        ("evalute", "there is no command 'evalute'; did you mean evaluate?"),
        ("bogus", "there is no command 'bogus'; wanted one of synthesize, animate,"),
        ("--bogus", "there is no command '--bogus'; wanted one of synthesize, animate,"),
    ],
)
def test_a_command_that_is_none_gets_a_guess_or_a_list(capsys, word, message):
    assert message in refusal(capsys, word)


@pytest.mark.parametrize("name", [*(name for name in COMMANDS if name != "weights"), "weights show"])
def test_every_command_has_a_class_of_options(name):
    assert options_class(name).__doc__


def test_a_command_with_subcommands_lists_them(capsys):
    assert main(["weights"]) == main(["weights", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {word}" in out for word in ("list", "show", "convert", "normalize", "fetch"))


def test_what_the_user_can_mend_is_one_line_that_names_flags(capsys, monkeypatch):
    def refuse(options):
        raise InputError(f"{setting('max_iter')} is\nodd; use {setting('seed')}")

    monkeypatch.setattr(synthesize, "run", refuse)
    assert refusal(capsys, "synthesize", "-s", ROCK) == "subjective: --max-iter is odd; use --rng-seed\n"


@pytest.mark.parametrize("fault", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 9 GB\nwanted")])
def test_a_lack_of_memory_is_one_line(capsys, monkeypatch, fault):
    def fail(options):
        raise fault

    monkeypatch.setattr(synthesize, "run", fail)
    reason = " (RESOURCE_EXHAUSTED: 9 GB wanted)" if str(fault) else ""
    said = refusal(capsys, "synthesize", "-s", ROCK)
    assert said == f"subjective: out of memory{reason}; use smaller pictures, or end other programs first\n"


@pytest.mark.parametrize("fault", [ValueError, TypeError, OSError, ImportError, KeyError])
def test_a_fault_of_the_program_keeps_its_traceback(capsys, monkeypatch, fault):
    def fail(options):
        raise fault("a number that nobody expects")

    monkeypatch.setattr(synthesize, "run", fail)
    assert main(["synthesize", "-s", str(ROCK)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Traceback (most recent call last):\n")
    assert "a number that nobody expects" in err
    last = err.splitlines()[-1]
    assert last == f"subjective: a fault of this program: {fault.__name__}; the traceback is above"


LONG = "x" * 300
"""A name that no usual file system can hold."""


@pytest.mark.parametrize(
    "words",
    [
        ("synthesize", "--source", LONG),
        ("synthesize", "--source", ROCK, "--out", f"{LONG}.png"),
        ("synthesize", "--source", ROCK, "--init", LONG),
        ("synthesize", "--source", ROCK, "--output-dir", LONG),
        ("synthesize", "--source", ROCK, "--plugin", LONG),
        ("synthesize", "--source", ROCK, "--map", f"height={LONG}"),
        ("synthesize", "--config", LONG),
        ("apply", "mosaic", ROCK, "-o", LONG),
        ("evaluate", ROCK, "--source", ROCK, "--json", LONG),
        ("resume", LONG),
        ("watch", LONG),
        ("report", LONG),
        ("studio", LONG),
        ("export", "mosaic", "-o", LONG),
        ("lay", LONG),
        ("material", LONG),
        ("batch", ROCK, "-o", LONG),
        ("weights", "convert", LONG),
    ],
    ids=lambda words: " ".join(map(str, words[:-1])).replace(str(ROCK), "ROCK"),
)
@pytest.mark.usefixtures("here")
def test_a_name_that_is_too_long_is_refused_in_one_line(capsys, words):
    assert f"{LONG[:250]}" in refusal(capsys, *words)


def test_a_path_that_may_not_be_used_is_refused_in_one_line(capsys, monkeypatch):
    def refuse(options):
        raise PermissionError(errno.EACCES, "Permission denied", "locked/made.png")

    monkeypatch.setattr(synthesize, "run", refuse)
    wanted = "subjective: cannot use the path 'locked/made.png': Permission denied; give another one\n"
    assert refusal(capsys, "synthesize", "-s", ROCK) == wanted
