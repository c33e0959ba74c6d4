"""Find out how much memory a run may use and how much the process uses. Format sizes as text.

`subjective.runs.preflight` forecasts how much memory a run will need.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from subjective.checks import InputError, setting

CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows control groups: those of version 2, or a folder ``memory`` of version 1."""

MEMBERSHIP = Path("/proc/self/cgroup")
"""Says which control groups this process is in."""

_NAMES = {2: ("memory.max", "memory.current"), 1: ("memory.limit_in_bytes", "memory.usage_in_bytes")}


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
    import jax  # half a second, which refusing a word on the command line must not take

    statistics = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            available = re.search(r"MemAvailable:\s+(\d+) kB", file.read())
    except OSError:
        available = None
    free = int(available[1]) * 1024 if available else sys.maxsize
    return used_bytes() + min(free, container_bytes())


def container_bytes(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return the bytes that are free in the container; `sys.maxsize` without a limit.

    A process is in a control group, which lies in others; the limits of all of them hold. Pages of files that nobody
    uses count as free, because the kernel drops them first.

    Args:
        root: where control groups are shown.
        membership: the file that says which ones this process is in.
    """
    free = sys.maxsize
    for version, folder in _control_groups(root, membership):
        limit, used = (_read_number(folder / name) for name in _NAMES[version])
        if limit is not None and used is not None:
            free = min(free, max(limit - max(used - _unused_pages(folder), 0), 0))
    return free


def _control_groups(root: Path, membership: Path) -> Iterator[tuple[int, Path]]:
    """Yield the version and the folder of each control group that limits this process, and of all groups around it."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    for number, controllers, name in (
        line.split(":", 2) for line in [*lines, "0::/", "1:memory:/"] if line.count(":") > 1
    ):
        if number == "0" and not controllers:
            version, top = 2, root
        elif "memory" in controllers.split(","):
            version, top = 1, root / "memory"
        else:
            continue
        # Inside a container, the name may be the one outside, which is not shown. What is shown is the container.
        parts = [part for part in name.split("/") if part not in ("", "..")]
        for depth in range(len(parts) + 1):
            yield version, top.joinpath(*parts[:depth])


def _read_number(file: Path) -> int | None:
    """Return the number in a file; None if there is none, as in a group without a limit, which says ``max``."""
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _unused_pages(folder: Path) -> int:
    """Return the bytes of files in memory that no process of a control group uses."""
    try:
        text = (folder / "memory.stat").read_text(encoding="ascii")
    except (OSError, ValueError):
        return 0
    # In version 1, a second line, `total_inactive_file`, counts the groups inside this one too, as the usage does.
    found = re.findall(r"^(?:total_)?inactive_file (\d+)$", text, re.MULTILINE)
    return int(found[-1]) if found else 0


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
    # By its name, because JAX need not be imported yet. Other libraries say the same of a full disk.
    of_device = type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError")
    return isinstance(error, MemoryError) or (of_device and "RESOURCE_EXHAUSTED" in str(error))


def give_back() -> None:
    """Give memory that the process has freed back to the system, where the C library can do that (glibc).

    Otherwise it stays with the process after large sources are measured, up to a gigabyte, and counts as used.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
