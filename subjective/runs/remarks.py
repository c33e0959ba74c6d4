"""Remarks on stderr, a line each; results alone go to stdout."""

from __future__ import annotations

import contextlib
import sys


def say(line: str) -> None:
    """Remark on something."""
    with contextlib.suppress(OSError):  # nobody reads any more: the work goes on in silence
        sys.stderr.write(f"subjective: {line}\n")
        sys.stderr.flush()
