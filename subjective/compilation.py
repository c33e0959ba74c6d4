"""Keeps compiled programs on disk, so that the second run of a size starts at once.

JAX does the keeping; this says where. A program is found again by its code, device and versions, so a stale one is
never used, and a folder that cannot be written only means to compile again.
"""

from __future__ import annotations

import os
from pathlib import Path

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
