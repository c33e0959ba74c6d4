"""Read the settings that --config names: the record of a run, or a TOML or JSON file that a person wrote."""

from __future__ import annotations

import difflib
import glob
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from subjective.checks import InputError, describe, file_errors
from subjective.cli.words import Flag, list_flags
from subjective.runs.provenance import read_record

WRITTEN = frozenset(["out", "output_dir"])
"""Settings that name what is written. Such a path is relative to the working folder, as on the command line."""

TABLES = (
    *("synthesize", "material", "animate", "transfer", "novelty", "repair", "tileable", "expand", "enlarge"),
    "tiles",
    "train",
)
"""The commands for which a file of settings may have a table. `batch` and `sweep` take the table of `synthesize`."""


def is_record(file: str | Path) -> bool:
    """Return whether a file is meant as the ``config.json`` of a run, which records all settings."""
    if Path(file).suffix.lower() == ".toml":
        return False
    found = _read_json(file)
    return not isinstance(found, dict) or "settings" in found or "command" in found


def read_settings(file: str | Path, kind: type, command: str) -> dict[str, Any]:
    """Read a file of settings, each under the name of its flag.

    Args:
        file: a TOML or JSON file. A key is the name of a flag, with ``-`` or ``_``. A table with the name of a command
            holds settings for this command only. A file that is read is looked up beside the settings first.
        kind: class of the command's options.
        command: name of the command.

    Returns:
        Map from the name of a flag, with underscores, to its value.

    Raises:
        InputError: the file cannot be read, or holds a key that is no flag or a value that no flag has.
    """
    content = _read_toml(file) if Path(file).suffix.lower() == ".toml" else _read_json(file)
    given = _settings_of(content, command, file)
    flags = {name.lstrip("-").replace("-", "_"): flag for flag in list_flags(kind) for name in _long_names(flag)}
    settings = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name not in flags:
            near = difflib.get_close_matches(name, flags, 1)
            guess = f"did you mean {near[0]}?" if near else f"see subjective {command} --help"
            raise InputError(f"{str(file)!r}: there is no setting {describe(key)} of `subjective {command}`; {guess}")
        if name == "force":
            raise InputError(f"{str(file)!r}: {key} is only taken from the command line; leave it out")
        settings[name] = _check_value(file, flags[name], key, value)
    return settings


def _settings_of(content: dict[str, Any], command: str, file: str | Path) -> dict[str, Any]:
    """Return the settings outside all tables, changed by those in the table of a command."""
    for name, value in content.items():
        if name in TABLES and not isinstance(value, dict):
            raise InputError(f"{str(file)!r}: {name} is {describe(value)}; wanted a table of settings")
        if name not in TABLES and isinstance(value, dict):
            near = difflib.get_close_matches(name, TABLES, 1)
            guess = f"did you mean {near[0]}?" if near else f"wanted one of {', '.join(TABLES)}"
            raise InputError(f"{str(file)!r}: no command takes the table {describe(name)}; {guess}")
    return {name: value for name, value in content.items() if name not in TABLES} | content.get(command, {})


def _long_names(flag: Flag) -> list[str]:
    """Return the names that a key may have: those with two dashes, or the field's for a word without a flag."""
    return [flag.field] if flag.positional else [name for name in (flag.name, *flag.aliases) if name.startswith("--")]


def _check_value(file: str | Path, flag: Flag, key: str, value: Any) -> Any:
    """Check a value, and complete the paths of files that lie beside the settings."""
    values = value if isinstance(value, list) else [value]
    fits = isinstance(value, bool) if flag.kind is bool else all(_fits(flag, one) for one in values)
    if not fits or (isinstance(value, list) and not flag.several):
        wanted = "true or false" if flag.kind is bool else flag.describe()
        raise InputError(f"{str(file)!r}: {key} is {describe(value)}; wanted {wanted}")
    if flag.names_files and flag.field not in WRITTEN:
        placed = [_place(Path(file).parent, str(one)) for one in values]
        return placed if isinstance(value, list) else placed[0]
    return value


def _fits(flag: Flag, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    return isinstance(value, str) == (flag.kind is str) and flag.accepts(str(value))


def _place(folder: Path, name: str) -> str:
    """Return the path of a file beside the settings; a name that is no file there, such as ``random``, is kept.

    Of ``NAME=FILE``, the file counts.
    """
    key, equals, file = name.partition("=")
    if equals and os.path.exists(folder / file):
        return f"{key}={folder / file}"
    beside = folder / name
    return str(beside) if glob.glob(glob.escape(str(folder)) + "/" + name) or os.path.exists(beside) else name


def _read_toml(file: str | Path) -> dict[str, Any]:
    try:
        with file_errors("read", file):
            return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError:
        raise
    except (ValueError, RecursionError) as error:  # also text that is no UTF-8, and numbers of thousands of digits
        raise InputError(f"{str(file)!r} is no TOML file: {error}") from None


def _read_json(file: str | Path) -> Any:
    """Read a JSON file; a file that holds no JSON object is read as a record, which says what is wrong with it."""
    try:
        with file_errors("read", file):
            found = json.loads(Path(file).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{str(file)!r} is no JSON file: {error}; wanted TOML in a .toml file, or JSON") from None
    except (ValueError, RecursionError, OSError):
        return read_record(file)
    return found if isinstance(found, Mapping) else read_record(file)
