"""Import plugins: files and installed packages that call `subjective.register`."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from subjective.checks import InputError, MissingFileError, file_errors

GROUP = "subjective.plugins"
"""Group of the entry points with which an installed package names its plugins."""

_loaded: dict[str, bytes] = {}  # the content of each plugin that was imported, by its path


class PluginError(InputError):
    """The code of a plugin raised an exception, which is the cause of this one."""


def load_plugin(path: str | Path) -> None:
    """Import a Python file, which calls `register`. What was imported before, from any path, is not imported again.

    Args:
        path: the file.

    Raises:
        MissingFileError: there is no such file.
        PluginError: the file raised an exception. The message says the line.
    """
    file = Path(path).absolute()
    if not file.is_file():
        raise MissingFileError(f"no such plugin: {str(path)!r}; wanted a Python file that calls subjective.register")
    with file_errors("read", str(path)):
        content = file.read_bytes()
    if content in _loaded.values():
        return
    module_name = f"subjective_plugin_{len(_loaded)}_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise InputError(f"{str(path)!r} is no Python file; wanted a plugin that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look up their module
    with _plugin_errors(str(path), str(file)):
        spec.loader.exec_module(module)
    _loaded[str(file)] = content


def load_installed() -> None:
    """Import the plugins of installed packages: the modules that entry points of `GROUP` name.

    Raises:
        PluginError: a plugin raised an exception. The message says the line.
    """
    for entry in metadata.entry_points(group=GROUP):
        if entry.value not in _loaded:
            with _plugin_errors(entry.name, ""):
                entry.load()
            _loaded[entry.value] = b""


@contextmanager
def _plugin_errors(name: str, file: str) -> Iterator[None]:
    """Turn an exception of a plugin into a `PluginError` that says the line of the plugin."""
    try:
        yield
    except Exception as error:
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
        place = f", line {line}" if line is not None else ""
        reason = " ".join(str(error).split())
        raise PluginError(f"plugin {name!r}{place}: {type(error).__name__}: {reason}") from error
