"""`subjective completion`: a script with which a shell completes commands, flags, words and files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, get_args

import tyro

from subjective.cli.help import field_docs
from subjective.cli.options import Options
from subjective.cli.words import Flag, list_flags
from subjective.synthesis.settings import arg

Shell = Literal["bash", "zsh", "fish"]

BASH = """\
_subjective() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}} words=
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands}"
    else
        case "$command $before" in
{choices}
        esac
        if [ -z "$words" ] && [ "${{word#-}}" != "$word" ]; then
            case "$command" in
{flags}
            esac
        fi
    fi
    if [ -n "$words" ]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -F _subjective subjective
"""


@dataclass(frozen=True, kw_only=True)
class CompletionCommand(Options):
    """Print a script that completes commands, flags and words of this program. To use it in bash:
    source <(subjective completion bash)."""

    group: ClassVar[str] = "input"

    shell: Annotated[tyro.conf.Positional[Shell], arg(metavar="SHELL")]
    """The shell that completes: bash, zsh or fish."""


def run(options: CompletionCommand) -> int:
    """Run the command."""
    from subjective.cli.main import COMMANDS, has_subcommands, options_class  # that table names this module

    flags = {name: [] if has_subcommands(name) else _flags(options_class(name)) for name in COMMANDS}
    sys.stdout.write(_WRITERS[options.shell](flags))
    return 0


def _flags(kind: type) -> list[tuple[Flag, str]]:
    """Return each flag of a command with the first sentence of its help."""
    docs = field_docs(kind)
    return [(flag, docs.get(flag.field, "").partition(". ")[0]) for flag in list_flags(kind) if not flag.positional]


def _names(flag: Flag) -> list[str]:
    return [flag.name, *flag.aliases, *([f"--no-{flag.name[2:]}"] if flag.kind is bool else [])]


def _write_bash(flags: dict[str, list[tuple[Flag, str]]]) -> str:
    choices, names = [], []
    for command, known in flags.items():
        for flag, _ in known:
            if flag.choices:
                places = "|".join(f'"{command} {name}"' for name in _names(flag))
                choices.append(f'            {places}) words="{" ".join(flag.choices)}" ;;')
        every = " ".join(name for flag, _ in known for name in _names(flag))
        names.append(f'                {command}) words="{every}" ;;')
    return BASH.format(commands=" ".join(flags), choices="\n".join(choices), flags="\n".join(names))


def _write_zsh(flags: dict[str, list[tuple[Flag, str]]]) -> str:
    return "autoload -U +X bashcompinit && bashcompinit\n" + _write_bash(flags)


def _write_fish(flags: dict[str, list[tuple[Flag, str]]]) -> str:
    lines = [f"complete -c subjective -n __fish_use_subcommand -f -a '{' '.join(flags)}'"]
    for command, known in flags.items():
        for flag, text in known:
            words = f" -x -a '{' '.join(flag.choices)}'" if flag.choices else "" if flag.kind is bool else " -r"
            quoted = text.replace("'", "\\'")
            for name in _names(flag):
                option = f"-l {name[2:]}" if name.startswith("--") else f"-o {name[1:]}"
                lines.append(
                    f"complete -c subjective -n '__fish_seen_subcommand_from {command}' {option}{words} -d '{quoted}'"
                )
    return "\n".join(lines) + "\n"


_WRITERS: dict[str, Callable[[dict[str, list[tuple[Flag, str]]]], str]] = {
    "bash": _write_bash,
    "zsh": _write_zsh,
    "fish": _write_fish,
}
assert tuple(_WRITERS) == get_args(Shell)
