"""Find out how much memory a run may use and how much the process uses. Format sizes as text.

`subjective.runs.preflight` forecasts how much memory a run will need.
"""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import jax

from subjective.checks import InputError, setting


def allowed_bytes(text: str | None) -> int:
    """Return how many bytes a run may use.

    Args:
        text: a size with a unit, such as 800MB, 4GB or 4GiB (4 * 1024 MiB). None means all memory that is free on the
            device. If the host computes, None means the memory of this process plus the free memory of the host, or
            less if a container has a limit.

    Raises:
        InputError: the text is not a size.
    """
    if text is not None:
        found = re.fullmatch(r"([\d.]+)\s*([KMGT])(i?)B?", text.strip(), re.IGNORECASE)
        if found is None or found[1].count(".") > 1 or not float(found[1].strip(".") or 0) > 0:
            raise InputError(f"{setting('memory_limit')} is {text!r}; wanted a size such as 4GB or 800MB")
        return int(float(found[1]) * (1024 if found[3] else 1000) ** ("KMGT".index(found[2].upper()) + 1))
    statistics = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            available = re.search(r"MemAvailable:\s+(\d+) kB", file.read())
    except OSError:
        available = None
    free = int(available[1]) * 1024 if available else sys.maxsize
    return used_bytes() + min(free, _container_bytes())


def _container_bytes() -> int:
    """Return the bytes that are free in the container (control groups, version 2); `sys.maxsize` without a limit."""
    try:
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current"))
        return max(int(limit) - int(used), 0)
    except (OSError, ValueError):  # no control group, or the text "max", which means no limit
        return sys.maxsize


def peak_bytes() -> int:
    """Return the most bytes that this process has used at any time."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def used_bytes() -> int:
    """Return the bytes that this process uses now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:  # not Linux: the peak is a good estimate
        return peak_bytes()


def format_size(size: float) -> str:
    """Format a number of bytes as text, such as 2.3 GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that the host or a device ran out of memory."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
