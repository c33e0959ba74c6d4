"""How programs are compiled, and that they are kept on disk, so that the second run of a size starts at once.

JAX does the keeping; this says where. A program is found again by its code, device and versions, so a stale one is
never used, and a folder that cannot be written only means to compile again.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

SECONDS = 0.5
"""Programs that compile faster than this are not kept."""


def cache_dir() -> Path:
    """Where compiled programs live: $XDG_CACHE_HOME/subjective, else at home."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "subjective" / "compiled"


def keep_compiled() -> None:
    """Use the cache, unless $JAX_COMPILATION_CACHE_DIR names another (empty: none) or the folder cannot be written."""
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        folder = cache_dir()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no room, no right, no home
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS)


OPTIONS: dict[str, Any] = {
    # Eigen's matrix products instead of YNNPACK's: 11 % less time a loss and gradient.
    "xla_cpu_experimental_ynn_fusion_type": "",
    # With these, last digits depend on where in memory an array happens to lie (`experiments/LOG.md`, 2026-11-21).
    "xla_cpu_use_fusion_emitters": False,
}
"""What makes XLA faster on CPUs, and its results the same each time."""


@functools.lru_cache(maxsize=1)
def compiler_options() -> dict[str, Any]:
    """Those of `OPTIONS` that this version of XLA knows; none elsewhere than on CPUs."""
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in OPTIONS.items() if _is_known({name: value})}


def _is_known(option: dict[str, Any]) -> bool:
    try:
        jax.jit(lambda x: x, compiler_options=option).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def jit(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`jax.jit` with `compiler_options`, which are looked up at the first call: importing starts no device.

    Args:
        function: to be compiled.
        options: as of `jax.jit`.
    """
    compiled = functools.cache(lambda: jax.jit(function, compiler_options=compiler_options(), **options))

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return compiled()(*arguments)

    return call
