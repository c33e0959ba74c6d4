"""The help: every flag, once, with a text."""

import dataclasses
import re

import pytest

from subjective.cli.arguments import flag_of
from subjective.cli.commands.table import COMMANDS, options_class
from subjective.cli.main import main

FLAG = re.compile(r"(?<![\w|-])--?[a-z][\w-]*")
OF_FLAGS = [name for name in COMMANDS if name != "weights"]  # which has commands of its own
EVERY_HELP = [
    [],
    *([name] for name in COMMANDS),
    *(["weights", action] for action in ("list", "show", "convert", "normalize", "fetch")),
]
POSITIONAL = {
    "lay": {"tiles"},
    "batch": {"source"},
    "completion": {"shell"},
    "example": {"names"},
    "transfer": {"content"},
    "repair": {"picture"},
    "tileable": {"picture"},
    "expand": {"picture"},
    "enlarge": {"picture"},
    "repeat": {"image"},
    "resume": {"run"},
    "material": {"source"},
    "evaluate": {"images"},
    "apply": {"network", "images"},
    "export": {"network"},
    "watch": {"place"},
    "studio": {"place"},
    "report": {"runs"},
}


HELP = {}
"""The help by its words, since the parser takes a second to write it."""


def help_of(capsys, *words):
    if words in HELP:
        return HELP[words]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COLUMNS", "200")  # an entry's text in few lines
        assert main([*words, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return HELP.setdefault(words, out)


def sections(text):
    """Title of each group of a help to its entries, each the line of its names and its text."""
    found, entries = {}, None
    for line in text.splitlines():
        if re.fullmatch(r"\S.*:", line):
            entries = found.setdefault(line.removesuffix(":"), [])
        elif entries is not None and line.startswith("      "):
            entries[-1][1] += line.strip()
        elif entries is not None and line:
            entries.append([line.strip(), ""])
    return found


@pytest.mark.parametrize("name", OF_FLAGS)
def test_every_flag_is_in_exactly_one_group_and_says_what_it_does(name, capsys):
    groups = sections(help_of(capsys, name))
    groups.pop("these first", None)
    entries = [entry for group in groups.values() for entry in group]
    flags = [flag for names, _ in entries for flag in FLAG.findall(names)]
    assert sorted(flags) == sorted(set(flags))
    kind = options_class(name)
    positional = POSITIONAL.get(name, set())
    wanted = {flag_of(field.name, kind) for field in dataclasses.fields(kind) if field.name not in positional}
    assert wanted <= set(flags)
    for names, text in entries:
        assert len(text) > 15, names
        assert text[0].isupper() or text.startswith("coarse-to-fine"), names


@pytest.mark.parametrize("name", POSITIONAL)
def test_words_that_have_no_flag_come_first_with_a_text(name, capsys):
    usage, *head = re.split(r"^\S.*:$", help_of(capsys, name), maxsplit=1, flags=re.M)[0].splitlines()
    words = usage.removeprefix(f"usage: subjective {name} ").split()[: len(POSITIONAL[name])]
    for word in words:
        at = head.index(f"  {word}")
        assert re.match(r"      [A-Z]", head[at + 1]), word


@pytest.mark.parametrize("name", OF_FLAGS)
def test_at_most_ten_flags_come_first(name, capsys):
    groups = sections(help_of(capsys, name))
    first = groups.pop("these first", [])
    assert len(first) <= 10
    everywhere = {names for group in groups.values() for names, _ in group}
    assert {names for names, _ in first} <= everywhere


@pytest.mark.parametrize("words", EVERY_HELP, ids=" ".join)
def test_no_help_shows_what_only_the_program_needs_to_know(words, capsys):
    found = help_of(capsys, *words)
    assert "None" not in found
    assert not re.search(r"\d{7,}", found)
    assert "As in" not in found


@pytest.mark.parametrize("words", EVERY_HELP, ids=" ".join)
def test_no_line_of_a_help_is_wider_than_the_terminal(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*words, "--help"]) == 0
    wide = [line for line in capsys.readouterr().out.splitlines() if len(line) > 80]
    assert wide == []


@pytest.mark.parametrize("action", ["list", "show", "convert", "normalize", "fetch"])
def test_the_subcommands_of_weights_have_help_like_all_commands(action, capsys):
    assert main(["weights", action, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"usage: subjective weights {action}" in out
    assert "--data-dir DIR" in out


def test_the_flags_of_the_2017_program_are_still_there(capsys):
    names = [names for group in sections(help_of(capsys, "synthesize")).values() for names, _ in group]
    flags = {flag for each in names for flag in FLAG.findall(each)}
    of_2017 = {"-s", "-ow", "-oh", "-o", "-l", "-m", "-op", "-n", "-ss", "-sw", "-p", "-j", "-c", "-d"}
    of_2017 |= {"--seed", "--octave-step"}
    assert flags >= of_2017


def test_the_programs_help_names_every_command(capsys):
    out = help_of(capsys)
    for name, entry in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(entry.summary)}$", out, re.M)
