"""What memory there is, and what of it the process has; and such figures for people."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import jax

from subjective.checks import InputError, setting


def memory_limit(text: str | None) -> int:
    """Bytes that may be used: as said, or what the machine has free.

    Args:
        text: a number with MB, GB, MiB or GiB; None for what is free.

    Raises:
        ValueError: no such text.
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
    """What a container's own limit leaves, if it has one (control groups, version 2)."""
    try:
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current"))
        return max(int(limit) - int(used), 0)
    except (OSError, ValueError):  # none, or "max"
        return sys.maxsize


def peak_bytes() -> int:
    """The most memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def used_bytes() -> int:
    """Memory that this process has now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:  # not Linux: the most it has had is close
        return peak_bytes()


def size_text(size: float) -> str:
    """Bytes for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def duration_text(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on whatever device."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
