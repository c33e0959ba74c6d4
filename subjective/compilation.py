"""Compile with options that suit the device, and cache compiled programs on disk.

With the cache, a second run with the same sizes of pictures starts without compiling. This module chooses the folder,
and JAX manages the cache. JAX looks up a compiled program by its code, its device and the versions of JAX and XLA, so
that a changed program is compiled again. If the folder cannot be written, each run compiles its programs again.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from subjective.checks import InputError

MIN_COMPILE_SECONDS = 0.5
"""A program is cached only if its compilation takes at least this number of seconds."""


def cache_dir() -> Path:
    """Return the folder of the cache: ``subjective/compiled`` in $XDG_CACHE_HOME, or else in ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "subjective" / "compiled"


def enable_disk_cache() -> None:
    """Tell JAX to cache compiled programs in `cache_dir`.

    The function changes nothing if the folder cannot be written. It also changes nothing if $JAX_COMPILATION_CACHE_DIR
    is set, because JAX itself reads this variable: it names the folder, or turns the cache off if it is empty.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        folder = cache_dir()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a full disk, no permission to write, or no home folder
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_COMPILE_SECONDS)


CPU_OPTIONS: dict[str, Any] = {
    # Use Eigen's matrix products instead of YNNPACK's: a loss and its gradient take 11 % less time.
    "xla_cpu_experimental_ynn_fusion_type": "",
    # With fusion emitters, the last digits of results depend on the memory addresses of arrays (`experiments/LOG.md`,
    # 2026-11-21).
    "xla_cpu_use_fusion_emitters": False,
}
"""Options of XLA for CPUs: programs run faster, and give exactly the same results each time."""

FEW_PASSES: dict[str, Any] = {
    # The second level's passes gain nothing where nearly all time goes into matrix products.
    "xla_backend_optimization_level": 1,
}
"""Options of XLA for CPUs, for programs that run a few times only: they are compiled in half the time, and run as
fast."""

GPU_OPTIONS: dict[str, Any] = {
    # Use the vendor's matrix products. Products are a small share of the time, and XLA would compile dozens of its own
    # for each one, to find the fastest: compiling takes half the time without them (`experiments/18_gpu.md`).
    "xla_gpu_enable_triton_gemm": False,
}
"""Options of XLA for GPUs: programs are compiled sooner, and run as fast."""


@functools.lru_cache(maxsize=1)
def compiler_options() -> dict[str, Any]:
    """Return the options for the device that this version of XLA knows; return no options for other devices.

    The first call starts the devices.
    """
    options = {"cpu": CPU_OPTIONS, "gpu": GPU_OPTIONS}.get(jax.default_backend(), {})
    return {name: value for name, value in options.items() if _is_known({name: value})}


def _is_known(option: dict[str, Any]) -> bool:
    """Return whether XLA knows an option: compile a small program with it."""
    try:
        jax.jit(lambda x: x, compiler_options=option).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


class _Fork:
    """Whether this process was forked when JAX's threads ran already. They are not in it, and JAX would wait for them.

    Attributes:
        came_late: whether it was.
    """

    came_late = False

    def note(self) -> None:
        """Note a fork, in the new process."""
        self.came_late = self.came_late or compiler_options.cache_info().currsize > 0

    def check(self) -> None:
        """Refuse to compute in such a process.

        Raises:
            InputError: the process was forked when JAX had started.
        """
        if self.came_late:
            raise InputError(
                "this process was forked after JAX had started, and would wait for JAX's threads for ever; start "
                'processes with multiprocessing.get_context("spawn"), or fork before the first picture is made'
            )


FORK = _Fork()

if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=FORK.note)


def jit(function: Callable[..., Any], *, few_passes: bool = False, **options: Any) -> Callable[..., Any]:
    """Compile a function with `jax.jit` and `compiler_options`.

    The options are looked up at the first call, so that importing a module does not start a device.

    Args:
        function: the function to compile. The compiled function takes positional arguments only.
        few_passes: whether CPUs compile with `FEW_PASSES`.
        options: further options of `jax.jit`.

    Returns:
        The compiled function. It raises an `InputError` in a process that was forked after JAX had started.
    """

    @functools.cache
    def compiled() -> Callable[..., Any]:
        of_device = compiler_options()
        if few_passes and jax.default_backend() == "cpu":
            of_device = {**of_device, **FEW_PASSES}
        return jax.jit(function, compiler_options=of_device, **options)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        FORK.check()
        return compiled()(*arguments)

    return call
