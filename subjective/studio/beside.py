"""Start the page's server beside a run, in a process of its own, which can neither slow nor break the run."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from subjective.checks import MissingPackageError

PACKAGES = ("starlette", "uvicorn")
"""What the server needs besides this package."""


def check_packages() -> None:
    """Refuse to start a server whose packages are missing.

    Raises:
        MissingPackageError: a package is not installed.
    """
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise MissingPackageError(
                f"the page needs the package {name}; install it with `pip install 'subjective[live]'`"
            )


def start_beside(folder: Path) -> subprocess.Popen[bytes]:
    """Start a server that shows the runs in a folder. It prints its address on stderr.

    The process holds the other end of its standard input, and so learns when this process has ended.

    Args:
        folder: the folder, which need not exist yet.

    Raises:
        OSError: no process can be started.
    """
    command = [sys.executable, "-m", "subjective", "watch", str(folder), "--beside"]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=sys.platform != "win32"
    )
