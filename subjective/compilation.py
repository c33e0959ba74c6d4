"""Compile with options that suit CPUs, and cache compiled programs on disk.

With the cache, the second run of a size starts at once. JAX manages the cache; this module chooses the folder. JAX
finds a compiled program by its code, device and versions, and therefore never uses a stale one. If the folder cannot
be written, programs are compiled again in each run.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

MIN_COMPILE_SECONDS = 0.5
"""Cache a program only if its compilation takes at least this long."""


def cache_dir() -> Path:
    """Return the folder of the cache: ``subjective/compiled`` in $XDG_CACHE_HOME, or else in ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "subjective" / "compiled"


def enable_disk_cache() -> None:
    """Tell JAX to cache compiled programs in `cache_dir`.

    Nothing is changed if $JAX_COMPILATION_CACHE_DIR names another folder (if empty, no folder), or if the folder
    cannot be written.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        folder = cache_dir()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the disk is full, the folder is not ours to write, or there is no home folder
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_COMPILE_SECONDS)


CPU_OPTIONS: dict[str, Any] = {
    # Use Eigen's matrix products instead of YNNPACK's: a loss and its gradient take 11 % less time.
    "xla_cpu_experimental_ynn_fusion_type": "",
    # With fusion emitters, the last digits depend on where in memory an array happens to lie (`experiments/LOG.md`,
    # 2026-11-21).
    "xla_cpu_use_fusion_emitters": False,
}
"""Options of XLA that make programs faster on CPUs and their results the same each time."""


@functools.lru_cache(maxsize=1)
def compiler_options() -> dict[str, Any]:
    """Return the `CPU_OPTIONS` that this version of XLA knows; on other devices than CPUs, return none."""
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in CPU_OPTIONS.items() if _is_known({name: value})}


def _is_known(option: dict[str, Any]) -> bool:
    """Try to compile a small program with an option."""
    try:
        jax.jit(lambda x: x, compiler_options=option).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def jit(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Compile a function with `jax.jit` and `compiler_options`.

    The options are looked up at the first call, so that importing a module does not start a device.

    Args:
        function: the function to compile. The compiled function takes positional arguments only.
        options: further options of `jax.jit`.

    Returns:
        The compiled function.
    """
    compiled = functools.cache(lambda: jax.jit(function, compiler_options=compiler_options(), **options))

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return compiled()(*arguments)

    return call
