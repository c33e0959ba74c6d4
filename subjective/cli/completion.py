"""`subjective completion`: a script with which a shell completes commands, flags, words and files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

from subjective.cli.commands.table import COMMANDS, list_kinds
from subjective.cli.commands.tools import CompletionCommand, Shell
from subjective.cli.words import Flag, list_flags
from subjective.descriptions import field_docs

BASH = """\
_subjective() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}} words=
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands}"
    else
        case "$command $before" in
{choices}
        esac
        if [ -z "$words" ] && [ "$COMP_CWORD" -eq 2 ] && [ "${{word#-}}" = "$word" ]; then
            case "$command" in
{firsts}
            esac
        fi
        if [ -z "$words" ] && [ "${{word#-}}" != "$word" ]; then
            case "$command" in
{flags}
            esac
        fi
    fi
    if [ -n "$words" ]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    else
        local IFS=$'\\n'
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -F _subjective subjective
"""


def run(options: CompletionCommand) -> int:
    """Run the command."""
    words = {}
    for name in COMMANDS:
        kinds = list_kinds(name)
        words[name] = _words_of(kinds.values(), list(COMMANDS[name].subcommands))
    sys.stdout.write(_WRITERS[options.shell](words))
    return 0


class Words(NamedTuple):
    """What a shell can offer after a command.

    Attributes:
        first: words that may come right after the command, besides files.
        flags: each flag, with the first sentence of its help.
    """

    first: list[str]
    flags: list[tuple[Flag, str]]


def _words_of(kinds: Iterable[type], subcommands: list[str]) -> Words:
    """Return what a shell can offer after a command.

    Args:
        kinds: the class of the command's options, or those of all its subcommands.
        subcommands: names of the subcommands, if any.
    """
    first, flags = list(subcommands), {}
    for kind in kinds:
        docs = field_docs(kind)
        for flag in list_flags(kind):
            if not flag.positional:
                flags[flag.name] = (flag, docs.get(flag.field, "").partition(". ")[0])
            elif not subcommands:
                first += flag.choices
    return Words(first, list(flags.values()))


def _names(flag: Flag) -> list[str]:
    return [flag.name, *flag.aliases, *([f"--no-{flag.name[2:]}"] if flag.kind is bool else [])]


def _write_bash(words: dict[str, Words]) -> str:
    choices, names, firsts = [], [], []
    for command, (first, flags) in words.items():
        if first:
            firsts.append(f'                {command}) words="{" ".join(first)}" ;;')
        for flag, _ in flags:
            if flag.choices:
                places = "|".join(f'"{command} {name}"' for name in _names(flag))
                choices.append(f'            {places}) words="{" ".join(flag.choices)}" ;;')
        every = " ".join(name for flag, _ in flags for name in _names(flag))
        names.append(f'                {command}) words="{every}" ;;')
    return BASH.format(
        commands=" ".join(words), choices="\n".join(choices), firsts="\n".join(firsts), flags="\n".join(names)
    )


def _write_zsh(words: dict[str, Words]) -> str:
    return "autoload -U +X bashcompinit && bashcompinit\n" + _write_bash(words)


def _write_fish(words: dict[str, Words]) -> str:
    lines = [f"complete -c subjective -n __fish_use_subcommand -f -a '{' '.join(words)}'"]
    for command, (first, flags) in words.items():
        if first:
            offered = f"-f -a '{' '.join(first)}'"
            lines.append(f"complete -c subjective -n '__fish_seen_subcommand_from {command}' {offered}")
        for flag, text in flags:
            values = f" -x -a '{' '.join(flag.choices)}'" if flag.choices else "" if flag.kind is bool else " -r"
            quoted = text.replace("'", "\\'")
            for name in _names(flag):
                option = f"-l {name[2:]}" if name.startswith("--") else f"-o {name[1:]}"
                lines.append(
                    f"complete -c subjective -n '__fish_seen_subcommand_from {command}' {option}{values} -d '{quoted}'"
                )
    return "\n".join(lines) + "\n"


_WRITERS: dict[Shell, Callable[[dict[str, Words]], str]] = {
    "bash": _write_bash,
    "zsh": _write_zsh,
    "fish": _write_fish,
}
