"""Settings as plain values, and as the flags of a command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


def settings(config: Any) -> dict[str, Any]:
    """A config as plain JSON values; `to_flags` makes flags of them."""
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(config).items()
    }


def to_flags(values: Mapping[str, Any]) -> list[str]:
    """The command-line flags that give these JSON values; None is left out, as the default."""
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
