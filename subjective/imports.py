"""Import modules when they are first used: JAX and scipy take a second, which `subjective --help` does not wait for."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

Value = TypeVar("Value")


class _Place(NamedTuple):
    """Where a thing that is not imported yet is found."""

    module: str
    name: str

    def load(self) -> Any:
        """Import the module, and return the thing."""
        return getattr(importlib.import_module(self.module), self.name)


class Table(MutableMapping[str, Value], Generic[Value]):
    """A map from names to things, which are imported when they are first looked up. Its names are known at once."""

    def __init__(self, places: Mapping[str, str]):
        """Make the table.

        Args:
            places: where each thing is found, such as ``subjective.statistics.gram:GRAM``.
        """
        self._entries: dict[str, Value | _Place] = {name: _Place(*place.split(":")) for name, place in places.items()}

    def __getitem__(self, name: str) -> Value:
        """Return a thing, and import it if it is looked up for the first time."""
        entry = self._entries[name]
        if isinstance(entry, _Place):
            entry = self._entries[name] = entry.load()
        return entry

    def __contains__(self, name: object) -> bool:
        """Return whether the table has a name. Nothing is imported."""
        return name in self._entries

    def __setitem__(self, name: str, thing: Value) -> None:
        """Add or replace a thing."""
        self._entries[name] = thing

    def __delitem__(self, name: str) -> None:
        """Remove a thing."""
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        """Return the names, in the order in which they came."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self._entries)


def attach(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package whose public names stand in its stub file.

    The stub file is the only list of the names. Type checkers and editors read it, and so does this function.

    Args:
        package: name of the package.
        file: the package's ``__file__``. The stub file lies beside it, and imports each name as itself.

    References:
        Scientific Python's SPEC 1, "Lazy Loading of Submodules and Functions".
    """
    stub = ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8"))
    places = {
        alias.name: _Place(str(node.module), alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = places[name].load()
        setattr(importlib.import_module(package), name, value)  # looked up here once only
        return value

    return get, lambda: sorted(places), sorted(places)
