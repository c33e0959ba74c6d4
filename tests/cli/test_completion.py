"""`subjective completion`: what a shell offers."""

import subprocess

import pytest

from subjective.cli.commands.table import COMMANDS
from subjective.cli.main import main
from subjective.synthesis.presets import PRESETS


def complete(script, *words):
    """What bash offers for the last of some words."""
    line = " ".join(f"'{word}'" for word in words)
    asked = (
        f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _subjective; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    out = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True).stdout
    return [line for line in out.splitlines() if line]


@pytest.fixture
def bash(capsys):
    assert main(["completion", "bash"]) == 0
    return capsys.readouterr().out


@pytest.mark.process
def test_bash_completes_commands_flags_words_and_files(bash, here):
    (here / "rock.jpg").touch()
    (here / "sand and gravel.jpg").touch()
    assert complete(bash, "subjective", "syn") == ["synthesize"]
    assert set(complete(bash, "subjective", "")) == set(COMMANDS)
    assert complete(bash, "subjective", "synthesize", "--output-w") == ["--output-width"]
    assert "--no-evaluate" in complete(bash, "subjective", "animate", "--no-e")
    assert complete(bash, "subjective", "synthesize", "--preset", "") == list(PRESETS)
    assert complete(bash, "subjective", "synthesize", "-s", "ro") == ["rock.jpg"]
    assert complete(bash, "subjective", "synthesize", "-s", "sand") == ["sand and gravel.jpg"]
    assert complete(bash, "subjective", "apply", "--octa") == []
    assert complete(bash, "subjective", "weights", "") == ["list", "show", "convert", "normalize", "fetch"]
    assert complete(bash, "subjective", "weights", "convert", "--conv") == ["--convention"]
    assert complete(bash, "subjective", "completion", "f") == ["fish"]
    assert complete(bash, "subjective", "batch", "ro") == ["rock.jpg"]


def test_every_shell_gets_a_script_with_every_command(capsys):
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        script = capsys.readouterr().out
        assert all(name in script for name in COMMANDS)
