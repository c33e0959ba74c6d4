"""Share a command among several processes; `subjective.runs.processes` says how."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable
from typing import Any

from subjective.checks import InputError, MissingPackageError, setting
from subjective.cli.arguments import render_error
from subjective.cli.options import DistributedOptions
from subjective.compilation import enable_disk_cache
from subjective.network.vgg import Params
from subjective.runs.processes import Leader, Member, join_processes, leave
from subjective.runs.shared_loss import Follower, SharedLosses
from subjective.statistics.tiling import choose_tiling
from subjective.synthesis.plan import Size, analysis_of
from subjective.synthesis.problem import Job
from subjective.terminal import note, report_error

_SHARED: list[SharedLosses] = []
"""What this process shares with others, if it is process 0 of several."""


def join(options: DistributedOptions) -> Leader:
    """Find the other processes of the run. Only process 0 returns; the others compute until the run ends.

    Args:
        options: options of the command.
    """
    try:
        _find_flatbuffers()
        enable_disk_cache()
        found = join_processes(options.coordinator, options.processes, options.process_id)
        if isinstance(found, Member):
            found.serve(Follower())
    except InputError as error:
        report_error(render_error(error, type(options)))
        leave(2)  # JAX would wait for the other processes
    except Exception as error:
        traceback.print_exception(error)
        report_error(f"a fault of this program: {type(error).__name__}; the traceback is above")
        leave(1)
    _SHARED.append(SharedLosses(found))
    note(f"{found.count} processes with {found.devices} devices")
    return found


def _find_flatbuffers() -> None:
    """Refuse to begin without the package that JAX writes and reads programs with."""
    try:
        import flatbuffers  # noqa: F401
    except ImportError:
        needed = "needs the package flatbuffers; install it with `pip install 'subjective[distributed]'`"
        raise MissingPackageError(f"{setting('distributed')} {needed}") from None


def share_options(options: Any) -> Any:
    """Return options that use the devices of all processes; the same options if there is one process only."""
    return dataclasses.replace(options, devices=_SHARED[0].leader.devices) if _SHARED else options


def share_job(prepare: Callable[[Any], Job]) -> Callable[[Any], Job]:
    """Return a function that prepares a job whose losses all processes evaluate."""
    return (lambda options: _SHARED[0].share(prepare(options))) if _SHARED else prepare


def note_shares(options: Any, params: Params, sizes: list[Size]) -> None:
    """Note if the devices of the processes cannot divide the picture's rows.

    Args:
        options: from `share_options`, with the number of octaves chosen.
        params: the network.
        sizes: (height, width) of each source.
    """
    height, devices = options.size[0], options.devices
    if not _SHARED or devices == 1:
        return
    tiling = choose_tiling(analysis_of(options, params, sizes), options.octave_indices[0], height, params)
    if tiling is None or tiling.devices == 1:
        note(
            f"note: {devices} devices cannot divide {height} rows evenly, so that each computes all; choose a height "
            f"that is a multiple of {4 * devices}, and large enough"
        )
