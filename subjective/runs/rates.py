"""How fast this machine is, compared with the one that the constants of forecasts were measured on.

Each run that compiles its programs measures this, and keeps it in a file of the user's cache folder. The first forecast
on a machine takes its speed from the number of its cores.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from subjective.checks import FileError
from subjective.compilation import cache_dir
from subjective.files import write_bytes
from subjective.version import __version__

REFERENCE_CORES = 2
"""Cores of the machine that the constants were measured on."""

MOST_CORES = 8
"""More cores than this are not expected to help."""

GPU_FACTOR = 1 / 200
"""Time of an evaluation on a GPU, as a multiple of the reference's: an H100 takes 1/300 (`experiments/18_gpu.md`)."""

COMPILER_BYTES = 1_000_000_000
"""Bytes that stay in the process after programs are compiled, until this machine's runs have measured it."""

KEPT_PROGRAMS = 200
"""Number of runs whose programs are remembered as compiled."""


@dataclass(frozen=True)
class Rates:
    """How long this machine takes, as multiples of the reference's time.

    Attributes:
        evaluating: for an evaluation of a loss and its gradient.
        compiling: for preparing a run whose programs are not in the cache.
        loading: for preparing a run whose programs are in the cache.
        compiled: keys of the runs whose programs are in the cache, from `key_of`; the latest last.
        compiler_bytes: the most bytes that stayed in a process after its programs were compiled.
    """

    evaluating: float = 1.0
    compiling: float = 1.0
    loading: float = 1.0
    compiled: tuple[str, ...] = ()
    compiler_bytes: float = COMPILER_BYTES

    def measured(self, key: str, evaluating: float, preparing: float, compiler_bytes: float = 0) -> Rates:
        """Return the rates after a run has measured them.

        Args:
            key: the key of the run.
            evaluating: what an evaluation took, as a multiple of the reference's time.
            preparing: what preparing took, as a multiple of the reference's time for compiling, or for loading if the
                run's programs were in the cache.
            compiler_bytes: bytes that stayed in the process after the programs were compiled or loaded; 0 if this is
                not known.
        """
        which = "loading" if key in self.compiled else "compiling"
        known = self.compiler_bytes if self.compiler_bytes != COMPILER_BYTES else 0
        most = max(known, compiler_bytes) or COMPILER_BYTES
        kept = (*(one for one in self.compiled if one != key), key)[-KEPT_PROGRAMS:]
        return dataclasses.replace(
            self, evaluating=evaluating, compiled=kept, compiler_bytes=most, **{which: preparing}
        )


def key_of(config: Any, sizes: Sequence[tuple[int, int]]) -> str:
    """Return a key of the programs of a run: of all settings, versions and sizes on which they depend.

    Args:
        config: settings of the run, with tiles and optimizer chosen.
        sizes: (height, width) of each source.
    """
    names = (
        "layers", "layer_weights", "statistic", "octaves", "octave_step", "octave_weights", "padding_mode", "pooling",
        "raw_weights", "tile", "precision", "devices", "relative", "block", "first_stage", "schedule", "content_layers",
    )  # fmt: skip
    settings = [type(config).__name__, config.size, config.pictures_per_step, config.passes]
    settings += [getattr(config, name, None) for name in names]
    text = json.dumps([settings, list(sizes), __version__, jax.__version__])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_rates() -> Rates:
    """Return what this machine's runs have measured; a guess if there is nothing, or nothing that can be read."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))[_device()]
        times = {name: float(found[name]) for name in ("evaluating", "compiling", "loading")}
        kept = float(found.get("compiler_bytes", COMPILER_BYTES))
        if all(0 < time < 1e6 for time in times.values()) and 0 < kept < 1e11:
            return Rates(**times, compiled=tuple(map(str, found["compiled"])), compiler_bytes=kept)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        pass
    return _guess()


def write_rates(rates: Rates) -> None:
    """Keep the rates for later forecasts; do nothing if the file cannot be written."""
    try:
        try:
            every = json.loads(_file().read_text(encoding="utf-8"))
        except (OSError, ValueError):
            every = {}
        every = (every if isinstance(every, dict) else {}) | {_device(): dataclasses.asdict(rates)}
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_bytes(_file(), f"{json.dumps(every, indent=1)}\n".encode())
    except (OSError, RuntimeError, FileError):  # a full disk, no permission to write, or no home folder
        pass


def _guess() -> Rates:
    if jax.default_backend() != "cpu":
        return Rates(evaluating=GPU_FACTOR)
    return Rates(evaluating=REFERENCE_CORES / min(os.cpu_count() or REFERENCE_CORES, MOST_CORES))


def _device() -> str:
    """Return the name of what computes: rates of another device are of no use."""
    return f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores"


def _file() -> Path:
    return cache_dir().parent / "rates.json"
