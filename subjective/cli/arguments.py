"""Parse the words of a command line into options, and turn options into JSON and back."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import tyro

from subjective.checks import InputError, Message, setting, type_hints
from subjective.cli.settings_file import is_record, read_settings
from subjective.cli.words import check_words, is_flag, list_flags, rewrite, split_words
from subjective.plugins import load_installed, load_plugin
from subjective.runs.provenance import CONFIG_FILE, read_record
from subjective.synthesis.presets import changes_of

Command = TypeVar("Command")

PATHS = frozenset(
    [
        "source",
        "keyframes",
        "blend_map",
        "guide",
        "map",
        "content",
        "content_mask",
        "picture",
        "fill",
        "keep",
        "sample",
        "style_mask",
        "frame_weights",
        "out",
        "output_dir",
        "data_dir",
        "plugin",
    ]
)
"""Options that name files or folders. A run folder records these options as absolute paths."""


NOT_RECORDED = frozenset(
    ["config", "force", "quiet", "verbose", "compile", "watch", "distributed", "coordinator", "processes", "process_id"]
)
"""Options that a run folder does not record, because they do not change what is made."""


def parse(kind: type[Command], name: str, words: Sequence[str]) -> Command:
    """Parse the words of a command, and check the options.

    The parser starts from the settings of ``--preset`` or ``--like``. The settings of ``--config`` replace these
    settings, and the other flags replace both.

    Args:
        kind: class of the command's options.
        name: name of the command.
        words: words of the command line after the command's name.

    Raises:
        InputError: the parser does not understand a word, or an option has a value that cannot be used.
    """
    words = rewrite(kind, words)
    file = last_value(words, "--config")
    if file and Path(file).is_dir():  # the folder of a run
        file = str(Path(file) / CONFIG_FILE)
        words = [*without_flag(words, "--config"), f"--config={file}"]
    if file:  # `check_words` refuses a flag without a value
        command = getattr(kind, "recorded_as", name)
        if is_record(file):
            _refuse_preset_beside_config(kind, words)
            words = _insert(words, recorded_words(kind, command, file, ("out", "output_dir")))
        else:
            words = _insert(words, to_words(kind, read_settings(file, kind, command)))
    words = load_plugins(words)
    check_words(kind, name, words)
    options: Command = _parse_words(kind, name, words, start=_start_of(kind, words))
    check = getattr(options, "check", None)
    if check is not None:
        check()
    return options


def load_plugins(words: Sequence[str]) -> list[str]:
    """Import the plugins that the words name, and those of installed packages.

    Returns:
        The words with one ``--plugin`` for all files, which may have come several times.

    Raises:
        InputError: a plugin cannot be imported.
    """
    load_installed()
    files = [file for given in split_words(words) if given.name == "--plugin" for file in given.values]
    for file in files:
        load_plugin(file)
    return [*without_flag(words, "--plugin"), *(["--plugin", *dict.fromkeys(files)] if files else [])]


def recorded_words(kind: type, name: str, file: str | Path, without: Sequence[str] = ()) -> list[str]:
    """Return the words that give a command the settings of a recorded run.

    Args:
        kind: class of the command's options.
        name: name of the command.
        file: ``config.json`` of the run's folder.
        without: settings to leave out, such as the file of the first run's result. ``force`` is never taken from a
            record, which may come from elsewhere.

    Raises:
        InputError: the file is no record, or a record of another command.
    """
    record = read_record(file)
    if record["command"] != name:
        raise InputError(f"{str(file)!r} is of `subjective {record['command']}`, not of `subjective {name}`")
    values = {key: value for key, value in record["settings"].items() if key not in ("config", "force", *without)}
    return to_words(kind, values)


def to_words(kind: type, values: dict[str, Any]) -> list[str]:
    """Return the words that set options to JSON values. First come those without a flag, such as a transfer's content.

    The words without a flag cannot come after a flag that takes several words, which would take them as well.
    """
    loose = [flag.field for flag in list_flags(kind) if flag.positional and flag.field in values]
    listed = [values[name] if isinstance(values[name], list) else [values[name]] for name in loose]
    flags = to_flags({name: value for name, value in values.items() if name not in loose})
    return [*(str(word) for words in listed for word in words), *flags]


def to_flags(values: Mapping[str, Any]) -> list[str]:
    """Return the flags that set options to these JSON values. A value of None gives no flag."""
    flags: list[str] = []
    for key, value in values.items():
        name = key.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, (list, tuple)):
            flags.extend([f"--{name}", *(str(item) for item in value)])
        elif value is not None:
            flags.append(f"--{name}={value}")  # one word, so that a value may begin with a dash
    return flags


def to_json(options: Any) -> dict[str, Any]:
    """Return options as JSON values; each key is a flag's name with underscores. `to_flags` turns them into flags."""
    values = dataclasses.asdict(options)
    names = {name: flag_of(name, type(options)).removeprefix("--").replace("-", "_") for name in values}
    return {names[key]: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def record(options: Any, **changes: Any) -> dict[str, Any]:
    """Return options as a run folder records them. Paths are absolute, so that they are valid in any working folder.

    Args:
        options: options of the command.
        changes: values to record instead of the values in ``options``; each keyword is a flag's name.
    """
    values = to_json(options) | changes
    for name in PATHS & values.keys():
        value = values[name]
        if isinstance(value, list):
            values[name] = [_make_absolute(item) for item in value]
        elif value is not None:
            values[name] = _make_absolute(value)
    return {name: value for name, value in values.items() if name not in NOT_RECORDED}


def _make_absolute(path: str) -> str:
    """Return an absolute path; of ``NAME=FILE``, the name and the file's path."""
    name, equals, file = path.partition("=")
    return f"{name}={Path(file).absolute()}" if equals and not Path(path).exists() else str(Path(path).absolute())


def flag_of(name: str, kind: type | None = None) -> str:
    """Return the flag of a field, such as ``--max-iter`` for ``max_iter``. ``kind`` is the class of the options."""
    renamed = _flag_names(kind).get(name) if kind is not None else None
    return f"--{renamed or name.replace('_', '-')}"


@lru_cache(maxsize=32)
def _flag_names(kind: type) -> dict[str, str]:
    """Return the fields whose flag has another name than the field, with the name of the flag."""
    return {
        name: extra.name
        for name, hint in type_hints(kind, include_extras=True).items()
        for extra in getattr(hint, "__metadata__", ())
        if getattr(extra, "name", None) and hasattr(extra, "aliases")
    }


def render_error(error: InputError | Message, kind: type | None = None) -> str:
    """Return the message of an error or of a note in one line; the message names flags instead of fields."""
    return " ".join(error.render(lambda name: flag_of(name, kind)).split())


def last_value(words: Sequence[str], flag: str) -> str | None:
    """Return the value of the last ``flag`` among the words; None if the words do not have the flag."""
    places = [place for place, word in enumerate(words) if word == flag or word.startswith(f"{flag}=")]
    if not places:
        return None
    return words[places[-1]].partition("=")[2] or "".join(words[places[-1] + 1 : places[-1] + 2])


def without_flag(words: Sequence[str], flag: str) -> list[str]:
    """Return the words without ``flag`` and without the flag's values."""
    kept, dropping = [], False
    for word in words:
        if word.startswith("-"):
            dropping = word == flag or word.startswith(f"{flag}=")
        if not dropping:
            kept.append(word)
    return kept


def _insert(words: list[str], recorded: list[str]) -> list[str]:
    """Put recorded words before the given flags: if a flag comes twice, the parser uses the last one."""
    loose = list(itertools.takewhile(lambda word: not is_flag(word), words))
    if loose:  # they replace the recorded words without a flag
        recorded = list(itertools.dropwhile(lambda word: not is_flag(word), recorded))
    return [*loose, *recorded, *words[len(loose) :]]


def _start_of(kind: type[Command], words: Sequence[str]) -> Command | None:
    """Return the options from which the parser starts: those of the named preset; None without a preset."""
    for flag, table in getattr(kind, "presets", lambda: {})().items():
        chosen = last_value(words, flag)
        if chosen in table:
            given = changes_of(table[chosen]) | {flag.removeprefix("--"): chosen}
            # A field without a default gets `tyro.MISSING`, which tells tyro that the words must give the value.
            start = object.__new__(kind)
            for field in dataclasses.fields(kind):  # type: ignore[arg-type]
                default = tyro.MISSING if field.default is dataclasses.MISSING else field.default
                object.__setattr__(start, field.name, given.get(field.name, default))
            return start
    return None


def _refuse_preset_beside_config(kind: type, words: Sequence[str]) -> None:
    for flag, table in getattr(kind, "presets", lambda: {})().items():
        chosen = last_value(words, flag)
        if chosen in table and changes_of(table[chosen]):
            both = f"{setting(flag.removeprefix('--'))} {chosen} and {setting('config')}"
            raise InputError(f"{both} were both given; leave out one of them")


def _parse_words(kind: type[Command], name: str, words: Sequence[str], start: Command | None) -> Any:
    """Parse the words with tyro, which `check_words` has checked. A message of tyro itself becomes a line of ours."""
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            return tyro.cli(
                kind,
                prog=f"subjective {name}",
                args=list(words),
                default=start,
                config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes),
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise InputError(f"the words {' '.join(words)!r} were not understood; see subjective {name} --help") from None


def record_file(folder: Path) -> Path:
    """Return the path of the ``config.json`` of a run folder.

    Raises:
        InputError: the folder holds no ``config.json``.
    """
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise InputError(f"{str(folder)!r} holds no {CONFIG_FILE}; wanted the folder of a run that was stopped")
    return file
